//! Named scores, and how they are written.

use std::collections::BTreeMap;

use serde::Serialize;

/// By path, such as `evaluate.ner.span_f1`; an undefined one is `None`.
pub type Scores = BTreeMap<String, Option<f64>>;

/// The last parts of the names of scores that count things.
const COUNTS: [&str; 4] = ["cut", "entities", "inside_tokens", "support"];

/// Whether a score of this name counts things, and is written as a whole number.
#[must_use]
pub fn is_count(name: &str) -> bool {
    COUNTS.contains(&name.rsplit('.').next().unwrap_or(name))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Count(u64),
    Measured(f64),
}

/// For `serde(serialize_with)`: counts without a fraction.
///
/// # Errors
/// Those of the serializer.
pub fn as_scores<S: serde::Serializer>(scores: &Scores, serializer: S) -> Result<S::Ok, S::Error> {
    let number = |name: &str, value: f64| {
        if is_count(name) && value.fract() == 0.0 && value >= 0.0 {
            Number::Count(value as u64)
        } else {
            Number::Measured(value)
        }
    };
    let written = scores.iter().map(|(name, value)| (name, value.map(|value| number(name, value))));
    serializer.collect_map(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_without_a_fraction_and_scores_with_one() {
        #[derive(Serialize)]
        struct Written(#[serde(serialize_with = "as_scores")] Scores);
        let scores = [("e.ner.entities", Some(227.0)), ("e.ner.f1", Some(1.0)), ("e.loss", None)];
        let scores = scores.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(
            serde_json::to_string(&Written(scores)).expect("JSON"),
            r#"{"e.loss":null,"e.ner.entities":227,"e.ner.f1":1.0}"#
        );
    }
}
