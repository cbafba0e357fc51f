//! Tables with a text in each row: cells divided by commas or tabs, and a header that names the columns.
//!
//! ```text
//! text,entities,severity
//! "Ada wrote","[[0, 3, ""PER""]]",low
//! ```
//!
//! Entities stand in a cell as the JSON that `jsonl` reads, or in the text as `[Ada](PER)`, where `markup = true` says so. Empty cells say nothing.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use csv::StringRecord;
use serde_json::value::RawValue;

use super::findings::{Findings, Note};
use super::json::Text;
use super::names::{ENTITIES, TEXTS};
use super::options::Options;
use super::pieces::{DIVIDE, Each};
use super::problems::{Malformed, Misread, Spot, excerpt};
use super::quotes::{Quotes, Stray};
use super::source::LINE_LIMIT_BYTES;
use super::{entities, markup, shapes};
use crate::base::problem::{Position, Problem};
use crate::base::visible;
use crate::text::{Entity, Example};

/// What may stand between cells, where nobody says it.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Reads a text from each row.
///
/// * `delimiter`: `None` is the first of [`DELIMITERS`] that the header has
///
/// # Errors
/// Those of `source`.
pub(super) fn read(
    source: &mut dyn BufRead,
    delimiter: Option<u8>,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let head = source.fill_buf()?;
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let end: &[u8] = if first.ends_with(b"\r") { b"\r\n" } else { b"\n" };
    let delimiter = delimiter.unwrap_or_else(|| {
        let guessed = DELIMITERS.into_iter().find(|it| first.contains(it)).unwrap_or(b',');
        if guessed != b',' {
            findings.note(Note::Delimiter(guessed.into()));
        }
        guessed
    });
    let allowed = Rc::new(Cell::new(LINE_LIMIT_BYTES));
    let quotes = Rc::new(RefCell::new(Quotes::new(delimiter)));
    let (limit, followed) = (Rc::clone(&allowed), Rc::clone(&quotes));
    let bounded = Bounded { source, allowed: limit, quotes: followed, last: b'\n', end };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(bounded);
    let mut row = StringRecord::new();
    let mut columns: Option<Columns> = None;
    loop {
        allowed.set(LINE_LIMIT_BYTES);
        // Of `\r\n`, a row ends at the first and the next begins at the second, which ends its line.
        let late = if columns.is_some() { end.len() - 1 } else { 0 };
        let now = |reader: &csv::Reader<_>| {
            usize::try_from(reader.position().line()).unwrap_or(usize::MAX)
        };
        let before = now(&reader);
        let found = match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => Ok(()),
            Err(error) => Err(unreadable(error, before + late)?),
        };
        let (line, stray) = match found {
            Err(_) => (before + late, None),
            // Told from where the row ends: empty lines before it were passed over with it.
            Ok(()) => {
                let inside: usize = row.iter().map(|cell| cell.matches('\n').count()).sum();
                let line = (now(&reader) + end.len() - 2).saturating_sub(inside).max(1);
                (line, quotes.borrow_mut().until(line + inside))
            }
        };
        let found = stray.map_or(found, |stray| Err(never_meant(stray, &row)));
        let found = match (found, &columns) {
            (Err(problem), _) => Some(Err(problem)),
            (Ok(()), None) => match Columns::of(&row, options) {
                Ok(found) => {
                    columns = Some(found);
                    None
                }
                Err(misread) => {
                    // Without names nothing can be read.
                    let _ = each(Err(in_row(misread, &StringRecord::new(), line)));
                    return Ok(findings);
                }
            },
            (Ok(()), Some(columns)) => Some(
                columns
                    .example(&row, line, options, &mut findings)
                    .map_err(|misread| in_row(misread, &row, line)),
            ),
        };
        if let Some(found) = found
            && each(found).is_break()
        {
            break;
        }
    }
    Ok(findings)
}

/// What is wrong with a row that is no text; the error is one of the source.
fn unreadable(error: csv::Error, line: usize) -> io::Result<Malformed> {
    let start = Position { line, column: 1 };
    let spot = Spot { position: start, excerpt: String::new() };
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|error| error.is::<TooLong>()) => {
            Ok(Problem::new(spot, TooLong.to_string()).help(DIVIDE))
        }
        csv::ErrorKind::Io(error) => Err(error),
        csv::ErrorKind::Utf8 { err, .. } => {
            let message = format!("cell {} is not UTF-8", err.field() + 1);
            Ok(Problem::new(spot, message)
                .help("`encoding = \"latin-1\"` or `\"utf-16\"`, at a command line `--encoding`, says what the file is in instead"))
        }
        _ => Ok(Problem::new(spot, "the row cannot be read")),
    }
}

/// What is wrong with a row of which one cell took others with it.
fn never_meant(Stray { opened, closed }: Stray, row: &StringRecord) -> Malformed {
    let message = match closed {
        Some(line) => {
            format!("the quote that opens here closes in line {line} only, where text follows it")
        }
        None => "the quote that opens here is never closed".to_owned(),
    };
    let cell = row.iter().find(|cell| cell.contains('\n')).unwrap_or_default();
    let position = Position { line: opened, column: 1 };
    let excerpt = excerpt(cell.lines().next().unwrap_or_default(), 0);
    Problem::new(Spot { position, excerpt }, message).help(
        "all lines up to there are one cell: a cell that begins with a quote ends with one, and one inside of it is doubled, as in `\"\"\"Yes\"\", she said\"`",
    )
}

/// What is wrong with a row; its place is a cell.
fn in_row(misread: Misread, row: &StringRecord, line: usize) -> Malformed {
    let cell = row.get(misread.place).unwrap_or_default();
    let position = Position { line, column: 1 };
    misread.at(Spot { position, excerpt: excerpt(cell.lines().next().unwrap_or_default(), 0) })
}

/// A source that ends with an error where a row has no end, and whose last row ends as all others do, so that lines can be counted by ends.
struct Bounded<'s> {
    source: &'s mut dyn BufRead,
    /// The bytes that may be read before the row ends.
    allowed: Rc<Cell<usize>>,
    quotes: Rc<RefCell<Quotes>>,
    /// The last byte that was read.
    last: u8,
    /// What ends a row.
    end: &'static [u8],
}

#[derive(Debug, thiserror::Error)]
#[error("the row is longer than {LINE_LIMIT_BYTES} bytes: a quote that nothing closes?")]
struct TooLong;

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed.get();
        if allowed == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong));
        }
        let mut count = self.source.read(buffer)?;
        self.quotes.borrow_mut().follow(&buffer[..count]);
        if count == 0 {
            self.quotes.borrow_mut().end();
        }
        if count == 0 && self.last != b'\n' && buffer.len() >= self.end.len() {
            count = self.end.len();
            buffer[..count].copy_from_slice(self.end);
        }
        self.last = buffer[..count].last().copied().unwrap_or(self.last);
        self.allowed.set(allowed.saturating_sub(count));
        Ok(count)
    }
}

/// What the columns of a table are.
struct Columns {
    names: Vec<String>,
    /// Not there where a text is known by its `id`.
    text: Option<usize>,
    /// Whether the text has its column though nobody said so, nor is that called `text`.
    is_guessed: bool,
    entities: Option<usize>,
    /// Where they may stand too, if nobody says where.
    perhaps: Vec<usize>,
}

impl Columns {
    fn of(row: &StringRecord, options: &Options) -> Result<Self, Misread> {
        let names: Vec<String> = row.iter().map(|name| name.trim().to_owned()).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) && !name.is_empty() {
                let message = format!("the column `{}` stands twice", visible::line(name));
                return Err(Misread::new(at, message));
            }
        }
        let place = |name: &str| {
            let exact = names.iter().position(|other| other == name);
            // People write headers with capitals; what was asked for is meant as it stands.
            let folded = || names.iter().position(|other| other.eq_ignore_ascii_case(name));
            exact.or_else(|| {
                if ENTITIES.contains(&name) || TEXTS.contains(&name) { folded() } else { None }
            })
        };
        let asked = options.fields.text.as_deref();
        let text = options.texts().into_iter().find_map(place);
        let has_id =
            place(ENTITIES[0]).is_none() && names.iter().any(|name| options.name(name) == "id");
        if text.is_none() && options.needs_text(has_id) {
            let which = options.which_text(&[]);
            return Err(no_column(asked.unwrap_or("text"), &names)
                .help(format!("the first row names the columns: where there is no such row, write one above, such as `text,label`; {which}")));
        }
        let is_guessed = asked.is_none() && text.is_some_and(|at| names[at] != "text");
        let entities = match &options.fields.entities {
            _ if !options.wants_labels() => None,
            None => place(ENTITIES[0]),
            Some(name) => Some(place(name).ok_or_else(|| {
                no_column(name, &names).help("`fields = { entities = \"...\" }` says which column the entities are, as the first row names it")
            })?),
        };
        let perhaps = match (entities, options.markup || !options.wants_labels()) {
            (None, false) => options.entities().into_iter().filter_map(place).collect(),
            _ => Vec::new(),
        };
        Ok(Self { names, text, is_guessed, entities, perhaps })
    }

    /// The text of a row.
    fn example(
        &self,
        row: &StringRecord,
        line: usize,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<Example, Misread> {
        if row.len() != self.names.len() {
            let (has, columns) = (row.len(), self.names.len());
            let cells = if has == 1 { "1 cell" } else { &format!("{has} cells") };
            let message = format!("the row has {cells}, and the header {columns}");
            return Err(Misread::new(0_usize, message).help("a cell with a delimiter, a quote or a line break in it stands in quotes; `on_error = \"skip\"` leaves out such rows"));
        }
        let text = self.text.map_or("", |at| &row[at]);
        let guessed = self.perhaps.iter().copied().find(|at| hold_entities(&row[*at]));
        if let Some(at) = guessed {
            findings.note(Note::EntitiesFrom(self.names[at].clone()));
        }
        let in_column = self.entities.or(guessed);
        if options.fields.entities.is_some() {
            findings.mapped.insert("entities");
        }
        if let Some(at) = self.text.filter(|_| self.is_guessed) {
            findings.note(Note::TextFrom(self.names[at].clone()));
        }
        let in_text = |message: String| Misread::new(self.text.unwrap_or(0), message);
        let (mut text, entities) = if options.markup {
            let (text, marked) =
                markup::read(text).map_err(|misread| misread.at(self.text.unwrap_or(0)))?;
            let entities = markup::named(marked, options, findings).map_err(in_text)?;
            (text, Some(entities))
        } else {
            if markup::is_marked(text) {
                findings.note(Note::LooksMarked);
            }
            let cell = in_column.map(|at| (at, row[at].trim()));
            let entities = match cell.filter(|(_, cell)| !cell.is_empty()) {
                None => None,
                Some((at, cell)) => {
                    findings.has_entities = true;
                    Some(in_cell(cell, text, options, findings).map_err(|misread| misread.at(at))?)
                }
            };
            (text.to_owned(), entities)
        };
        if text.contains('\0') {
            findings.note(Note::Nul);
            text = text.replace('\0', "\u{fffd}");
        }
        let mut example = Example { text, entities, line, ..Example::default() };
        for (at, (name, cell)) in self.names.iter().zip(row.iter()).enumerate() {
            let is_used = Some(at) == self.text || in_column == Some(at);
            if is_used || cell.is_empty() || name.is_empty() {
                continue;
            }
            shapes::put(&mut example, options, name, cell.to_owned(), findings)
                .map_err(|misread| misread.at(at))?;
        }
        Ok(example)
    }
}

/// What to say of a column that is not there.
fn no_column(name: &str, names: &[String]) -> Misread {
    let shown = visible::line(&names.join("`, `")).into_owned();
    let message = format!("there is no column `{}`, but `{shown}`", visible::line(name));
    Misread::new(0_usize, message)
}

/// Whether a cell is a list of entities as JSON.
fn hold_entities(cell: &str) -> bool {
    let items = || serde_json::from_str::<Vec<&RawValue>>(cell).ok();
    cell.trim_start().starts_with('[')
        && items().is_some_and(|items| {
            !items.is_empty() && items.iter().all(|item| entities::looks_like_one(item))
        })
}

/// The entities that stand in a cell as JSON.
fn in_cell(
    cell: &str,
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Vec<Entity>, Misread> {
    let values = serde_json::from_str::<Vec<&RawValue>>(cell).map_err(|_| {
        let message = "the cell is no JSON such as `[[0, 3, \"PER\"]]`";
        Misread::new(0_usize, message).help(
            "write entities as JSON, in double quotes, or mark them in the text: `markup = true`",
        )
    })?;
    entities::read(Text(cell), &values, text, options, findings)
}
