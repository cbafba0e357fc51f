//! The scores of an entry, by their paths.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::engine::stage::{ArtifactType, Caveat, Score, Scores, covered};
use crate::engine::store::Entry;

/// The scores of one entry and what they are to be read with; nothing of an artifact without scores.
///
/// * `name`: what stands before the names of the scores, such as the stage's name
///
/// # Errors
/// When the file of scores cannot be read, or is not what the entry's manifest says.
pub fn scores_of(
    output: &ArtifactType,
    name: &str,
    entry: &Entry,
) -> std::io::Result<(Scores, Vec<Caveat>)> {
    let Some(file) = output.metrics else { return Ok(Default::default()) };
    let content: Value = serde_json::from_slice(&entry.read(file)?)?;
    let mut scores = Scores::new();
    flatten("", &content, output.metric_names, &mut scores);
    let named = scores.into_iter().map(|(path, value)| (format!("{name}.{path}"), value));
    Ok((named.collect(), Caveat::listed_in(&content)))
}

/// One score of an entry, by its path in the file of scores; `None` where it is undefined, or not there. It takes a fraction of the time of all.
///
/// # Errors
/// As of [`scores_of`].
pub fn score_of(
    output: &ArtifactType,
    path: &str,
    entry: &Entry,
) -> std::io::Result<Option<Score>> {
    let Some(file) = output.metrics else { return Ok(None) };
    let content = entry.read(file)?;
    Ok(At(path).deserialize(&mut serde_json::Deserializer::from_slice(&content))?)
}

/// The number at a path below what is read.
struct At<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Score>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<Score>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("scores")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            // Names of labels may hold dots.
            let below = self.0.strip_prefix(name.as_str());
            match below.and_then(|rest| rest.strip_prefix('.').or(rest.is_empty().then_some(rest)))
            {
                Some(rest) => found = map.next_value_seed(At(rest))?.or(found),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then_some(Score::Count(count)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then_some(Score::Measured(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then_some(Score::Measured(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Every number below `path`. A null is one that is undefined where the artifact names a metric so; else it stands for something that is no
/// number, such as a table.
///
/// * `names`: of the artifact's metrics, as [`covered`] takes them
fn flatten(path: &str, value: &Value, names: &[&str], scores: &mut Scores) {
    let is_metric = || covered(names, path).is_some();
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(&path, value, names, scores);
        }),
        Value::Number(_) => drop(scores.insert(path.to_owned(), Score::deserialize(value).ok())),
        Value::Null if is_metric() => drop(scores.insert(path.to_owned(), None)),
        Value::Null | Value::Array(_) | Value::String(_) | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_named_by_their_path_and_undefined_metrics_are_kept_but_no_other_nulls() {
        let mut scores = Scores::new();
        let ner = json!({"span_f1": 0.5, "token_accuracy": null, "per_label": {"PER": {"f1": null}}, "cut": 3});
        let content = json!({"ner": ner, "confusion": [[1, 2]], "other": {"confusion": null}});
        let names = ["ner.token_accuracy", "ner.span_f1", "ner.per_label."];
        flatten("", &content, &names, &mut scores);
        assert_eq!(
            scores,
            Scores::from([
                ("ner.span_f1".into(), Some(Score::Measured(0.5))),
                ("ner.token_accuracy".into(), None),
                ("ner.per_label.PER.f1".into(), None),
                ("ner.cut".into(), Some(Score::Count(3))),
            ])
        );
    }

    #[test]
    fn one_score_is_found_by_its_path_as_among_all() {
        let content = json!({
            "ner": {"span_f1": 0.5, "loss": -1, "token_accuracy": null, "per_label": {"a.b": {"f1": 0.25}, "a": {"b": 7}}},
            "confusion": [[1, 2]], "split": "test", "partial": true, "count": 3,
        });
        let text = content.to_string();
        let mut all = Scores::new();
        flatten("", &content, &[], &mut all);
        assert_eq!(all.len(), 5);
        let of = |path: &str| {
            At(path).deserialize(&mut serde_json::Deserializer::from_str(&text)).expect("JSON")
        };
        for (path, score) in all {
            assert_eq!(of(&path), score, "{path}");
        }
        for path in [
            "ner.token_accuracy",
            "ner",
            "ner.span",
            "confusion",
            "split",
            "partial",
            "count.x",
            "",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
