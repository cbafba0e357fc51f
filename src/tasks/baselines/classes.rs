//! The classes of labelled texts, counted.

use crate::text::{ClassHead, Example};

/// The share of each class of a head among the texts that are labelled for it; equal shares where none is.
pub(super) fn shares<'e>(texts: impl Iterator<Item = &'e Example>, head: &ClassHead) -> Vec<f64> {
    let mut counts = vec![0_usize; head.classes.len()];
    for class in texts.filter_map(|example| class_of(example, head)) {
        counts[class] += 1;
    }
    let total: usize = counts.iter().sum();
    let share = |count: usize| {
        if total == 0 { 1.0 / head.classes.len() as f64 } else { count as f64 / total as f64 }
    };
    counts.into_iter().map(share).collect()
}

/// The number of a text's class, where it is labelled for the head.
pub(super) fn class_of(example: &Example, head: &ClassHead) -> Option<usize> {
    let class = example.classes.get(&head.name)?;
    head.classes.iter().position(|known| known == class)
}
