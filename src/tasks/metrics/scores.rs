//! All scores of a joint model in one structure: the content of `metrics.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PrecisionRecall, SpanScores, auroc, average_precision, binary_scores, token_accuracy};

/// What a joint model predicted for some texts, beside the truth.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    /// `(tokens,)`, numbers in `names`; [`IGNORE`](super::IGNORE) where a token does not count
    pub labels: &'a [u32],
    /// `(tokens,)`; `None` without a head that tags: it has no scores.
    pub predicted_labels: Option<&'a [u32]>,
    /// Without a head that tags, none is predicted.
    pub entities: Entities<'a>,
    /// `(sequences,)`, 0 or 1
    pub anomaly: &'a [u32],
    /// `(sequences,)`, 0 or 1, and `(sequences,)`, higher is more anomalous; `None` without a head over texts: it has no scores.
    pub predicted_anomaly: Option<(&'a [u32], &'a [f64])>,
    /// Mean loss over the texts, where known.
    pub loss: Option<f64>,
}

/// The entities of the same texts.
#[derive(Debug, Clone, Copy)]
pub struct Entities<'a> {
    /// How those that are predicted compare with those that the corpus has.
    pub spans: &'a SpanScores,
    /// Those that truncation cut: they are missed.
    pub cut: u64,
    /// Those that no labels of tokens give: they are missed, too.
    pub inside_tokens: u64,
}

/// The scores of a joint model. An undefined score is `None`, in JSON `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub ner: NerScores,
    pub anomaly: AnomalyScores,
    pub loss: Option<f64>,
}

/// Scores of the entities.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NerScores {
    /// Over all tokens but special ones, `O` counted.
    pub token_accuracy: Option<f64>,
    pub span_precision: Option<f64>,
    pub span_recall: Option<f64>,
    pub span_f1: Option<f64>,
    /// What the corpus has, whether tokens can say it or not.
    pub entities: u64,
    /// Entities that truncation cut.
    pub cut: u64,
    /// Entities that begin or end inside a token, or with white space.
    pub inside_tokens: u64,
    /// For every type with a true or a predicted entity.
    pub per_label: BTreeMap<String, PrecisionRecall>,
}

/// Scores of the classification as normal or anomaly.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AnomalyScores {
    pub accuracy: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    pub auroc: Option<f64>,
    pub average_precision: Option<f64>,
    /// `[[true negatives, false positives], [false negatives, true positives]]`
    pub confusion: Option<[[u64; 2]; 2]>,
}

impl Scores {
    /// # Panics
    /// When slices that belong together differ in length.
    #[must_use]
    pub fn of(predictions: &Predictions<'_>) -> Self {
        let Predictions { labels, predicted_labels, entities, anomaly, predicted_anomaly, loss } =
            *predictions;
        let SpanScores { micro, per_label } = entities.spans;
        // What is to be found is counted also where nobody looks for it.
        let counts = NerScores {
            entities: micro.support,
            cut: entities.cut,
            inside_tokens: entities.inside_tokens,
            ..NerScores::default()
        };
        let ner = predicted_labels.map(|predicted| NerScores {
            token_accuracy: token_accuracy(labels, predicted),
            span_precision: micro.precision,
            span_recall: micro.recall,
            span_f1: micro.f1,
            per_label: per_label.clone(),
            ..counts.clone()
        });
        let anomaly = predicted_anomaly.map(|(predicted, score)| {
            let binary = binary_scores(anomaly, predicted);
            AnomalyScores {
                accuracy: binary.accuracy,
                precision: binary.precision,
                recall: binary.recall,
                f1: binary.f1,
                auroc: auroc(anomaly, score),
                average_precision: average_precision(anomaly, score),
                confusion: Some(binary.confusion),
            }
        });
        Self {
            ner: ner.unwrap_or(counts),
            anomaly: anomaly.unwrap_or_default(),
            loss: loss.filter(|loss| loss.is_finite()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::span_scores;
    use super::*;

    #[test]
    fn undefined_scores_are_null_in_json() {
        let spans = span_scores(&[vec![(0, 2)]], &[vec![]], |_| "X");
        let scores = Scores::of(&Predictions {
            labels: &[0, 1, 2],
            predicted_labels: Some(&[2, 2, 2]),
            entities: Entities { spans: &spans, cut: 0, inside_tokens: 1 },
            anomaly: &[0],
            predicted_anomaly: Some((&[0], &[0.25])),
            loss: Some(f64::NAN),
        });
        let expected = serde_json::json!({
            "ner": {
                "token_accuracy": 1.0 / 3.0, "span_precision": null, "span_recall": 0.0, "span_f1": 0.0,
                "entities": 1, "cut": 0, "inside_tokens": 1,
                "per_label": {"X": {"precision": null, "recall": 0.0, "f1": 0.0, "support": 1}},
            },
            "anomaly": {
                "accuracy": 1.0, "precision": null, "recall": null, "f1": null, "auroc": null, "average_precision": null,
                "confusion": [[1, 0], [0, 0]],
            },
            "loss": null,
        });
        assert_eq!(serde_json::to_value(scores).unwrap(), expected);
    }

    #[test]
    fn a_head_that_is_not_there_has_no_scores() {
        let spans = span_scores(&[vec![(0, 2)]], &[vec![]], |_| "X");
        let scores = Scores::of(&Predictions {
            labels: &[0, 1, 2],
            predicted_labels: None,
            entities: Entities { spans: &spans, cut: 0, inside_tokens: 1 },
            anomaly: &[1],
            predicted_anomaly: None,
            loss: None,
        });
        let expected = serde_json::json!({
            "ner": {
                "token_accuracy": null, "span_precision": null, "span_recall": null, "span_f1": null,
                "entities": 1, "cut": 0, "inside_tokens": 1, "per_label": {},
            },
            "anomaly": {
                "accuracy": null, "precision": null, "recall": null, "f1": null, "auroc": null,
                "average_precision": null, "confusion": null,
            },
            "loss": null,
        });
        assert_eq!(serde_json::to_value(scores).expect("plain data"), expected);
    }
}
