//! What is shown beside a model: evaluations of something else on the same texts.

use std::fmt::Write as _;

use serde_json::Value;

use crate::engine::stage::{Caveat, StageError};
use crate::stages::artifacts::{Evaluation, Origin};
use crate::tasks::metrics::{Metric, Scores};
use crate::text::CorpusTasks;

/// Evaluations of something else.
#[derive(Default)]
pub(super) struct Beside(Vec<Other>);

struct Other {
    method: String,
    /// The method, with a number from the second of its kind on.
    name: String,
    /// Its `metrics.json`.
    metrics: Value,
}

/// The metrics that are compared, with the model's value and that of each other evaluation.
pub(super) struct Comparison {
    names: Vec<String>,
    rows: Vec<Row>,
}

/// The values of one metric.
struct Row {
    metric: Metric,
    model: Option<f64>,
    others: Vec<Option<f64>>,
}

impl Beside {
    /// * `model`: what the model is scored on
    ///
    /// # Errors
    /// When a file cannot be read, or an evaluation says that it is of other texts.
    pub(super) fn read(evaluations: &[Evaluation], model: &Origin) -> Result<Self, StageError> {
        let mut others: Vec<Other> = Vec::new();
        for evaluation in evaluations {
            let origin = evaluation.origin()?;
            if let Some(origin) = origin.as_ref().filter(|origin| !origin.is_of_the_texts_of(model))
            {
                let message = format!(
                    "`{}` was scored on {} texts of `{}`, which are not the {} of `{}` that the model is scored on",
                    origin.method, origin.texts, origin.split, model.texts, model.split
                );
                return Err(StageError::new(message).with_help(
                    "give its stage the same corpus and the same `split` as the model's evaluation",
                ));
            }
            let method = origin.map_or_else(|| "other".to_owned(), |origin| origin.method);
            let before = others.iter().filter(|other| other.method == method).count();
            let name =
                if before == 0 { method.clone() } else { format!("{method}_{}", before + 1) };
            others.push(Other { method, name, metrics: evaluation.metrics()? });
        }
        Ok(Self(others))
    }

    /// What to say where names do not tell them apart.
    pub(super) fn remark(&self) -> Option<String> {
        let is_numbered = |other: &&Other| other.name != other.method;
        let Other { method, name, .. } = self.0.iter().find(is_numbered)?;
        Some(format!(
            "several of `baselines` are called `{method}`: a later one is `{name}`, in the order of the list; `name = \"...\"` of `baseline` tells them apart"
        ))
    }

    /// Holds the model's scores against the others', by the metrics that say most of each task.
    pub(super) fn compare(&self, scores: &Scores, tasks: &CorpusTasks) -> Comparison {
        let row = |metric: Metric| {
            let path = metric.name().split('.');
            let value = |other: &Other| {
                path.clone().fold(&other.metrics, |value, key| &value[key]).as_f64()
            };
            let others = self.0.iter().map(value).collect();
            Row { model: scores.get(&metric), metric, others }
        };
        Comparison {
            names: self.0.iter().map(|other| other.name.clone()).collect(),
            rows: Metric::headlines(tasks).into_iter().map(row).collect(),
        }
    }
}

impl Comparison {
    /// As `metrics.json` has it: by name, then by metric.
    pub(super) fn to_json(&self) -> Option<Value> {
        let of = |(at, name): (usize, &String)| {
            let row = |row: &Row| (row.metric.name().to_owned(), Value::from(row.others[at]));
            (name.clone(), Value::Object(self.rows.iter().map(row).collect()))
        };
        let others: serde_json::Map<_, _> = self.names.iter().enumerate().map(of).collect();
        (!others.is_empty()).then_some(Value::Object(others))
    }

    /// A table for `classification_report.txt`; nothing without others.
    pub(super) fn table(&self) -> String {
        if self.names.is_empty() {
            return String::new();
        }
        let width = self.rows.iter().map(|row| row.metric.name().len()).max().unwrap_or(0);
        let cell = |value: &Option<f64>| value.map_or_else(|| "-".into(), |it| format!("{it:.4}"));
        let mut text = format!("{:width$}  {:>10}", "", "model");
        for name in &self.names {
            write!(text, "  {name:>10}").expect("a string");
        }
        text.push('\n');
        for Row { metric, model, others } in &self.rows {
            write!(text, "{:width$}  {:>10}", metric.name(), cell(model)).expect("a string");
            for other in others {
                write!(text, "  {:>10}", cell(other)).expect("a string");
            }
            text.push('\n');
        }
        text
    }

    /// What a reader of the scores must know: a metric in which something that is no model is as good.
    pub(super) fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        for Row { metric, model, others } in &self.rows {
            let named = self.names.iter().zip(others);
            let best = named.filter_map(|(name, other)| Some((name, (*other)?)));
            let best = best.max_by(|(_, one), (_, other)| one.total_cmp(other));
            let Some((name, other)) = best.filter(|(_, other)| *other >= model.unwrap_or(0.0))
            else {
                continue;
            };
            let value = model.map_or_else(|| "none".to_owned(), |value| format!("{value:.4}"));
            let message = format!(
                "the baseline `{name}` has a `{}` of {other:.4}, and the model {value}: on these texts nothing shows what the model has learnt beyond it",
                metric.name()
            );
            caveats.push(Caveat::new("baseline_not_beaten", 1, message));
        }
        caveats
    }
}
