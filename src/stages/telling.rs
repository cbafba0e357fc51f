//! What a training tells of its way: as it goes, and once more from the history that it left.

use std::borrow::Cow;

use crate::engine::stage::{Context, Evaluated, Progress, Signal};
use crate::stages::artifacts::loss_column;
use crate::tasks::metrics::{Metric, Scores};
use crate::training::{self, History, Row, RowSplit};

pub(super) const VALIDATION: &str = "validation";

/// Passes on what the training says.
pub(super) struct Watch<'a> {
    pub(super) context: &'a Context<'a>,
    /// The columns of losses in the history.
    pub(super) losses: Vec<String>,
}

/// The losses of those tasks that have one, by their columns.
fn named<'a>(
    columns: &'a [String],
    losses: &'a [Option<f64>],
) -> impl Iterator<Item = (&'a String, f64)> {
    columns.iter().zip(losses).filter_map(|(column, loss)| Some((column, (*loss)?)))
}

impl training::Observer for Watch<'_> {
    fn progress(&self, progress: &training::Progress<'_>) {
        let mut numbers: Vec<(Cow<'static, str>, f64)> = vec![
            ("epoch".into(), progress.epoch as f64),
            ("loss".into(), progress.loss),
            ("learning_rate".into(), progress.learning_rate),
            ("tokens_per_s".into(), progress.tokens_per_s),
            ("grad_norm".into(), progress.grad_norm),
        ];
        let losses = named(&self.losses, progress.losses);
        numbers.extend(losses.map(|(column, loss)| (column.clone().into(), loss)));
        let (done, total) = (progress.step, progress.total_steps);
        self.context.progress(Progress { done, total, unit: Progress::STEPS, numbers });
    }

    fn evaluated(&self, row: &Row, scores: &Scores) {
        let mut metrics: Vec<_> =
            scores.iter().map(|(metric, value)| (metric.name().to_owned(), value)).collect();
        let losses = named(&self.losses, &row.losses);
        metrics.extend(losses.map(|(column, loss)| (column.clone(), Some(loss))));
        self.context.evaluated(Evaluated { step: row.step, split: VALIDATION, metrics });
    }

    fn notice(&self, notice: &training::Notice) {
        if notice.is_warning() {
            self.context.warn(notice.to_string());
        } else {
            self.context.note(notice.to_string());
        }
    }

    fn cancelled(&self) -> bool {
        self.context.is_cancelled()
    }
}

/// What was told of steps and evaluations, from what a history has of it.
///
/// * `watched`: what its column of that name is
pub(super) fn replay(history: &History, watched: Option<&Metric>) -> Vec<Signal> {
    let columns: Vec<String> = history.tasks.iter().map(|task| loss_column(task)).collect();
    let steps = history.rows.last().map_or(0, |row| row.step);
    let signal = |row: &Row| {
        let losses = named(&columns, &row.losses);
        if row.split == RowSplit::Validation {
            let mut metrics = vec![("loss".to_owned(), Some(row.loss))];
            metrics.extend(losses.map(|(column, loss)| (column.clone(), Some(loss))));
            let watched = watched.filter(|metric| metric.name() != "loss");
            metrics.extend(watched.map(|metric| (metric.name().to_owned(), row.watched)));
            return Signal::Evaluated(Evaluated { step: row.step, split: VALIDATION, metrics });
        }
        let mut numbers: Vec<(Cow<'static, str>, f64)> =
            vec![("epoch".into(), row.epoch as f64), ("loss".into(), row.loss)];
        numbers.extend(row.learning_rate.map(|rate| ("learning_rate".into(), rate)));
        numbers.extend(row.grad_norm.map(|norm| ("grad_norm".into(), norm)));
        numbers.extend(losses.map(|(column, loss)| (column.clone().into(), loss)));
        let (done, total) = (row.step, steps);
        Signal::Progress(Progress { done, total, unit: Progress::STEPS, numbers })
    };
    history.rows.iter().map(signal).collect()
}
