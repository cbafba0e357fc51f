//! Source files: the digests that enter keys, those that are missing, and what is wrong inside those that a kind lets a plan look into.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Digests;
use super::validate::names_text;
use crate::base::diagnostics::{Diagnostic, SourceId, Sources, Span, suggest_file};
use crate::engine::spec::spelled_from;
use crate::engine::stage::{AnyStage, Content, ParameterProblem, SourceFile};

/// The source files of all stages. However many trials and stages name a file, it is asked for once.
pub(super) struct SourceFiles<'a> {
    digests: &'a dyn Digests,
    /// The texts of the experiment, and of the source files with mistakes.
    texts: Arc<Sources>,
    known: HashMap<PathBuf, Result<(String, u64), Absence>>,
    /// By kind too, since another one may see something else in the same file.
    contents: HashMap<(&'static str, PathBuf), Inspected>,
}

/// What inspections made of source files.
#[derive(Default)]
pub(super) struct Contents(HashMap<(&'static str, PathBuf), Inspected>);

impl Contents {
    /// What the inspection of a kind made of its source file, where it was seen and nothing is wrong with it.
    pub(super) fn get(&self, kind: &'static str, source: &SourceFile) -> Option<&Content> {
        source.inspection?;
        match self.0.get(&(kind, source.path.clone()))? {
            Inspected::Content(content) => Some(content),
            Inspected::Unseen | Inspected::Wrong => None,
        }
    }
}

#[derive(Clone)]
enum Inspected {
    /// Too large, or gone since its digest was taken; the run will say.
    Unseen,
    /// Which has been said.
    Wrong,
    Content(Content),
}

/// Why a file has no digest.
#[derive(Clone)]
struct Absence {
    kind: ErrorKind,
    text: String,
}

/// A stage that was read.
pub(super) struct Owner<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'static str,
    pub(super) stage: &'a dyn AnyStage,
}

impl<'a> SourceFiles<'a> {
    pub(super) fn new(digests: &'a dyn Digests, texts: Arc<Sources>) -> Self {
        Self { digests, texts, known: HashMap::new(), contents: HashMap::new() }
    }

    /// The experiment's texts, and those of source files in which something was found; and what was seen inside source files.
    pub(super) fn finish(self) -> (Arc<Sources>, Contents) {
        (self.texts, Contents(self.contents))
    }

    /// The digests of a stage's source files by name; `None` when something is wrong with them, which has been said.
    ///
    /// * `span`: where a parameter was written; a file of which nobody knows that is not looked at
    pub(super) fn read(
        &mut self,
        owner: &Owner<'_>,
        sources: &[SourceFile],
        span: &dyn Fn(&str) -> Option<Span>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<BTreeMap<String, String>> {
        let mut sound = true;
        let mut digests = BTreeMap::new();
        let mut missing: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
        for source in sources {
            let Some(place) = span(source.parameter) else {
                sound = false;
                continue;
            };
            match self.digest(&source.path) {
                Ok((digest, size)) => {
                    digests.insert(source.name.clone(), digest);
                    match self.inspect(owner.kind, source, size, found) {
                        Inspected::Unseen => {}
                        Inspected::Wrong => sound = false,
                        Inspected::Content(content) => {
                            for problem in owner.stage.check_content(&*content) {
                                sound = false;
                                found.push(problem_diagnostic(owner.name, &problem).at(
                                    problem.place.first().and_then(|at| span(at)).unwrap_or(place),
                                ));
                            }
                        }
                    }
                }
                Err(Absence { kind: ErrorKind::NotFound, .. }) => {
                    missing.entry(source.parameter).or_default().push(&source.path)
                }
                Err(absence) => {
                    sound = false;
                    found.push(self.unreadable(owner.name, source, &absence).at(place));
                }
            }
        }
        for (parameter, paths) in missing {
            sound = false;
            let Some(place) = span(parameter) else { continue };
            // A param of the command line is named in a file; the current folder in front of its path tells.
            let typed = self.texts.is_typed(place.source)
                || self.texts.files().all(|file| Path::new(file).is_relative())
                    && std::path::absolute(".").is_ok_and(|current| paths[0].starts_with(current));
            found.push(self.missing(owner.name, parameter, &paths, typed).at(place));
        }
        sound.then_some(digests)
    }

    fn digest(&mut self, path: &Path) -> Result<(String, u64), Absence> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let digest = self.digests.file(path);
        let digest = digest
            .map(|file| (file.digest, file.size))
            .map_err(|error| Absence { kind: error.kind(), text: error.to_string() });
        self.known.insert(path.to_owned(), digest.clone());
        digest
    }

    /// Looks into a file for which its kind asks that.
    fn inspect(
        &mut self,
        kind: &'static str,
        source: &SourceFile,
        size: u64,
        found: &mut Vec<Diagnostic>,
    ) -> Inspected {
        let Some(inspection) = source.inspection.filter(|inspection| size <= inspection.largest)
        else {
            return Inspected::Unseen;
        };
        let key = (kind, source.path.clone());
        if let Some(known) = self.contents.get(&key) {
            return known.clone();
        }
        let inspected = match self.digests.content(&source.path) {
            Err(_) => Inspected::Unseen,
            Ok(bytes) => {
                let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
                match std::str::from_utf8(bytes).map(inspection.read) {
                    Ok(Ok(content)) => Inspected::Content(content),
                    Ok(Err(problems)) => {
                        let id = self.add_text(&source.path, bytes);
                        for problem in problems {
                            let span = Span::new(id, problem.place.clone());
                            found.push(Diagnostic::of("invalid-source", problem.at(span)));
                        }
                        Inspected::Wrong
                    }
                    Err(error) => {
                        let at = error.valid_up_to();
                        let id = self.add_text(&source.path, bytes);
                        let span = Span::new(id, at..at + char::REPLACEMENT_CHARACTER.len_utf8());
                        let message = format!("the byte 0x{:02x} is not UTF-8 text", bytes[at]);
                        found.push(
                            Diagnostic::new("invalid-utf8", message)
                                .at(span)
                                .help("save the file as UTF-8"),
                        );
                        Inspected::Wrong
                    }
                }
            }
        };
        self.contents.insert(key, inspected.clone());
        inspected
    }

    fn add_text(&mut self, path: &Path, bytes: &[u8]) -> SourceId {
        Arc::make_mut(&mut self.texts)
            .add(path.display().to_string(), String::from_utf8_lossy(bytes).into())
    }

    /// Says of all missing files of a parameter that they are.
    fn missing(&self, stage: &str, parameter: &str, paths: &[&Path], typed: bool) -> Diagnostic {
        let subject = format!("stage `{stage}` parameter `{parameter}`");
        let folder = paths[0].parent().unwrap_or(Path::new(""));
        let beside = match self.digests.names(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("{subject}: there is no folder `{}`", folder.display());
                let diagnostic = Diagnostic::new("missing-file", message);
                if let Some(help) =
                    self.elsewhere(paths[0], typed).or_else(|| self.elsewhere(folder, typed))
                {
                    return diagnostic.help(help);
                }
                return with_path_help(diagnostic, folder, self.nearest(folder), typed);
            }
            _ => (paths.len() == 1).then(|| self.nearest(paths[0])).flatten(),
        };
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let message = match shown.as_slice() {
            [path] => format!("{subject}: there is no file `{path}`"),
            _ => format!(
                "{subject}: there are no files {}",
                names_text(shown.iter().map(String::as_str))
            ),
        };
        let diagnostic = Diagnostic::new("missing-file", message);
        if let Some(help) = self.elsewhere(paths[0], typed) {
            return diagnostic.help(help);
        }
        with_path_help(diagnostic, paths[0], beside, typed)
    }

    /// How a missing path is spelled that is there from another folder than the one that it was read from: the current one, or one of the
    /// experiment's files.
    fn elsewhere(&self, path: &Path, typed: bool) -> Option<String> {
        let current = std::path::absolute(".").ok()?;
        let mut folders: Vec<&Path> = vec![&current, Path::new("")];
        folders.extend(self.texts.files().filter_map(|file| Path::new(file).parent()));
        // The longest first: the others may lie above it.
        let mut starts = folders.clone();
        starts.sort_by_key(|folder| std::cmp::Reverse(folder.as_os_str().len()));
        for start in starts {
            let Ok(written) = path.strip_prefix(start) else { continue };
            let there = folders.iter().map(|folder| folder.join(written));
            let mut there = there.filter(|there| there != path && self.is_there(there));
            if let Some(there) = there.next() {
                let spelled = spelled_from(start, &there);
                return Some(format!("did you mean `{}`? {}", spelled.display(), start_of(typed)));
            }
        }
        None
    }

    fn is_there(&self, path: &Path) -> bool {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().and_then(|name| name.to_str());
        let names = self.digests.names(folder).unwrap_or_default();
        name.is_some_and(|name| names.iter().any(|there| there == name))
    }

    /// What beside a missing path has nearly its name.
    fn nearest(&self, path: &Path) -> Option<PathBuf> {
        let mut names = self.digests.names(path.parent()?).ok()?;
        names.sort();
        let near = suggest_file(path.file_name()?.to_str()?, &names)?;
        Some(path.with_file_name(near))
    }

    fn unreadable(&self, stage: &str, source: &SourceFile, absence: &Absence) -> Diagnostic {
        let subject = format!("stage `{stage}` parameter `{}`", source.parameter);
        let path = source.path.display();
        let message = if self.digests.names(&source.path).is_ok() {
            format!("{subject}: `{path}` is a folder, not a file")
        } else {
            match absence.kind {
                kind @ (ErrorKind::PermissionDenied | ErrorKind::NotADirectory) => {
                    format!("{subject}: cannot read `{path}`: {kind}")
                }
                _ => format!("{subject}: cannot read `{path}`: {}", absence.text),
            }
        };
        Diagnostic::new("unreadable-file", message)
    }
}

pub(super) fn problem_diagnostic(stage: &str, problem: &ParameterProblem) -> Diagnostic {
    Diagnostic::new("invalid-parameter", format!("stage `{stage}`: {}", problem.message))
        .help_of(problem.help.as_deref())
}

/// Where a relative path starts.
fn start_of(typed: bool) -> &'static str {
    if typed {
        "a relative path on the command line starts at the current folder"
    } else {
        "a relative path starts at the folder of the file that wrote it"
    }
}

fn with_path_help(
    diagnostic: Diagnostic,
    path: &Path,
    near: Option<PathBuf>,
    typed: bool,
) -> Diagnostic {
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{}`?", near.display())),
        None if path
            .components()
            .any(|part| matches!(part.as_os_str().as_encoded_bytes(), [b'$', ..] | b"~")) =>
        {
            diagnostic.help("nothing is put in place of `~` and `$NAME` in a path: write it out")
        }
        None => diagnostic.help(start_of(typed)),
    }
}
