//! Reading the text of an experiment file.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::problems::Problems;
use crate::base::diagnostics::{Diagnostic, SourceId, Sources, Span, quoted, suggest_file};
use crate::base::disk::regular;

/// Larger files are refused: an experiment file is written by hand.
pub(super) const LARGEST: u64 = 8 * 1024 * 1024;

/// Where texts come from, so that tests need no disk.
pub(super) trait Files {
    /// At most one byte more than `limit`.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// The same for two ways of writing the path of one file.
    fn identity(&self, path: &Path) -> PathBuf;
    /// Names of what lies beside it, for suggestions.
    fn beside(&self, path: &Path) -> Vec<String>;
}

/// The file system.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        regular::read_at_most(path, limit + 1)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }

    fn beside(&self, path: &Path) -> Vec<String> {
        const LISTED: usize = 1000;
        let entries =
            std::fs::read_dir(folder_of(path)).into_iter().flatten().take(LISTED).flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// One text under a name, in front of the disk.
pub(super) struct Given<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Files for Given<'_> {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        if path == self.path { Ok(self.text.as_bytes().to_vec()) } else { Disk.read(path, limit) }
    }

    fn identity(&self, path: &Path) -> PathBuf {
        Disk.identity(path)
    }

    fn beside(&self, path: &Path) -> Vec<String> {
        Disk.beside(path)
    }
}

/// How a file in `folder` would write what it wrote as a path from the current folder; `path` is the one that leads nowhere.
fn elsewhere(files: &dyn Files, folder: &Path, path: &Path) -> Option<PathBuf> {
    let written = path.strip_prefix(folder).ok()?;
    let name = written.file_name()?.to_str()?;
    (written != path && files.beside(written).iter().any(|there| there == name))
        .then(|| spelled_from(folder, written))
}

/// `target` as a file in `folder` writes it. Either is relative to the current folder, or absolute.
pub fn spelled_from(folder: &Path, target: &Path) -> PathBuf {
    let whole = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    };
    let (folder, target) = (whole(folder), whole(target));
    let shared =
        folder.components().zip(target.components()).take_while(|(one, other)| one == other);
    let shared = shared.count();
    let mut up = folder.components().skip(shared);
    if up.clone().any(|part| part == Component::ParentDir) {
        return target;
    }
    let up = up.by_ref().map(|_| Component::ParentDir);
    up.chain(target.components().skip(shared)).collect()
}

/// The folder to which a file's relative paths belong, as it can be opened.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Reads a file into `sources`. `wanted_by` is the `extends` that names it.
pub(super) fn read(
    files: &dyn Files,
    path: &Path,
    wanted_by: Option<Span>,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<SourceId> {
    let shown = path.display().to_string();
    let mut fail = |diagnostic: Diagnostic| {
        problems.push(match wanted_by {
            Some(span) if diagnostic.span.is_none() => diagnostic.at(span),
            _ => diagnostic,
        });
        None
    };
    let bytes = match files.read(path, LARGEST) {
        Ok(bytes) if bytes.len() as u64 > LARGEST => {
            let message = format!("{} is larger than 8 MiB", quoted(&shown));
            let help = "an experiment file names its data by path instead of holding it";
            return fail(Diagnostic::new("file-too-large", message).help(help));
        }
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let whose = wanted_by.map(|span| folder_of(Path::new(sources.name(span.source))));
            return fail(missing(files, path, whose));
        }
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::IsADirectory => {
                    format!("{} is a folder, not an experiment file", quoted(&shown))
                }
                _ => format!("cannot read {}: {}", quoted(&shown), regular::reason(&error)),
            };
            return fail(Diagnostic::new("unreadable-file", message));
        }
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = String::from_utf8_lossy(bytes);
    let is_empty = text.trim().is_empty();
    let id = sources.add(shown, text.into_owned());
    if let Err(error) = std::str::from_utf8(bytes) {
        return fail(not_utf8(id, bytes, error.valid_up_to()));
    }
    if is_empty {
        return fail(Diagnostic::new("empty-file", "the file is empty").at(Span::new(id, 0..0)));
    }
    Some(id)
}

/// * `whose`: the folder of the file that names it
fn missing(files: &dyn Files, path: &Path, whose: Option<&Path>) -> Diagnostic {
    let shown = path.display().to_string();
    let message = format!("cannot read {}: there is no such file", quoted(&shown));
    let diagnostic = Diagnostic::new("missing-file", message);
    if let Some(there) = whose.and_then(|folder| elsewhere(files, folder, path)) {
        return diagnostic.help(format!(
            "did you mean `{}`? `extends` starts at the folder of the file that wrote it",
            there.display()
        ));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let beside = files.beside(path);
    let near = suggest_file(name, &beside).filter(|name| name.ends_with(".toml"));
    let meant = near.map(|near| path.with_file_name(near).display().to_string());
    diagnostic.help_of(meant.map(|path| format!("did you mean `{path}`?")))
}

fn not_utf8(id: SourceId, bytes: &[u8], at: usize) -> Diagnostic {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let message = format!("the byte 0x{:02x} is not UTF-8 text", bytes[at]);
    Diagnostic::new("invalid-utf8", message)
        .at(Span::new(id, at..at + char::REPLACEMENT_CHARACTER.len_utf8()))
        .help(match is_utf16 {
            true => "the file is UTF-16: save it as UTF-8",
            false => "save the file as UTF-8",
        })
}
