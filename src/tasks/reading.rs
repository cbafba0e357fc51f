//! How the answers of a head over whole texts are read, and what is told of that beside its scores.

use serde::Serialize;

/// How the logits of a head become answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The score from which on a text has the second of two classes; `None` takes the most likely one.
    pub threshold: Option<f64>,
    /// What logits are divided by before they become probabilities.
    pub temperature: f64,
}

impl Default for Reading {
    fn default() -> Self {
        Self { threshold: None, temperature: 1.0 }
    }
}

/// How many answers a day somebody can look at, in texts of so many days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Budget {
    pub alerts_per_day: f64,
    /// From the first text to the last; `None` where they say no times.
    pub days: Option<f64>,
    /// What that comes to in all.
    pub alerts: Option<usize>,
}

impl Budget {
    #[must_use]
    pub fn of(alerts_per_day: f64, days: Option<f64>) -> Self {
        let alerts = days.map(|days| (alerts_per_day * days).floor() as usize);
        Self { alerts_per_day, days, alerts }
    }
}

/// What `metrics.json` and the report say of how a head is read. Of a head that is read as it came there is nothing to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Told {
    /// The one that its scores are at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_threshold: Option<AtThreshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calibration: Option<Calibration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) precision_at_budget: Option<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget: Option<Budget>,
}

/// What the model's threshold comes to where its scores are at another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct AtThreshold {
    pub(super) threshold: f64,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) f1: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Calibration {
    pub(super) temperature: f64,
    pub(super) ece_before: Option<f64>,
    pub(super) ece_after: Option<f64>,
}

impl Told {
    /// What the share of right ones among the alerts of a budget is called among the metrics of a head.
    pub const AT_BUDGET: &str = "precision_at_budget";

    /// Lines for `classification_report.txt`.
    #[must_use]
    pub fn report(&self) -> String {
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |it| format!("{it:.4}"));
        let mut lines = Vec::new();
        if let Some(threshold) = self.threshold {
            lines.push(format!("Scores are at the threshold {threshold}"));
        }
        if let Some(AtThreshold { threshold, precision, recall, f1 }) = &self.at_threshold {
            let [precision, recall, f1] = [precision, recall, f1].map(|value| number(*value));
            lines.push(format!(
                "At the threshold {threshold}: precision {precision}, recall {recall}, F1 {f1}"
            ));
        }
        if let Some(Calibration { temperature, ece_before, ece_after }) = &self.calibration {
            lines.push(format!(
                "Expected calibration error {} before and {} after calibration (temperature {temperature:.4})",
                number(*ece_before),
                number(*ece_after)
            ));
        }
        if let Some((Budget { alerts_per_day, days: Some(days), alerts: Some(alerts) }, value)) =
            self.budget.zip(self.precision_at_budget)
        {
            lines.push(format!(
                "Precision of the {alerts} highest scores ({alerts_per_day} a day in {days:.2} days): {}",
                number(value)
            ));
        }
        lines.into_iter().map(|line| line + "\n").collect()
    }
}
