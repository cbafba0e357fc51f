//! Which run made what a later one found in the store, and in what time: an entry says neither, for nothing of it depends on a clock. Each run
//! notes it in its own record, from that of the run before, so that whoever reads a record needs no other.

use std::collections::{HashMap, HashSet};

use super::record::{Built, NodeStatus, RunNode};
use super::records;
use crate::engine::plan::CacheKey;
use crate::engine::store::Store;

/// No more records are read, the newest first.
const RECORDS: usize = 50;

/// The making of a node's result, as far as the record of its run says it.
fn built(run: &str, node: &RunNode) -> Option<Built> {
    match node.outcome {
        NodeStatus::Built => Some(Built { run: run.to_owned(), elapsed_ms: node.elapsed_ms? }),
        _ => node.built.clone(),
    }
}

/// Notes at the nodes that a run has found in the store who made them, as far as earlier records tell: of each, the newest that has it.
pub fn note_built(store: &Store, nodes: &mut [RunNode]) {
    let is_found = |node: &RunNode| matches!(node.outcome, NodeStatus::Cached | NodeStatus::Reused);
    let mut wanted: HashSet<CacheKey> =
        nodes.iter().filter(|node| is_found(node)).filter_map(|node| node.key).collect();
    if wanted.is_empty() {
        return;
    }
    let mut known = HashMap::new();
    // Times of old are worth no result.
    for run in records::newest(store).into_iter().flatten().take(RECORDS) {
        for node in run.nodes.iter().filter(|node| node.outcome.is_complete()) {
            if let Some(key) = node.key
                && wanted.remove(&key)
            {
                known.extend(built(&run.id, node).map(|built| (key, built)));
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    for node in nodes.iter_mut().filter(|node| is_found(node)) {
        node.built = node.key.and_then(|key| known.get(&key).cloned());
    }
}
