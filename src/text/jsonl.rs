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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::offsets::{Offsets, Ruler};
use super::{Entity, Example, anomaly};

use crate::base::disk::regular;
use crate::base::problem::{Help, Position, Problem, json_reason};
use crate::base::visible;

/// The longest line that is read.
pub const LINE_LIMIT_BYTES: usize = 16 << 20;

/// How many malformed lines an error lists.
pub const REPORTED: usize = 20;

/// The longest name of an entity type.
const LABEL_LIMIT_CHARACTERS: usize = 64;

/// How much text is read before it is parsed on all threads.
const CHUNK_BYTES: usize = 4 << 20;

/// What is wrong in the text of a line, and where in bytes.
type Misread = Problem<usize>;

/// What is wrong with a line, at the value that is wrong or at the start of the line.
fn in_line(misread: Misread, line: usize, text: &str) -> Problem<Position> {
    let before = &text[..text.floor_char_boundary(misread.place.min(text.len()))];
    misread.at(Position { line, column: before.chars().count() + 1 })
}

/// Why a file gave no examples.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}", render(path, problems, *more))]
    Malformed {
        path: PathBuf,
        problems: Vec<Problem<Position>>,
        /// Malformed lines beyond those listed.
        more: usize,
    },
    #[error("`{}` has no lines", path.display())]
    Empty { path: PathBuf },
}

impl Help for ReadError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "see that the file is where the experiment says"
            }
            Self::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                "change the permissions of the file"
            }
            Self::Io { .. } => {
                "the disk or the network that holds the file does not hand it out: copy it to another place, or check that"
            }
            Self::Malformed { problems, .. } if problems.iter().all(Problem::has_help) => DIVIDE,
            Self::Malformed { .. } | Self::Empty { .. } => {
                "a line is `{\"text\": \"...\", \"entities\": [{\"start\": 0, \"end\": 5, \"label\": \"NODE\"}], \"anomaly\": 0}`"
            }
        };
        Some(help.into())
    }
}

/// The help of a line that is too long.
const DIVIDE: &str = "every example has a line of its own: end each with a line break, or divide texts that are so long";

fn render(path: &Path, problems: &[Problem<Position>], more: usize) -> String {
    let line = |problem: &Problem<Position>| {
        format!("{}:{}: {}", path.display(), problem.place, problem.message)
    };
    let mut lines: Vec<String> = problems.iter().map(line).collect();
    match more {
        0 => {}
        1 => lines.push("and 1 more malformed line".into()),
        more => lines.push(format!("and {more} more malformed lines")),
    }
    lines.join("\n")
}

/// Reads a file of JSON lines in which `start` and `end` count in `offsets`.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, has no line, or has malformed ones.
pub fn read(path: &Path, offsets: Offsets) -> Result<Vec<Example>, ReadError> {
    read_from(open(path)?, path, offsets)
}

/// Reads JSON lines from anywhere; `path` is what messages call it.
///
/// # Errors
/// As [`read`].
pub fn read_from(
    reader: impl BufRead,
    path: &Path,
    offsets: Offsets,
) -> Result<Vec<Example>, ReadError> {
    let mut examples = Vec::new();
    let limits = Limits { bytes: LINE_LIMIT_BYTES, offsets };
    read_limited(reader, path, limits, &mut |example| examples.push(example))?;
    Ok(examples)
}

fn open(path: &Path) -> Result<impl BufRead, ReadError> {
    let file = regular::open(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    Ok(io::BufReader::with_capacity(1 << 16, file))
}

/// What is asked of lines.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The longest.
    bytes: usize,
    offsets: Offsets,
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
) -> Result<Option<Example>, Problem<Position>> {
    let content = content.ok_or_else(|| {
        let message = format!("the line is longer than {} bytes", limits.bytes);
        in_line(Misread::new(0_usize, message).help(DIVIDE), line, "")
    })?;
    let text = std::str::from_utf8(&content).map_err(|error| {
        let at = error.valid_up_to();
        let misread = Misread::new(at, format!("byte {} is not UTF-8", at + 1));
        in_line(misread, line, &String::from_utf8_lossy(&content))
    })?;
    let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse_example(text, line, limits.offsets).map(Some)
}

/// Reads one line, whose offsets count in `offsets`.
fn parse_example(text: &str, line: usize, offsets: Offsets) -> Result<Example, Problem<Position>> {
    read_example(Line(text), line, offsets).map_err(|misread| in_line(misread, line, text))
}

/// The text of a line, from which each value is a part.
#[derive(Clone, Copy)]
struct Line<'t>(&'t str);

impl Line<'_> {
    fn wrong(self, value: &RawValue, message: String) -> Misread {
        Misread::new(value.get().as_ptr() as usize - self.0.as_ptr() as usize, message)
    }

    fn read<'v, T: Deserialize<'v>>(self, value: &'v RawValue) -> Result<T, Misread> {
        serde_json::from_str(value.get())
            .map_err(|error| json_problem(&error, self.wrong(value, String::new()).place))
    }

    /// A value that is not what was expected, as a message shows it.
    fn describe(self, value: &RawValue) -> Result<String, Misread> {
        self.read(value).map(|value| describe(&value))
    }
}

fn read_example(line: Line<'_>, number: usize, offsets: Offsets) -> Result<Example, Misread> {
    let Members(members) = serde_json::from_str(line.0).map_err(|error| json_problem(&error, 0))?;
    let (mut content, mut entities, mut labelled, mut fields) = (None, None, None, BTreeMap::new());
    for (name, value) in members {
        let repeated = match name.as_str() {
            "text" => content.replace(value).is_some(),
            "entities" => entities.replace(value).is_some(),
            "anomaly" => labelled.replace(value).is_some(),
            _ => match scalar(line, value)? {
                Some(text) => fields.insert(name.clone(), text).is_some(),
                None => false,
            },
        };
        if repeated {
            return Err(line.wrong(value, format!("`{}` stands twice", visible::line(&name))));
        }
    }
    let missing = |message: &str| Misread::new(0_usize, message);
    let content = content.ok_or_else(|| missing("`text` is missing"))?;
    let text = match line.read(content)? {
        Value::String(text) => text,
        other => {
            let message = format!("`text` is {}, expected a string", describe(&other));
            return Err(line.wrong(content, message));
        }
    };
    if let Some(at) = text.chars().position(|character| character == '\0') {
        return Err(line.wrong(content, format!("`text` holds a NUL at character {at}")));
    }
    let entities = entities
        .ok_or_else(|| missing("`entities` is missing; write `[]` where there are none"))?;
    if !entities.get().starts_with('[') {
        let message = format!("`entities` is {}, expected an array", line.describe(entities)?);
        return Err(line.wrong(entities, message));
    }
    let entities = read_entities(line, &line.read::<Vec<&RawValue>>(entities)?, &text, offsets)?;
    let labelled = labelled
        .ok_or_else(|| missing("`anomaly` is missing; expected 0 (normal) or 1 (anomaly)"))?;
    let is_anomaly = match line.read(labelled)? {
        Value::Number(number) if number.as_u64() == Some(0) => false,
        Value::Number(number) if number.as_u64() == Some(1) => true,
        other => {
            let is = describe(&other);
            let message = format!("`anomaly` is {is}, expected 0 (normal) or 1 (anomaly)");
            return Err(line.wrong(labelled, message));
        }
    };
    Ok(Example {
        text,
        entities: Some(entities),
        classes: anomaly(is_anomaly),
        fields,
        line: number,
    })
}

fn read_entities(
    line: Line<'_>,
    values: &[&RawValue],
    text: &str,
    unit: Offsets,
) -> Result<Vec<Entity>, Misread> {
    let measure = Measure {
        text,
        unit,
        length: unit.count(text),
        ruler: (unit != Offsets::Characters).then(|| Ruler::new(text.chars(), unit)),
    };
    let mut entities = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let whose = format!("entity {} of the line", index + 1);
        entities.push((read_entity(line, value, &whose, &measure)?, *value));
    }
    entities.sort_by_key(|(entity, _)| entity.start);
    for pair in entities.windows(2) {
        let [(one, _), (other, value)] = pair else { continue };
        if other.start < one.end {
            let message = format!(
                "entities `{}` at {}..{} and `{}` at {}..{} overlap",
                one.label, one.start, one.end, other.label, other.start, other.end
            );
            return Err(line.wrong(value, message));
        }
    }
    Ok(entities.into_iter().map(|(entity, _)| entity).collect())
}

/// The text in which entities lie, and how they are counted.
struct Measure<'t> {
    text: &'t str,
    unit: Offsets,
    length: usize,
    ruler: Option<Ruler>,
}

fn read_entity(
    line: Line<'_>,
    value: &RawValue,
    whose: &str,
    measure: &Measure<'_>,
) -> Result<Entity, Misread> {
    let wrong = |message: String| line.wrong(value, message);
    let Ok(Members(named)) = serde_json::from_str(value.get()) else {
        let is = line.describe(value)?;
        return Err(wrong(format!(
            "{whose} is {is}, expected an object with `start`, `end` and `label`"
        )));
    };
    let mut members: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in named {
        if ["start", "end", "label"].contains(&name.as_str())
            && members.insert(name.clone(), line.read(value)?).is_some()
        {
            return Err(line.wrong(value, format!("{whose} has `{name}` twice")));
        }
    }
    let offset = |name: &str| match members.get(name) {
        None => Err(wrong(format!("{whose} has no `{name}`"))),
        Some(value) => {
            let offset = value.as_u64().and_then(|offset| usize::try_from(offset).ok());
            let is = || if value.is_number() { value.to_string() } else { describe(value) };
            offset.ok_or_else(|| {
                wrong(format!(
                    "`{name}` of {whose} is {}, expected a whole number of characters from 0",
                    is()
                ))
            })
        }
    };
    let (start, end) = (offset("start")?, offset("end")?);
    if start >= end {
        return Err(wrong(format!(
            "{whose} starts at {start} and ends at {end}, expected `start` < `end`"
        )));
    }
    let Measure { text, unit, length, ruler } = measure;
    let units = unit.units();
    if end > *length {
        let hint = other_units(text, *unit, end);
        return Err(wrong(format!(
            "{whose} ends at {end}, but the text has {length} {units}{hint}"
        )));
    }
    let character = |name: &str, offset: usize| {
        let inside = match ruler {
            None => Some(offset),
            Some(ruler) => ruler.character(offset),
        };
        inside.ok_or_else(|| {
            wrong(format!(
                "`{name}` of {whose} is {offset}, which is inside a character where {units} are counted"
            ))
        })
    };
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
    Ok(Entity { start, end, label })
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

/// A string, or the JSON of anything else as it stands, so that no number is too large or too exact; nothing for a null.
fn scalar(line: Line<'_>, raw: &RawValue) -> Result<Option<String>, Misread> {
    match raw.get().as_bytes() {
        [b'"', ..] => line.read(raw).map(Some),
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
    // The line is always 1 in a text of one line; the file's line stands before the message.
    let reason = json_reason(error);
    match error.column() {
        0 => Misread::new(offset, format!("not a JSON object: {reason}")),
        column => {
            let message = format!("not a JSON object: {reason} at byte {}", offset + column);
            Misread::new(offset + column - 1, message)
        }
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
