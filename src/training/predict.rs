//! What a model says about a split: the one way from an engine to predictions, inside the loop and outside of it.

use super::engine::{EngineError, Forward};
use super::fixed::FixedStates;
use super::merge::{Merge, Told};
use crate::base::IGNORE;
use crate::nn::LossOptions;
use crate::nn::kernels::cross_entropy::Focus;
use crate::tasks::{self, Answers, Predicted, Task, cross_entropy};
use crate::text::EncodedSplit;

/// How much of a split a model reads at once; of sequences there is always one. Answers depend on it in
/// the last bits at most: small products are summed up in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchLimit {
    /// So many sequences, in order.
    Sequences(usize),
    /// Sequences of so many tokens, those of like length together.
    Tokens(usize),
}

/// Sequences are sorted by length among those of so many batches.
const WINDOW_BATCHES: usize = 16;
/// Short sequences count as so many tokens where a batch is told by their number.
const LEAST_TOKENS: usize = 64;

impl From<usize> for BatchLimit {
    fn from(sequences: usize) -> Self {
        Self::Sequences(sequences)
    }
}

impl BatchLimit {
    /// As many tokens as so many sequences have in the mean.
    #[must_use]
    pub fn of(split: &EncodedSplit, sequences: usize) -> Self {
        let all: usize = (0..split.sequences()).map(|row| split.length_of(row)).sum();
        let mean = all.div_ceil(split.sequences().max(1)).max(LEAST_TOKENS);
        Self::Tokens(sequences.max(1).saturating_mul(mean))
    }

    /// All sequences of a split in the batches that a model reads them in.
    pub(super) fn windows(self, split: &EncodedSplit) -> impl Iterator<Item = Window> {
        let rows: Vec<u32> = (0..split.sequences() as u32).collect();
        let mut read = 0;
        std::iter::from_fn(move || {
            let (window, _) = self.window(split, &rows[read..]);
            read += window.len();
            let mut sorted = window.to_vec();
            // Those of one length keep their order.
            sorted.sort_by_key(|row| split.length_of(*row as usize));
            let (mut batches, mut rest) = (Vec::new(), &sorted[..]);
            while !rest.is_empty() {
                let batch;
                (batch, rest) = self.split_off(split, rest);
                batches.push(batch.to_vec());
            }
            (!window.is_empty()).then(|| Window { rows: window.to_vec(), batches })
        })
    }

    /// The first of these sequences whose order is free, and the others.
    fn window<'r>(self, split: &EncodedSplit, rows: &'r [u32]) -> (&'r [u32], &'r [u32]) {
        match self {
            Self::Sequences(_) => self.split_off(split, rows),
            Self::Tokens(most) => {
                Self::Tokens(most.saturating_mul(WINDOW_BATCHES)).split_off(split, rows)
            }
        }
    }

    /// The first of these sequences that make a batch, and the others.
    fn split_off<'r>(self, split: &EncodedSplit, rows: &'r [u32]) -> (&'r [u32], &'r [u32]) {
        let count = match self {
            Self::Sequences(count) => count,
            Self::Tokens(most) => {
                let lengths = rows.iter().map(|row| split.length_of(*row as usize));
                let totals = lengths.scan(0, |total, length| {
                    *total += length;
                    Some(*total)
                });
                totals.take_while(|total| *total <= most).count()
            }
        };
        rows.split_at(count.max(1).min(rows.len()))
    }
}

/// Sequences that follow each other, and the batches in which they are read: those of like length together.
pub(super) struct Window {
    pub rows: Vec<u32>,
    pub batches: Vec<Vec<u32>>,
}

/// Runs the model over `split` in batches, and reads what it says of each text in order, also where that was read in
/// windows. Returns `None` as soon as `cancelled` says so.
///
/// Memory is bounded by one batch, the logits of sixteen and one text, beside the predictions themselves.
///
/// * `tasks`: those that the model has a head for
///
/// # Errors
/// When the split does not fit the model, or a device operation fails.
pub fn predict(
    model: &mut dyn Forward,
    split: &EncodedSplit,
    batches: impl Into<BatchLimit>,
    tasks: &[Task],
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Predicted>, EngineError> {
    predict_from(None, model, split, batches.into(), tasks, cancelled)
}

/// The same, with the hidden states of the split where they are known.
pub(super) fn predict_from(
    states: Option<&FixedStates>,
    model: &mut dyn Forward,
    split: &EncodedSplit,
    limit: BatchLimit,
    tasks: &[Task],
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Predicted>, EngineError> {
    let mut readers: Vec<Reader<'_>> = tasks.iter().map(|task| Reader::new(task, split)).collect();
    let mut merges: Vec<Merge> = tasks.iter().map(|task| Merge::new(&task.head())).collect();
    for Window { rows: window, batches } in limit.windows(split) {
        let mut told: Vec<Told> = merges.iter().map(|merge| merge.room(split, &window)).collect();
        for rows in &batches {
            if cancelled() {
                return Ok(None);
            }
            let mut batch = tasks::batch(tasks, split, rows)?;
            if let Some(states) = states {
                batch = states.bring(batch, rows)?;
            }
            let logits = model.logits(&batch)?;
            for (told, (logits, targets)) in told.iter_mut().zip(logits.iter().zip(batch.targets()))
            {
                told.put(rows, logits, targets);
            }
        }
        for ((reader, merge), told) in readers.iter_mut().zip(&mut merges).zip(&told) {
            merge.take(split, &window, told, |logits, targets| reader.read(logits, targets));
        }
    }
    let answers: Vec<Answers> = readers.into_iter().map(Reader::finish).collect();
    let losses: Vec<_> = answers.iter().map(|answers| answers.loss).collect();
    Ok(Some(Predicted { loss: tasks::total(tasks, &losses), answers }))
}

/// Takes in what a head says, text by text.
struct Reader<'a> {
    task: &'a Task,
    split: &'a EncodedSplit,
    /// How many were read.
    texts: usize,
    outputs: usize,
    options: LossOptions,
    answers: Answers,
    /// Of losses, and of their weights.
    sums: (f64, f64),
}

impl<'a> Reader<'a> {
    fn new(task: &'a Task, split: &'a EncodedSplit) -> Self {
        let (classes, scores, logits) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            task,
            split,
            texts: 0,
            outputs: task.head().outputs,
            options: task.loss_options(),
            answers: Answers { name: task.name.clone(), classes, scores, logits, loss: None },
            sums: (0.0, 0.0),
        }
    }

    /// Reads the next text.
    ///
    /// * `logits`: `(rows, outputs)`; `targets`: `(rows,)`
    fn read(&mut self, logits: &[f32], targets: &[u32]) {
        let (text, first) = (self.texts, self.answers.classes.len());
        self.texts += 1;
        if self.task.is_of_texts() {
            self.answers.logits.extend_from_slice(logits);
        }
        for (logits, &target) in logits.chunks_exact(self.outputs).zip(targets) {
            let (class, score) = self.task.read(logits);
            self.answers.classes.push(class);
            self.answers.scores.push(score);
            if target != IGNORE {
                let weight = f64::from(self.options.class_weight(target));
                let focus = Focus { gamma: self.options.focal_gamma };
                self.sums.0 += focus.of(cross_entropy(logits, target)).0 * weight;
                self.sums.1 += weight;
            }
        }
        let Answers { classes, scores, .. } = &mut self.answers;
        let (told, scores) = (&mut classes[first..], &mut scores[first..]);
        self.task.decode(logits, self.split, text, told, scores);
    }

    fn finish(self) -> Answers {
        let (sum, weight) = self.sums;
        Answers { loss: (weight > 0.0).then(|| sum / weight), ..self.answers }
    }
}
