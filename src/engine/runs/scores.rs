//! The scores of an entry, by their paths.

use serde::Deserialize as _;
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
}
