//! What a run's record says: `run.json`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::outline::Outline;
use crate::engine::plan::{CacheKey, Objective};

/// What a run was asked for. The records of old programs lack some of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The command line, as one would type it.
    pub command: String,
    pub overrides: Changes,
    /// The name of the folder of its results in `outputs/`.
    pub results: String,
    /// What a sweep's best point is chosen by, such as `max evaluate.ner.span_f1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// Only some trials of a sweep were asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub single_trials: bool,
}

/// What the command line changed in the experiment file, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
}

/// What made something: a run, and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    pub run: String,
    /// The version of the program.
    pub program: String,
    pub command: String,
    pub overrides: Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    Done,
    Failed,
    Interrupted,
    /// Its process ended without a word.
    Died,
}

impl RunStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Died => "died",
        }
    }
}

/// How one node of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    Built,
    Cached,
    Reused,
    Failed,
    /// It was running when the run was interrupted.
    Cancelled,
    NotRun,
}

impl NodeStatus {
    /// In the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::Built, Self::Cached, Self::Reused, Self::Failed, Self::Cancelled, Self::NotRun];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Built => "built",
            Self::Reused => "reused",
            Self::Failed => "failed",
            Self::NotRun => "not run",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it ended with an entry.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Cached | Self::Built | Self::Reused)
    }
}

/// The making of a result.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Built {
    pub run: String,
    pub elapsed_ms: u64,
}

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunNode {
    pub stage: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    pub kind: String,
    pub key: Option<CacheKey>,
    pub outcome: NodeStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// The making of what it found in the store, as far as earlier runs tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What went wrong in the attempts before the last one, where the stage was tried more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_errors: Vec<String>,
    /// Where it left a state for a stage that goes further.
    #[serde(alias = "lineage", default, skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<CacheKey>,
}

impl RunNode {
    /// What to call it to a person: the stage, and the swept values that reach it.
    #[must_use]
    pub fn title(&self) -> String {
        if self.label.is_empty() {
            self.stage.clone()
        } else {
            format!("{} [{}]", self.stage, self.label)
        }
    }
}

/// The content of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    pub id: String,
    pub experiment: String,
    /// Relative to the folder that holds `outputs`, where it lies below.
    pub file: PathBuf,
    /// The version of the program.
    pub program: String,
    #[serde(flatten)]
    pub asked: Asked,
    pub status: RunStatus,
    /// In UTC, as in `2026-11-24T18:22:15.000Z`, so that text order is time order.
    pub started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The labels of the trials from which the score of the point comes that a sweep has chosen by its objective.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best: Vec<String>,
    /// The labels of the trials of points that were tried again with fresh seeds: those with these seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fresh: Vec<String>,
    #[serde(default)]
    pub nodes: Vec<RunNode>,
    /// How these hang together. Absent from the records of old programs, and of runs that list no nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
}

/// What a run has come to.
#[derive(Debug, Clone, Default)]
pub struct CameTo {
    pub outline: Option<Outline>,
    pub nodes: Vec<RunNode>,
    /// As [`RunFile`] has it.
    pub best: Vec<String>,
    /// As [`RunFile`] has it.
    pub fresh: Vec<String>,
}

impl From<Vec<RunNode>> for CameTo {
    fn from(nodes: Vec<RunNode>) -> Self {
        Self { nodes, ..Self::default() }
    }
}

impl RunFile {
    #[must_use]
    pub fn made_by(&self) -> MadeBy {
        MadeBy {
            run: self.id.clone(),
            program: self.program.clone(),
            command: self.asked.command.clone(),
            overrides: self.asked.overrides.clone(),
        }
    }

    /// When it began.
    #[must_use]
    pub fn moment(&self) -> SystemTime {
        let milliseconds = self
            .started
            .parse::<jiff::Timestamp>()
            .map_or(0, |started| u64::try_from(started.as_millisecond()).unwrap_or(0));
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    /// A run that has not ended in order has listed no nodes.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(self.status, RunStatus::Running | RunStatus::Died)
    }
}
