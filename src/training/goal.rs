//! What a training is for: the tasks that texts are labelled for, or telling tokens that are masked.

use super::engine::{Engine, EngineError, Forward};
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

/// The mean cross-entropy of the masked tokens of a split, always the same ones, read in batches of like length.
fn loss_of_masked(
    masking: &Masking,
    model: &mut dyn Forward,
    split: &EncodedSplit,
    batch_size: usize,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<f64>, EngineError> {
    let mut sums = vec![0.0; split.sequences()];
    let mut count = 0;
    for rows in BatchLimit::of(split, batch_size).windows(split).flat_map(|it| it.batches) {
        if cancelled() {
            return Ok(None);
        }
        let batch = masking.batch(split, &rows, Draw::Fixed)?;
        let logits = model.logits(&batch)?;
        let told = logits[0].chunks_exact(masking.vocabulary).zip(&batch.targets()[0]);
        for (token, (logits, target)) in batch.masked().iter().zip(told) {
            let row = batch.bounds().partition_point(|bound| *bound <= *token as usize) - 1;
            sums[rows[row] as usize] += tasks::cross_entropy(logits, *target);
        }
        count += batch.masked().len();
    }
    // In the order of the texts, whatever batches they came in.
    Ok(Some(sums.iter().sum::<f64>() / count.max(1) as f64))
}

fn scores_of_loss(loss: f64) -> Scores {
    let evidence =
        Evidence { loss: Some(loss).filter(|loss| loss.is_finite()), ..Evidence::default() };
    let none = CorpusTasks { tagging: false, heads: Vec::new() };
    Scores::of(&none, &|task| task.is_none().then_some(&evidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the same of every masked token, and keeps the lengths of what it reads.
    struct Reader {
        vocabulary: usize,
        batches: Vec<Vec<usize>>,
    }

    impl Forward for Reader {
        fn logits(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, EngineError> {
            self.batches.push(batch.bounds().windows(2).map(|pair| pair[1] - pair[0]).collect());
            let of_token = (0..self.vocabulary).map(|class| class as f32 * 0.1);
            Ok(vec![of_token.collect::<Vec<f32>>().repeat(batch.masked().len())])
        }
    }

    /// Texts of so many tokens, each text of a token of its own; none is special.
    fn split(lengths: &[u32]) -> EncodedSplit {
        let tokens =
            || lengths.iter().zip(10..).flat_map(|(length, id)| vec![id; *length as usize]);
        let bounds = std::iter::once(0).chain(lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        EncodedSplit {
            ids: tokens().collect(),
            bounds: bounds.collect(),
            starts: tokens().map(|_| 0).collect(),
            ends: tokens().map(|_| 1).collect(),
            ..EncodedSplit::default()
        }
    }

    #[test]
    fn masked_texts_are_read_by_length_and_their_loss_is_that_of_any_batches() {
        let masking = Masking { share: 0.3, mask: 4, vocabulary: 40, seed: 1 };
        let split = split(&[60, 20, 60, 20, 60, 20]);
        let loss = |batch_size| {
            let mut reader = Reader { vocabulary: masking.vocabulary, batches: Vec::new() };
            let loss = loss_of_masked(&masking, &mut reader, &split, batch_size, &|| false);
            (loss.expect("a reader that never fails"), reader.batches)
        };
        // 64 tokens each, and then 128.
        assert_eq!(loss(1).1, [vec![20, 20, 20], vec![60], vec![60], vec![60]]);
        assert_eq!(loss(2).1, [vec![20, 20, 20, 60], vec![60, 60]]);
        assert!(loss(1).0.is_some_and(|loss| loss > 0.0));
        assert_eq!(loss(1).0, loss(2).0);
    }

    #[test]
    fn a_cancelled_evaluation_has_no_loss() {
        let masking = Masking { share: 0.3, mask: 4, vocabulary: 40, seed: 1 };
        let mut reader = Reader { vocabulary: 40, batches: Vec::new() };
        let loss = loss_of_masked(&masking, &mut reader, &split(&[30]), 1, &|| true);
        assert!(matches!(loss, Ok(None)) && reader.batches.is_empty());
    }
}
