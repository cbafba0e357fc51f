//! Predictions and scores on one split.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::engine::stage::{Artifact, Caveat, StageError};
use crate::tasks::metrics::Scores;
use crate::text::{Entity, Example};

/// Scores, predictions, and the token confusion matrix.
pub struct Evaluation {
    folder: PathBuf,
}

/// What the model says of one text, for a row of `predictions.csv`; `None` of a head that it has not.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub anomaly: Option<PredictedClass>,
    pub entities: Option<Vec<Entity>>,
}

/// What the head over whole texts says of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedClass {
    /// 0 is normal, 1 an anomaly.
    pub class: u32,
    /// Probability that the text is an anomaly.
    pub score: f64,
}

/// The columns of `predictions.csv` that are not fields of the corpus; the lists of entities are JSON, with offsets in characters. What a head
/// says, and what it should have said, is left out where the model has not that head.
const COLUMNS: [&str; 6] =
    ["text", "anomaly", "predicted_anomaly", "anomaly_score", "entities", "predicted_entities"];

/// The field that comes first, since tables are joined by it.
const ID: &str = "id";

/// What is read back of a row of `predictions.csv`.
#[derive(Debug, Clone, Deserialize)]
pub struct ClassRow {
    /// 0 is normal, 1 an anomaly.
    pub anomaly: u32,
    pub anomaly_score: f64,
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
        predictions: &Predictions<'_>,
        confusion: Option<&LabelConfusion>,
    ) -> Result<Self, StageError> {
        let caveats =
            caveats.iter().map(|caveat| Caveat { split: None, ..caveat.clone() }).collect();
        let metrics = MetricsFile { scores, caveats };
        files::write_json(&folder.join(Self::METRICS_FILE), &metrics)?;
        files::write_text(&folder.join(Self::REPORT), report)?;
        predictions.write(&folder.join(Self::PREDICTIONS))?;
        if let Some(confusion) = confusion {
            Self::write_confusion(&folder.join(Self::CONFUSION), confusion)?;
        }
        Self::open(folder)
    }

    fn write_confusion(path: &Path, confusion: &LabelConfusion) -> Result<(), StageError> {
        let mut rows = files::CsvFile::create(path.to_owned())?;
        rows.record(
            std::iter::once("true \\ predicted").chain(confusion.labels.iter().map(String::as_str)),
        )?;
        for (label, counts) in
            confusion.labels.iter().zip(confusion.counts.chunks(confusion.labels.len().max(1)))
        {
            rows.record(std::iter::once(label.clone()).chain(counts.iter().map(u64::to_string)))?;
        }
        rows.finish()
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn scores(&self) -> Result<Scores, StageError> {
        files::read_json(&files::require(&self.folder, Self::METRICS_FILE)?)
    }

    /// Of a model that classifies whole texts.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn classes(&self) -> Result<Vec<ClassRow>, StageError> {
        files::read_csv(&files::require(&self.folder, Self::PREDICTIONS)?)
    }

    /// `None` of a model that does not tag.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn confusion(&self) -> Result<Option<LabelConfusion>, StageError> {
        let path = self.folder.join(Self::CONFUSION);
        if !path.exists() {
            return Ok(None);
        }
        let rows: Vec<Vec<String>> = files::read_csv(&path)?;
        let labels = rows.iter().filter_map(|row| row.first().cloned()).collect();
        let counts: Result<Vec<u64>, _> =
            rows.iter().flat_map(|row| row.iter().skip(1)).map(|count| count.parse()).collect();
        let counts =
            counts.map_err(|error| StageError::new(format!("`{}`: {error}", path.display())))?;
        Ok(Some(LabelConfusion { labels, counts }))
    }
}

/// All of `predictions.csv`.
pub struct Predictions<'a> {
    pub examples: &'a [Example],
    /// One for each example.
    pub predicted: &'a [Prediction],
    /// Whether the texts are written, too.
    pub texts: bool,
}

impl Predictions<'_> {
    /// The fields that any example has: `id` first, then the others by name.
    fn fields(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self
            .examples
            .iter()
            .flat_map(|example| example.fields.keys())
            .map(String::as_str)
            .collect();
        let (id, others): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| *name == ID);
        [id, others].concat()
    }

    fn write(&self, path: &Path) -> Result<(), StageError> {
        let classifies = self.predicted.iter().all(|predicted| predicted.anomaly.is_some());
        let tags = self.predicted.iter().all(|predicted| predicted.entities.is_some());
        let shown = [self.texts, classifies, classifies, classifies, tags, tags];
        let own = COLUMNS.iter().zip(shown).filter(|(_, shown)| *shown).map(|(name, _)| name);
        let fields = self.fields();
        let leading = fields.iter().take_while(|name| **name == ID).count();
        let column = |name: &&str| {
            if COLUMNS.contains(name) { format!("corpus.{name}") } else { (*name).to_owned() }
        };
        let mut rows = files::CsvFile::create(path.to_owned())?;
        let columns = fields[..leading].iter().chain(own).map(|name| (*name).to_owned());
        rows.record(columns.chain(fields[leading..].iter().map(column)))?;
        let json = |entities: &[Entity]| serde_json::to_string(entities).expect("plain data");
        for (example, predicted) in self.examples.iter().zip(self.predicted) {
            let field = |name: &&str| example.fields.get(*name).cloned().unwrap_or_default();
            let said = |said: &dyn Fn(PredictedClass) -> String| {
                predicted.anomaly.map(said).unwrap_or_default()
            };
            let own = [
                example.text.clone(),
                example.anomaly.to_string(),
                said(&|said| said.class.to_string()),
                said(&|said| serde_json::to_string(&said.score).expect("a number")),
                json(&example.entities),
                predicted.entities.as_deref().map(json).unwrap_or_default(),
            ];
            let own =
                own.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(value, _)| value);
            let before = fields[..leading].iter().map(field);
            rows.record(before.chain(own).chain(fields[leading..].iter().map(field)))?;
        }
        rows.finish()
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
    const HEADLINES: &'static [&'static str] = &["ner.span_f1", "anomaly.f1", "loss"];
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

    fn written(texts: bool) -> String {
        let example = |text: &str, fields: &[(&str, &str)]| Example {
            text: text.to_owned(),
            entities: vec![Entity { start: 0, end: 3, label: "PER".to_owned() }],
            anomaly: 1,
            fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            line: 1,
        };
        let examples = [
            example("Ann, here", &[("event", "E7"), ("id", "17"), ("anomaly_score", "9")]),
            example("Bob", &[("host", "web-1")]),
        ];
        let anomaly = Some(PredictedClass { class: 0, score: 1e-7 });
        let predicted = Prediction { anomaly, entities: Some(Vec::new()) };
        let predicted = [predicted.clone(), predicted];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        Predictions { examples: &examples, predicted: &predicted, texts }.write(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn predictions_keep_the_id_and_all_other_fields_and_leave_out_the_texts_where_asked() {
        let entities = r#""[{""start"":0,""end"":3,""label"":""PER""}]""#;
        assert_eq!(
            written(true),
            format!(
                "id,text,anomaly,predicted_anomaly,anomaly_score,entities,predicted_entities,corpus.anomaly_score,event,host\n\
                 17,\"Ann, here\",1,0,1e-7,{entities},[],9,E7,\n,Bob,1,0,1e-7,{entities},[],,,web-1\n"
            )
        );
        assert_eq!(
            written(false),
            format!(
                "id,anomaly,predicted_anomaly,anomaly_score,entities,predicted_entities,corpus.anomaly_score,event,host\n\
                 17,1,0,1e-7,{entities},[],9,E7,\n,1,0,1e-7,{entities},[],,,web-1\n"
            )
        );
    }

    #[test]
    fn an_objective_may_be_any_metric_that_training_can_watch() {
        for metric in Metric::ALL {
            assert!(Evaluation::METRIC_NAMES.contains(&metric.name()), "{}", metric.name());
        }
    }
}
