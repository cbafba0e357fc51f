//! What a step minimises: the weighted sum of the heads' losses.

use std::ops::AddAssign;

use crate::base::IGNORE;

/// How the loss of a head is weighed and averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct LossOptions {
    /// It counts this much in the total.
    pub weight: f32,
    /// A weight for each class, as `torch.nn.CrossEntropyLoss(weight=...)` takes them: the mean is over weights.
    pub class_weights: Option<Vec<f32>>,
    /// The cross-entropy of a row is multiplied by `(1 - p)^focal_gamma`, where p is the probability of its target; 0 leaves it as it is.
    pub focal_gamma: f32,
    /// What the sum is divided by when this batch is a part of a larger one; `None`: by what this batch counts itself.
    pub normaliser: Option<f64>,
}

/// The losses of a batch, in nats. Those of micro-batches that were given common [`LossOptions::normaliser`]s add up to those of the whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// For each head.
    pub heads: Vec<HeadLoss>,
    /// The weighted sum.
    pub total: f64,
}

/// The loss of a head.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HeadLoss {
    /// Over the targets that count, by class weight; 0 if none does.
    pub mean: f64,
    /// How many targets count.
    pub counted: usize,
}

impl LossOptions {
    /// Nothing counts more than anything else.
    pub const EVEN: Self =
        Self { weight: 1.0, class_weights: None, focal_gamma: 0.0, normaliser: None };

    #[must_use]
    pub fn class_weight(&self, class: u32) -> f32 {
        self.class_weights.as_ref().map_or(1.0, |weights| weights[class as usize])
    }

    /// How much a row counts: by the class that is its target, and only in part where several rows share the weight of one.
    ///
    /// * `shares`: as [`Batch::shares`](super::Batch::shares)
    #[must_use]
    pub fn row_weight(&self, shares: &[u32], row: usize, class: u32) -> f32 {
        let weight = self.class_weight(class);
        shares.get(row).map_or(weight, |share| weight / *share as f32)
    }

    /// What these targets count by themselves; add those of micro-batches for the whole.
    ///
    /// * `shares`: as [`Batch::shares`](super::Batch::shares)
    #[must_use]
    pub fn count(&self, targets: &[u32], shares: &[u32]) -> f64 {
        let counted = targets.iter().enumerate().filter(|&(_, &target)| target != IGNORE);
        counted.map(|(row, &class)| f64::from(self.row_weight(shares, row, class))).sum()
    }

    /// What the sum over these targets is divided by; 0 where nothing counts.
    pub(super) fn normaliser(&self, targets: &[u32], shares: &[u32]) -> f64 {
        self.normaliser.unwrap_or_else(|| self.count(targets, shares))
    }
}

impl Losses {
    /// Adds the loss of the next head.
    pub(super) fn push(&mut self, options: &LossOptions, mean: f64, targets: &[u32]) {
        let counted = targets.iter().filter(|&&target| target != IGNORE).count();
        self.heads.push(HeadLoss { mean, counted });
        self.total += f64::from(options.weight) * mean;
    }
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.heads.resize(other.heads.len(), HeadLoss::default());
        for (sum, added) in self.heads.iter_mut().zip(other.heads) {
            sum.mean += added.mean;
            sum.counted += added.counted;
        }
        self.total += other.total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_divided_by_its_counted_targets_and_class_weights() {
        let weighted = LossOptions { class_weights: Some(vec![1.0, 4.0]), ..LossOptions::EVEN };
        assert_eq!(LossOptions::EVEN.count(&[0, IGNORE, 2], &[]), 2.0);
        assert_eq!(LossOptions::EVEN.count(&[0, 1, 1], &[]), 3.0);
        assert_eq!(weighted.count(&[0, 1, 1], &[]), 9.0);
    }

    #[test]
    fn rows_that_share_the_weight_of_one_count_once_together() {
        let weighted = LossOptions { class_weights: Some(vec![1.0, 4.0]), ..LossOptions::EVEN };
        assert_eq!(LossOptions::EVEN.count(&[0, 1, 1, IGNORE], &[1, 2, 2, 4]), 2.0);
        assert_eq!(weighted.count(&[0, 1, 1, IGNORE], &[1, 2, 2, 4]), 5.0);
    }
}
