//! A file and what it extends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::experiment::{Experiment, Reading};
use super::file;
use super::layer::Layer;
use super::merge::Merge;
use super::problems::Problems;
use super::source::{self, Files};
use super::{Overrides, Pins, command_line, pins, syntax};
use crate::base::diagnostics::{Diagnostic, Diagnostics, Sources, Span, quoted};
use crate::base::disk::regular;

impl Experiment {
    /// Reads the file, what it extends, and its pins, and applies the command line.
    ///
    /// # Errors
    /// Every mistake in the shape of the files, all at once.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Self, Diagnostics> {
        let Reading { experiment, diagnostics } = Self::read_recovering(path, overrides);
        match experiment {
            Some(experiment) if diagnostics.is_empty() => Ok(experiment),
            _ => Err(diagnostics),
        }
    }

    /// As [`Experiment::read`], but mistakes do not hide what could be read: values that could not are [`Data::Invalid`], of which nobody should
    /// complain again. With this, one call of the program reports the mistakes in shape and those that the plan finds.
    #[must_use]
    pub fn read_recovering(path: &Path, overrides: &Overrides) -> Reading {
        read(&source::Disk, path, overrides)
    }

    /// As [`Experiment::read`], but with `text` for the content of the file at `path`, which need not exist.
    ///
    /// # Errors
    /// Every mistake in the shape of the files, all at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Diagnostics> {
        match read(&source::Given { path, text }, path, &Overrides::default()) {
            Reading { experiment: Some(experiment), diagnostics } if diagnostics.is_empty() => {
                Ok(experiment)
            }
            Reading { diagnostics, .. } => Err(diagnostics),
        }
    }
}

/// Reads everything. See [`Experiment::read_recovering`].
pub(super) fn read(files: &dyn Files, path: &Path, overrides: &Overrides) -> Reading {
    let mut sources = Sources::new();
    let mut problems = Problems::default();
    let chain = layers(files, path, &mut sources, &mut problems);
    let command_line = command_line::read(overrides, &mut sources, &mut problems);
    let pins = read_pins(files, path, &mut sources, &mut problems);
    let merged = chain.and_then(|chain| {
        let mut merge = Merge::new(&mut problems);
        let paths: Vec<PathBuf> = chain.iter().map(|link| link.path.clone()).collect();
        let start = Span::new(chain[0].start.source, 0..0);
        // The root is the last that was read.
        for link in chain.into_iter().rev() {
            merge.file(link.layer, link.start);
        }
        merge.command_line(command_line);
        merge.finish(path, start).map(|experiment| (experiment, paths))
    });
    let sources = Arc::new(sources);
    let experiment = merged.map(|(experiment, chain)| Experiment {
        file: path.to_owned(),
        sources: sources.clone(),
        pins,
        chain,
        ..experiment
    });
    Reading { experiment, diagnostics: problems.finish(sources) }
}

/// One file of the chain.
struct Link {
    path: PathBuf,
    layer: Layer,
    /// The file's first byte, at which complaints about what it lacks point.
    start: Span,
}

/// The layers of a file and of what it extends, the child first; nothing if one cannot be read.
fn layers(
    files: &dyn Files,
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Vec<Link>> {
    let mut chain: Vec<Link> = Vec::new();
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    let (mut path, mut wanted_by) = (path.to_owned(), None);
    let mut readable = true;
    loop {
        if let Some(first) = seen.insert(files.identity(&path), chain.len()) {
            let names: Vec<String> =
                chain[first..].iter().map(|link| link.path.display().to_string()).collect();
            let message =
                format!("`extends` goes in a circle: `{}` -> `{}`", names.join("` -> `"), names[0]);
            problems
                .push(Diagnostic { span: wanted_by, ..Diagnostic::new("extends-loop", message) });
            return None;
        }
        let id = source::read(files, &path, wanted_by, sources, problems)?;
        let folder: Arc<Path> = path.parent().unwrap_or(Path::new("")).into();
        let document = syntax::document(sources.text(id), id, problems);
        let mut layer = file::read(document, id, sources.text(id), &folder, problems);
        readable &= !layer.broken;
        let next = layer.extends.take();
        chain.push(Link { path: path.clone(), layer, start: Span::new(id, 0..0) });
        match next {
            Some((text, span)) if text.is_empty() => {
                problems.push(Diagnostic::new("missing-file", "`extends` is empty").at(span));
                return None;
            }
            Some((text, span)) => (path, wanted_by) = (folder.join(text), Some(span)),
            None => return readable.then_some(chain),
        }
    }
}

fn read_pins(
    files: &dyn Files,
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Pins {
    let path = Pins::path_for(path);
    match files.read(&path, source::LARGEST) {
        Ok(bytes) => pins::parse(&bytes, &path, sources, problems),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Pins::default()
        }
        Err(error) => {
            let message = format!(
                "cannot read {}: {}",
                quoted(&path.display().to_string()),
                regular::reason(&error)
            );
            problems.push(Diagnostic::new("unreadable-file", message));
            Pins::default()
        }
    }
}
