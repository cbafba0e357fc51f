//! A task, whatever its kind, and the tasks of a model together.

use super::classification::{self, Classification};
use super::tagging::{self, Tagging};
use crate::nn::{Batch, BatchError, HeadSpec, LossOptions, Over};
use crate::text::EncodedSplit;

/// One of the things that a model is trained for.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// That of its head, and the first part of the names of its scores.
    pub name: String,
    /// How much its loss counts in the total; always above 0.
    pub weight: f64,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Tagging(Tagging),
    Classification(Classification),
}

impl Task {
    #[must_use]
    pub fn tagging(weight: f64, tagging: Tagging) -> Self {
        Self { name: tagging::NAME.to_owned(), weight, kind: Kind::Tagging(tagging) }
    }

    #[must_use]
    pub fn classification(weight: f64, classification: Classification) -> Self {
        let kind = Kind::Classification(classification);
        Self { name: classification::NAME.to_owned(), weight, kind }
    }

    #[must_use]
    pub fn head(&self) -> HeadSpec {
        let (outputs, over) = match &self.kind {
            Kind::Tagging(tagging) => (tagging.labels, Over::Tokens),
            Kind::Classification(classification) => (classification.classes, Over::FirstToken),
        };
        HeadSpec { name: self.name.clone(), outputs, over }
    }

    /// What the head should say of these sequences, row by row.
    fn targets(&self, split: &EncodedSplit, rows: &[u32]) -> Vec<u32> {
        match &self.kind {
            Kind::Tagging(tagging) => tagging.targets(split, rows),
            Kind::Classification(_) => classification::targets(split, rows),
        }
    }

    /// Whether it is about whole texts.
    #[must_use]
    pub fn is_of_texts(&self) -> bool {
        matches!(self.kind, Kind::Classification(_))
    }

    /// What a row of logits says: a class, and a score for it.
    #[must_use]
    pub fn read(&self, logits: &[f32]) -> (u32, f64) {
        match &self.kind {
            Kind::Tagging(_) => tagging::read(logits),
            Kind::Classification(_) => classification::read(logits),
        }
    }

    /// How its loss is weighed in a batch by itself.
    #[must_use]
    pub fn loss_options(&self) -> LossOptions {
        let class_weights = match &self.kind {
            Kind::Tagging(_) => None,
            Kind::Classification(classification) => classification.class_weights.clone(),
        };
        LossOptions { weight: self.weight as f32, class_weights, normaliser: None }
    }

    /// What to do where the head never gets a gradient, if that may be the data's fault.
    #[must_use]
    pub fn without_gradient(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Tagging(_) => Some(tagging::WITHOUT_GRADIENT),
            Kind::Classification(_) => None,
        }
    }
}

/// Both tasks that there are names for, with equal weights.
#[must_use]
pub fn joint(labels: usize) -> Vec<Task> {
    let classification =
        Classification { classes: classification::CLASSES.len(), class_weights: None };
    vec![
        Task::tagging(1.0, Tagging { labels, ignored: None }),
        Task::classification(1.0, classification),
    ]
}

/// Whether one of them is that of this name.
#[must_use]
pub fn has(tasks: &[Task], name: &str) -> bool {
    tasks.iter().any(|task| task.name == name)
}

/// The heads of a model for these tasks.
#[must_use]
pub fn heads(tasks: &[Task]) -> Vec<HeadSpec> {
    tasks.iter().map(Task::head).collect()
}

/// Some sequences of a split, packed, with what each head should say of them.
///
/// # Errors
/// When a sequence is empty, or there is none.
pub fn batch(tasks: &[Task], split: &EncodedSplit, rows: &[u32]) -> Result<Batch, BatchError> {
    let targets = tasks.iter().map(|task| task.targets(split, rows)).collect();
    Ok(Batch::new(split.gather(&split.ids, rows), split.bounds_of(rows))?.with_targets(targets))
}

/// How the losses of a step are weighed: means over all of its batches together, not means of their means.
#[must_use]
pub fn loss_options(tasks: &[Task], batches: &[Batch]) -> Vec<LossOptions> {
    let of_task = |(number, task): (usize, &Task)| {
        let options = task.loss_options();
        let normaliser = batches.iter().map(|batch| options.count(&batch.targets()[number])).sum();
        LossOptions { normaliser: Some(normaliser), ..options }
    };
    tasks.iter().enumerate().map(of_task).collect()
}

/// The weighted sum of the tasks' losses; one that is not known adds nothing.
#[must_use]
pub fn total(tasks: &[Task], losses: &[Option<f64>]) -> f64 {
    tasks.iter().zip(losses).map(|(task, loss)| task.weight * loss.unwrap_or(0.0)).sum()
}
