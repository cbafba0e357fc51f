//! Which earlier run made what a run found in the store, and in what time: an entry says neither, for nothing of it depends on a clock.

use std::collections::{BTreeSet, HashMap};

use super::record::NodeStatus;
use super::records;
use crate::engine::plan::CacheKey;
use crate::engine::store::{Store, StoreError};

/// No more records are read, the newest first.
const RECORDS: usize = 200;

/// The making of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub run: String,
    pub elapsed_ms: u64,
}

/// The making of entries by the newest runs, as far as records tell.
///
/// # Errors
/// When the folder of records cannot be listed.
pub fn built(
    store: &Store,
    mut keys: BTreeSet<CacheKey>,
) -> Result<HashMap<CacheKey, Built>, StoreError> {
    let mut all = HashMap::new();
    if keys.is_empty() {
        return Ok(all);
    }
    for run in records::newest(store)?.take(RECORDS) {
        for node in run.nodes.iter().filter(|node| node.outcome == NodeStatus::Built) {
            if let (Some(key), Some(elapsed_ms)) = (node.key, node.elapsed_ms)
                && keys.remove(&key)
            {
                all.insert(key, Built { run: run.id.clone(), elapsed_ms });
            }
        }
        if keys.is_empty() {
            break;
        }
    }
    Ok(all)
}
