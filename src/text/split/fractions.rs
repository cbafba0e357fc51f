//! How much of a corpus each part gets.

use super::SplitError;
use crate::text::Split;

/// How much of a corpus each part gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    pub train: f64,
    pub validation: f64,
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 1.0, validation: 0.0, test: 0.0 }
    }
}

impl Fractions {
    #[must_use]
    pub fn get(&self, split: Split) -> f64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    pub(super) fn set(&mut self, split: Split, fraction: f64) {
        match split {
            Split::Train => self.train = fraction,
            Split::Validation => self.validation = fraction,
            Split::Test => self.test = fraction,
        }
    }

    pub(super) fn check(&self) -> Result<(), SplitError> {
        for split in Split::ALL {
            let fraction = self.get(split);
            if !(0.0..=1.0).contains(&fraction) {
                return Err(SplitError::Fraction { split, fraction });
            }
        }
        let sum = self.train + self.validation + self.test;
        if (sum - 1.0).abs() > 1e-9 { Err(SplitError::Sum { sum }) } else { Ok(()) }
    }

    /// Where one of `folds` equal parts of what is not test validates, and the others train.
    #[must_use]
    pub fn folded(mut self, folds: usize) -> Self {
        let rest = self.train + self.validation;
        self.validation = rest / folds as f64;
        self.train = rest - self.validation;
        self
    }

    /// What the other parts get of what is left without `split`; nothing when it gets all.
    pub(super) fn without(mut self, split: Split) -> Self {
        self.set(split, 0.0);
        let rest = self.train + self.validation + self.test;
        for other in Split::ALL.into_iter().filter(|_| rest > 0.0) {
            self.set(other, self.get(other) / rest);
        }
        self
    }

    /// Where each part ends among the `count` members of a class that follow `seen` members of others: sizes come out right in total, and for
    /// each class to within one.
    pub(super) fn class_ends(self, seen: usize, count: usize) -> [usize; 3] {
        let ends = |seen: usize| {
            let end = |fraction: f64| (seen as f64 * fraction).round() as usize;
            [end(self.train), end(self.train + self.validation).min(seen)]
        };
        let (before, after) = (ends(seen), ends(seen + count));
        let train = (after[0] - before[0]).clamp(0, count);
        [train, (after[1] - before[1]).clamp(train, count), count]
    }
}
