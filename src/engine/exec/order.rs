//! What one stage needs to run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::node::NodeName;
use crate::engine::plan::{CacheKey, Fingerprint, NodeId, Plan};
use crate::engine::stage::{AnyStage, StageKind};

/// What one stage needs to run, whoever does it and wherever: what decides the result, and the limits within which it is made. Threads, device
/// and network are those of the process that does the work.
#[derive(Clone)]
pub struct WorkOrder {
    pub name: NodeName,
    /// The experiment's file, by which the stage finds what it came to the time before.
    pub file: PathBuf,
    pub kind: &'static StageKind,
    pub instance: Arc<dyn AnyStage>,
    /// The keys of the inputs are in it.
    pub fingerprint: Fingerprint,
    pub key: CacheKey,
    /// The name under which shorter and longer ones leave their state, where the stage can go on from one.
    pub lineage: Option<CacheKey>,
    /// How often it is tried again when it fails.
    pub retry: u32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    pub existing: Existing,
}

/// What an entry is worth that lies in the place of a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is the result.
    #[default]
    Good,
    /// It is the result if every byte is as its manifest says.
    Suspect,
    /// The user wants it made again.
    Outdated,
}

impl WorkOrder {
    /// The order for a node of a plan in which every node has its key.
    pub(super) fn of(plan: &Plan, id: NodeId, name: NodeName, existing: Existing) -> Self {
        let node = plan.node(id);
        let fingerprint = plan.fingerprint(id).expect("every node has its key");
        Self {
            name,
            file: plan.file.clone(),
            kind: node.kind,
            instance: Arc::clone(&node.instance),
            lineage: plan.lineage(id),
            key: node.identity.key().expect("every node has its key"),
            fingerprint,
            retry: node.retry,
            timeout: node.timeout,
            existing,
        }
    }
}
