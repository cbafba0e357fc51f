//! What a training is for: the tasks that texts are labelled for, or telling tokens that are masked.

use super::engine::{Engine, EngineError};
use super::fixed::FixedStates;
use super::history::in_order_of;
use super::inputs::Data;
use super::masking::{Draw, Masking};
use super::predict::{BatchLimit, predict_from};
use crate::nn::{Batch, BatchError, HeadSpec, LossOptions, Losses, Over};
use crate::tasks::metrics::{Evidence, Scores};
use crate::tasks::{self, Task};
use crate::text::{CorpusTasks, EncodedSplit};

/// What batches, losses and scores depend on.
#[derive(Debug)]
pub(super) enum Goal<'a> {
    /// Those that are trained.
    Tasks {
        tasks: Vec<Task>,
        data: Data<'a>,
    },
    Masked(Masking),
}

/// What an evaluation found.
pub(super) struct Evaluated {
    pub loss: f64,
    /// Of all that the texts are labelled for, in the order of [`Goal::names`].
    pub losses: Vec<Option<f64>>,
    pub scores: Scores,
}

impl Goal<'_> {
    /// All that the texts are labelled for, and history has a loss of.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Tasks { data, .. } => tasks::names(data.tasks),
            Self::Masked(_) => Vec::new(),
        }
    }

    /// What saved states of one goal and not of another belong to.
    pub fn identity(&self) -> Vec<u8> {
        match self {
            Self::Tasks { .. } => Vec::new(),
            Self::Masked(masking) => serde_json::to_vec(masking).expect("plain data"),
        }
    }

    /// Some sequences, packed, with what is to be said of them.
    pub fn batch(
        &self,
        split: &EncodedSplit,
        rows: &[u32],
        draw: Draw,
    ) -> Result<Batch, BatchError> {
        match self {
            Self::Tasks { tasks, .. } => tasks::batch(tasks, split, rows),
            Self::Masked(masking) => masking.batch(split, rows, draw),
        }
    }

    /// How the losses of a step are weighed: means over all of its batches together.
    pub fn loss_options(&self, batches: &[Batch]) -> Vec<LossOptions> {
        match self {
            Self::Tasks { tasks, .. } => tasks::loss_options(tasks, batches),
            Self::Masked(_) => {
                let told: usize = batches.iter().map(|batch| batch.masked().len()).sum();
                vec![LossOptions { normaliser: Some(told as f64), ..LossOptions::EVEN }]
            }
        }
    }

    /// The losses in the order of [`names`](Self::names), as far as anything counts in them, and what was minimised.
    pub fn losses(&self, losses: &Losses) -> (Vec<Option<f64>>, f64) {
        let known = losses.heads.iter().map(|head| (head.counted > 0).then_some(head.mean));
        let known: Vec<_> = known.collect();
        match self {
            Self::Tasks { tasks, .. } => {
                let total = tasks::total(tasks, &known);
                (in_order_of(&self.names(), tasks, &known), total)
            }
            Self::Masked(_) => (Vec::new(), known.first().copied().flatten().unwrap_or(0.0)),
        }
    }

    /// What to do where the head of this number never gets a gradient, if that may be the data's fault.
    pub fn without_gradient(&self, head: usize) -> Option<&'static str> {
        match self {
            Self::Tasks { tasks, .. } => tasks[head].without_gradient(),
            Self::Masked(_) => None,
        }
    }

    /// Holds what the engine says against what it should say. Returns `None` as soon as `cancelled` says so.
    ///
    /// * `states`: the hidden states of the split where they are known
    pub fn evaluate(
        &self,
        engine: &mut dyn Engine,
        split: &EncodedSplit,
        states: Option<&FixedStates>,
        batch_size: usize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluated>, EngineError> {
        match self {
            Self::Tasks { tasks, data } => {
                let limit = BatchLimit::of(split, batch_size);
                let predicted = predict_from(states, engine, split, limit, tasks, cancelled)?;
                Ok(predicted.map(|predicted| {
                    let losses: Vec<_> =
                        predicted.answers.iter().map(|answers| answers.loss).collect();
                    Evaluated {
                        loss: predicted.loss,
                        losses: in_order_of(&self.names(), tasks, &losses),
                        scores: tasks::score(split, &predicted, data.labels, data.tasks).scores,
                    }
                }))
            }
            Self::Masked(masking) => {
                let loss = loss_of_masked(masking, engine, split, batch_size, cancelled)?;
                Ok(loss.map(|loss| Evaluated {
                    loss,
                    losses: Vec::new(),
                    scores: scores_of_loss(loss),
                }))
            }
        }
    }
}

/// The head that tells masked tokens.
#[must_use]
pub fn masked_head(vocabulary: usize) -> HeadSpec {
    HeadSpec { name: "masked".to_owned(), outputs: vocabulary, over: Over::Masked }
}

/// The mean cross-entropy of the masked tokens of a split, always the same ones.
fn loss_of_masked(
    masking: &Masking,
    engine: &mut dyn Engine,
    split: &EncodedSplit,
    batch_size: usize,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<f64>, EngineError> {
    let rows: Vec<u32> = (0..split.sequences() as u32).collect();
    let (mut sum, mut count) = (0.0, 0);
    for rows in rows.chunks(batch_size.max(1)) {
        if cancelled() {
            return Ok(None);
        }
        let batch = masking.batch(split, rows, Draw::Fixed)?;
        let logits = engine.logits(&batch)?;
        let told = logits[0].chunks_exact(masking.vocabulary).zip(&batch.targets()[0]);
        sum += told.map(|(logits, target)| tasks::cross_entropy(logits, *target)).sum::<f64>();
        count += batch.masked().len();
    }
    Ok(Some(sum / count.max(1) as f64))
}

fn scores_of_loss(loss: f64) -> Scores {
    let evidence =
        Evidence { loss: Some(loss).filter(|loss| loss.is_finite()), ..Evidence::default() };
    let none = CorpusTasks { tagging: false, heads: Vec::new() };
    Scores::of(&none, &|task| task.is_none().then_some(&evidence))
}
