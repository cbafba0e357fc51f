//! `<file>.lock`: the commits to which branches and tags of hub repositories were resolved.
//!
//! ```toml
//! version = 1
//!
//! [[pin]]
//! repo = "answerdotai/ModernBERT-base"
//! revision = "main"
//! commit = "8949b909ec900327062f0ebf497f51aef5e6f0c8"
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::problems::Problems;
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

/// The pins of one experiment file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    commits: BTreeMap<String, BTreeMap<String, String>>,
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

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Adds a pin, unless there is one for the same revision.
    pub fn add(&mut self, pin: Pin) {
        self.commits.entry(pin.repo).or_default().entry(pin.revision).or_insert(pin.commit);
    }

    /// Where the pins of `experiment` lie: `small.toml.lock` beside `small.toml`.
    #[must_use]
    pub fn path_for(experiment: &Path) -> PathBuf {
        let mut name = experiment.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Adds pins to the lock file at `path`. Those that are there stay: another process may be at work with them. Readers see the old file or the new one, never half of it.
    ///
    /// Returns what the file holds now.
    ///
    /// # Errors
    /// When the file that is there cannot be read, or the new one not be written.
    pub fn write(path: &Path, add: impl IntoIterator<Item = Pin>) -> Result<Self, PinsError> {
        Self::write_while(path, add, &mut |_| true)
    }

    /// The same for who looks at other things while another process writes its pins: see [`Waiting`].
    ///
    /// # Errors
    /// As [`Pins::write`], and when `waiting` gives up.
    pub fn write_while(
        path: &Path,
        add: impl IntoIterator<Item = Pin>,
        waiting: Waiting<'_>,
    ) -> Result<Self, PinsError> {
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
        add.into_iter().for_each(|pin| pins.add(pin));
        let mut written = || {
            lock.file.set_len(0)?;
            lock.file.write_all(pins.to_toml().as_bytes())?;
            durable::sync_file(&lock.file, &new)?;
            crash_point("before-pins-rename");
            durable::rename(&new, path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            durable::sync_folder(folder.unwrap_or(Path::new(".")))
        };
        written().map_err(failed)?;
        crash_point("after-pins-rename");
        Ok(pins)
    }

    /// The content of a lock file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = format!(
            "# written by `pipeline`; commit it with the experiment\nversion = {VERSION}\n"
        );
        for (repo, revisions) in &self.commits {
            for (revision, commit) in revisions {
                let (repo, revision, commit) = (quote(repo), quote(revision), quote(commit));
                let _ = write!(
                    out,
                    "\n[[pin]]\nrepo = {repo}\nrevision = {revision}\ncommit = {commit}\n"
                );
            }
        }
        out
    }
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
        read(document.root, id, &mut pins, &mut own);
    }
    problems.extend(own);
    pins
}

const REMEDY: &str = "remove the file to resolve branches afresh";

fn read(root: Table, id: SourceId, pins: &mut Pins, problems: &mut Problems) {
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
            (name, _) => bad(format!("a lock file has no key {}", quoted(name)), entry.name_span),
        }
    }
    if !version {
        bad(format!("a lock file has `version = {VERSION}`"), Span::new(id, 0..0));
    }
}

fn pin(table: Table) -> Option<Pin> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for entry in table.entries {
        let NodeData::String(text) = entry.node.data else { return None };
        fields.insert(entry.name.to_string(), text);
    }
    let commit = fields.remove("commit")?.to_ascii_lowercase();
    let pin = Pin { repo: fields.remove("repo")?, revision: fields.remove("revision")?, commit };
    let hexadecimal =
        pin.commit.len() == 40 && pin.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && fields.is_empty()).then_some(pin)
}
