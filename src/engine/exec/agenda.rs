//! What is to be done: nodes, and what each of them needs.

use std::sync::Arc;

use super::error::ExecError;
use super::node::NodeName;
use super::options::Options;
use super::order::{Existing, WorkOrder};
use crate::engine::plan::{CacheKey, Identity, NodeId, Plan};
use crate::engine::stage::{AnyStage, HubCommit, StageKind};

/// One node, as far as it takes to decide what is to be done about it.
pub(super) struct Task {
    pub(super) name: NodeName,
    pub(super) kind: &'static StageKind,
    pub(super) instance: Arc<dyn AnyStage>,
    pub(super) key: CacheKey,
    /// By port, the node that makes it.
    pub(super) inputs: Vec<(&'static str, usize)>,
    /// What must be done before, without handing on data.
    pub(super) after: Vec<usize>,
    pub(super) existing: Existing,
    /// Its entry is read even where nothing else needs it: the caller is about to publish what it holds.
    pub(super) is_shown: bool,
}

pub(super) struct Agenda<'a> {
    /// In topological order.
    pub(super) tasks: Vec<Task>,
    /// Makes the order for a node. Most nodes of a large plan are there already, and need none.
    order: Box<dyn Fn(&Task, Existing) -> WorkOrder + 'a>,
}

impl<'a> Agenda<'a> {
    /// # Errors
    /// When a node has no key yet.
    pub(super) fn of_plan(plan: &'a Plan, options: &Options) -> Result<Self, ExecError> {
        let task = |id: NodeId| {
            let node = plan.node(id);
            let key = match &node.identity {
                Identity::Key(key) => *key,
                Identity::CommitUnknown(commit) => {
                    return Err(ExecError::CommitUnknown {
                        stage: node.stage.to_string(),
                        commit: HubCommit::clone(commit),
                    });
                }
            };
            let reruns = options.rerun.iter().any(|selector| node.is_named(selector));
            Ok(Task {
                name: NodeName {
                    node: id.index(),
                    stage: Arc::clone(&node.stage),
                    kind: node.kind.name,
                    label: Arc::clone(&node.label),
                },
                kind: node.kind,
                instance: Arc::clone(&node.instance),
                key,
                inputs: node.inputs.iter().map(|(port, id)| (*port, id.index())).collect(),
                after: node.after.iter().map(|id| id.index()).collect(),
                existing: if reruns { Existing::Outdated } else { Existing::Good },
                is_shown: options.verify.contains(&id),
            })
        };
        let order = |task: &Task, existing| {
            let id = NodeId(u32::try_from(task.name.node).expect("it came of an id"));
            WorkOrder::of(plan, id, task.name.clone(), existing)
        };
        Ok(Self { tasks: plan.ids().map(task).collect::<Result<_, _>>()?, order: Box::new(order) })
    }

    /// The order for a node.
    pub(super) fn order(&self, index: usize, existing: Existing) -> WorkOrder {
        (self.order)(&self.tasks[index], existing)
    }
}
