//! How a run and each of its nodes ended.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::event::{Counts, Finished, RunError};
use super::node::{Because, NodeName};
use crate::base::problem::Help;
use crate::engine::plan::{CacheKey, Fingerprint, Node, NodeId, Plan};
use crate::engine::runs::{NodeStatus, RunNode};
use crate::engine::stage::StageError;
use crate::engine::store::Entry;

/// How a node ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    Cached,
    Built {
        elapsed: Duration,
    },
    /// Early cutoff: an older entry has the same content.
    Reused {
        from: CacheKey,
    },
    Failed {
        error: StageError,
        elapsed: Duration,
    },
    NotRun {
        because: Because,
    },
    /// It was running when the run was interrupted.
    Cancelled {
        elapsed: Duration,
    },
}

impl Outcome {
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        match self {
            Self::Cached => NodeStatus::Cached,
            Self::Built { .. } => NodeStatus::Built,
            Self::Reused { .. } => NodeStatus::Reused,
            Self::Failed { .. } => NodeStatus::Failed,
            Self::NotRun { .. } => NodeStatus::NotRun,
            Self::Cancelled { .. } => NodeStatus::Cancelled,
        }
    }
}

/// A node's end, and its entry if it has one.
#[derive(Debug, Clone)]
pub struct NodeResult {
    pub name: NodeName,
    pub key: CacheKey,
    pub outcome: Outcome,
    pub entry: Option<Entry>,
    /// What went wrong in the attempts before the last one.
    pub earlier_errors: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// One for each of the plan's nodes, in the plan's order.
    pub nodes: Vec<NodeResult>,
    pub interrupted: bool,
    /// All that is lacking belongs to points of a search, which has found others: whoever searches says so.
    pub lacks_only_points: bool,
    pub elapsed: Duration,
}

impl RunOutcome {
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.nodes.iter().map(|node| node.outcome.status()).collect()
    }

    /// What the last event says of it, as far as the stages go.
    #[must_use]
    pub fn finished(&self, exit_code: u8) -> Finished {
        let (counts, errors) = (self.counts(), self.errors());
        let elapsed_ms = millis(self.elapsed);
        Finished { counts, exit_code, elapsed_ms, errors, ..Finished::default() }
    }

    /// What went wrong in its stages.
    #[must_use]
    pub fn errors(&self) -> Vec<RunError> {
        let error = |node: &NodeResult| match &node.outcome {
            Outcome::Failed { error, .. } => Some(RunError {
                name: Some(node.name.clone()),
                message: error.to_string(),
                help: error.help().map(Cow::into_owned).into_iter().collect(),
            }),
            _ => None,
        };
        self.nodes.iter().filter_map(error).collect()
    }

    /// Every node has its entry.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.nodes.iter().all(|node| node.outcome.status().is_complete())
    }

    /// What the run's record says of each node.
    #[must_use]
    pub fn records(&self, plan: &Plan) -> Vec<RunNode> {
        let record = |(id, result): (NodeId, &NodeResult)| {
            let node = plan.node(id);
            let (elapsed, error) = match &result.outcome {
                Outcome::Cached | Outcome::Reused { .. } => (None, None),
                Outcome::Built { elapsed } | Outcome::Cancelled { elapsed } => {
                    (Some(*elapsed), None)
                }
                Outcome::Failed { error, elapsed } => (Some(*elapsed), Some(error.to_string())),
                Outcome::NotRun { because } => (None, Some(because.to_string())),
            };
            RunNode {
                stage: node.stage.to_string(),
                label: node.label.to_string(),
                kind: node.kind.name.to_owned(),
                key: Some(result.key),
                outcome: result.outcome.status(),
                elapsed_ms: elapsed.map(millis),
                built: None,
                error,
                earlier_errors: result.earlier_errors.clone(),
                warm_start: plan.warm_start(id).filter(|_| !needs_none(node, result)),
            }
        };
        plan.ids().zip(&self.nodes).map(record).collect()
    }

    #[must_use]
    pub fn entries(&self) -> HashMap<CacheKey, &Entry> {
        self.nodes.iter().filter_map(|node| Some((node.key, node.entry.as_ref()?))).collect()
    }

    /// Finds the parts of a key that this run has an entry of.
    pub fn fingerprints(&self) -> impl Fn(&CacheKey) -> Option<Fingerprint> {
        let entries = self.entries();
        move |key| entries.get(key).map(|entry| entry.manifest().fingerprint.clone())
    }

    /// 0 when every node has its entry, or only points of a search lack theirs; 130 when the run was interrupted before that, 1 when a stage failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.is_complete() {
            0
        } else if self.interrupted {
            130
        } else {
            u8::from(!self.lacks_only_points)
        }
    }
}

/// Whether nobody goes on from what stages of a node's name leave on their way: all of it is made.
fn needs_none(node: &Node, result: &NodeResult) -> bool {
    let is_whole = node.instance.extension().is_some_and(|extension| extension.is_whole);
    is_whole && result.outcome.status().is_complete()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
