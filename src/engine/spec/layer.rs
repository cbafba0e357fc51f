//! What one text says, before it is laid over what it extends.

use std::sync::Arc;
use std::time::Duration;

use super::demand::Demand;
use super::experiment::{Axis, Choose, Count, Folds, Method, Parameter, Rung, Seeds, Skip};
use super::objective::Objective;
use super::path::{AxisTarget, Word};
use crate::base::diagnostics::Span;

/// What one file, or the command line, says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub version: Option<Span>,
    pub extends: Option<(String, Span)>,
    pub unset: Vec<Unset>,
    pub about: Option<String>,
    pub name: Option<(String, Span)>,
    pub seed: Option<(u64, Span)>,
    pub params: Vec<Parameter>,
    pub stages: Vec<StageLayer>,
    pub sweep: Option<SweepLayer>,
    /// True if a table stands where none belongs, so that a stage which is missing is probably that.
    pub misplaced: bool,
    /// True if so much is unreadable that what is missing says nothing.
    pub broken: bool,
}

/// `[stage.name]` in one file.
#[derive(Debug)]
pub(super) struct StageLayer {
    pub name: Arc<str>,
    pub name_span: Span,
    pub kind: Option<(Arc<str>, Span)>,
    pub after: Option<Vec<(Arc<str>, Span)>>,
    pub at_best: Option<Span>,
    pub retry: Option<(u32, Span)>,
    pub timeout: Option<(Duration, Span)>,
    pub resources: Option<(Demand, Span)>,
    pub parameters: Vec<Parameter>,
}

impl StageLayer {
    pub fn new(name: Arc<str>, name_span: Span) -> Self {
        Self {
            name,
            name_span,
            kind: None,
            after: None,
            at_best: None,
            retry: None,
            timeout: None,
            resources: None,
            parameters: Vec::new(),
        }
    }
}

/// One member of `unset`.
#[derive(Debug)]
pub(super) struct Unset {
    pub words: Vec<Word>,
    pub span: Span,
}

/// What one file says about the sweep.
#[derive(Debug)]
pub(super) struct SweepLayer {
    pub span: Span,
    pub method: Option<(Method, Span)>,
    pub objective: Option<(Objective, Span)>,
    pub seeds: Option<Seeds>,
    pub folds: Option<Folds>,
    pub points: Option<Count>,
    pub parallel: Option<Count>,
    pub choose: Option<(Choose, Span)>,
    pub finalists: Option<Count>,
    pub fresh_seeds: Option<Count>,
    pub axes: Vec<Axis>,
    pub together: Option<Vec<Axis>>,
    pub rungs: Option<Vec<Rung>>,
    pub skip: Option<Vec<Skip>>,
    pub unread: Unread,
}

/// What a sweep has that could not be read, of which somebody has complained: it is not missing.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub objective: bool,
    pub axes: Vec<AxisTarget>,
}

impl SweepLayer {
    pub fn empty(span: Span) -> Self {
        Self {
            span,
            method: None,
            objective: None,
            seeds: None,
            folds: None,
            points: None,
            parallel: None,
            choose: None,
            finalists: None,
            fresh_seeds: None,
            axes: Vec::new(),
            together: None,
            rungs: None,
            skip: None,
            unread: Unread::default(),
        }
    }
}
