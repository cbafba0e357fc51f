//! The metrics: a row of the table for each.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::Evidence;
use super::{auroc, average_precision, token_accuracy};
use crate::tasks::tagging;
use crate::text::{ClassHead, CorpusTasks, check_head_name};

/// A metric.
struct Row {
    /// Its path in `metrics.json`, with `*` in the place of a head over whole texts.
    path: &'static str,
    scores: Subject,
    lower_is_better: bool,
    needs: Needs,
    value: fn(&Evidence<'_>) -> Option<f64>,
}

/// What a metric is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Model,
    Tagging,
    /// A head over whole texts.
    Classes,
    /// One that decides between two classes, of which the second is looked for.
    TwoClasses,
}

/// What texts must have for a metric to tell models apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Texts,
    Entities,
    /// Texts of the class that is looked for.
    Positives,
    BothClasses,
}

const fn row(
    path: &'static str,
    scores: Subject,
    needs: Needs,
    value: fn(&Evidence<'_>) -> Option<f64>,
) -> Row {
    Row { path, scores, lower_is_better: false, needs, value }
}

const ROWS: [Row; 14] = [
    Row { lower_is_better: true, ..row("loss", Subject::Model, Needs::Texts, |of| of.loss) },
    row("ner.token_accuracy", Subject::Tagging, Needs::Texts, |of| {
        token_accuracy(of.tags.as_ref()?.truth, of.tags.as_ref()?.predicted)
    }),
    row("ner.span_precision", Subject::Tagging, Needs::Entities, |of| {
        of.tags.as_ref()?.spans.micro.precision
    }),
    row("ner.span_recall", Subject::Tagging, Needs::Entities, |of| {
        of.tags.as_ref()?.spans.micro.recall
    }),
    row("ner.span_f1", Subject::Tagging, Needs::Entities, |of| of.tags.as_ref()?.spans.micro.f1),
    row("*.accuracy", Subject::Classes, Needs::Texts, |of| of.counts()?.micro_f1()),
    row("*.precision", Subject::TwoClasses, Needs::Positives, |of| of.binary()?.precision),
    row("*.recall", Subject::TwoClasses, Needs::Positives, |of| of.binary()?.recall),
    row("*.f1", Subject::TwoClasses, Needs::Positives, |of| of.binary()?.f1),
    row("*.auroc", Subject::TwoClasses, Needs::BothClasses, |of| {
        auroc(of.classes.as_ref()?.truth, of.classes.as_ref()?.scores)
    }),
    row("*.average_precision", Subject::TwoClasses, Needs::Positives, |of| {
        average_precision(of.classes.as_ref()?.truth, of.classes.as_ref()?.scores)
    }),
    row("*.macro_f1", Subject::Classes, Needs::Texts, |of| of.counts()?.macro_f1()),
    // Of texts that have one class each, it is the share that is right.
    row("*.micro_f1", Subject::Classes, Needs::Texts, |of| of.counts()?.micro_f1()),
    Row {
        lower_is_better: true,
        ..row("*.ece", Subject::Classes, Needs::Texts, |of| {
            of.classes.as_ref()?.reliability().expected_error()
        })
    },
];

/// The paths of all metrics, with `*` in the place of a head over whole texts.
pub const NAMES: [&str; ROWS.len()] = {
    let mut names = [""; ROWS.len()];
    let mut number = 0;
    while number < names.len() {
        names[number] = ROWS[number].path;
        number += 1;
    }
    names
};

/// A number by which evaluations are compared: a row of the table, of a task.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Metric {
    /// `None` of a name that is read and that no metric has: whoever reads it knows where it stands, and says it. It is never defined.
    row: Option<usize>,
    /// Its path in `metrics.json`.
    name: String,
}

/// Why a metric scores nothing in a model for some tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSubject {
    /// There is no such task.
    Task,
    /// The task has another number of classes than two.
    Classes(usize),
}

impl Metric {
    /// Those of a model for these tasks, in the order of the table within each task: the whole model first.
    #[must_use]
    pub fn of_tasks(tasks: &CorpusTasks) -> Vec<Self> {
        let mut all = Self::within(None, &[Subject::Model]);
        if tasks.tagging {
            all.extend(Self::within(None, &[Subject::Tagging]));
        }
        for head in &tasks.heads {
            let subjects = match head.classes.len() {
                2 => &[Subject::Classes, Subject::TwoClasses][..],
                _ => &[Subject::Classes],
            };
            all.extend(Self::within(Some(&head.name), subjects));
        }
        all
    }

    /// * `head`: over whole texts, of metrics that score one
    fn within(head: Option<&str>, subjects: &[Subject]) -> Vec<Self> {
        let rows = ROWS.iter().enumerate().filter(|(_, row)| subjects.contains(&row.scores));
        let name = |path: &str| path.replacen('*', head.unwrap_or("*"), 1);
        rows.map(|(number, row)| Self { row: Some(number), name: name(row.path) }).collect()
    }

    /// That which says most of each task: F1 of entities, of the class that is looked for, or where none is the mean of all classes'.
    #[must_use]
    pub fn headlines(tasks: &CorpusTasks) -> Vec<Self> {
        let tagging = tasks.tagging.then(|| format!("{}.span_f1", tagging::NAME));
        let of_head = |head: &ClassHead| match head.classes.len() {
            2 => format!("{}.f1", head.name),
            _ => format!("{}.macro_f1", head.name),
        };
        let names = tagging.into_iter().chain(tasks.heads.iter().map(of_head));
        names.filter_map(|name| Self::named(&name)).collect()
    }

    /// The metric of this path; of a head over whole texts, whether there is such a head or not.
    #[must_use]
    pub fn named(path: &str) -> Option<Self> {
        let all = match path.split_once('.') {
            None => Self::within(None, &[Subject::Model]),
            Some((tagging::NAME, _)) => Self::within(None, &[Subject::Tagging]),
            Some((head, _)) => {
                check_head_name(head).ok()?;
                Self::within(Some(head), &[Subject::Classes, Subject::TwoClasses])
            }
        };
        all.into_iter().find(|metric| metric.name == path)
    }

    /// Its path in `metrics.json`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The task that it scores; `None` of one that is about the whole model.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.name.split_once('.').map(|(task, _)| task)
    }

    fn row(&self) -> Option<&'static Row> {
        self.row.map(|row| &ROWS[row])
    }

    /// Whether there is such a metric, of some task.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.row.is_some()
    }

    #[must_use]
    pub fn needs(&self) -> Needs {
        self.row().map_or(Needs::Texts, |row| row.needs)
    }

    /// Says why it has no value whatever a model for these tasks says.
    ///
    /// # Errors
    /// [`NoSubject`]
    pub fn check(&self, tasks: &CorpusTasks) -> Result<(), NoSubject> {
        let Some(row) = self.row() else { return Err(NoSubject::Task) };
        match (row.scores, self.task().and_then(|task| tasks.head(task))) {
            (Subject::Model, _) => Ok(()),
            (Subject::Tagging, _) if tasks.tagging => Ok(()),
            (Subject::Tagging, _) | (_, None) => Err(NoSubject::Task),
            (Subject::TwoClasses, Some(head)) if head.classes.len() != 2 => {
                Err(NoSubject::Classes(head.classes.len()))
            }
            (_, Some(_)) => Ok(()),
        }
    }

    /// Its value; `None` where it is undefined.
    #[must_use]
    pub fn of(&self, evidence: &Evidence<'_>) -> Option<f64> {
        (self.row()?.value)(evidence)
    }

    /// True when `candidate` is better than `best` by more than `margin`. A value that is not a number is never better.
    #[must_use]
    pub fn improves(&self, candidate: f64, best: Option<f64>, margin: f64) -> bool {
        match best {
            _ if candidate.is_nan() => false,
            None => true,
            Some(best) if self.row().is_some_and(|row| row.lower_is_better) => {
                candidate < best - margin
            }
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
        Ok(Self::named(&name).unwrap_or(Self { row: None, name }))
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let of_classes =
            NAMES.iter().filter_map(|name| name.strip_prefix("*.")).collect::<Vec<_>>();
        let pattern =
            format!("^(loss|ner\\..+|[A-Za-z][A-Za-z0-9_-]*\\.({}))$", of_classes.join("|"));
        json_schema!({
            "description": "A number by which evaluations are compared, by its path in `metrics.json`.",
            "type": "string",
            "pattern": pattern,
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
        for metric in Metric::of_tasks(&CorpusTasks::default()) {
            let text = serde_json::to_string(&metric).expect("a name");
            assert_eq!(text, format!("\"{}\"", metric.name()));
            assert_eq!(serde_json::from_str::<Metric>(&text).expect("a metric"), metric);
        }
        for name in ["ner.f2", "ner.f1", "f1", "anomaly.span_f1", "tag.f1", "a.b.f1"] {
            let read = serde_json::from_str::<Metric>(&format!("\"{name}\"")).expect("a name");
            assert!(!read.exists() && Metric::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn every_row_scores_a_task_or_the_model() {
        let all = Metric::of_tasks(&CorpusTasks::default());
        let names: Vec<String> =
            all.iter().map(|metric| metric.name().replace("anomaly", "*")).collect();
        assert_eq!(names, NAMES);
        let headlines = [metric("ner.span_f1"), metric("anomaly.f1")];
        assert_eq!(Metric::headlines(&CorpusTasks::default()), headlines);
    }

    #[test]
    fn of_more_than_two_classes_none_is_looked_for() {
        let heads = vec![ClassHead {
            name: "severity".to_owned(),
            classes: ["low", "mid", "high"].map(str::to_owned).to_vec(),
        }];
        let tasks = CorpusTasks { tagging: false, heads };
        let names: Vec<String> =
            Metric::of_tasks(&tasks).iter().map(|metric| metric.name().to_owned()).collect();
        let expected =
            ["loss", "severity.accuracy", "severity.macro_f1", "severity.micro_f1", "severity.ece"];
        assert_eq!(names, expected);
        assert_eq!(metric("severity.f1").check(&tasks), Err(NoSubject::Classes(3)));
        assert_eq!(metric("anomaly.f1").check(&tasks), Err(NoSubject::Task));
        assert_eq!(metric("severity.macro_f1").check(&tasks), Ok(()));
        assert_eq!(Metric::headlines(&tasks), [metric("severity.macro_f1")]);
    }

    #[test]
    fn a_smaller_loss_and_a_larger_f1_are_better() {
        assert!(metric("loss").improves(0.5, Some(0.6), 0.0));
        assert!(metric("ner.span_f1").improves(0.6, Some(0.5), 0.0));
        assert!(!metric("ner.span_f1").improves(f64::NAN, None, 0.0));
        assert!(!metric("ner.span_f1").improves(0.6, Some(0.5), 0.2));
    }
}
