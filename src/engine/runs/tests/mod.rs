mod gc;
mod records;

use super::{NodeStatus, RunNode};
use crate::engine::plan::CacheKey;
use crate::engine::store::test_support::fingerprint;

fn key(text: &str) -> CacheKey {
    fingerprint("copy", text).key()
}

fn node(stage: &str, text: &str, outcome: NodeStatus) -> RunNode {
    RunNode {
        stage: stage.into(),
        label: String::new(),
        kind: "copy".into(),
        key: Some(key(text)),
        outcome,
        elapsed_ms: None,
        built: None,
        error: None,
        earlier_errors: Vec::new(),
        warm_start: None,
    }
}
