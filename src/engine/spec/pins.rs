//! `<file>.lock`: the commits to which branches and tags of hub repositories were resolved, and which of several sources were chosen.
//!
//! ```toml
//! version = 1
//!
//! [[pin]]
//! repo = "answerdotai/ModernBERT-base"
//! revision = "main"
//! commit = "8949b909ec900327062f0ebf497f51aef5e6f0c8"
//!
//! [[choice]]
//! first = { repo = "ours/base", revision = "main" }
//! chosen = { path = "../models/base" }
//! ```
//!
//! Choices stand in the order in which they were made: for the sources of a stage the earliest counts that is one of them, so that a later one for
//! another stage changes nothing. Paths start at the folder of the lock file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use super::problems::Problems;
use super::source::{folder_of, spelled_from};
use super::syntax::{self, NodeData, Table, quote};
use crate::base::diagnostics::{Diagnostic, Diagnostics, SourceId, Sources, Span, quoted};
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::locks::{FileLock, Waiting};
use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular;
use crate::base::problem::Help;

const VERSION: i64 = 1;

/// One resolved revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub repo: String,
    pub revision: String,
    /// 40 hexadecimal digits.
    pub commit: String,
}

/// One of several things that a stage can be made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinnedSource {
    Hub {
        repo: String,
        revision: String,
    },
    /// Relative to the current folder, or absolute.
    Folder(PathBuf),
}

/// Which of its sources a stage is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The one that is best liked, whose name the choice goes by.
    pub first: PinnedSource,
    pub chosen: PinnedSource,
}

/// The pins of one experiment file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    commits: BTreeMap<String, BTreeMap<String, String>>,
    /// The earliest first.
    choices: Vec<Choice>,
}

/// The lock file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    #[error("cannot write `{}`: {error}", path.display())]
    Write { path: PathBuf, error: std::io::Error },
    /// What is there cannot be read, and writing would lose it.
    #[error("{0}")]
    Malformed(Diagnostics),
}

impl Help for PinsError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Malformed(_) => None,
            Self::Write { path, error } => NoRoom::of(error, path).map(NoRoom::help),
        };
        help.map(Cow::from)
    }
}

impl Pins {
    /// The commit to which `revision` of `repo` is pinned.
    #[must_use]
    pub fn lookup(&self, repo: &str, revision: &str) -> Option<&str> {
        self.commits.get(repo)?.get(revision).map(String::as_str)
    }

    /// Which of its sources a stage is made from, by number; `None` where none of them was chosen yet.
    ///
    /// * `sources`: the best liked first
    #[must_use]
    pub fn chosen(&self, sources: &[PinnedSource]) -> Option<usize> {
        let first = sources.first()?;
        let choices = self.choices.iter().filter(|choice| choice.first.is_same(first));
        choices
            .into_iter()
            .find_map(|choice| sources.iter().position(|source| choice.chosen.is_same(source)))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.choices.is_empty()
    }

    /// Adds a pin, unless there is one for the same revision.
    pub fn add(&mut self, pin: Pin) {
        self.commits.entry(pin.repo).or_default().entry(pin.revision).or_insert(pin.commit);
    }

    /// Adds a choice behind those that are there.
    pub fn choose(&mut self, choice: Choice) {
        let is_same = |known: &Choice| {
            known.first.is_same(&choice.first) && known.chosen.is_same(&choice.chosen)
        };
        if !self.choices.iter().any(is_same) {
            self.choices.push(choice);
        }
    }

    /// Where the pins of `experiment` lie: `small.toml.lock` beside `small.toml`.
    #[must_use]
    pub fn path_for(experiment: &Path) -> PathBuf {
        let mut name = experiment.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Adds pins and choices to the lock file at `path`. Those that are there stay: another process may be at work with them. Readers see the old file or the new one, never half of it.
    ///
    /// Returns what the file holds now.
    ///
    /// # Errors
    /// When the file that is there cannot be read, or the new one not be written.
    pub fn write(path: &Path, add: Self) -> Result<Self, PinsError> {
        Self::write_while(path, add, &mut |_| true)
    }

    /// The same for who looks at other things while another process writes its pins: see [`Waiting`].
    ///
    /// # Errors
    /// As [`Pins::write`], and when `waiting` gives up.
    pub fn write_while(path: &Path, add: Self, waiting: Waiting<'_>) -> Result<Self, PinsError> {
        let failed = |error| PinsError::Write { path: path.to_owned(), error };
        let (mut lock, new) = locked_beside(path, waiting).map_err(failed)?;
        let (mut sources, mut problems) = (Sources::new(), Problems::default());
        let mut pins = match regular::read(path) {
            Ok(bytes) => parse(&bytes, path, &mut sources, &mut problems),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(failed(error)),
        };
        if !problems.is_empty() {
            return Err(PinsError::Malformed(problems.finish(sources.into())));
        }
        add.pins().for_each(|pin| pins.add(pin));
        add.choices.into_iter().for_each(|choice| pins.choose(choice));
        let mut written = || {
            lock.file.set_len(0)?;
            lock.file.write_all(pins.to_toml_in(folder_of(path)).as_bytes())?;
            durable::sync_file(&lock.file, &new)?;
            crash_point("before-pins-rename");
            durable::rename(&new, path)?;
            durable::sync_folder(folder_of(path))
        };
        written().map_err(failed)?;
        crash_point("after-pins-rename");
        Ok(pins)
    }

    fn pins(&self) -> impl Iterator<Item = Pin> {
        self.commits.iter().flat_map(|(repo, revisions)| {
            revisions.iter().map(|(revision, commit)| Pin {
                repo: repo.clone(),
                revision: revision.clone(),
                commit: commit.clone(),
            })
        })
    }

    /// The content of a lock file in `folder`.
    #[must_use]
    pub fn to_toml_in(&self, folder: &Path) -> String {
        let mut out = format!(
            "# written by `pipeline`; commit it with the experiment\nversion = {VERSION}\n"
        );
        for Pin { repo, revision, commit } in self.pins() {
            let (repo, revision, commit) = (quote(&repo), quote(&revision), quote(&commit));
            let _ =
                write!(out, "\n[[pin]]\nrepo = {repo}\nrevision = {revision}\ncommit = {commit}\n");
        }
        for Choice { first, chosen } in &self.choices {
            let (first, chosen) = (first.to_toml_in(folder), chosen.to_toml_in(folder));
            let _ = write!(out, "\n[[choice]]\nfirst = {first}\nchosen = {chosen}\n");
        }
        out
    }
}

impl FromIterator<Pin> for Pins {
    fn from_iter<Items: IntoIterator<Item = Pin>>(items: Items) -> Self {
        let mut pins = Self::default();
        items.into_iter().for_each(|pin| pins.add(pin));
        pins
    }
}

impl PinnedSource {
    /// Whether both mean the same, however their paths are written.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => whole(one) == whole(other),
            (one, other) => one == other,
        }
    }

    fn to_toml_in(&self, folder: &Path) -> String {
        match self {
            Self::Hub { repo, revision } => {
                format!("{{ repo = {}, revision = {} }}", quote(repo), quote(revision))
            }
            Self::Folder(path) => {
                // What lies elsewhere on the machine stays where it is when the experiment moves.
                let is_elsewhere = path.is_absolute() && !path.starts_with(whole(folder));
                let path = if is_elsewhere { path.clone() } else { spelled_from(folder, path) };
                // A path that is no text was refused when the value was made.
                format!("{{ path = {} }}", quote(&path.to_string_lossy()))
            }
        }
    }
}

/// From the root, with what `..` takes back left out: to tell paths apart, not to open them.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
        whole
    })
}

/// A file beside `path` for its new content, locked until it is closed, so that two processes add their pins one after the other. It always
/// has the same name: one that a killed process left is used, not left lying about.
fn locked_beside(path: &Path, waiting: Waiting<'_>) -> std::io::Result<(FileLock, PathBuf)> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = path.with_file_name(name);
    Ok((FileLock::take(&new, waiting)?, new))
}

/// Reads a lock file.
pub(super) fn parse(
    bytes: &[u8],
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Pins {
    let shown = path.display().to_string();
    let mut pins = Pins::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        let diagnostic =
            Diagnostic::new("lock-file", format!("{} is not UTF-8 text", quoted(&shown)));
        problems.push(diagnostic.help(REMEDY));
        return pins;
    };
    let id = sources.add(shown, text.to_owned());
    let mut own = Problems::default();
    let document = syntax::document(text, id, &mut own);
    if own.is_empty() {
        read(document.root, id, folder_of(path), &mut pins, &mut own);
    }
    problems.extend(own);
    pins
}

const REMEDY: &str = "remove the file to resolve branches and choose sources afresh";

fn read(root: Table, id: SourceId, folder: &Path, pins: &mut Pins, problems: &mut Problems) {
    let mut bad = |message: String, span: Span| {
        problems.push(Diagnostic::new("lock-file", message).at(span).help(REMEDY))
    };
    let mut version = false;
    for entry in root.entries {
        match (&*entry.name, entry.node.data) {
            ("version", NodeData::Integer(VERSION)) => version = true,
            ("version", _) => {
                version = true;
                bad(format!("a lock file has `version = {VERSION}`"), entry.node.span);
            }
            ("pin", NodeData::Array { items, .. }) => {
                for item in items {
                    let NodeData::Table(table) = item.data else {
                        bad("a pin is a table".to_owned(), item.span);
                        continue;
                    };
                    match pin(table) {
                        Some(pin) => pins.add(pin),
                        None => bad("a pin has `repo`, `revision` and `commit`, which is 40 hexadecimal digits".to_owned(), item.span),
                    }
                }
            }
            ("choice", NodeData::Array { items, .. }) => {
                for item in items {
                    let span = item.span;
                    match choice(item.data, folder) {
                        Some(choice) => pins.choose(choice),
                        None => bad("a choice has `first` and `chosen`, each with `repo` and `revision`, or with `path`".to_owned(), span),
                    }
                }
            }
            (name, _) => bad(format!("a lock file has no key {}", quoted(name)), entry.name_span),
        }
    }
    if !version {
        bad(format!("a lock file has `version = {VERSION}`"), Span::new(id, 0..0));
    }
}

/// * `folder`: where relative paths start
fn choice(data: NodeData, folder: &Path) -> Option<Choice> {
    let NodeData::Table(table) = data else { return None };
    let mut sources: BTreeMap<String, PinnedSource> = BTreeMap::new();
    for entry in table.entries {
        let NodeData::Table(source) = entry.node.data else { return None };
        let mut fields = texts(source)?;
        let source = match (fields.remove("repo"), fields.remove("revision"), fields.remove("path"))
        {
            (Some(repo), Some(revision), None) => PinnedSource::Hub { repo, revision },
            (None, None, Some(path)) => PinnedSource::Folder(folder.join(path)),
            _ => return None,
        };
        if !fields.is_empty() {
            return None;
        }
        sources.insert(entry.name.to_string(), source);
    }
    let choice = Choice { first: sources.remove("first")?, chosen: sources.remove("chosen")? };
    sources.is_empty().then_some(choice)
}

/// A table that holds nothing but texts.
fn texts(table: Table) -> Option<BTreeMap<String, String>> {
    let text = |data| match data {
        NodeData::String(text) => Some(text),
        _ => None,
    };
    let entries = table.entries.into_iter();
    entries.map(|entry| Some((entry.name.to_string(), text(entry.node.data)?))).collect()
}

fn pin(table: Table) -> Option<Pin> {
    let mut fields = texts(table)?;
    let commit = fields.remove("commit")?.to_ascii_lowercase();
    let pin = Pin { repo: fields.remove("repo")?, revision: fields.remove("revision")?, commit };
    let hexadecimal =
        pin.commit.len() == 40 && pin.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && fields.is_empty()).then_some(pin)
}
