//! Named scores, and how they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By path, such as `evaluate.ner.span_f1`; an undefined one is `None`.
pub type Scores = BTreeMap<String, Option<Score>>;

/// One number of a file of scores; one that is written without a fraction counts things.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Score {
    Count(u64),
    Measured(f64),
}

impl Score {
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Measured(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_without_a_fraction_and_scores_with_one() {
        let text = r#"{"e.loss":null,"e.ner.entities":227,"e.ner.f1":1.0}"#;
        let scores: Scores = serde_json::from_str(text).expect("scores");
        assert_eq!(scores["e.ner.entities"], Some(Score::Count(227)));
        assert_eq!(serde_json::to_string(&scores).expect("JSON"), text);
    }
}
