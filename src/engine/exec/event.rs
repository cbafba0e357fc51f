//! What happens in a run, as it happens.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::node::{Because, NodeName};
use crate::engine::plan::CacheKey;
use crate::engine::runs::NodeStatus;
use crate::engine::stage::{Caveat, Scores};

/// How many nodes ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub built: usize,
    pub cached: usize,
    pub reused: usize,
    pub failed: usize,
    pub not_run: usize,
    pub cancelled: usize,
}

impl FromIterator<NodeStatus> for Counts {
    fn from_iter<I: IntoIterator<Item = NodeStatus>>(ends: I) -> Self {
        let mut counts = Self::default();
        ends.into_iter().for_each(|end| *counts.of(end) += 1);
        counts
    }
}

impl Counts {
    pub fn of(&mut self, status: NodeStatus) -> &mut usize {
        match status {
            NodeStatus::Built => &mut self.built,
            NodeStatus::Cached => &mut self.cached,
            NodeStatus::Reused => &mut self.reused,
            NodeStatus::Failed => &mut self.failed,
            NodeStatus::NotRun => &mut self.not_run,
            NodeStatus::Cancelled => &mut self.cancelled,
        }
    }

    /// How many ended in each way, in the order in which that is told; none of those in which none did.
    pub fn told(mut self) -> impl Iterator<Item = (NodeStatus, usize)> {
        let counted = NodeStatus::ALL.map(|status| (status, *self.of(status)));
        counted.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// One thing that happened. Serialised, it is an object whose `event` names the variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    RunStarted {
        experiment: String,
        nodes: usize,
        jobs: usize,
        threads: usize,
    },
    /// The entry was there, or another process has built it while this run waited.
    StageCached {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
    },
    /// The inputs' contents turned out to be those of an older entry, which serves for this key too.
    StageReused {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
        from: CacheKey,
    },
    /// Another process is building this entry.
    StageWaiting {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
    },
    StageStarted {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
        threads: usize,
    },
    /// At most a few of these a second for each node.
    StageProgress {
        #[serde(flatten)]
        name: NodeName,
        done: u64,
        /// Zero when unknown.
        total: u64,
        unit: Cow<'static, str>,
        #[serde(serialize_with = "as_map", deserialize_with = "of_map")]
        numbers: Vec<(Cow<'static, str>, f64)>,
    },
    /// A stage has scored itself on the way.
    Evaluated {
        #[serde(flatten)]
        name: NodeName,
        step: u64,
        split: Cow<'static, str>,
        /// By their paths in `metrics.json`, and losses by their names in `history.csv`; an undefined one is null.
        #[serde(serialize_with = "as_scores", deserialize_with = "of_scores")]
        metrics: Vec<(String, Option<f64>)>,
    },
    StageMessage {
        #[serde(flatten)]
        name: NodeName,
        warning: bool,
        text: String,
    },
    /// An entry was not what its manifest says; it lies in `moved_to` now, and `stage` is built again.
    EntryDamaged {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
        findings: Vec<String>,
        moved_to: String,
    },
    StageFinished {
        #[serde(flatten)]
        name: NodeName,
        key: CacheKey,
        elapsed_ms: u64,
        size_bytes: u64,
    },
    /// It failed, and is tried again.
    StageRetried {
        #[serde(flatten)]
        name: NodeName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// Attempts that there may be.
        attempts: u32,
        error: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// How long the attempt took.
        elapsed_ms: u64,
        /// How long the next one waits.
        pause_ms: u64,
    },
    StageFailed {
        #[serde(flatten)]
        name: NodeName,
        error: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// The reason is one of the machine or of the moment, and not of the work.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_hindered: bool,
        elapsed_ms: u64,
    },
    /// The stage stopped because the run was interrupted; what it needs to go on is saved.
    StageCancelled {
        #[serde(flatten)]
        name: NodeName,
        elapsed_ms: u64,
    },
    StageNotRun {
        #[serde(flatten)]
        name: NodeName,
        because: Because,
    },
    /// A point of a sweep has come to its end.
    PointEnded(PointEnded),
    /// How many trials of a sweep lie in the results folder, of those that are to be put there; at most about once a second.
    Publishing {
        done: u64,
        total: u64,
    },
    /// How the jobs stand that do the work on a cluster.
    Jobs {
        text: String,
    },
    /// Something about the run as a whole that a person should know.
    Warning {
        text: String,
    },
    /// The last event, sent when the results lie in their place, or it is clear that they will not: its exit code is that of the process.
    RunFinished(Finished),
}

impl Event {
    /// The node that a task tells something of which others hear.
    pub(super) fn name_mut(&mut self) -> Option<&mut NodeName> {
        match self {
            Self::StageStarted { name, .. }
            | Self::StageProgress { name, .. }
            | Self::Evaluated { name, .. }
            | Self::StageMessage { name, .. }
            | Self::StageRetried { name, .. }
            | Self::EntryDamaged { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What a point of a sweep came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointEnded {
    /// From 1.
    pub number: usize,
    /// How many points there are to be.
    pub count: usize,
    /// Its label.
    pub point: String,
    /// On which rung, from 1; of a sweep that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<usize>,
    /// Whether it was tried again with fresh seeds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_finalist: bool,
    /// What the sweep is for, such as `evaluate.ner.span_f1`.
    pub metric: String,
    /// Over its trials; nothing of one that failed, or whose metric is undefined.
    pub mean: Option<f64>,
    /// Of several trials.
    pub sd: Option<f64>,
    /// How many trials the mean is of.
    pub n: u32,
    /// The label of the best point so far.
    pub best: Option<String>,
    pub best_mean: Option<f64>,
    /// How long the trials that are planned will take, at the pace of those before; of a search nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// What a run came to, for the last event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The run's id; absent where only orders were worked off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
    pub exit_code: u8,
    pub elapsed_ms: u64,
    /// The folder of results, where there is one.
    pub results: Option<PathBuf>,
    /// The trial that is best in a sweep's objective: the metrics are its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// By stage and path, such as `evaluate.ner.span_f1`; an undefined one is null.
    pub metrics: Scores,
    /// What the metrics are to be read with.
    pub caveats: Vec<Caveat>,
    /// What went wrong, in stages and after them.
    pub errors: Vec<RunError>,
}

/// Something that went wrong in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Absent where it was no stage.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub name: Option<NodeName>,
    pub message: String,
    pub help: Vec<String>,
}

/// An event with the time since the run began: one line of `events.jsonl` and of `run --json`, which is written of `&Event` and read as `Event`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line<E> {
    pub at_ms: u64,
    #[serde(flatten)]
    pub event: E,
}

/// Who listens to a run. Events come from several threads, each node's in order.
pub trait Reporter: Sync {
    fn event(&self, event: &Event);
}

/// Listens to nothing.
impl Reporter for () {
    fn event(&self, _event: &Event) {}
}

fn as_scores<S: serde::Serializer>(
    metrics: &[(String, Option<f64>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(name, value)| (name, value)))
}

/// Not finite numbers become null, since JSON has none.
fn as_map<S: serde::Serializer>(
    numbers: &[(Cow<'static, str>, f64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer
        .collect_map(numbers.iter().map(|(name, value)| (name, value.is_finite().then_some(value))))
}

fn of_scores<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, Option<f64>)>, D::Error> {
    let map: serde_json::Map<String, serde_json::Value> = Deserialize::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(name, value)| (name, value.as_f64())).collect())
}

/// What was not finite is no number of this kind or that, and was lost.
fn of_map<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Cow<'static, str>, f64)>, D::Error> {
    let scores = of_scores(deserializer)?.into_iter();
    Ok(scores.map(|(name, value)| (name.into(), value.unwrap_or(f64::NAN))).collect())
}
