//! What makes one trial better than another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::is_name;

/// The metric of a stage that is to be as high, or as low, as can be. Files and records write it as `max evaluate.ner.span_f1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    pub maximize: bool,
    /// `stage.path`, such as `evaluate.ner.span_f1`.
    pub metric: String,
}

/// Why a text is no objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `max` or `min`, and the metric of a stage")]
pub struct NoObjective;

impl Objective {
    /// The stage whose metric it is, and the metric's path in it.
    #[must_use]
    pub fn path(&self) -> (&str, &str) {
        self.metric.split_once('.').unwrap_or((&self.metric, ""))
    }
}

/// Whether a text is the name of a stage and a path in its metrics.
pub(super) fn is_metric(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(stage, path)| is_name(stage) && path.split('.').all(|word| !word.is_empty()))
}

impl FromStr for Objective {
    type Err = NoObjective;

    fn from_str(text: &str) -> Result<Self, NoObjective> {
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(direction @ ("max" | "min")), Some(metric), None) if is_metric(metric) => {
                Ok(Self { maximize: direction == "max", metric: metric.to_owned() })
            }
            _ => Err(NoObjective),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.maximize { "max" } else { "min" };
        write!(formatter, "{direction} {}", self.metric)
    }
}

impl TryFrom<String> for Objective {
    type Error = NoObjective;

    fn try_from(text: String) -> Result<Self, NoObjective> {
        text.parse()
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> Self {
        objective.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_read_as_it_is_written() {
        for text in ["max evaluate.ner.span_f1", "min train.loss"] {
            let objective: Objective = text.parse().expect("an objective");
            assert_eq!(objective.to_string(), text);
            assert_eq!(serde_json::json!(objective), *text);
        }
        let spaced: Objective = "  max  evaluate.f1 ".parse().expect("an objective");
        assert_eq!((spaced.maximize, spaced.path()), (true, ("evaluate", "f1")));
        for text in
            ["", "max", "best evaluate.f1", "max f1", "max evaluate.", "max .f1", "max a.b c"]
        {
            assert_eq!(text.parse::<Objective>(), Err(NoObjective), "{text}");
        }
        assert!(serde_json::from_str::<Objective>("\"max f1\"").is_err());
    }
}
