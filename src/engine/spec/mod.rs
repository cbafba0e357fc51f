//! From text to [`Experiment`]: names, kinds, wires, params and axes, every value with the span that wrote it.
//!
//! The way of a file:
//!
//! 1. `source` reads its text: UTF-8, at most 8 MiB;
//! 2. `syntax` turns the text into a tree with spans, going on after mistakes;
//! 3. `layer` gives the tree the shape of an experiment file: what one file, or the command line, says;
//! 4. `chain` reads what the file `extends`;
//! 5. `merge` lays the layers on each other, the root first and the command line last, into an [`Experiment`].
//!
//! Stage kinds, port types and cycles are the plan's: nothing here knows what a kind is, only what it is called.

mod chain;
mod command_line;
mod layer;
mod merge;
mod path;
mod pins;
mod problems;
mod source;
mod sweep;
mod syntax;
mod trial;
mod value;
mod write;

pub use command_line::Overrides;
pub use layer::{MOST_RETRIES, STAGE_KEYS, unsafe_name};
pub use path::RESERVED;
pub use pins::{Pin, Pins, PinsError};
pub use source::spelled_from;
pub use sweep::{Axis, AxisTarget, Method, Objective, Seeds, Sweep};
pub use value::{Data, Value};
pub use write::Origin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::diagnostics::{Diagnostics, Sources, Span};

/// What an experiment file says, after `extends`, `unset` and the command line; references are not yet replaced.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The file that was asked for.
    pub file: PathBuf,
    /// `name`, else the file's stem: safe as the name of a folder.
    pub name: String,
    pub about: Option<String>,
    pub seed: Option<(u64, Span)>,
    pub params: BTreeMap<String, Value>,
    /// In the order of the file, those of the root of the chain first.
    pub stages: Vec<StageDeclaration>,
    pub sweep: Option<Sweep>,
    pub sources: Arc<Sources>,
    /// From `<file>.lock`.
    pub pins: Pins,
    /// The files that were read, the child first.
    pub chain: Vec<PathBuf>,
}

/// A `[stage.name]` table.
#[derive(Debug, Clone)]
pub struct StageDeclaration {
    pub name: Arc<str>,
    pub name_span: Span,
    pub kind: Arc<str>,
    /// The value of `kind`, or the name where there is none.
    pub kind_span: Span,
    pub after: Vec<(Arc<str>, Span)>,
    /// How often it is tried again when it fails.
    pub retry: Option<(u32, Span)>,
    /// How long one attempt may take.
    pub timeout: Option<(Duration, Span)>,
    /// In the order of the file.
    pub parameters: Vec<Parameter>,
}

impl StageDeclaration {
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| &*parameter.name == name)
    }
}

/// A parameter or a port; which one is for the kind to say.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: Arc<str>,
    pub name_span: Span,
    pub value: Value,
}

/// What could be read of a file with mistakes in it, so that the plan can look for more.
#[derive(Debug)]
pub struct Reading {
    /// Missing where so much is unreadable that whatever else were found would be a consequence.
    pub experiment: Option<Experiment>,
    pub diagnostics: Diagnostics,
}

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
        chain::read(&source::Disk, path, overrides)
    }

    /// As [`Experiment::read`], but with `text` for the content of the file at `path`, which need not exist.
    ///
    /// # Errors
    /// Every mistake in the shape of the files, all at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Diagnostics> {
        match chain::read(&source::Given { path, text }, path, &Overrides::default()) {
            Reading { experiment: Some(experiment), diagnostics } if diagnostics.is_empty() => {
                Ok(experiment)
            }
            Reading { diagnostics, .. } => Err(diagnostics),
        }
    }
}

#[cfg(test)]
mod tests;
