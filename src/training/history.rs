//! What a training leaves in numbers: the history, which is a pure function of its inputs, and the timings, which are not.

use serde::{Deserialize, Serialize};

use crate::tasks::Task;

/// The split a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSplit {
    Train,
    Validation,
}

/// One row of `history.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub split: RowSplit,
    /// Steps of the optimiser made so far, this row's included.
    pub step: u64,
    /// The epoch of that step, counted from 1.
    pub epoch: u64,
    /// Only in rows of training, like [`grad_norm`](Self::grad_norm).
    pub learning_rate: Option<f64>,
    /// The weighted sum of all losses, in nats.
    pub loss: f64,
    /// That of each task that the texts are labelled for; `None` when no label of the batch counts, or the task is not trained.
    pub losses: Vec<Option<f64>>,
    /// The norm of the whole gradient before clipping.
    pub grad_norm: Option<f64>,
    /// In rows of evaluations: the metric that the recipe [watches](super::Recipe::watched). `None` where it is undefined.
    pub watched: Option<f64>,
}

/// The rows of a training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The tasks, in the order of each row's [`losses`](Row::losses).
    pub tasks: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row of `timing.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timing {
    pub step: u64,
    /// From the step's beginning to its end, evaluations and saved states left out.
    pub seconds: f64,
    pub tokens: u64,
}

/// The losses of the tasks that are trained, in the order of all that there are.
///
/// * `losses`: for each of `trained`
pub(super) fn in_order_of(
    tasks: &[String],
    trained: &[Task],
    losses: &[Option<f64>],
) -> Vec<Option<f64>> {
    let of = |name: &String| losses[trained.iter().position(|task| task.name == *name)?];
    tasks.iter().map(of).collect()
}

impl Row {
    /// Bytes of one row of so many tasks in a saved state.
    pub(super) fn width(tasks: usize) -> usize {
        1 + (tasks + 3).div_ceil(8) + 8 * (tasks + 6)
    }

    /// Fixed width, numbers as their bits, so that a row read back is the row written, not-a-number included.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let optional: Vec<Option<f64>> = std::iter::once(self.learning_rate)
            .chain(self.losses.iter().copied())
            .chain([self.grad_norm, self.watched])
            .collect();
        let mut bytes = vec![match self.split {
            RowSplit::Train => 0,
            RowSplit::Validation => 1,
        }];
        bytes.extend(optional.chunks(8).map(|values| {
            let bit = |(index, value): (usize, &Option<f64>)| u8::from(value.is_some()) << index;
            values.iter().enumerate().map(bit).sum::<u8>()
        }));
        let words = [self.step, self.epoch, self.loss.to_bits()]
            .into_iter()
            .chain(optional.iter().map(|value| value.unwrap_or(0.0).to_bits()));
        bytes.extend(words.flat_map(u64::to_le_bytes));
        debug_assert_eq!(bytes.len(), Self::width(self.losses.len()));
        bytes
    }

    /// The reverse of [`to_bytes`](Self::to_bytes); `None` for bytes that no row of so many tasks has.
    pub(super) fn from_bytes(bytes: &[u8], tasks: usize) -> Option<Self> {
        let split = match bytes.first()? {
            0 => RowSplit::Train,
            1 => RowSplit::Validation,
            _ => return None,
        };
        let (present, words) = bytes[1..].split_at_checked((tasks + 3).div_ceil(8))?;
        let words: Vec<u64> =
            words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let [step, epoch, loss, optional @ ..] = words.as_slice() else { return None };
        let mut optional = optional.iter().enumerate().map(|(index, word)| {
            (present[index / 8] >> (index % 8) & 1 == 1).then(|| f64::from_bits(*word))
        });
        Some(Self {
            split,
            step: *step,
            epoch: *epoch,
            loss: f64::from_bits(*loss),
            learning_rate: optional.next()?,
            losses: optional.by_ref().take(tasks).collect(),
            grad_norm: optional.next()?,
            watched: optional.next()?,
        })
    }
}

/// The mean loss of each epoch's steps, as the reference recipe reports it. Steps whose loss is not finite are left out; an epoch without
/// any other is not a number.
#[must_use]
pub fn epoch_losses(history: &[Row]) -> Vec<f64> {
    let mut sums: Vec<(f64, u64)> = Vec::new();
    for row in history.iter().filter(|row| row.split == RowSplit::Train) {
        let index = row.epoch.saturating_sub(1) as usize;
        if sums.len() <= index {
            sums.resize(index + 1, (0.0, 0));
        }
        if row.loss.is_finite() {
            sums[index].0 += row.loss;
            sums[index].1 += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u64, loss: f64) -> Row {
        Row {
            split: RowSplit::Train,
            step: 7,
            epoch,
            learning_rate: Some(2e-5),
            loss,
            losses: vec![None, Some(0.1)],
            grad_norm: Some(1.5),
            watched: Some(0.25),
        }
    }

    #[test]
    fn a_row_survives_its_bytes_even_when_not_a_number() {
        for losses in 0..20 {
            let row = Row { losses: vec![Some(0.5); losses], ..row(2, 0.3) };
            assert_eq!(Row::from_bytes(&row.to_bytes(), losses), Some(row));
        }
        assert_eq!(Row::from_bytes(&row(2, 0.3).to_bytes(), 2), Some(row(2, 0.3)));
        let read = Row::from_bytes(&row(2, f64::NAN).to_bytes(), 2).expect("a row");
        assert!(read.loss.is_nan());
    }

    #[test]
    fn the_loss_of_an_epoch_is_the_mean_over_its_steps() {
        assert_eq!(
            epoch_losses(&[row(1, 1.0), row(1, 2.0), row(1, f64::INFINITY), row(2, 4.0)]),
            [1.5, 4.0]
        );
    }
}
