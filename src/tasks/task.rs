//! A task, whatever its kind, and the tasks of a model together.

use super::tagging::{self, Tagging};
use super::{Decoding, Reading, classification, logits};
use crate::nn::{Batch, BatchError, HeadSpec, LossOptions, Over};
use crate::text::{ANOMALY, ClassHead, CorpusTasks, EncodedSplit};

/// One of the things that a model is trained for.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// That of its head, and the first part of the names of its scores.
    pub name: String,
    pub kind: Kind,
    /// How much its loss counts in the total; always above 0.
    pub weight: f64,
    /// A weight for each label or class in the loss.
    pub class_weights: Option<Vec<f32>>,
    /// As [`LossOptions::focal_gamma`].
    pub focal_gamma: f32,
    /// How its answers are read where it is about whole texts.
    pub reading: Reading,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Tagging(Tagging),
    /// The classes of a whole text, in the order of the head's outputs.
    Classification(Vec<String>),
}

impl Task {
    /// One that counts as much as any other.
    #[must_use]
    pub fn tagging(tagging: Tagging) -> Self {
        Self::new(tagging::NAME, Kind::Tagging(tagging))
    }

    /// One that counts as much as any other.
    #[must_use]
    pub fn classification(head: &ClassHead) -> Self {
        Self::new(&head.name, Kind::Classification(head.classes.clone()))
    }

    fn new(name: &str, kind: Kind) -> Self {
        let (name, reading) = (name.to_owned(), Reading::default());
        Self { name, kind, weight: 1.0, class_weights: None, focal_gamma: 0.0, reading }
    }

    #[must_use]
    pub fn head(&self) -> HeadSpec {
        let (outputs, over) = match &self.kind {
            Kind::Tagging(tagging) => (tagging.labels, Over::Tokens),
            Kind::Classification(classes) => (classes.len(), Over::FirstToken),
        };
        HeadSpec { name: self.name.clone(), outputs, over }
    }

    /// What the head should say of these sequences, row by row.
    fn targets(&self, split: &EncodedSplit, rows: &[u32]) -> Vec<u32> {
        match &self.kind {
            Kind::Tagging(tagging) => tagging.targets(split, rows),
            Kind::Classification(_) => classification::targets(&self.name, split, rows),
        }
    }

    /// Whether it is about whole texts.
    #[must_use]
    pub fn is_of_texts(&self) -> bool {
        matches!(self.kind, Kind::Classification(_))
    }

    /// The classes of a whole text, in the order of the head's outputs; `None` of a task that is about tokens.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Tagging(_) => None,
            Kind::Classification(classes) => Some(classes),
        }
    }

    /// How the labels of tokens are read; `None` of a task that is about whole texts.
    #[must_use]
    pub fn decoding(&self) -> Option<Decoding> {
        match &self.kind {
            Kind::Tagging(tagging) => Some(tagging.decoding),
            Kind::Classification(_) => None,
        }
    }

    /// Tells the answers about a sequence anew where one depends on others, each with its score: [`Tagging::decode`].
    ///
    /// * `logits`: `(rows, outputs)` of sequence `row`
    /// * `told`, `scores`: `(rows,)`: what [`read`](Self::read) says of each
    ///
    /// # Panics
    /// When words decide, and nobody has found those of `split`.
    pub fn decode(
        &self,
        logits: &[f32],
        split: &EncodedSplit,
        row: usize,
        told: &mut [u32],
        scores: &mut [f64],
    ) {
        match &self.kind {
            Kind::Tagging(tagging) => tagging.decode(logits, split, row, told, scores),
            Kind::Classification(_) => {}
        }
    }

    /// What a row of logits says: a class, and a score for it.
    #[must_use]
    pub fn read(&self, logits: &[f32]) -> (u32, f64) {
        match &self.kind {
            Kind::Tagging(_) => logits::most_likely(logits),
            Kind::Classification(_) => classification::read(logits, self.reading),
        }
    }

    /// How its loss is weighed in a batch by itself.
    #[must_use]
    pub fn loss_options(&self) -> LossOptions {
        let class_weights = self.class_weights.clone();
        let (weight, focal_gamma) = (self.weight as f32, self.focal_gamma);
        LossOptions { weight, class_weights, focal_gamma, normaliser: None }
    }

    /// What to do where the head never gets a gradient, if that may be the data's fault.
    #[must_use]
    pub fn without_gradient(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Tagging(_) => Some(tagging::WITHOUT_GRADIENT),
            // A training without a text that is labelled for it never begins.
            Kind::Classification(_) => None,
        }
    }
}

/// What a corpus that says nothing of its tasks is labelled for, with equal weights.
#[must_use]
pub fn joint(labels: usize) -> Vec<Task> {
    of_corpus(labels, &CorpusTasks::default())
}

/// All that a corpus is labelled for, with equal weights.
#[must_use]
pub fn of_corpus(labels: usize, tasks: &CorpusTasks) -> Vec<Task> {
    let tagging = tasks.tagging.then(|| Task::tagging(Tagging::of(labels)));
    tagging.into_iter().chain(tasks.heads.iter().map(Task::classification)).collect()
}

/// What a corpus has labels for that was made for these tasks.
#[must_use]
pub fn to_corpus(tasks: &[Task]) -> CorpusTasks {
    let mut of = CorpusTasks { tagging: false, heads: Vec::new() };
    for Task { name, kind, .. } in tasks {
        match kind {
            Kind::Tagging(_) => of.tagging = true,
            Kind::Classification(classes) => {
                of.heads.push(ClassHead { name: name.clone(), classes: classes.clone() });
            }
        }
    }
    of
}

/// What figures call the task of this name, whose classes they need not know.
#[must_use]
pub fn title(name: &str) -> String {
    match name {
        tagging::NAME => tagging::TITLE.to_owned(),
        ANOMALY => classification::title(&ClassHead::anomaly()),
        name => name.to_owned(),
    }
}

/// The names of what a corpus is labelled for, in the order of a model's heads.
#[must_use]
pub fn names(tasks: &CorpusTasks) -> Vec<String> {
    let tagging = tasks.tagging.then(|| tagging::NAME.to_owned());
    tagging.into_iter().chain(tasks.heads.iter().map(|head| head.name.clone())).collect()
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

/// Some sequences of a split, packed, with what each head should say of them. Those of one text share its weight where it is classified.
///
/// # Errors
/// When a sequence is empty, or there is none.
pub fn batch(tasks: &[Task], split: &EncodedSplit, rows: &[u32]) -> Result<Batch, BatchError> {
    let targets = tasks.iter().map(|task| task.targets(split, rows)).collect();
    let batch = Batch::new(split.gather(&split.ids, rows), split.bounds_of(rows))?;
    let batch = batch.with_targets(targets);
    Ok(match split.shares(rows) {
        Some(shares) => batch.with_shares(shares),
        None => batch,
    })
}

/// How the losses of a step are weighed: means over all of its batches together, not means of their means.
#[must_use]
pub fn loss_options(tasks: &[Task], batches: &[Batch]) -> Vec<LossOptions> {
    let of_task = |(number, task): (usize, &Task)| {
        let (options, over) = (task.loss_options(), task.head().over);
        let count = |batch: &Batch| options.count(&batch.targets()[number], batch.shares(over));
        let normaliser = batches.iter().map(count).sum();
        LossOptions { normaliser: Some(normaliser), ..options }
    };
    tasks.iter().enumerate().map(of_task).collect()
}

/// The weighted sum of the tasks' losses; one that is not known adds nothing.
#[must_use]
pub fn total(tasks: &[Task], losses: &[Option<f64>]) -> f64 {
    tasks.iter().zip(losses).map(|(task, loss)| task.weight * loss.unwrap_or(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Window, Windows};

    #[test]
    fn the_windows_of_a_text_share_its_weight_in_the_losses_of_classes() {
        let window = |tokens| Window { tokens, cut: (0, 0) };
        let mut windows = Windows::new((1, 1));
        windows.push([window(0..1)]);
        windows.push([window(0..2), window(1..3), window(2..4)]);
        let split = EncodedSplit {
            ids: (0..9).collect(),
            bounds: vec![0, 3, 9],
            labels: vec![2; 9],
            classes: [(ANOMALY.to_owned(), vec![0, 1])].into(),
            windows: Some(windows),
            ..EncodedSplit::default()
        };
        let tasks = joint(3);
        let batch = batch(&tasks, &split, &[0, 1, 2, 3]).expect("a batch");
        assert_eq!(batch.targets()[1], [0, 1, 1, 1]);
        let options = loss_options(&tasks, &[batch]);
        let counted = options.iter().map(|options| options.normaliser.expect("it is given"));
        let counted: Vec<f64> = counted.collect();
        // Tokens count in every window, texts once.
        assert!(counted[0] == 15.0 && (counted[1] - 2.0).abs() < 1e-6, "{counted:?}");
    }
}
