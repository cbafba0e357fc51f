//! Why a training ended without a result.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::engine::EngineError;
use super::saved::SaveError;
use crate::base::problem::Help;
use crate::nn::BatchError;

/// Why a training ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("the recipe cannot be trained: {}", problems.join("; "))]
    Recipe { problems: Vec<String> },
    #[error("the {what} of step {step} is not finite")]
    NotFinite {
        step: u64,
        /// `loss` or `gradient`
        what: &'static str,
        /// The texts of the step, as numbers in the training split.
        texts: BTreeSet<usize>,
        /// The step of the newest saved state from which a finite step was made.
        last_good: Option<u64>,
    },
    /// What was learnt has spoilt the weights; where steps were skipped, that does not help any more.
    #[error("{}the weights no longer give a finite loss", spoilt(*step, *skipped))]
    Spoilt { step: u64, skipped: usize },
    /// The weights would have stayed as they were, in silence.
    #[error("{} never got a gradient in the first epoch: {}", if parameters.len() == 1 { "a parameter" } else { "parameters" }, some_of(parameters))]
    NoGradient {
        parameters: Vec<String>,
        /// What to do about it where all of them belong to the head of a task that the data may have left without any.
        help: Option<&'static str>,
    },
    /// The observer asked for it.
    #[error("interrupted after step {step}")]
    Cancelled {
        step: u64,
        /// True when the next attempt goes on from here.
        saved: bool,
    },
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Help for TrainError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Spoilt { .. } => Some("lower `learning_rate`, or set `max_grad_norm`"),
            Self::NotFinite { .. } => Some(
                "lower `learning_rate`, set `max_grad_norm`, or pass over such steps with `on_nonfinite = \"skip\"`",
            ),
            Self::NoGradient { help: Some(help), .. } => Some(*help),
            Self::Save(SaveError::Full { why, .. }) => Some(why.help()),
            Self::Save(SaveError::Io { .. }) => Some(
                "see that `outputs/checkpoints` can be written and nothing removes it; the same command goes on from what is there",
            ),
            Self::Engine(EngineError::Batch(BatchError::NoMemory { .. })) => Some(
                "set `activation_checkpointing = true`, lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`",
            ),
            Self::Engine(error) => return error.help(),
            Self::NoGradient { .. } => Some(
                "weights that are very large drown the others: see that the model is sound; if it is, the backward pass is not, please report it",
            ),
            _ => None,
        };
        help.map(Cow::from)
    }
}

fn spoilt(step: u64, skipped: usize) -> String {
    match skipped {
        0 => format!("after step {step} "),
        skipped => format!("the last {skipped} steps up to step {step} were all skipped: "),
    }
}

/// A list that a person reads to its end.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 16;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}
