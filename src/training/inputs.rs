//! What a training works on, and where it keeps what it needs to continue.

use std::path::Path;

use super::cadence::Cadence;
use crate::text::{CorpusTasks, EncodedSplit, LabelSet};

/// What a model is trained on.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    pub train: &'a EncodedSplit,
    /// Without it there are no evaluations.
    pub validation: Option<&'a EncodedSplit>,
    /// As the splits number them.
    pub labels: &'a LabelSet,
    /// What the splits are labelled for.
    pub tasks: &'a CorpusTasks,
}

/// Where a training keeps what it needs to continue. Nothing here changes a result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Storage<'a> {
    /// A folder that belongs to this model, data and recipe. Without it, an interrupted training begins anew.
    pub saved: Option<&'a Path>,
    /// A folder that belongs to this model, data and recipe wherever it stops, and whatever its `epochs` unless [`Recipe::horizon_parameter`]
    /// names something: finished states are left there, and the newest one that is not too far is where a longer training begins.
    pub warm_start: Option<&'a Path>,
    pub cadence: Cadence,
}
