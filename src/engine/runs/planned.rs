//! What a plan has come to, as far as the store has its results, whoever made them.

use std::collections::HashMap;

use super::record::{Asked, NodeStatus, RunFile, RunNode, RunStatus};
use super::records::name_of_file;
use super::results::Results;
use crate::engine::plan::{CacheKey, Plan};
use crate::engine::store::{Entry, Store, StoreError};

impl Results {
    /// Of a plan that nobody ran just now: its nodes are as if a run had found in the store what is there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn planned(plan: &Plan, store: &Store) -> Result<Self, StoreError> {
        let mut entries: HashMap<CacheKey, Entry> = HashMap::new();
        for key in plan.nodes.iter().filter_map(|node| node.identity.key()) {
            if let Some(entry) = store.get(&key)? {
                entries.insert(key, entry);
            }
        }
        let node = |node: &crate::engine::plan::Node| {
            let key = node.identity.key();
            let is_there = key.is_some_and(|key| entries.contains_key(&key));
            RunNode {
                stage: node.stage.to_string(),
                label: node.label.to_string(),
                kind: node.kind.name.to_owned(),
                key,
                outcome: if is_there { NodeStatus::Cached } else { NodeStatus::NotRun },
                elapsed_ms: None,
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
            nodes: plan.nodes.iter().map(node).collect(),
        };
        let entries = entries.iter().map(|(key, entry)| (*key, entry)).collect();
        Ok(Self::of(run, plan, &entries))
    }
}
