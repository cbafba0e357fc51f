//! What there is to score in some texts, and which metrics that leaves undefined.

use super::metrics::{Metric, Needs};
use crate::text::{Example, anomaly};

/// What there is to score in some texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
            anomalies: count(
                examples.iter().filter(|example| example.classes == anomaly(true)).count(),
            ),
            entities: examples.iter().map(|example| count(example.entities().len())).sum(),
        }
    }

    /// What of these texts leaves `metric` without a value that could ever change, whatever a model says of them: such as "has no anomaly".
    /// `None` where the metric can be compared.
    #[must_use]
    pub fn lacks(&self, metric: Metric) -> Option<&'static str> {
        let Self { texts, anomalies, entities } = *self;
        match metric.needs() {
            Needs::Entities if entities == 0 => Some("has no entity"),
            Needs::BothClasses if texts > 0 && anomalies == texts => {
                Some("has nothing but anomalies")
            }
            Needs::Anomalies | Needs::BothClasses if anomalies == 0 => Some("has no anomaly"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(contents: Contents) -> Vec<&'static str> {
        let lacks = |metric: &Metric| contents.lacks(*metric).is_some();
        Metric::all().filter(lacks).map(Metric::name).collect()
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
