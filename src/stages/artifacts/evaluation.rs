//! Predictions and scores on one split.

mod exhibits;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Origin, corpus, files};
use crate::engine::stage::{
    Artifact, BESIDE, Caveat, Exhibit, Intervals, Shown, StageError, covered,
};
use crate::tasks::classification::{self, Judged};
use crate::tasks::metrics::{self, Bin, Interval, Metric, Reliability, Scores};
use crate::tasks::{Details, GroupScores};
use crate::text::{ClassHead, CorpusTasks, Entity, Example};

/// Scores, predictions, and the token confusion matrix.
pub struct Evaluation {
    pub(super) folder: PathBuf,
}

/// What the model says of one text, for a row of `predictions.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Of each head over whole texts.
    pub classes: Vec<PredictedClass>,
    /// `None` of a model that does not tag.
    pub entities: Option<Vec<Entity>>,
}

/// What a head over whole texts says of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedClass {
    pub class: u32,
    pub score: f64,
}

/// The columns of the lists of entities: the truth, and what the model says.
const ENTITIES: [&str; 2] = ["entities", "predicted_entities"];

/// The columns of a head over whole texts: the truth, which is empty where a text is not labelled, and what the model says.
pub(super) fn columns_of(head: &str) -> [String; 3] {
    [head.to_owned(), format!("predicted_{head}"), format!("{head}_score")]
}

/// The field that comes first, since tables are joined by it.
const ID: &str = "id";
/// The column of the texts.
const TEXT: &str = "text";

/// What becomes `metrics.json`: an object for each task, the metrics that are about no task, and the caveats.
pub struct Metrics<'a> {
    pub scores: &'a Scores,
    /// Of each task, by name.
    pub details: &'a [(String, Details)],
    /// By the metrics' names: within which 95 % of the scores lie on as many texts drawn of these.
    pub intervals: &'a [(String, Interval)],
    /// The field whose values were drawn, each with all of its texts, in place of texts.
    pub drawn: Option<&'a str>,
    /// The metrics that say most, of what is shown beside; absent without any.
    pub baselines: Option<&'a Value>,
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
struct ScoresOf<'a>(&'a Scores, &'a str);

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
        let intervals: serde_json::Map<_, _> = self
            .intervals
            .iter()
            .map(|(name, ends)| (name.clone(), (*ends).to_vec().into()))
            .collect();
        file.serialize_entry(Intervals::MEMBER, &intervals)?;
        if let Some(field) = self.drawn {
            file.serialize_entry(Intervals::DRAWN, field)?;
        }
        if let Some(baselines) = self.baselines {
            file.serialize_entry(BESIDE, baselines)?;
        }
        let caveats: Vec<Caveat> =
            self.caveats.iter().map(|caveat| Caveat { split: None, ..caveat.clone() }).collect();
        file.serialize_entry("caveats", &caveats)?;
        file.end()
    }
}

/// A row of `groups.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    pub field: String,
    /// What the texts have in common there.
    pub value: String,
    pub scores: GroupScores,
}

/// A row of `reliability.csv`: the texts of a bin of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityRow {
    pub head: String,
    /// Whether the scores are those after calibration.
    pub calibrated: bool,
    /// From 1.
    pub bin: usize,
    pub texts: usize,
    /// Their mean score.
    pub score: f64,
    /// How many of them have the class that it is about.
    pub share: f64,
}

/// Tokens by true and predicted label: `ner_confusion.csv`, a row per true label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelConfusion {
    pub labels: Vec<String>,
    /// `(labels, labels)`, row by row.
    pub counts: Vec<u64>,
}

impl Evaluation {
    pub(super) const METRICS_FILE: &'static str = "metrics.json";
    const REPORT: &'static str = "classification_report.txt";
    pub(super) const PREDICTIONS: &'static str = "predictions.csv";
    const CONFUSION: &'static str = "ner_confusion.csv";
    /// Scores of some of the texts, where they are asked for or of two kinds.
    pub const GROUPS: &'static str = "groups.csv";
    const ORIGIN: &'static str = "origin.json";
    /// The scores that a group has there, as [`covered`] takes them: those that say most, and what texts of one class can be told by.
    const OF_GROUPS: &'static [&'static str] = &["ner.span_f1", "*.accuracy", "*.f1", "*.macro_f1"];
    const RELIABILITY: &'static str = "reliability.csv";

    /// # Errors
    /// When the disk refuses.
    pub fn write(
        folder: &Path,
        metrics: &Metrics<'_>,
        report: &str,
        predictions: &Predictions<'_>,
        confusion: Option<&LabelConfusion>,
    ) -> Result<Self, StageError> {
        corpus::write_tasks(folder, predictions.tasks)?;
        files::write_json(&folder.join(Self::METRICS_FILE), metrics)?;
        files::write_text(&folder.join(Self::REPORT), report)?;
        predictions.write(&folder.join(Self::PREDICTIONS))?;
        if let Some(confusion) = confusion {
            Self::write_confusion(&folder.join(Self::CONFUSION), confusion)?;
        }
        Self::open(folder)
    }

    /// Writes the scores of some of the texts.
    ///
    /// * `tasks`: what was scored
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_groups(
        &self,
        tasks: &CorpusTasks,
        groups: impl Iterator<Item = GroupRow>,
    ) -> Result<(), StageError> {
        let mut metrics = Metric::of_tasks(tasks);
        metrics.retain(|metric| covered(Self::OF_GROUPS, metric.name()).is_some());
        let mut rows = files::CsvFile::create(self.folder.join(Self::GROUPS))?;
        let own = ["field", "value", "texts"].into_iter();
        let entities = tasks.tagging.then_some("entities");
        rows.record(own.chain(entities).chain(metrics.iter().map(Metric::name)))?;
        for GroupRow { field, value, scores: GroupScores { texts, entities, scores } } in groups {
            let entities = tasks.tagging.then(|| entities.to_string());
            let score = |metric| scores.get(metric).map(|score| score.to_string());
            let scores = metrics.iter().map(|metric| score(metric).unwrap_or_default());
            rows.record(
                [field, value, texts.to_string()].into_iter().chain(entities).chain(scores),
            )?;
        }
        rows.finish()
    }

    /// Says what was scored.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_origin(&self, origin: &Origin) -> Result<(), StageError> {
        files::write_json(&self.folder.join(Self::ORIGIN), origin)
    }

    /// What was scored; `None` where it does not say.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn origin(&self) -> Result<Option<Origin>, StageError> {
        let path = self.folder.join(Self::ORIGIN);
        files::present(&path)?.then(|| files::read_json(&path)).transpose()
    }

    /// Writes how often answers came true, before and after their scores were calibrated: a row for each bin that has some.
    ///
    /// * `heads`: each with what came true before and after; without any there is no file
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_reliability(
        &self,
        heads: &[(String, [Reliability; 2])],
    ) -> Result<(), StageError> {
        if heads.is_empty() {
            return Ok(());
        }
        let mut rows = files::CsvFile::create(self.folder.join(Self::RELIABILITY))?;
        for (head, both) in heads {
            for (reliability, is_calibrated) in both.iter().zip([false, true]) {
                let bins = (1..).zip(&reliability.bins).filter(|(_, bin)| bin.count > 0);
                for (number, Bin { count, confidence, accuracy }) in bins {
                    rows.row(&ReliabilityRow {
                        head: head.clone(),
                        calibrated: is_calibrated,
                        bin: number,
                        texts: *count,
                        score: *confidence,
                        share: *accuracy,
                    })?;
                }
            }
        }
        rows.finish()
    }

    /// The rows of `reliability.csv`; none where nothing was calibrated.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn reliability(&self) -> Result<Vec<ReliabilityRow>, StageError> {
        let path = self.folder.join(Self::RELIABILITY);
        if files::present(&path)? { files::read_csv(&path) } else { Ok(Vec::new()) }
    }

    /// What the scores of a head are made of, `(classes, classes)`, row by row; `None` where they say none.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn class_confusion(&self, head: &str) -> Result<Option<Vec<u64>>, StageError> {
        let metrics = self.metrics()?;
        Ok(Vec::<Vec<u64>>::deserialize(&metrics[head]["confusion"]).ok().map(|rows| rows.concat()))
    }

    /// `metrics.json`.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn metrics(&self) -> Result<Value, StageError> {
        files::read_json(&files::require(&self.folder, Self::METRICS_FILE)?)
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

    /// What each head of the model says of the texts that are labelled for it.
    ///
    /// # Errors
    /// When a file is not what was written.
    pub fn judged(&self) -> Result<Vec<(ClassHead, Judged)>, StageError> {
        let path = self.folder.join(Self::PREDICTIONS);
        // Another program may have scored what it does not show.
        if !files::present(&path)? {
            return Ok(Vec::new());
        }
        let (header, rows) = files::read_csv_with_header::<Vec<String>>(&path)?;
        let wrong = |column: &str| {
            let reason = format!("`{}` has no good column `{column}`", path.display());
            StageError::new(reason)
        };
        let mut all = Vec::new();
        for head in corpus::read_tasks(&self.folder)?.heads {
            let columns = columns_of(&head.name);
            let place = |column: &String| {
                header.iter().position(|name| name == column).ok_or_else(|| wrong(column))
            };
            let [truth, predicted, score] = columns.each_ref().map(place);
            let [truth, predicted, score] = [truth?, predicted?, score?];
            let class = |cell: &String, column: usize| {
                classification::read_written(&head, cell).ok_or_else(|| wrong(&columns[column]))
            };
            let mut judged = Judged::default();
            for row in rows.iter().filter(|row| !row[truth].is_empty()) {
                judged.truth.push(class(&row[truth], 0)?);
                judged.predicted.push(class(&row[predicted], 1)?);
                judged.scores.push(row[score].parse().map_err(|_| wrong(&columns[2]))?);
            }
            all.push((head, judged));
        }
        Ok(all)
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

/// All of `predictions.csv`. What a head says, and what it should have said, is left out where the model has not that head.
pub struct Predictions<'a> {
    pub examples: &'a [Example],
    /// What the model has heads for.
    pub tasks: &'a CorpusTasks,
    /// What is said of an example, by its number.
    pub predicted: &'a dyn Fn(usize) -> Prediction,
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

    /// The columns that are not fields of the corpus; the lists of entities are JSON, with offsets in characters.
    fn own_columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        if self.texts {
            columns.push(TEXT.to_owned());
        }
        columns.extend(self.tasks.heads.iter().flat_map(|head| columns_of(&head.name)));
        if self.tasks.tagging {
            columns.extend(ENTITIES.map(str::to_owned));
        }
        columns
    }

    /// What stands in these columns.
    fn own_cells(&self, example: &Example, predicted: &Prediction) -> Vec<String> {
        let json = |entities: &[Entity]| serde_json::to_string(entities).expect("plain data");
        let written = |head: &ClassHead, class: u32| match classification::written(head, class) {
            Value::String(name) => name,
            other => other.to_string(),
        };
        let mut cells = Vec::new();
        if self.texts {
            cells.push(example.text.clone());
        }
        for (head, said) in self.tasks.heads.iter().zip(&predicted.classes) {
            let truth = example.classes.get(&head.name).and_then(|class| head.index(class));
            cells.extend([
                truth.map(|class| written(head, class)).unwrap_or_default(),
                written(head, said.class),
                serde_json::to_string(&said.score).expect("a number"),
            ]);
        }
        if self.tasks.tagging {
            let lists = [&example.entities, &predicted.entities];
            cells.extend(lists.map(|list| list.as_deref().map(json).unwrap_or_default()));
        }
        cells
    }

    fn write(&self, path: &Path) -> Result<(), StageError> {
        let own = self.own_columns();
        let fields = self.fields();
        let (leading, others) =
            fields.split_at(fields.iter().take_while(|name| **name == ID).count());
        // Whether the texts are written or not, one of that name is the corpus's.
        let is_own = |name: &&str| *name == TEXT || own.iter().any(|own| own == name);
        let column =
            |name: &&str| if is_own(name) { format!("corpus.{name}") } else { (*name).to_owned() };
        let mut rows = files::CsvFile::create(path.to_owned())?;
        let columns = leading.iter().map(|name| (*name).to_owned()).chain(own.clone());
        rows.record(columns.chain(others.iter().map(column)))?;
        for (number, example) in self.examples.iter().enumerate() {
            let field = |name: &&str| example.fields.get(*name).cloned().unwrap_or_default();
            let cells = self.own_cells(example, &(self.predicted)(number));
            rows.record(leading.iter().map(field).chain(cells).chain(others.iter().map(field)))?;
        }
        rows.finish()
    }
}

impl Artifact for Evaluation {
    const TYPE: &'static str = "evaluation";
    const FORMAT: u32 = 2;
    const METRICS: Option<&'static str> = Some(Self::METRICS_FILE);
    const METRIC_NAMES: &'static [&'static str] = &{
        let mut names = ["ner.per_label."; metrics::NAMES.len() + 8];
        let mut number = 0;
        while number < metrics::NAMES.len() {
            names[number] = metrics::NAMES[number];
            number += 1;
        }
        names[number] = "*.per_class.";
        names[number + 1] = "baselines.";
        names[number + 2] = "*.precision_at_budget";
        names[number + 3] = "*.at_threshold.";
        names[number + 4] = "*.calibration.";
        names[number + 5] = "*.budget.";
        names[number + 6] = "*.threshold";
        names
    };
    const HEADLINES: &'static [&'static str] = &["ner.span_f1", "*.f1", "*.macro_f1", "loss"];
    const EXHIBITS: Shown<Exhibit> = Shown {
        files: &[
            Self::METRICS_FILE,
            Self::PREDICTIONS,
            Self::CONFUSION,
            Self::GROUPS,
            Self::RELIABILITY,
        ],
        read: |folder| Self::open(folder)?.exhibits(),
    };
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        (Self::METRICS_FILE, "metrics.json"),
        (Self::REPORT, "classification_report.txt"),
        (Self::PREDICTIONS, "predictions.csv"),
        (Self::CONFUSION, "ner_confusion.csv"),
        (Self::GROUPS, "groups.csv"),
        (Self::RELIABILITY, "reliability.csv"),
    ];

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Self::METRICS_FILE)?;
        Ok(Self { folder: folder.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::anomaly;

    fn written(texts: bool) -> String {
        let example = |text: &str, fields: &[(&str, &str)]| Example {
            text: text.to_owned(),
            entities: Some(vec![Entity { start: 0, end: 3, label: "PER".to_owned() }]),
            classes: anomaly(true),
            fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            file: 0,
            line: 1,
        };
        let examples = [
            example("Ann, here", &[("event", "E7"), ("id", "17"), ("anomaly_score", "9")]),
            example("Bob", &[("host", "web-1")]),
        ];
        let classes = vec![PredictedClass { class: 0, score: 1e-7 }];
        let predicted = |_| Prediction { classes: classes.clone(), entities: Some(Vec::new()) };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        let tasks = &CorpusTasks::default();
        Predictions { examples: &examples, tasks, predicted: &predicted, texts }
            .write(&path)
            .unwrap();
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
        use crate::tasks::{Told, tagging};
        use crate::text::EncodedSplit;

        let spans = span_scores(&[vec![(0, 2)]], &[vec![]], |_| "X");
        let classes = [("anomaly".to_owned(), vec![0])].into();
        let split = EncodedSplit { classes, ..EncodedSplit::default() };
        let (head, tasks) = (ClassHead::anomaly(), CorpusTasks::default());
        let written = |evidence: &Evidence<'_>| {
            let tagged = tagging::Details::of(&split, &spans, evidence.tags.is_some());
            let judged = evidence
                .classes
                .as_ref()
                .map(|classes| Judged::of(classes.truth, classes.predicted, classes.scores));
            let classified = classification::Details::of(&head, judged.as_ref(), Told::default());
            let details = [
                ("ner".to_owned(), Details::Tagging(tagged)),
                ("anomaly".to_owned(), Details::Classification(classified)),
            ];
            let scores = &Scores::of(&tasks, &|_| Some(evidence));
            let metrics = Metrics {
                scores,
                details: &details,
                intervals: &[],
                drawn: None,
                baselines: None,
                caveats: &[],
            };
            serde_json::to_string(&metrics).expect("plain data")
        };
        let tags = Tags { truth: &[0, 1, 2, 2], predicted: &[2, 2, 2, 2], spans: &spans };
        let classes = Classes { truth: &[0], predicted: &[0], scores: &[0.25], classes: 2 };
        assert_eq!(
            written(&Evidence { loss: None, tags: Some(tags), classes: Some(classes) }),
            r#"{"ner":{"token_accuracy":0.5,"span_precision":null,"span_recall":0.0,"span_f1":0.0,"entities":1,"cut":0,"inside_tokens":0,"#
                .to_owned()
                + r#""per_label":{"X":{"precision":null,"recall":0.0,"f1":0.0,"support":1}}},"#
                + r#""anomaly":{"accuracy":1.0,"precision":null,"recall":null,"f1":null,"auroc":null,"average_precision":null,"macro_f1":1.0,"micro_f1":1.0,"ece":0.25,"#
                + r#""confusion":[[1,0],[0,0]],"per_class":{"normal":{"precision":1.0,"recall":1.0,"f1":1.0,"support":1},"#
                + r#""anomaly":{"precision":null,"recall":null,"f1":null,"support":0}}},"loss":null,"intervals":{},"caveats":[]}"#
        );
        assert_eq!(
            written(&Evidence::default()),
            r#"{"ner":{"token_accuracy":null,"span_precision":null,"span_recall":null,"span_f1":null,"entities":1,"cut":0,"inside_tokens":0,"#
                .to_owned()
                + r#""per_label":{}},"#
                + r#""anomaly":{"accuracy":null,"precision":null,"recall":null,"f1":null,"auroc":null,"average_precision":null,"macro_f1":null,"micro_f1":null,"ece":null,"#
                + r#""confusion":null,"per_class":null},"loss":null,"intervals":{},"caveats":[]}"#
        );
    }
}
