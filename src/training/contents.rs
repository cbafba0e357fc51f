//! What there is to score in some texts, and which metrics that leaves undefined.

use serde::{Deserialize, Serialize};

use super::recipe::Metric;
use crate::text::Example;

/// What there is to score in some texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contents {
    pub texts: u64,
    /// Texts that are anomalies.
    pub anomalies: u64,
    pub entities: u64,
}

impl Contents {
    #[must_use]
    pub fn of(examples: &[Example]) -> Self {
        let count = |count: usize| count as u64;
        Self {
            texts: count(examples.len()),
            anomalies: count(examples.iter().filter(|example| example.anomaly == 1).count()),
            entities: examples.iter().map(|example| count(example.entities.len())).sum(),
        }
    }

    /// What of these texts leaves `metric` without a value that could ever change, whatever a model says of them: such as "has no anomaly".
    /// `None` where the metric can be compared.
    #[must_use]
    pub fn lacks(&self, metric: Metric) -> Option<&'static str> {
        match metric {
            Metric::Loss | Metric::TokenAccuracy | Metric::AnomalyAccuracy => None,
            Metric::SpanPrecision | Metric::SpanRecall | Metric::SpanF1 => {
                (self.entities == 0).then_some("has no entity")
            }
            Metric::Auroc if self.texts > 0 && self.anomalies == self.texts => {
                Some("has nothing but anomalies")
            }
            Metric::AnomalyPrecision
            | Metric::AnomalyRecall
            | Metric::AnomalyF1
            | Metric::Auroc
            | Metric::AveragePrecision => (self.anomalies == 0).then_some("has no anomaly"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(contents: Contents) -> Vec<&'static str> {
        let lacks = |metric: &Metric| contents.lacks(*metric).is_some();
        Metric::ALL.into_iter().filter(lacks).map(Metric::name).collect()
    }

    #[test]
    fn normal_texts_alone_define_no_score_of_anomalies_but_their_accuracy() {
        assert_eq!(
            lacking(Contents { texts: 5, anomalies: 0, entities: 3 }),
            [
                "anomaly.precision",
                "anomaly.recall",
                "anomaly.f1",
                "anomaly.auroc",
                "anomaly.average_precision"
            ]
        );
    }

    #[test]
    fn anomalies_alone_have_no_curve() {
        assert_eq!(lacking(Contents { texts: 5, anomalies: 5, entities: 3 }), ["anomaly.auroc"]);
    }

    #[test]
    fn texts_without_entities_define_no_score_of_spans() {
        assert_eq!(
            lacking(Contents { texts: 5, anomalies: 2, entities: 0 }),
            ["ner.span_precision", "ner.span_recall", "ner.span_f1"]
        );
    }
}
