//! What a training says while it runs.

use std::path::PathBuf;

use super::history::{Row, RowSplit};
use crate::tasks::metrics::{Metric, Scores};

/// Watches a training and may end it. Every method has a default, so that `&()` watches nothing.
pub trait Observer {
    /// After every step.
    fn progress(&self, _progress: &Progress<'_>) {}

    /// After every evaluation.
    fn evaluated(&self, _row: &Row, _scores: &Scores) {}

    /// Something worth reading once.
    fn notice(&self, _notice: &Notice) {}

    /// Asked before every step: with `true`, a saved state is saved and the training ends as cancelled.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// How far a training has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Steps made, this one included.
    pub step: u64,
    pub total_steps: u64,
    /// Counted from 1.
    pub epoch: u64,
    pub loss: f64,
    /// As in [`Row::losses`].
    pub losses: &'a [Option<f64>],
    pub learning_rate: f64,
    pub grad_norm: f64,
    /// Of the last steps, smoothed; evaluations and saved states left out.
    pub tokens_per_s: f64,
}

/// Something that happened and changes no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The training goes on from a saved state.
    Resumed { step: u64, total_steps: u64 },
    /// The training starts from the finished state of one that went less far.
    Extended { step: u64, total_steps: u64 },
    /// A saved state cannot be used; an older one is looked for.
    UnusableState { path: PathBuf, reason: String },
    /// There were saved states, and none could be used.
    BeginsAnew,
    /// A saved state could not be written; training goes on.
    NotSaved { reason: String },
    /// Another process holds the folder of saved states, so this one writes none.
    StatesBusy { folder: PathBuf },
    /// A step was skipped because its loss or gradient was not finite.
    Skipped { step: u64, what: &'static str },
    /// No step changes what the encoder says of the texts: it has read each once.
    EncodedOnce,
    /// No improvement for `patience` evaluations.
    StoppedEarly { step: u64, metric: String },
    /// The result has the weights of this step, of `steps` that were made.
    KeptBest { step: u64, steps: u64, metric: String, value: f64 },
}

impl Notice {
    /// Which evaluation the result is from, where a training kept its best by `metric`.
    #[must_use]
    pub fn of_best(history: &[Row], metric: &Metric) -> Option<Self> {
        let steps = history.last()?.step;
        let mut best: Option<(u64, f64)> = None;
        for row in history.iter().filter(|row| row.split == RowSplit::Validation) {
            if let Some(value) = row.watched
                && metric.improves(value, best.map(|(_, value)| value), 0.0)
            {
                best = Some((row.step, value));
            }
        }
        let (step, value) = best?;
        Some(Self::KeptBest { step, steps, metric: metric.name().to_owned(), value })
    }

    /// True when someone should look into it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Resumed { .. }
            | Self::Extended { .. }
            | Self::EncodedOnce
            | Self::StoppedEarly { .. }
            | Self::KeptBest { .. } => false,
            Self::UnusableState { .. }
            | Self::BeginsAnew
            | Self::NotSaved { .. }
            | Self::StatesBusy { .. }
            | Self::Skipped { .. } => true,
        }
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resumed { step, total_steps } => {
                write!(formatter, "continues after step {step} of {total_steps}")
            }
            Self::Extended { step, total_steps } => {
                write!(
                    formatter,
                    "continues a shorter training of the same recipe: {step} of {total_steps} steps are made"
                )
            }
            Self::UnusableState { path, reason } => {
                write!(
                    formatter,
                    "the saved state `{}` cannot be used: {reason}; looking for an older one",
                    path.display()
                )
            }
            Self::BeginsAnew => {
                write!(formatter, "there is no older one: the training begins at its first step")
            }
            Self::NotSaved { reason } => write!(
                formatter,
                "the state could not be saved, training goes on without: {reason}"
            ),
            Self::StatesBusy { folder } => {
                write!(
                    formatter,
                    "another process trains with the saved states in `{}`, so this one keeps none",
                    folder.display()
                )
            }
            Self::Skipped { step, what } => {
                write!(formatter, "step {step} was skipped: its {what} is not finite")
            }
            Self::EncodedOnce => {
                write!(
                    formatter,
                    "the encoder is frozen: it has read each text, once for all epochs"
                )
            }
            Self::StoppedEarly { step, metric } => {
                write!(formatter, "stopped after step {step}: `{metric}` no longer improves")
            }
            Self::KeptBest { step, steps, metric, value } => {
                write!(
                    formatter,
                    "keeps the weights of step {step} of {steps}, the best by `{metric}`: {value:.4}"
                )
            }
        }
    }
}
