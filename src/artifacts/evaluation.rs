//! Predictions and scores on one split.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::metrics::Scores;
use crate::stage::{Artifact, Caveat, StageError};

/// Scores, predictions, and the token confusion matrix.
pub struct Evaluation {
    folder: PathBuf,
}

/// One row of `predictions.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PredictionRow {
    pub text: String,
    /// 0 is normal, 1 an anomaly.
    pub anomaly: u32,
    pub predicted_anomaly: u32,
    /// Probability that the text is an anomaly.
    pub anomaly_score: f64,
    /// JSON list of `{"start", "end", "label"}`, offsets in characters.
    pub entities: String,
    pub predicted_entities: String,
}

/// `metrics.json`.
#[derive(Serialize)]
struct MetricsFile<'a> {
    #[serde(flatten)]
    scores: &'a Scores,
    caveats: Vec<Caveat>,
}

/// Tokens by true and predicted label: `ner_confusion.csv`, a row per true label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelConfusion {
    pub labels: Vec<String>,
    /// `(labels, labels)`, row by row.
    pub counts: Vec<u64>,
}

impl Evaluation {
    const METRICS_FILE: &'static str = "metrics.json";
    const REPORT: &'static str = "classification_report.txt";
    const PREDICTIONS: &'static str = "predictions.csv";
    const CONFUSION: &'static str = "ner_confusion.csv";

    /// # Errors
    /// When the disk refuses.
    pub fn write(
        folder: &Path,
        scores: &Scores,
        caveats: &[Caveat],
        report: &str,
        predictions: impl Iterator<Item = PredictionRow>,
        confusion: &LabelConfusion,
    ) -> Result<Self, StageError> {
        let caveats =
            caveats.iter().map(|caveat| Caveat { split: None, ..caveat.clone() }).collect();
        let metrics = MetricsFile { scores, caveats };
        files::write_json(&folder.join(Self::METRICS_FILE), &metrics)?;
        files::write_text(&folder.join(Self::REPORT), report)?;
        let mut rows = files::CsvFile::create(folder.join(Self::PREDICTIONS))?;
        for row in predictions {
            rows.row(&row)?;
        }
        rows.finish()?;
        let mut rows = files::CsvFile::create(folder.join(Self::CONFUSION))?;
        rows.record(
            std::iter::once("true \\ predicted").chain(confusion.labels.iter().map(String::as_str)),
        )?;
        for (label, counts) in
            confusion.labels.iter().zip(confusion.counts.chunks(confusion.labels.len().max(1)))
        {
            rows.record(std::iter::once(label.clone()).chain(counts.iter().map(u64::to_string)))?;
        }
        rows.finish()?;
        Self::open(folder)
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn scores(&self) -> Result<Scores, StageError> {
        files::read_json(&files::require(&self.folder, Self::METRICS_FILE)?)
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn predictions(&self) -> Result<Vec<PredictionRow>, StageError> {
        files::read_csv(&files::require(&self.folder, Self::PREDICTIONS)?)
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn confusion(&self) -> Result<LabelConfusion, StageError> {
        let path = files::require(&self.folder, Self::CONFUSION)?;
        let rows: Vec<Vec<String>> = files::read_csv(&path)?;
        let labels = rows.iter().filter_map(|row| row.first().cloned()).collect();
        let counts: Result<Vec<u64>, _> =
            rows.iter().flat_map(|row| row.iter().skip(1)).map(|count| count.parse()).collect();
        let counts =
            counts.map_err(|error| StageError::new(format!("`{}`: {error}", path.display())))?;
        Ok(LabelConfusion { labels, counts })
    }
}

impl Artifact for Evaluation {
    const TYPE: &'static str = "evaluation";
    const FORMAT: u32 = 2;
    const METRICS: Option<&'static str> = Some(Self::METRICS_FILE);
    const METRIC_NAMES: &'static [&'static str] = &[
        "loss",
        "ner.token_accuracy",
        "ner.span_precision",
        "ner.span_recall",
        "ner.span_f1",
        "ner.per_label.",
        "anomaly.accuracy",
        "anomaly.precision",
        "anomaly.recall",
        "anomaly.f1",
        "anomaly.auroc",
        "anomaly.average_precision",
    ];
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        (Self::METRICS_FILE, "metrics.json"),
        (Self::REPORT, "classification_report.txt"),
        (Self::PREDICTIONS, "predictions.csv"),
        (Self::CONFUSION, "ner_confusion.csv"),
    ];

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Self::METRICS_FILE)?;
        Ok(Self { folder: folder.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Metric;

    #[test]
    fn an_objective_may_be_any_metric_that_training_can_watch() {
        for metric in Metric::ALL {
            assert!(Evaluation::METRIC_NAMES.contains(&metric.name()), "{}", metric.name());
        }
    }
}
