//! The texts of a stream, line by line, for who answers each line with one of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::app::tools::{LogLine, LogLines, Written, unmarked};
use crate::base::problem::json_reason;

/// Most lines read before they are handed on, so that memory stays bounded and output begins early.
const CHUNK: usize = 1024;
/// The same in bytes.
const CHUNK_BYTES: usize = 8 << 20;
/// A file fills it; of a stream it takes what is there.
const BUFFER_BYTES: usize = 256 << 10;
/// A longer line is no text.
const LINE_LIMIT_BYTES: u64 = 16 << 20;

/// One line of a stream.
#[derive(Debug)]
pub struct Line {
    /// The members of a JSON object; none of a line of text.
    pub fields: Fields,
    /// The text, or why there is none.
    pub text: Result<String, NoText>,
    /// Whether it was to be taken apart by rules, and none of them fits.
    pub is_whole: bool,
}

impl Line {
    /// A line that is taken as it comes.
    pub fn new(fields: Fields, text: Result<String, NoText>) -> Self {
        Self { fields, text, is_whole: false }
    }
}

/// Why a line has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    #[error("the line is longer than {} MiB", LINE_LIMIT_BYTES >> 20)]
    TooLong,
    #[error("not UTF-8: byte {byte}")]
    NotUtf8 { byte: usize },
    #[error("not a JSON object: {reason} at byte {byte}")]
    Malformed { reason: String, byte: usize },
    #[error("it is no JSON object")]
    NoObject,
    #[error("the object has no `{field}` that is a string")]
    NoField { field: String },
    #[error("{reason}")]
    Mark { reason: String },
}

/// Why the rest of a stream cannot be read line by line.
#[derive(Debug)]
pub enum Unreadable {
    Io(io::Error),
    /// It is a JSON array.
    Array,
    /// It begins with a JSON object that goes on on the next line.
    Spread,
}

/// The members of a JSON object in their order, as they are written; of one that is there twice, the last.
#[derive(Debug, Default)]
pub struct Fields(pub Vec<(String, Box<RawValue>)>);

impl Fields {
    /// * `name`: of the text's own member, which is the first
    fn of_log(name: &str, text: &str, fields: Vec<(String, String)>) -> Self {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        let fields = fields.into_iter().filter(|(field, _)| field != name);
        for (name, value) in std::iter::once((name.to_owned(), text.to_owned())).chain(fields) {
            let value = serde_json::value::to_raw_value(&value).expect("a string");
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => members.push((name, value)),
            }
        }
        Self(members)
    }

    fn set(&mut self, name: &str, text: &str) {
        for (_, value) in self.0.iter_mut().filter(|(other, _)| other == name) {
            *value = serde_json::value::to_raw_value(text).expect("a string");
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        serde_json::from_str(value.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let (mut fields, mut places) = (Vec::new(), HashMap::new());
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    match places.entry(name.clone()) {
                        Entry::Occupied(place) => fields[*place.get()] = (name, value),
                        Entry::Vacant(place) => {
                            place.insert(fields.len());
                            fields.push((name, value));
                        }
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// How the lines of a stream are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Known with the first line that is not blank.
    Unknown,
    Text,
    Json,
}

/// The texts of a stream: a member of each line where the first line that is not blank is a JSON object or the member has a name, else the
/// lines themselves. A blank line is the empty text in both.
pub struct Lines<R> {
    reader: BufReader<R>,
    /// How many lines were read.
    pub number: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The member that holds the text.
    field: String,
    form: Form,
    /// What takes the lines of a log apart.
    log: Option<LogLines>,
    /// Whether texts hold marks as `[Ada](PER)`, which are left out.
    markup: bool,
    /// What comes after the lines that were handed on.
    failed: Option<Unreadable>,
}

impl<R: Read> Lines<R> {
    /// * `field`: the member of each line that holds the text; `text` where the lines need not be JSON
    pub fn new(input: R, field: Option<&str>) -> Self {
        let form = if field.is_some() { Form::Json } else { Form::Unknown };
        let reader = BufReader::with_capacity(BUFFER_BYTES, input);
        let field = field.unwrap_or("text").to_owned();
        Self { reader, number: 0, bytes: 0, field, form, log: None, markup: false, failed: None }
    }

    /// The same of texts that are written in such a way; of a log a part of each line is the text, and others are members.
    ///
    /// * `input`: UTF-8, whatever the file is in
    pub fn of(input: R, written: Written) -> Self {
        let Written { field, rules, markup, encoding: _ } = written;
        let log = rules.map(LogLines::new);
        Self { log, markup, ..Self::new(input, field.as_deref()) }
    }

    /// The next lines; none at the end. It waits for a line, but not for more of them: what writes a line now and then sees each answered at
    /// once.
    ///
    /// # Errors
    /// When the stream cannot be read line by line; what was read before has been handed on.
    pub fn chunk(&mut self) -> Result<Vec<Line>, Unreadable> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < CHUNK
            && bytes < CHUNK_BYTES
            && (lines.is_empty() || self.reader.buffer().contains(&b'\n'))
        {
            match self.line() {
                Ok(Some(line)) => {
                    bytes += line.text.as_ref().map_or(0, String::len);
                    lines.push(line);
                }
                Ok(None) => break,
                Err(error) if lines.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(lines)
    }

    fn line(&mut self) -> Result<Option<Line>, Unreadable> {
        let without = |text| Ok(Some(Line::new(Fields::default(), text)));
        let mut bytes = Vec::new();
        let read = self
            .reader
            .by_ref()
            .take(LINE_LIMIT_BYTES + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(Unreadable::Io)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read as u64;
        if read as u64 > LINE_LIMIT_BYTES && bytes.last() != Some(&b'\n') {
            let skipped = self.reader.skip_until(b'\n').map_err(Unreadable::Io)?;
            self.bytes += skipped as u64;
            return without(Err(NoText::TooLong));
        }
        let line = match String::from_utf8(bytes) {
            Ok(line) => line,
            Err(error) => {
                let byte = error.utf8_error().valid_up_to() + 1;
                return without(Err(NoText::NotUtf8 { byte }));
            }
        };
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Some programs begin a file with a mark of the byte order, which is no part of its first line.
        let line = if self.number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        if line.trim().is_empty() {
            return without(Ok(line.to_owned()));
        }
        if let Some(log) = &mut self.log {
            let LogLine { text, fields, is_whole } = log.read(line);
            let fields = Fields::of_log(&self.field, &text, fields);
            return Ok(Some(Line { fields, text: Ok(text), is_whole }));
        }
        if self.form == Form::Text {
            return without(self.meant(line.to_owned()));
        }
        let object = serde_json::from_str::<Fields>(line);
        if self.form == Form::Unknown {
            self.form = form_of(line, &object)?;
        }
        match (self.form, object) {
            (Form::Json, Ok(mut fields)) => {
                let no_field = || NoText::NoField { field: self.field.clone() };
                let mut text = fields.text(&self.field).ok_or_else(no_field);
                if self.markup {
                    text = text.and_then(|text| self.meant(text));
                    text.iter().for_each(|text| fields.set(&self.field, text));
                }
                Ok(Some(Line::new(fields, text)))
            }
            (Form::Json, Err(error)) => without(Err(not_an_object(&error))),
            (Form::Text | Form::Unknown, _) => without(self.meant(line.to_owned())),
        }
    }

    /// The text of what stands for it.
    fn meant(&self, written: String) -> Result<String, NoText> {
        if !self.markup {
            return Ok(written);
        }
        unmarked(&written).map_err(|problem| NoText::Mark { reason: problem.message })
    }
}

/// What the first line that is not blank makes of the others.
fn form_of(line: &str, object: &serde_json::Result<Fields>) -> Result<Form, Unreadable> {
    let goes_on = |error: &serde_json::Error| error.classify() == Category::Eof;
    match object {
        Ok(_) => return Ok(Form::Json),
        Err(error) if line.trim_start().starts_with('{') && goes_on(error) => {
            return Err(Unreadable::Spread);
        }
        Err(_) => {}
    }
    // A log may well begin with `[12:04]` or `[3]`.
    if line.trim_start().starts_with('[') {
        match serde_json::from_str::<Vec<serde_json::Value>>(line) {
            Ok(items) if items.iter().any(|item| item.is_object() || item.is_string()) => {
                return Err(Unreadable::Array);
            }
            Err(error) if goes_on(&error) => return Err(Unreadable::Array),
            _ => {}
        }
    }
    Ok(Form::Text)
}

fn not_an_object(error: &serde_json::Error) -> NoText {
    if error.classify() == Category::Data {
        return NoText::NoObject;
    }
    // The line is the stream's, and is said already.
    NoText::Malformed { reason: json_reason(error), byte: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: impl AsRef<[u8]>) -> Vec<Line> {
        let mut lines = Lines::new(input.as_ref(), None);
        std::iter::from_fn(|| {
            Some(lines.chunk().expect("readable")).filter(|chunk| !chunk.is_empty())
        })
        .flatten()
        .collect()
    }

    fn texts(input: impl AsRef<[u8]>) -> Vec<String> {
        lines(input)
            .into_iter()
            .map(|line| line.text.unwrap_or_else(|reason| format!("!{reason}")))
            .collect()
    }

    #[test]
    fn lines_are_texts_unless_the_first_is_a_json_object() {
        assert_eq!(texts("a b\n{\"text\": \"c\"}"), ["a b", "{\"text\": \"c\"}"]);
        assert_eq!(texts("\n{\"text\": \"c\", \"x\": 1}\n{\"text\": \"d\"}\n"), ["", "c", "d"]);
    }

    #[test]
    fn a_blank_line_is_a_line() {
        assert_eq!(texts("a\r\n\r\n  \nb"), ["a", "", "  ", "b"]);
    }

    #[test]
    fn a_line_without_a_text_says_why_and_the_next_one_is_read() {
        let found = texts(
            "{\"text\": \"c\"}\n{\"txt\": 1}\nnonsense\n{\"text\": 5}\n[1]\n{\"text\": \"d\"}\n",
        );
        let missing = "!the object has no `text` that is a string";
        assert_eq!(
            found,
            [
                "c",
                missing,
                "!not a JSON object: expected ident at byte 2",
                missing,
                "!it is no JSON object",
                "d"
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_said_and_passed_over() {
        assert_eq!(
            texts(b"fine\nbad \xff\nfine again\n"),
            ["fine", "!not UTF-8: byte 5", "fine again"]
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_said_and_passed_over() {
        let limit = usize::try_from(LINE_LIMIT_BYTES).expect("fits");
        let input = |length: usize| [&vec![b'x'; length], &b"\nb"[..]].concat();
        assert_eq!(texts(input(limit + 1)), ["!the line is longer than 16 MiB", "b"]);
        assert_eq!(lines(input(limit))[0].text.as_ref().map(String::len), Ok(limit));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(texts("\u{feff}{\"text\": \"a\"}\n"), ["a"]);
    }

    #[test]
    fn chunks_are_bounded_and_lose_nothing() {
        let input = "x\n".repeat(3 * CHUNK + 5);
        let mut lines = Lines::new(input.as_bytes(), None);
        let sizes: Vec<usize> = std::iter::from_fn(|| {
            Some(lines.chunk().expect("readable").len()).filter(|size| *size > 0)
        })
        .collect();
        assert_eq!(sizes, [CHUNK, CHUNK, CHUNK, 5]);
    }

    #[test]
    fn the_other_members_of_a_line_are_kept_as_they_are_written() {
        let line = r#"{"id": 12345678901234567890123, "text": "a", "x": 1.50, "id": 7e0, "y": {"b": [1]}}"#;
        let kept: Vec<String> = lines(line)[0]
            .fields
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", value.get()))
            .collect();
        assert_eq!(kept, ["id=7e0", "text=\"a\"", "x=1.50", "y={\"b\": [1]}"]);
    }

    #[test]
    fn a_named_field_holds_the_text_and_the_lines_are_json_then() {
        let input = "{\"message\": \"a\", \"text\": \"b\"}\nplain\n";
        let mut lines = Lines::new(input.as_bytes(), Some("message"));
        let texts: Vec<_> =
            lines.chunk().expect("readable").into_iter().map(|line| line.text).collect();
        assert_eq!(texts[0], Ok("a".into()));
        assert!(matches!(texts[1], Err(NoText::Malformed { .. })));
    }

    fn refusal(input: &str) -> Option<&'static str> {
        let mut lines = Lines::new(input.as_bytes(), None);
        loop {
            match lines.chunk() {
                Err(Unreadable::Array) => return Some("array"),
                Err(Unreadable::Spread) => return Some("spread"),
                Err(Unreadable::Io(_)) => return None,
                Ok(chunk) if chunk.is_empty() => return None,
                Ok(_) => {}
            }
        }
    }

    #[test]
    fn a_json_array_is_no_lines() {
        for input in [
            "[",
            "[{\"text\": \"a\"}]",
            "\n[{\"text\": \"a\"},\n{\"text\": \"b\"}]",
            "[\"a\", \"b\"]",
        ] {
            assert_eq!(refusal(input), Some("array"), "{input}");
        }
        for input in ["{", "{\n  \"text\": \"a\"\n}", "{\"text\": \"a\","] {
            assert_eq!(refusal(input), Some("spread"), "{input}");
        }
    }

    #[test]
    fn texts_that_begin_with_a_bracket_are_texts() {
        for input in [
            "[12:04] started",
            "[INFO] started",
            "[3]",
            "[]",
            "[2026-01-01 12:00] x",
            "{user} left",
            "[{a}] b",
        ] {
            assert_eq!((refusal(input), texts(input)), (None, vec![input.to_owned()]));
        }
    }
}
