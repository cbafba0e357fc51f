//! The classes of labelled texts, counted.

use crate::text::{ClassHead, Example};

/// How many texts have each class of a head, of those that are labelled for it.
pub(super) struct Counts(Vec<usize>);

impl Counts {
    pub(super) fn new(head: &ClassHead) -> Self {
        Self(vec![0; head.classes.len()])
    }

    pub(super) fn add(&mut self, example: &Example, head: &ClassHead) {
        if let Some(class) = class_of(example, head) {
            self.0[class] += 1;
        }
    }

    pub(super) fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// As [`shares`].
    pub(super) fn shares(&self) -> Vec<f64> {
        shares(&self.0)
    }
}

/// The share of each class; equal shares where no text is labelled.
pub(super) fn shares(counts: &[usize]) -> Vec<f64> {
    let total: usize = counts.iter().sum();
    let share = |count: &usize| {
        if total == 0 { 1.0 / counts.len() as f64 } else { *count as f64 / total as f64 }
    };
    counts.iter().map(share).collect()
}

/// The number of a text's class, where it is labelled for the head.
pub(super) fn class_of(example: &Example, head: &ClassHead) -> Option<usize> {
    let class = example.classes.get(&head.name)?;
    head.classes.iter().position(|known| known == class)
}
