//! Predictions and scores on one split.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};

use super::files;
use crate::engine::stage::{Artifact, Caveat, StageError};
use crate::tasks::Details;
use crate::tasks::metrics::{self, Scores};
use crate::text::{Entity, Example, anomaly};

/// Scores, predictions, and the token confusion matrix.
pub struct Evaluation {
    folder: PathBuf,
}

/// What the model says of one text, for a row of `predictions.csv`; `None` of a head that it has not.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub class: Option<PredictedClass>,
    pub entities: Option<Vec<Entity>>,
}

/// What the head over whole texts says of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedClass {
    pub class: u32,
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
struct ClassRow {
    anomaly: Option<u32>,
    predicted_anomaly: Option<u32>,
    anomaly_score: Option<f64>,
}

/// The classes of whole texts, a row for each.
#[derive(Debug, Clone, Default)]
pub struct ClassRows {
    pub truth: Vec<u32>,
    pub predicted: Vec<u32>,
    pub scores: Vec<f64>,
}

/// What becomes `metrics.json`: an object for each task, the metrics that are about no task, and the caveats.
pub struct Metrics<'a> {
    pub scores: &'a Scores,
    /// Of each task, by name.
    pub details: &'a [(&'static str, Details)],
    pub caveats: &'a [Caveat],
}

/// Its metrics, and what is counted beside them.
#[derive(Serialize)]
struct OfTask<'a> {
    #[serde(flatten)]
    scores: ScoresOf<'a>,
    #[serde(flatten)]
    details: &'a Details,
}

/// The metrics of a task.
struct ScoresOf<'a>(&'a Scores, &'static str);

impl Serialize for ScoresOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(scores, task) = self;
        let named = scores.iter().filter_map(|(metric, value)| {
            let (of, name) = metric.name().split_once('.')?;
            (of == *task).then_some((name, value))
        });
        serializer.collect_map(named)
    }
}

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = serializer.serialize_map(None)?;
        for (task, details) in self.details {
            let scores = ScoresOf(self.scores, task);
            file.serialize_entry(task, &OfTask { scores, details })?;
        }
        for (metric, value) in self.scores.iter().filter(|(metric, _)| metric.task().is_none()) {
            file.serialize_entry(metric.name(), &value)?;
        }
        let caveats: Vec<Caveat> =
            self.caveats.iter().map(|caveat| Caveat { split: None, ..caveat.clone() }).collect();
        file.serialize_entry("caveats", &caveats)?;
        file.end()
    }
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
        metrics: &Metrics<'_>,
        report: &str,
        predictions: &Predictions<'_>,
        confusion: Option<&LabelConfusion>,
    ) -> Result<Self, StageError> {
        files::write_json(&folder.join(Self::METRICS_FILE), metrics)?;
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

    /// `None` of a model that does not classify whole texts.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn classes(&self) -> Result<Option<ClassRows>, StageError> {
        let mut rows = ClassRows::default();
        let read = files::read_csv(&files::require(&self.folder, Self::PREDICTIONS)?)?;
        for ClassRow { anomaly, predicted_anomaly, anomaly_score } in read {
            let row = anomaly.zip(predicted_anomaly).zip(anomaly_score);
            let Some(((truth, predicted), score)) = row else { return Ok(None) };
            rows.truth.push(truth);
            rows.predicted.push(predicted);
            rows.scores.push(score);
        }
        Ok(Some(rows))
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
        let classifies = self.predicted.iter().all(|predicted| predicted.class.is_some());
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
                predicted.class.map(said).unwrap_or_default()
            };
            let own = [
                example.text.clone(),
                u32::from(example.classes == anomaly(true)).to_string(),
                said(&|said| said.class.to_string()),
                said(&|said| serde_json::to_string(&said.score).expect("a number")),
                json(example.entities()),
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
    const METRIC_NAMES: &'static [&'static str] = &{
        let mut names = ["ner.per_label."; metrics::NAMES.len() + 1];
        let mut number = 0;
        while number < metrics::NAMES.len() {
            names[number] = metrics::NAMES[number];
            number += 1;
        }
        names
    };
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

    fn written(texts: bool) -> String {
        let example = |text: &str, fields: &[(&str, &str)]| Example {
            text: text.to_owned(),
            entities: Some(vec![Entity { start: 0, end: 3, label: "PER".to_owned() }]),
            classes: anomaly(true),
            fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            line: 1,
        };
        let examples = [
            example("Ann, here", &[("event", "E7"), ("id", "17"), ("anomaly_score", "9")]),
            example("Bob", &[("host", "web-1")]),
        ];
        let class = Some(PredictedClass { class: 0, score: 1e-7 });
        let predicted = Prediction { class, entities: Some(Vec::new()) };
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
    fn undefined_scores_are_null_and_the_file_has_a_place_for_every_task() {
        use crate::tasks::metrics::{Classes, Evidence, Tags, span_scores};
        use crate::tasks::{classification, tagging};
        use crate::text::EncodedSplit;

        let spans = span_scores(&[vec![(0, 2)]], &[vec![]], |_| "X");
        let classes = [("anomaly".to_owned(), vec![0])].into();
        let split = EncodedSplit { classes, ..EncodedSplit::default() };
        let written = |evidence: &Evidence<'_>| {
            let is_tagged = evidence.tags.is_some();
            let predicted = evidence.classes.as_ref().map(|classes| classes.predicted);
            let tagged = tagging::Details::of(&split, &spans, is_tagged);
            let classified = classification::Details::of(&split, predicted);
            let details = [
                ("ner", Details::Tagging(tagged)),
                ("anomaly", Details::Classification(classified)),
            ];
            let scores = &Scores::of(evidence);
            let metrics = Metrics { scores, details: &details, caveats: &[] };
            serde_json::to_string(&metrics).expect("plain data")
        };
        let tags = Tags { truth: &[0, 1, 2, 2], predicted: &[2, 2, 2, 2], spans: &spans };
        let classes = Classes { truth: &[0], predicted: &[0], scores: &[0.25] };
        assert_eq!(
            written(&Evidence { loss: None, tags: Some(tags), classes: Some(classes) }),
            r#"{"ner":{"token_accuracy":0.5,"span_precision":null,"span_recall":0.0,"span_f1":0.0,"entities":1,"cut":0,"inside_tokens":0,"#
                .to_owned()
                + r#""per_label":{"X":{"precision":null,"recall":0.0,"f1":0.0,"support":1}}},"#
                + r#""anomaly":{"accuracy":1.0,"precision":null,"recall":null,"f1":null,"auroc":null,"average_precision":null,"#
                + r#""confusion":[[1,0],[0,0]]},"loss":null,"caveats":[]}"#
        );
        assert_eq!(
            written(&Evidence::default()),
            r#"{"ner":{"token_accuracy":null,"span_precision":null,"span_recall":null,"span_f1":null,"entities":1,"cut":0,"inside_tokens":0,"#
                .to_owned()
                + r#""per_label":{}},"#
                + r#""anomaly":{"accuracy":null,"precision":null,"recall":null,"f1":null,"auroc":null,"average_precision":null,"#
                + r#""confusion":null},"loss":null,"caveats":[]}"#
        );
    }
}
