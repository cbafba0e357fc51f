//! Corpora as JSON lines.
//!
//! ```json
//! {"text": "Disk sda failed", "entities": [{"start": 5, "end": 8, "label": "DEV"}], "anomaly": 1, "event": "E7"}
//! ```
//!
//! `text`, `entities` (empty where there are none) and `anomaly` are needed on every line. Any other field with a string, number or boolean
//! is kept as text in [`Example::fields`], an array or object as its JSON; nulls are passed over. Empty lines are, too. A byte order mark at the
//! start and line ends of `\r\n` are accepted. Offsets count what [`Offsets`] says, and are characters from here on.
//!
//! Every malformed line is reported, not only the first; of many, the first [`REPORTED`] with the count of the rest. Memory is bounded by
//! what is kept: a line over [`LINE_LIMIT_BYTES`] is skipped as it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::offsets::{Offsets, Ruler};
use super::{Entity, Example};

use crate::base::disk::regular;
use crate::base::visible;

/// The longest line that is read.
pub const LINE_LIMIT_BYTES: usize = 16 << 20;

/// How many malformed lines an error lists.
pub const REPORTED: usize = 20;

/// The longest name of an entity type.
const LABEL_LIMIT_CHARACTERS: usize = 64;

/// How much text is read before it is parsed on all threads.
const CHUNK_BYTES: usize = 4 << 20;

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// From 1.
    pub line: usize,
    /// Of the value that is wrong, or of the start of the line; in characters from 1.
    pub column: usize,
    pub message: String,
}

/// What is wrong in the text of a line, and where in bytes.
struct Misread {
    at: usize,
    message: String,
}

impl Misread {
    fn of_line(message: impl Into<String>) -> Self {
        Self { at: 0, message: message.into() }
    }

    fn in_line(self, line: usize, text: &str) -> LineProblem {
        let before = &text[..text.floor_char_boundary(self.at.min(text.len()))];
        LineProblem { line, column: before.chars().count() + 1, message: self.message }
    }
}

/// Why a file gave no examples.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}", render(path, problems, *more))]
    Malformed {
        path: PathBuf,
        problems: Vec<LineProblem>,
        /// Malformed lines beyond those listed.
        more: usize,
    },
    #[error("`{}` has no lines", path.display())]
    Empty { path: PathBuf },
}

impl ReadError {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        let too_long = too_long(LINE_LIMIT_BYTES);
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "see that the file is where the experiment says"
            }
            Self::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                "change the permissions of the file"
            }
            Self::Io { .. } => {
                "the disk or the network that holds the file does not hand it out: copy it to another place, or check that"
            }
            Self::Malformed { problems, .. }
                if problems.iter().all(|problem| problem.message == too_long) =>
            {
                "every example has a line of its own: end each with a line break, or divide texts that are so long"
            }
            Self::Malformed { .. } | Self::Empty { .. } => {
                "a line is `{\"text\": \"...\", \"entities\": [{\"start\": 0, \"end\": 5, \"label\": \"NODE\"}], \"anomaly\": 0}`"
            }
        }
    }
}

fn too_long(limit: usize) -> String {
    format!("the line is longer than {limit} bytes")
}

fn render(path: &Path, problems: &[LineProblem], more: usize) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .map(|LineProblem { line, column, message }| {
            format!("{}:{line}:{column}: {message}", path.display())
        })
        .collect();
    match more {
        0 => {}
        1 => lines.push("and 1 more malformed line".into()),
        more => lines.push(format!("and {more} more malformed lines")),
    }
    lines.join("\n")
}

/// Reads a file of JSON lines.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, has no line, or has malformed ones.
pub fn read(path: &Path) -> Result<Vec<Example>, ReadError> {
    read_with(path, Offsets::Characters)
}

/// Reads a file of JSON lines in which `start` and `end` count in `offsets`.
///
/// # Errors
/// As [`read`], and when an offset lies inside a character.
pub fn read_with(path: &Path, offsets: Offsets) -> Result<Vec<Example>, ReadError> {
    let file = regular::open(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    let limits = Limits { bytes: LINE_LIMIT_BYTES, offsets };
    let mut examples = Vec::new();
    let reader = io::BufReader::with_capacity(1 << 16, file);
    read_limited(reader, path, limits, &mut |example| examples.push(example))?;
    Ok(examples)
}

/// What is asked of lines.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The longest.
    bytes: usize,
    offsets: Offsets,
}

/// Reads what [`write`] wrote, whatever the length of its lines: they may be longer than those that they were read from.
///
/// # Errors
/// As [`read`].
pub fn read_back(path: &Path) -> Result<Vec<Example>, ReadError> {
    let mut examples = Vec::new();
    read_back_each(path, &mut |example| examples.push(example))?;
    Ok(examples)
}

/// The same text by text, so that few are in memory at a time.
///
/// # Errors
/// As [`read`]; what came before the error has been handed out.
pub fn read_back_each(path: &Path, each: &mut dyn FnMut(Example)) -> Result<(), ReadError> {
    let file = regular::open(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    let limits = Limits { bytes: usize::MAX, offsets: Offsets::Characters };
    read_limited(io::BufReader::with_capacity(1 << 16, file), path, limits, each)
}

/// Reads JSON lines from anywhere; `path` is what messages call it.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl BufRead, path: &Path) -> Result<Vec<Example>, ReadError> {
    let mut examples = Vec::new();
    let limits = Limits { bytes: LINE_LIMIT_BYTES, offsets: Offsets::Characters };
    read_limited(reader, path, limits, &mut |example| examples.push(example))?;
    Ok(examples)
}

fn read_limited(
    mut reader: impl BufRead,
    path: &Path,
    limits: Limits,
    each: &mut dyn FnMut(Example),
) -> Result<(), ReadError> {
    let io = |error| ReadError::Io { path: path.into(), error };
    let (mut any, mut problems, mut more) = (false, Vec::new(), 0_usize);
    let (mut line, mut ended) = (0_usize, false);
    while !ended {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES && !ended {
            match read_line(&mut reader, limits.bytes).map_err(io)? {
                None => ended = true,
                Some(content) => {
                    line += 1;
                    bytes += content.as_ref().map_or(0, Vec::len) + 64;
                    chunk.push((line, content));
                }
            }
        }
        let parsed: Vec<_> = chunk
            .into_par_iter()
            .map(|(line, content)| parse_line(line, content, limits))
            .collect();
        for result in parsed {
            match result {
                // After a problem nothing will be returned but problems.
                Ok(Some(example)) if problems.is_empty() => {
                    any = true;
                    each(example);
                }
                Ok(_) => {}
                Err(problem) if problems.len() < REPORTED => problems.push(problem),
                Err(_) => more += 1,
            }
        }
    }
    match (problems.is_empty(), any) {
        (false, _) => Err(ReadError::Malformed { path: path.into(), problems, more }),
        (true, false) => Err(ReadError::Empty { path: path.into() }),
        (true, true) => Ok(()),
    }
}

/// The next line without its end; `Some(None)` when it is longer than `limit`, which then is passed over.
#[expect(clippy::option_option, reason = "the end of the file and a line that is too long differ")]
fn read_line(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<Option<Vec<u8>>>> {
    let (mut line, mut too_long, mut any) = (Vec::new(), false, false);
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            break;
        }
        any = true;
        let newline = available.iter().position(|byte| *byte == b'\n');
        let taken = &available[..newline.unwrap_or(available.len())];
        if too_long || line.len() + taken.len() > limit {
            too_long = true;
            line = Vec::new();
        } else {
            line.extend_from_slice(taken);
        }
        let used = newline.map_or(available.len(), |newline| newline + 1);
        reader.consume(used);
        if newline.is_some() {
            break;
        }
    }
    Ok(any.then_some((!too_long).then_some(line)))
}

fn parse_line(
    line: usize,
    content: Option<Vec<u8>>,
    limits: Limits,
) -> Result<Option<Example>, LineProblem> {
    let content =
        content.ok_or_else(|| Misread::of_line(too_long(limits.bytes)).in_line(line, ""))?;
    let text = std::str::from_utf8(&content).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("byte {} is not UTF-8", at + 1);
        Misread { at, message }.in_line(line, &String::from_utf8_lossy(&content))
    })?;
    let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse_example(text, line, limits.offsets).map(Some)
}

/// Reads one line, whose offsets count in `offsets`.
///
/// # Errors
/// What is wrong and what was expected, and where.
pub fn parse_example(text: &str, line: usize, offsets: Offsets) -> Result<Example, LineProblem> {
    read_example(text, line, offsets).map_err(|misread| misread.in_line(line, text))
}

fn read_example(text: &str, line: usize, offsets: Offsets) -> Result<Example, Misread> {
    let Members(members) = serde_json::from_str(text).map_err(|error| json_problem(&error, 0))?;
    let place = |raw: &RawValue| raw.get().as_ptr() as usize - text.as_ptr() as usize;
    let problem = |raw: &RawValue, error: serde_json::Error| json_problem(&error, place(raw));
    let wrong =
        |raw: Option<&RawValue>, message: String| Misread { at: raw.map_or(0, place), message };
    let whole = |raw: &RawValue| {
        serde_json::from_str::<Value>(raw.get()).map_err(|error| problem(raw, error))
    };
    let (mut content, mut entities, mut anomaly, mut fields) = (None, None, None, BTreeMap::new());
    for (name, raw) in members {
        let value = raw;
        let repeated = match name.as_str() {
            "text" => content.replace(value).is_some(),
            "entities" => entities.replace(value).is_some(),
            "anomaly" => anomaly.replace(value).is_some(),
            _ => match scalar(value).map_err(|error| problem(value, error))? {
                Some(value) => fields.insert(name.clone(), value).is_some(),
                None => false,
            },
        };
        if repeated {
            let message = format!("`{}` stands twice", visible::line(&name));
            return Err(wrong(Some(raw), message));
        }
    }
    let given = content;
    let content = match content.map(whole).transpose()? {
        Some(Value::String(text)) => text,
        Some(other) => {
            let message = format!("`text` is {}, expected a string", describe(&other));
            return Err(wrong(given, message));
        }
        None => return Err(Misread::of_line("`text` is missing")),
    };
    if let Some(at) = content.chars().position(|character| character == '\0') {
        return Err(wrong(given, format!("`text` holds a NUL at character {at}")));
    }
    let entities: Vec<&RawValue> = match entities {
        Some(raw) if raw.get().starts_with('[') => {
            serde_json::from_str(raw.get()).map_err(|error| problem(raw, error))?
        }
        Some(raw) => {
            let message = format!("`entities` is {}, expected an array", describe(&whole(raw)?));
            return Err(wrong(Some(raw), message));
        }
        None => {
            let message = "`entities` is missing; write `[]` where there are none";
            return Err(Misread::of_line(message));
        }
    };
    let entities = read_entities(&entities, (&whole, &place), &content, offsets)?;
    let given = anomaly;
    let anomaly = match anomaly.map(whole).transpose()? {
        Some(Value::Number(number)) if number.as_u64() == Some(0) => 0,
        Some(Value::Number(number)) if number.as_u64() == Some(1) => 1,
        Some(other) => {
            let message =
                format!("`anomaly` is {}, expected 0 (normal) or 1 (anomaly)", describe(&other));
            return Err(wrong(given, message));
        }
        None => {
            let message = "`anomaly` is missing; expected 0 (normal) or 1 (anomaly)";
            return Err(Misread::of_line(message));
        }
    };
    Ok(Example { text: content, entities, anomaly, fields, line })
}

/// Reads a value, or says what is wrong with it and where.
type Whole<'a> = dyn Fn(&RawValue) -> Result<Value, Misread> + 'a;

/// * `place`: where a value stands in the line
fn read_entities(
    values: &[&RawValue],
    (whole, place): (&Whole<'_>, &dyn Fn(&RawValue) -> usize),
    text: &str,
    unit: Offsets,
) -> Result<Vec<Entity>, Misread> {
    let length = unit.count(text);
    let ruler = (unit != Offsets::Characters).then(|| Ruler::new(text.chars(), unit));
    let mut entities = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let at = place(value);
        let wrong = |message: String| Misread { at, message };
        let whose = format!("entity {} of the line", index + 1);
        let Ok(Members(named)) = serde_json::from_str(value.get()) else {
            let is = describe(&whole(value)?);
            let message =
                format!("{whose} is {is}, expected an object with `start`, `end` and `label`");
            return Err(wrong(message));
        };
        let mut members = BTreeMap::new();
        for (name, value) in
            named.into_iter().filter(|(name, _)| ["start", "end", "label"].contains(&name.as_str()))
        {
            if members.insert(name.clone(), whole(value)?).is_some() {
                return Err(Misread {
                    at: place(value),
                    message: format!("{whose} has `{name}` twice"),
                });
            }
        }
        let offset = |name: &str| {
            match members.get(name) {
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|offset| usize::try_from(offset).ok())
                .ok_or_else(|| format!("`{name}` of {whose} is {number}, expected a whole number of characters from 0")),
            Some(other) => Err(format!("`{name}` of {whose} is {}, expected a whole number of characters from 0", describe(other))),
            None => Err(format!("{whose} has no `{name}`")),
        }
        };
        let offset = |name: &str| offset(name).map_err(wrong);
        let (start, end) = (offset("start")?, offset("end")?);
        if start >= end {
            return Err(wrong(format!(
                "{whose} starts at {start} and ends at {end}, expected `start` < `end`"
            )));
        }
        if end > length {
            let units = unit.units();
            let hint = other_units(text, unit, end);
            let message = format!("{whose} ends at {end}, but the text has {length} {units}{hint}");
            return Err(wrong(message));
        }
        let character = |name: &str, offset: usize| {
            match &ruler {
            None => Ok(offset),
            Some(ruler) => ruler.character(offset).ok_or_else(|| {
                format!("`{name}` of {whose} is {offset}, which is inside a character where {} are counted", unit.units())
            }),
        }
        };
        let character = |name, offset| character(name, offset).map_err(wrong);
        let (start, end) = (character("start", start)?, character("end", end)?);
        let label = match members.remove("label") {
            Some(Value::String(label)) => label,
            Some(other) => {
                let is = describe(&other);
                return Err(wrong(format!("`label` of {whose} is {is}, expected a string")));
            }
            None => return Err(wrong(format!("{whose} has no `label`"))),
        };
        check_label(&label).map_err(|problem| wrong(format!("`label` of {whose} {problem}")))?;
        entities.push((Entity { start, end, label }, at));
    }
    entities.sort_by_key(|(entity, _)| entity.start);
    for pair in entities.windows(2) {
        let [(one, _), (other, at)] = pair else { continue };
        if other.start < one.end {
            let message = format!(
                "entities `{}` at {}..{} and `{}` at {}..{} overlap",
                one.label, one.start, one.end, other.label, other.start, other.end
            );
            return Err(Misread { at: *at, message });
        }
    }
    Ok(entities.into_iter().map(|(entity, _)| entity).collect())
}

/// What to say of an offset beyond the text that lies inside it in another unit.
fn other_units(text: &str, unit: Offsets, end: usize) -> String {
    let fits = |other: &&Offsets| **other != unit && other.count(text) >= end;
    let fitting: Vec<String> = [Offsets::Characters, Offsets::Utf16, Offsets::Bytes]
        .iter()
        .filter(fits)
        .map(|other| format!("\"{}\"", other.name()))
        .collect();
    if fitting.is_empty() {
        return String::new();
    }
    format!("; it would lie inside with `offsets` = {}", fitting.join(" or "))
}

/// Says what makes `label` no name of an entity type.
pub(super) fn check_label(label: &str) -> Result<(), String> {
    if label.is_empty() {
        return Err("is empty".into());
    }
    if label.chars().count() > LABEL_LIMIT_CHARACTERS {
        return Err(format!("is longer than {LABEL_LIMIT_CHARACTERS} characters"));
    }
    match label.chars().find(|character| character.is_whitespace() || character.is_control()) {
        Some(character) => Err(format!(
            "holds {character:?}: labels have neither white space nor control characters"
        )),
        None => Ok(()),
    }
}

/// Writes one line for each example, with its fields as strings.
///
/// # Errors
/// Those of `writer`.
pub fn write(examples: &[Example], writer: &mut impl Write) -> io::Result<()> {
    for example in examples {
        let mut line = serde_json::Map::new();
        line.insert("text".into(), json!(example.text));
        line.insert("entities".into(), json!(example.entities));
        line.insert("anomaly".into(), json!(example.anomaly));
        for (name, value) in &example.fields {
            line.insert(name.clone(), json!(value));
        }
        serde_json::to_writer(&mut *writer, &line)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// A string, or the JSON of anything else as it stands, so that no number is too large or too exact; nothing for a null.
fn scalar(raw: &RawValue) -> serde_json::Result<Option<String>> {
    match raw.get().as_bytes() {
        [b'"', ..] => serde_json::from_str(raw.get()).map(Some),
        [b'n', ..] => Ok(None),
        _ => Ok(Some(raw.get().to_owned())),
    }
}

/// A value as a message shows it.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) if text.chars().count() > 40 => "a string".into(),
        other => format!("`{other}`"),
    }
}

/// * `offset`: where in the line the text that was read begins
fn json_problem(error: &serde_json::Error, offset: usize) -> Misread {
    let message = error.to_string();
    // The line is always 1 in a text of one line; the file's line stands before the message.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    match error.column() {
        0 => Misread { at: offset, message: format!("not a JSON object: {message}") },
        column => Misread {
            at: offset + column - 1,
            message: format!("not a JSON object: {message} at byte {}", offset + column),
        },
    }
}

/// The members of a JSON object in their order, repeated ones kept.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests;
