//! What is known of one run, as the index has it in memory.

use std::collections::HashMap;
use std::fs::Metadata;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::plan::{CacheKey, Objective};
use crate::engine::runs::record::RunStatus;

/// What is known of a run without looking at its scores and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub id: String,
    pub(super) stamp: Stamp,
    pub experiment: String,
    pub file: PathBuf,
    /// The folder of its results in `outputs/`.
    pub results: String,
    pub program: String,
    pub command: String,
    pub status: RunStatus,
    pub started: String,
    pub elapsed_ms: Option<u64>,
    /// What a sweep's best point is chosen by, such as `max evaluate.ner.span_f1`.
    pub objective: Option<Objective>,
    /// The labels of the trials from which the score of the point comes that was chosen by it.
    pub best: Vec<String>,
    /// The names of the scores that say most.
    pub headlines: Vec<String>,
    pub trials: Vec<AboutTrial>,
    /// Entries whose presence decides what is known, and whether they were there.
    pub(super) entries: Vec<(CacheKey, bool)>,
    /// All that was there could be read.
    pub(super) is_whole: bool,
}

/// What is known of a trial in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AboutTrial {
    /// Empty without a sweep.
    pub label: String,
    /// That of its point.
    pub point: String,
    /// [`TrialStatus::name`](crate::engine::runs::TrialStatus::name)
    pub status: String,
    pub is_done: bool,
    /// Of what ran for it alone.
    pub elapsed_ms: Option<u64>,
    /// Of each stage that the seeds of a sweep replicate.
    pub seeds: Vec<Option<u64>>,
    pub fold: Option<usize>,
}

/// What tells that `run.json` is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    modified_ns: i128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { size: metadata.len(), modified_ns }
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A score that a summary has.
    Score,
    /// One of a single label or class.
    Detail,
    Parameter,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Score, Self::Detail, Self::Parameter];
}

/// A run of the index.
pub struct IndexedRun {
    pub about: About,
    /// What its line is a part of.
    pub(super) text: Arc<String>,
    pub(super) line: Range<usize>,
    /// The values of its trials.
    pub(super) scores: Range<usize>,
    pub(super) parameters: Range<usize>,
    /// As far as they were read.
    pub(super) details: Option<Details>,
}

/// The values of a trial, each as it is written, and the shape that names them.
pub(super) type Values<'a> = (&'a str, Vec<&'a RawValue>);

/// The names of a trial's values.
pub(super) struct Shape {
    pub(super) part: Part,
    /// What values name it by.
    pub(super) digest: String,
    pub(super) names: Vec<String>,
    /// Of each name.
    pub(super) places: HashMap<String, usize>,
}

/// The details of a run.
#[derive(Clone)]
pub(super) struct Details {
    pub(super) text: Arc<String>,
    pub(super) line: Range<usize>,
    /// The digest of the run's line.
    pub(super) of: Range<usize>,
    pub(super) values: Range<usize>,
}

impl About {
    /// Whether all was there that there is now.
    pub(super) fn has_all(&self, entries: &HashMap<CacheKey, bool>) -> bool {
        let is_as_it_was = |(key, was): &(CacheKey, bool)| entries.get(key) == Some(was);
        self.is_whole && self.entries.iter().all(is_as_it_was)
    }

    /// Whether its record is written for good.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.status, RunStatus::Running)
    }
}

impl IndexedRun {
    pub(super) fn order(&self) -> (&str, &str) {
        (&self.about.started, &self.about.id)
    }

    pub(super) fn line(&self) -> &str {
        &self.text[self.line.clone()]
    }

    /// Whether all of its values of a part have names.
    pub(super) fn is_named(&self, part: Part, shapes: &HashMap<String, Shape>) -> bool {
        self.part(part).iter().all(|(shape, _)| shapes.contains_key(*shape))
    }

    /// The values of each trial.
    pub(super) fn part(&self, part: Part) -> Vec<Values<'_>> {
        let text = match (part, &self.details) {
            (Part::Score, _) => &self.text[self.scores.clone()],
            (Part::Parameter, _) => &self.text[self.parameters.clone()],
            (Part::Detail, Some(details)) => details.text(),
            (Part::Detail, None) => return Vec::new(),
        };
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl Details {
    pub(super) fn line(&self) -> &str {
        &self.text[self.line.clone()]
    }

    fn text(&self) -> &str {
        &self.text[self.values.clone()]
    }
}
