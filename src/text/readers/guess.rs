//! What format a file has, where nobody says it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::source::PARQUET;
use super::{conll, label_studio};
use crate::text::Unit;

/// How a file holds texts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// a JSON object on each line: ours, doccano's, Prodigy's, spaCy's, `datasets`'
    Jsonl,
    /// the same in an array
    Json,
    /// a word and its tag on each line, and an empty line between texts
    Conll,
    /// a header and a text in each row
    Csv,
    /// the same between tabs
    Tsv,
    /// a line of a log, of which rules make a text
    Lines,
    /// what Label Studio exports as JSON or JSON_MIN
    LabelStudio,
    /// columns of Parquet, as `datasets` writes them
    Parquet,
}

impl Format {
    pub const ALL: [Self; 8] = [
        Self::Jsonl,
        Self::Json,
        Self::Conll,
        Self::Csv,
        Self::Tsv,
        Self::Lines,
        Self::LabelStudio,
        Self::Parquet,
    ];

    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Conll => "conll",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Lines => "lines",
            Self::LabelStudio => "label_studio",
            Self::Parquet => "parquet",
        }
    }

    /// What its texts are counted by.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Json => Unit::Element,
            Self::LabelStudio => Unit::Task,
            Self::Parquet => Unit::Row,
            Self::Jsonl | Self::Conll | Self::Csv | Self::Tsv | Self::Lines => Unit::Line,
        }
    }
}

/// A format, and why it is that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    pub format: Format,
    /// `None` where somebody said it.
    pub why: Option<Why>,
}

impl Guess {
    /// The same of a file for which there are rules, so that its lines are raw unless it is known to be something else.
    pub(super) fn by_rules(self) -> Self {
        let is_json = matches!(
            self.format,
            Format::Jsonl | Format::Json | Format::LabelStudio | Format::Parquet
        );
        let is_named = self.why == Some(Why::Name) && self.format != Format::Lines;
        if is_json || is_named { self } else { Self { format: Format::Lines, why: None } }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Of the file.
    Name,
    Content,
}

/// The format that the name of a file says, whatever is in it.
#[must_use]
pub fn named(path: &Path) -> Option<Format> {
    match &*extension(path) {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "conll" | "conllu" | "conll03" | "iob" | "iob2" | "bio" => Some(Format::Conll),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

/// How the name of a file ends, whatever it is packed by.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned()
}

/// The format of a file.
///
/// * `head`: how it begins
#[must_use]
pub fn guess(path: &Path, head: &[u8]) -> Guess {
    let by = |format, why| Guess { format, why: Some(why) };
    if head.starts_with(PARQUET) {
        return by(Format::Parquet, Why::Content);
    }
    if let Some(format) = named(path) {
        return by(format, Why::Name);
    }
    let extension = &*extension(path);
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches(|it: char| it.is_whitespace() || it == '\0');
    let is_object = || {
        let first = text.lines().next().unwrap_or_default();
        serde_json::from_str::<Map<String, Value>>(first).is_ok()
    };
    if extension == "log" && !is_object() {
        return by(Format::Lines, Why::Name);
    }
    if text.starts_with(['{', '['])
        && let Some(format) = json(text, extension == "json")
    {
        return by(format, Why::Content);
    }
    let mut lines: Vec<&str> = text.lines().take(1000).collect();
    if lines.len() > 1 && !text.ends_with('\n') {
        // The last one may be cut off.
        lines.pop();
    }
    if conll::looks_like_one(&lines) {
        return by(Format::Conll, Why::Content);
    }
    match extension {
        "tsv" | "tab" => by(Format::Tsv, Why::Name),
        "json" => by(Format::Jsonl, Why::Content),
        _ => by(Format::Lines, Why::Content),
    }
}

/// Which JSON a text is that begins with a bracket; `None` where it is none, such as `[2026-05-01] disk full` or `[Ada](PER) wrote`.
///
/// * `is_named`: whether the file's name says that it is JSON, however it is written
fn json(text: &str, is_named: bool) -> Option<Format> {
    let first = text.lines().next().unwrap_or_default();
    let line = serde_json::from_str::<Value>(first).ok();
    // Of a file of one value nobody can tell, and both are read alike.
    let is_line = match &line {
        Some(Value::Object(_)) => true,
        Some(Value::Array(items)) => items.first().is_some_and(Value::is_string),
        _ => false,
    };
    let inside = text.strip_prefix('[').unwrap_or(text);
    let mut values = serde_json::Deserializer::from_str(inside).into_iter::<Value>();
    let element = match &line {
        Some(line) if is_line => Ok(line.clone()),
        _ => values.next().unwrap_or(Ok(Value::Null)),
    };
    let is_one = match &element {
        Ok(element) => element.is_object() || element.is_array(),
        // A value of which the rest was not looked at.
        Err(error) => error.is_eof(),
    };
    match element {
        _ if !is_named && !is_line && !is_one && line.is_none() => None,
        Ok(element) if label_studio::looks_like_one(&element) => Some(Format::LabelStudio),
        _ if is_line => Some(Format::Jsonl),
        _ => Some(Format::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(name: &str, head: &str) -> Format {
        guess(Path::new(name), head.as_bytes()).format
    }

    #[test]
    fn the_name_says_the_format_or_else_the_content_does() {
        for (name, head, expected) in [
            ("x.jsonl.gz", "", Format::Jsonl),
            ("x.CSV", "text\n", Format::Csv),
            ("x.conll", "", Format::Conll),
            ("x.log", "{\"text\": 1}\n", Format::Jsonl),
            ("x.log", "{disk} is full\n", Format::Lines),
            ("x.txt", "[2026-05-01 10:00] disk full\n", Format::Lines),
            ("x.txt", "[Ada](PER) wrote\n", Format::Lines),
            ("x.txt", "[error] [\"disk\"]\n", Format::Lines),
            ("x.txt", "[{\"text\": \"a\"", Format::Json),
            ("x.json", "[oops", Format::Json),
            ("x.txt", "Ada (PER*\nL *)\nwrote *\n\n", Format::Conll),
            ("x.txt", "it is Ada (PER)\nhers (also)\n", Format::Lines),
            ("x.gold_conll", "#begin document (a/b); part 000\n", Format::Conll),
            ("messages", "Jun  9 06:06:20 combo sshd: x\n", Format::Lines),
            ("x.json", "[\n{\"text\": \"a\"}]", Format::Json),
            ("x.json", "{\n  \"text\": \"a\"\n}", Format::Json),
            ("x.json", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", Format::Jsonl),
            ("x.json", "[\"a\", {\"entities\": []}]\n[\"b\", {\"entities\": []}]", Format::Jsonl),
            ("x.json", "[[\"a\", {\"entities\": []}]]", Format::Json),
            ("x.json", "[{\"id\": 1, \"data\": {}, \"annotations\": []}]", Format::LabelStudio),
            (
                "x.json",
                "[{\"id\": 1, \"text\": \"a\", \"annotation_id\": 1, \"lead_time\": 2}]",
                Format::LabelStudio,
            ),
            ("x.txt", "Ada B-PER\nwrote O\n\nto O\n", Format::Conll),
            ("x.tsv", "Ada\tB-PER\nwrote\tO\n\nto\tO\n", Format::Conll),
            ("x.tsv", "text\tlabel\nAda wrote\tlow\n", Format::Tsv),
            ("x", "PAR1", Format::Parquet),
        ] {
            assert_eq!(format(name, head), expected, "{name} {head}");
        }
    }
}
