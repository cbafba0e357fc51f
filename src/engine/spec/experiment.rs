//! What an experiment file says, read and merged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::path::AxisTarget;
use super::pins::Pins;
use super::value::Value;
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

/// What varies between the trials of one file.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub method: Method,
    pub objective: Option<Objective>,
    pub seeds: Option<Seeds>,
    pub folds: Option<Folds>,
    /// In the order of the file, those of the root of the chain first.
    pub axes: Vec<Axis>,
    /// Where the sweep is declared.
    pub span: Span,
    /// Whether no file has a sweep: its results must not take the place of those that the file has without one.
    pub from_command_line: bool,
}

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every combination of the axes' values.
    Grid,
}

/// What makes one trial better than another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    pub maximize: bool,
    /// `stage.path`, such as `evaluate.ner.span_f1`.
    pub metric: String,
    pub span: Span,
}

impl Objective {
    /// The stage whose metric it is, and the metric's path in it.
    #[must_use]
    pub fn path(&self) -> (&str, &str) {
        self.metric.split_once('.').unwrap_or((&self.metric, ""))
    }
}

/// Replicates of every point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds {
    /// What each adds to the seed of the stages that are replicated; distinct, and at least one.
    pub addends: Vec<u64>,
    pub span: Span,
}

/// Replicates of every point, in each of which another part of the corpus validates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folds {
    /// At least two.
    pub count: usize,
    pub span: Span,
}

/// One thing that varies.
#[derive(Debug, Clone)]
pub struct Axis {
    pub target: AxisTarget,
    /// The name, where it was written.
    pub span: Span,
    /// Distinct, and at least one.
    pub values: Vec<Value>,
}
