//! What a training leaves in numbers: the history, which is a pure function of its inputs, and the timings, which are not.

use serde::{Deserialize, Serialize};

use super::Notice;
use crate::tasks::metrics::Metric;
use crate::tasks::{Task, classification, tagging};

/// The split a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSplit {
    Train,
    Validation,
}

/// One row of `history.csv`; the fields in order are its columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub split: RowSplit,
    /// Steps of the optimiser made so far, this row's included.
    pub step: u64,
    /// The epoch of that step, counted from 1.
    pub epoch: u64,
    /// Only in rows of training, like [`grad_norm`](Self::grad_norm).
    pub learning_rate: Option<f64>,
    /// The weighted sum of both losses, in nats.
    pub loss: f64,
    /// `None` when no label of the batch counts.
    pub ner_loss: Option<f64>,
    pub anomaly_loss: Option<f64>,
    /// The norm of the whole gradient before clipping.
    pub grad_norm: Option<f64>,
    /// In rows of evaluations: the metric that the recipe [watches](super::Recipe::watched). `None` where it is undefined.
    pub watched: Option<f64>,
}

/// One row of `timing.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timing {
    pub step: u64,
    /// From the step's beginning to its end, evaluations and saved states left out.
    pub seconds: f64,
    pub tokens: u64,
}

/// The losses for the columns of a [`Row`], in their order.
///
/// * `losses`: for each task
pub(super) fn loss_columns(tasks: &[Task], losses: &[Option<f64>]) -> [Option<f64>; 2] {
    let of = |name: &str| losses[tasks.iter().position(|task| task.name == name)?];
    [of(tagging::NAME), of(classification::NAME)]
}

impl Row {
    /// Bytes of one row in a saved state.
    pub(super) const BYTES: usize = 66;

    /// Fixed width, numbers as their bits, so that a row read back is the row written, not-a-number included.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let optional =
            [self.learning_rate, self.ner_loss, self.anomaly_loss, self.grad_norm, self.watched];
        let present = optional
            .iter()
            .enumerate()
            .fold(0_u8, |bits, (index, value)| bits | (u8::from(value.is_some()) << index));
        let mut bytes = [0; Self::BYTES];
        bytes[0] = match self.split {
            RowSplit::Train => 0,
            RowSplit::Validation => 1,
        };
        bytes[1] = present;
        let words = [self.step, self.epoch, self.loss.to_bits()]
            .into_iter()
            .chain(optional.map(|value| value.unwrap_or(0.0).to_bits()));
        for (place, word) in bytes[2..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The reverse of [`to_bytes`](Self::to_bytes); `None` for bytes that no row has.
    pub(super) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let split = match bytes[0] {
            0 => RowSplit::Train,
            1 => RowSplit::Validation,
            _ => return None,
        };
        let word = |index: usize| {
            let place = &bytes[2 + 8 * index..10 + 8 * index];
            u64::from_le_bytes(place.try_into().expect("eight bytes"))
        };
        let optional =
            |index: usize| (bytes[1] >> index & 1 == 1).then(|| f64::from_bits(word(3 + index)));
        Some(Self {
            split,
            step: word(0),
            epoch: word(1),
            loss: f64::from_bits(word(2)),
            learning_rate: optional(0),
            ner_loss: optional(1),
            anomaly_loss: optional(2),
            grad_norm: optional(3),
            watched: optional(4),
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

/// Which evaluation the result is from, where a training kept its best by `metric`.
#[must_use]
pub fn kept(history: &[Row], metric: Metric) -> Option<Notice> {
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
    Some(Notice::KeptBest { step, steps, metric: metric.name(), value })
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
            ner_loss: None,
            anomaly_loss: Some(0.1),
            grad_norm: Some(1.5),
            watched: Some(0.25),
        }
    }

    #[test]
    fn a_row_survives_its_bytes_even_when_not_a_number() {
        let read = Row::from_bytes(&row(2, 0.3).to_bytes()).expect("a row");
        assert_eq!(read, row(2, 0.3));
        let read = Row::from_bytes(&row(2, f64::NAN).to_bytes()).expect("a row");
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
