//! Small fingerprints for the tests of this module.

use std::collections::BTreeMap;

use crate::plan::{CacheKey, Fingerprint};

/// A fingerprint that differs from those with another kind or text.
pub(super) fn fingerprint(kind: &str, text: &str) -> Fingerprint {
    Fingerprint {
        kind: kind.to_owned(),
        format: 1,
        code: BTreeMap::from([(kind.to_owned(), 1)]),
        parameters: serde_json::Map::from_iter([("text".to_owned(), text.into())]),
        sources: BTreeMap::new(),
        commit: None,
        inputs: BTreeMap::new(),
    }
}

/// The same with one input, at the port `from`.
pub(super) fn with_input(kind: &str, input: CacheKey) -> Fingerprint {
    Fingerprint { inputs: BTreeMap::from([("from".to_owned(), input)]), ..fingerprint(kind, "") }
}
