//! What a reader of a score must know beside it.

use serde::{Deserialize, Serialize};

/// A reason to read scores with care. It is part of the artifacts on the way to a score, so that it is shown whenever the score is, also by a
/// run that builds nothing; [`Context::caveat`](super::Context::caveat) says it once more where it is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caveat {
    /// What scripts know it by: short and stable, such as `entities_cut`.
    pub code: String,
    /// A whole sentence without its full stop.
    pub message: String,
    /// How many of what the message is about.
    pub count: u64,
    /// The split that it is about, where it is about one; no score on another split but one of training is shown with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

impl Caveat {
    /// The member of a metrics file that lists them.
    pub const MEMBER: &'static str = "caveats";

    pub fn new(code: &str, count: impl TryInto<u64>, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            count: count.try_into().unwrap_or(u64::MAX),
            split: None,
        }
    }

    /// The same about one split.
    #[must_use]
    pub fn of(self, split: impl ToString) -> Self {
        Self { split: Some(split.to_string()), ..self }
    }

    /// Those that a metrics file lists; none where it has no such list.
    #[must_use]
    pub fn listed_in(metrics: &serde_json::Value) -> Vec<Self> {
        let listed = metrics.get(Self::MEMBER).and_then(|listed| listed.as_array());
        let read = |caveat| serde_json::from_value(serde_json::Value::clone(caveat)).ok();
        listed.into_iter().flatten().filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn caveats_are_read_back_from_a_metrics_file() {
        let caveat = Caveat::new("entities_cut", 3_usize, "3 entities are cut");
        let metrics = json!({"loss": 0.5, "caveats": [caveat]});
        assert_eq!(
            metrics["caveats"],
            json!([{"code": "entities_cut", "message": "3 entities are cut", "count": 3}])
        );
        assert_eq!(Caveat::listed_in(&metrics), [caveat]);
        assert_eq!(Caveat::listed_in(&json!({"loss": 0.5})), []);
    }
}
