//! What a plan has come to, as far as the store has its results, whoever made them.

use super::outline::Outline;
use super::record::{Asked, NodeStatus, RunFile, RunNode, RunStatus};
use super::records::name_of_file;
use super::results::Results;
use crate::engine::plan::{Node, Plan};
use crate::engine::stage::StageKind;
use crate::engine::store::{Entry, Store, StoreError};

impl Results {
    /// Of a plan that nobody ran just now: its nodes are as if a run had found in the store what is there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn planned(
        plan: &Plan,
        store: &Store,
        kinds: &'static [StageKind],
    ) -> Result<Self, StoreError> {
        let entry = |node: &Node| node.identity.key().map_or(Ok(None), |key| store.get(&key));
        let entries: Result<Vec<Option<Entry>>, StoreError> =
            plan.nodes.iter().map(entry).collect();
        let entries = entries?;
        let node = |(node, entry): (&Node, &Option<Entry>)| {
            let is_there = entry.is_some();
            RunNode {
                stage: node.stage.to_string(),
                label: node.label.to_string(),
                kind: node.kind.name.to_owned(),
                key: node.identity.key(),
                outcome: if is_there { NodeStatus::Cached } else { NodeStatus::NotRun },
                elapsed_ms: None,
                built: None,
                error: None,
                earlier_errors: Vec::new(),
                warm_start: None,
            }
        };
        let objective = plan.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
        let run = RunFile {
            id: String::new(),
            experiment: plan.name.clone(),
            file: name_of_file(store, &plan.file),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            asked: Asked {
                results: plan.results.clone(),
                objective: objective.cloned(),
                ..Asked::default()
            },
            status: RunStatus::Done,
            started: String::new(),
            elapsed_ms: None,
            exit_code: None,
            best: Vec::new(),
            fresh: Vec::new(),
            nodes: plan.nodes.iter().zip(&entries).map(node).collect(),
            outline: Some(Outline::of(plan)),
        };
        Ok(Self::of(run, entries, kinds))
    }
}
