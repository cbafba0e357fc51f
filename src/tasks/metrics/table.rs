//! The metrics: a row of the table for each.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::Evidence;
use super::{auroc, average_precision, token_accuracy};

/// A metric.
struct Row {
    /// Its path in `metrics.json`; what stands before a dot is the task that it scores.
    name: &'static str,
    lower_is_better: bool,
    needs: Needs,
    value: fn(&Evidence<'_>) -> Option<f64>,
}

/// What texts must have for a metric to tell models apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Texts,
    Entities,
    Anomalies,
    BothClasses,
}

const fn row(name: &'static str, needs: Needs, value: fn(&Evidence<'_>) -> Option<f64>) -> Row {
    Row { name, lower_is_better: false, needs, value }
}

const ROWS: [Row; 11] = [
    Row { lower_is_better: true, ..row("loss", Needs::Texts, |of| of.loss) },
    row("ner.token_accuracy", Needs::Texts, |of| {
        token_accuracy(of.tags.as_ref()?.truth, of.tags.as_ref()?.predicted)
    }),
    row("ner.span_precision", Needs::Entities, |of| of.tags.as_ref()?.spans.micro.precision),
    row("ner.span_recall", Needs::Entities, |of| of.tags.as_ref()?.spans.micro.recall),
    row("ner.span_f1", Needs::Entities, |of| of.tags.as_ref()?.spans.micro.f1),
    row("anomaly.accuracy", Needs::Texts, |of| of.binary()?.accuracy),
    row("anomaly.precision", Needs::Anomalies, |of| of.binary()?.precision),
    row("anomaly.recall", Needs::Anomalies, |of| of.binary()?.recall),
    row("anomaly.f1", Needs::Anomalies, |of| of.binary()?.f1),
    row("anomaly.auroc", Needs::BothClasses, |of| {
        auroc(of.classes.as_ref()?.truth, of.classes.as_ref()?.scores)
    }),
    row("anomaly.average_precision", Needs::Anomalies, |of| {
        average_precision(of.classes.as_ref()?.truth, of.classes.as_ref()?.scores)
    }),
];

/// The names of all metrics.
pub const NAMES: [&str; ROWS.len()] = {
    let mut names = [""; ROWS.len()];
    let mut number = 0;
    while number < names.len() {
        names[number] = ROWS[number].name;
        number += 1;
    }
    names
};

/// A number by which evaluations are compared: a row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metric(usize);

impl Metric {
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS.len()).map(Self)
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(Self)
    }

    /// Its path in `metrics.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[self.0]
    }

    /// The task that it scores; `None` of one that is about the whole model.
    #[must_use]
    pub fn task(self) -> Option<&'static str> {
        self.name().split_once('.').map(|(task, _)| task)
    }

    #[must_use]
    pub fn needs(self) -> Needs {
        ROWS[self.0].needs
    }

    /// Its value; `None` where it is undefined.
    #[must_use]
    pub fn of(self, evidence: &Evidence<'_>) -> Option<f64> {
        (ROWS[self.0].value)(evidence)
    }

    /// True when `candidate` is better than `best` by more than `margin`. A value that is not a number is never better.
    #[must_use]
    pub fn improves(self, candidate: f64, best: Option<f64>, margin: f64) -> bool {
        match best {
            _ if candidate.is_nan() => false,
            None => true,
            Some(best) if ROWS[self.0].lower_is_better => candidate < best - margin,
            Some(best) => candidate > best + margin,
        }
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number by which evaluations are compared.",
            "type": "string",
            "enum": NAMES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str) -> Metric {
        Metric::named(name).expect("a metric")
    }

    #[test]
    fn every_metric_is_written_and_read_by_its_name() {
        for metric in Metric::all() {
            let text = serde_json::to_string(&metric).expect("a name");
            assert_eq!(text, format!("\"{}\"", metric.name()));
            assert_eq!(serde_json::from_str::<Metric>(&text).expect("a metric"), metric);
        }
        assert!(serde_json::from_str::<Metric>("\"ner.f2\"").is_err());
    }

    #[test]
    fn a_smaller_loss_and_a_larger_f1_are_better() {
        assert!(metric("loss").improves(0.5, Some(0.6), 0.0));
        assert!(metric("ner.span_f1").improves(0.6, Some(0.5), 0.0));
        assert!(!metric("ner.span_f1").improves(f64::NAN, None, 0.0));
        assert!(!metric("ner.span_f1").improves(0.6, Some(0.5), 0.2));
    }
}
