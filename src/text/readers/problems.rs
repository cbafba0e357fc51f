//! What is wrong with a file, and where.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::foreign::Foreign;
use super::source::is_unmarked_utf16;
use crate::base::problem::{Help, Position, Problem};
use crate::base::visible;

/// How many malformed texts an error lists.
pub const REPORTED: usize = 20;

/// What is wrong in the text of a piece, and where in bytes.
pub type Misread = Problem<usize>;

/// A text that cannot be read.
pub type Malformed = Problem<Spot>;

/// A place in a file with what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub position: Position,
    pub excerpt: String,
}

/// The place of a byte in `text`, which begins at `start` of its file.
pub(super) fn spot(text: &str, byte: usize, start: Position) -> Spot {
    let before = &text[..text.floor_char_boundary(byte.min(text.len()))];
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let characters = before[begin..].chars().count();
    let position = match before.matches('\n').count() {
        0 => Position { line: start.line, column: start.column + characters },
        lines => Position { line: start.line + lines, column: characters + 1 },
    };
    let line = text[begin..].lines().next().unwrap_or_default();
    Spot { position, excerpt: excerpt(line, characters) }
}

/// What stands around a character of a line.
pub(super) fn excerpt(line: &str, at: usize) -> String {
    const BEFORE: usize = 20;
    const SHOWN: usize = 60;
    let from = at.saturating_sub(BEFORE);
    let mut rest = line.chars().skip(from);
    let shown: String = rest.by_ref().take(SHOWN).collect();
    let dots = |is_cut: bool| if is_cut { "..." } else { "" };
    format!("{}{shown}{}", dots(from > 0), dots(rest.next().is_some()))
}

/// What is wrong with files: the first [`REPORTED`], and how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<(PathBuf, Malformed)>,
    more: usize,
    /// Whether files of another format than JSON were read.
    others: bool,
}

impl Problems {
    pub fn push(&mut self, path: &Path, problem: Malformed) {
        if self.listed.len() < REPORTED {
            self.listed.push((path.to_owned(), problem));
        } else {
            self.more += 1;
        }
    }

    /// Takes note of whether a file was JSON.
    pub fn read_json(&mut self, is_json: bool) {
        self.others |= !is_json;
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.listed.len() + self.more
    }

    /// The first, as messages say it.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.listed.first().map(|(path, problem)| said(path, problem))
    }

    /// What to do about all of those listed, where that is one thing.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        let mut helps = self.listed.iter().map(|(_, problem)| problem.help.as_deref());
        let first = helps.next()??;
        helps.all(|help| help.is_some()).then_some(first)
    }

    #[must_use]
    pub fn listed(&self) -> &[(PathBuf, Malformed)] {
        &self.listed
    }
}

fn said(path: &Path, problem: &Malformed) -> String {
    let Spot { position, excerpt } = &problem.place;
    let message = format!("{}:{position}: {}", path.display(), problem.message);
    if excerpt.trim().is_empty() {
        return message;
    }
    format!("{message} in `{}`", visible::line(excerpt))
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> =
            self.listed.iter().map(|(path, problem)| said(path, problem)).collect();
        match self.more {
            0 => {}
            more => lines.push(format!("and {more} more")),
        }
        formatter.write_str(&lines.join("\n"))
    }
}

/// Why files gave no texts.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("`{}` is a Parquet file, and this build reads none", path.display())]
    NoParquet { path: PathBuf },
    #[error("{0}")]
    Malformed(Problems),
    #[error("`{}` has no lines", path.display())]
    Empty { path: PathBuf },
}

/// What a text is.
const A_TEXT: &str = "a text is `{\"text\": \"...\", \"entities\": [{\"start\": 0, \"end\": 5, \"label\": \"NODE\"}], \"anomaly\": 0}`; \
     `format` says what else the file is, and `on_error = \"skip\"` leaves out what is wrong";

/// The same where texts are something else.
const ANY: &str =
    "`format` says what else the file is, and `on_error = \"skip\"` leaves out what is wrong";

impl Help for ReadError {
    fn help(&self) -> Option<Cow<'_, str>> {
        if let Self::Io { error, .. } = self
            && let Some(foreign) = error.get_ref().and_then(|it| it.downcast_ref::<Foreign>())
        {
            return Some(foreign.help.into());
        }
        let help = match self {
            Self::Io { error, .. } if is_unmarked_utf16(error) => {
                "`encoding = \"utf-16\"` reads it, at a command line `--encoding utf-16`"
            }
            Self::Io { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => "see that the file is where the experiment says",
                io::ErrorKind::PermissionDenied => "change the permissions of the file",
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    "the file is damaged or was not written to its end: make it again"
                }
                _ => {
                    "the disk or the network that holds the file does not hand it out: copy it to another place, or check that"
                }
            },
            Self::NoParquet { .. } => {
                "build the program with `--features parquet`, or write the file as JSON lines: `datasets.load_dataset(\"parquet\", data_files=...)[\"train\"].to_json(\"lines.jsonl\")`"
            }
            Self::Malformed(problems) => {
                let usual = if problems.others { ANY } else { A_TEXT };
                return Some(problems.help().unwrap_or(usual).to_owned().into());
            }
            Self::Empty { .. } => A_TEXT,
        };
        Some(help.into())
    }
}
