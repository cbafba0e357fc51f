//! Texts with a word on each line and columns beside it, as the shared tasks of CoNLL have them.
//!
//! ```text
//! -DOCSTART- O
//!
//! Ada B-PER
//! wrote O
//! ```
//!
//! Words are joined again, so that a tokenizer sees natural text, and their tags become entities in characters. `# key = value` before the
//! first word is a field of the text, and where documents begin, their number is the field `document`.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::ops::ControlFlow;

use super::brackets;
use super::findings::{Findings, Note};
use super::options::Options;
use super::pieces::{Each, in_line, lines};
use super::problems::Malformed;
use super::sentence::Sentence;
use super::shapes;
use super::tags::Tag;
use crate::text::Example;

/// What begins a document, in the place of a word.
const DOCUMENT: &str = "-DOCSTART-";

/// The same, and what ends one, in the files of CoNLL-2012.
const BEGIN: &str = "#begin document";
const END: &str = "#end document";

/// A sentence that has not ended.
#[derive(Default)]
struct Open {
    line: usize,
    words: Vec<String>,
    tags: Vec<String>,
    /// Its first line.
    begin: String,
    fields: BTreeMap<String, String>,
    /// A line of it was wrong.
    broken: bool,
}

struct Reader<'a, 'e> {
    options: &'a Options,
    each: &'a mut Each<'e>,
    /// Whether columns are divided by tabs, and how many there are: as in the first line with a word.
    shape: Option<(bool, usize)>,
    /// Whether some tag has had a prefix and a type, so that others have.
    has_prefixes: bool,
    documents: usize,
    findings: Findings,
    open: Open,
}

/// Reads a text from each sentence.
///
/// # Errors
/// Those of `source`.
pub(super) fn read(
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut reader = Reader {
        options,
        each,
        shape: None,
        has_prefixes: false,
        documents: 0,
        findings: Findings::default(),
        open: Open::default(),
    };
    let mut flow = ControlFlow::Continue(());
    lines(source, &mut |number, line| {
        flow = match line {
            Ok(line) => reader.line(number, line),
            Err(problem) => reader.wrong(problem),
        };
        flow
    })?;
    if flow.is_continue() {
        let _ = reader.end();
    }
    Ok(reader.findings)
}

impl Reader<'_, '_> {
    fn wrong(&mut self, problem: Malformed) -> ControlFlow<()> {
        self.open.broken = true;
        (self.each)(Err(problem))
    }

    fn line(&mut self, number: usize, line: &str) -> ControlFlow<()> {
        if line.chars().all(|character| character.is_whitespace() || character == '\0') {
            return self.end();
        }
        if line.starts_with(DOCUMENT) || line.starts_with(BEGIN) {
            self.documents += 1;
            return self.end();
        }
        if line.starts_with(END) {
            return self.end();
        }
        let tabs = self.shape.map_or(line.contains('\t'), |(tabs, _)| tabs);
        let cells = cells(line, tabs);
        if self.open.words.is_empty() && !self.open.broken && self.is_comment(line, &cells) {
            if let Some((key, value)) = line[1..].split_once('=') {
                // In `# id 7 domain=en` it is the word before the sign.
                let (key, value) = (key.split_whitespace().last(), value.trim());
                if let Some(key) = key.filter(|_| !value.is_empty()) {
                    self.open.fields.insert(key.to_owned(), value.to_owned());
                }
            }
            return ControlFlow::Continue(());
        }
        let divided = if tabs { "tabs" } else { "spaces" };
        if cells.len() < 2 {
            // Something else may stand between its cells.
            let message = format!("the line has a single column between {divided}, and no tag");
            let help = "a word and its tag stand on each line, divided by a tab or by spaces, such as `Ada B-PER`; `format` says what else the file is, and `on_error = \"skip\"` leaves out what is wrong";
            let problem = in_line(number, line, 0, message).help(help);
            return self.wrong(problem);
        }
        let (_, width) = *self.shape.get_or_insert((tabs, cells.len()));
        let cell = |at: i32| {
            let at = isize::try_from(at).ok()?;
            let at = if at < 0 { cells.len().checked_add_signed(at) } else { at.try_into().ok() };
            at.and_then(|at| cells.get(at).map(|cell| cell.trim()))
        };
        let columns = self.options.columns;
        let has = format!("the line has {} columns between {divided}", cells.len());
        let (Some(word), Some(tag)) = (cell(columns.token), cell(columns.tag)) else {
            let (one, other) = (columns.token, columns.tag);
            let message = format!("{has}, and `columns` asks for {one} and {other}");
            return self.wrong(in_line(number, line, 0, message));
        };
        // A word in the place of its tag is no tag at best, and a type at worst.
        if cells.len() != width && columns.tag < 0 {
            let message = format!("{has} where those before have {width}");
            return self.wrong(in_line(number, line, 0, message));
        }
        if self.open.words.is_empty() {
            self.open.line = number;
            self.open.begin = line.to_owned();
        }
        self.has_prefixes |= tag.contains(['-', '_']) && Tag::prefixed(tag).is_some();
        self.open.words.push(word.to_owned());
        self.open.tags.push(tag.to_owned());
        ControlFlow::Continue(())
    }

    /// A line that begins with `#` before the first word of a sentence, and could not be a word with a tag.
    fn is_comment(&self, line: &str, cells: &[&str]) -> bool {
        if !line.starts_with('#') {
            return false;
        }
        let says = line.starts_with("# ") && line.contains(" = ");
        if Tag::prefixed(cells.last().copied().unwrap_or_default()).is_some() {
            return false;
        }
        // The word `#` has a tag like those of others.
        let is_apart = cells[0].trim() == "#";
        match self.shape {
            None => is_apart || line.starts_with("# ") || cells.len() < 2,
            Some((_, width)) => says || cells.len() != width || is_apart && self.has_prefixes,
        }
    }

    fn end(&mut self) -> ControlFlow<()> {
        let Open { line, words, tags, begin, mut fields, broken } = std::mem::take(&mut self.open);
        if broken || words.is_empty() {
            return ControlFlow::Continue(());
        }
        let numbers = || words.iter().zip(1..).all(|(word, at)| *word == at.to_string());
        if words.len() > 1 && numbers() {
            self.findings.note(Note::Numbered);
        }
        let sentence = Sentence { words: &words, tags: &tags, text: None };
        let (mut text, entities) = match sentence.read(self.options, &mut self.findings) {
            Ok(content) => content,
            Err(problem) => {
                let at = problem.place;
                let shown = format!("{} {}", words[at], tags[at]);
                let place = in_line(line + at, &shown, 0, String::new()).place;
                return (self.each)(Err(problem.at(place)));
            }
        };
        if text.contains('\0') {
            self.findings.note(Note::Nul);
            text = text.replace('\0', "\u{fffd}");
        }
        if self.documents > 0 {
            fields.insert("document".to_owned(), self.documents.to_string());
        }
        let mut example = Example { text, entities, line, ..Example::default() };
        for (name, value) in fields {
            if let Err(misread) =
                shapes::put(&mut example, self.options, &name, value, &mut self.findings)
            {
                let place = in_line(line, &begin, 0, String::new()).place;
                return (self.each)(Err(misread.at(place)));
            }
        }
        (self.each)(Ok(example))
    }
}

fn cells(line: &str, tabs: bool) -> Vec<&str> {
    if tabs {
        return line.split('\t').collect();
    }
    // A space that breaks no line is part of a word.
    let divides =
        |it: char| it.is_whitespace() && !matches!(it, '\u{a0}' | '\u{2007}' | '\u{202f}');
    line.split(divides).filter(|cell| !cell.is_empty()).collect()
}

/// Whether lines look like words with tags: several columns, of which the last are tags.
pub(super) fn looks_like_one(lines: &[&str]) -> bool {
    let (mut tags, mut brackets) = (0, 0);
    let (mut words, mut blank, mut outside) = (0, 0, 0);
    for line in lines {
        if line.trim().is_empty() {
            blank += 1;
            continue;
        }
        if line.starts_with(DOCUMENT) || line.starts_with(BEGIN) {
            return true;
        }
        if line.starts_with("# ") && words == 0 {
            continue;
        }
        let cells = cells(line, line.contains('\t'));
        if cells.len() < 2 {
            return false;
        }
        let last = cells.last().copied().unwrap_or_default().trim();
        words += 1;
        tags += usize::from(Tag::prefixed(last).is_some());
        brackets += usize::from(brackets::is_one(last));
        outside += usize::from(last == "*");
    }
    // A text may end with a word in brackets.
    let tags = if outside > 0 { tags.max(brackets) } else { tags };
    // Texts that end with a lone `O` are no rarity, nine of ten of them in a file are.
    tags * 10 >= words * 9 && words > 0 && (blank > 0 || words == tags)
}
