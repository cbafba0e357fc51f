//! Tagging: a BIO label for each token, which together say entities.

use std::collections::BTreeMap;

use serde::Serialize;

use super::decoding::{Decode, Decoding};
use super::logits;
use super::metrics::{
    Counted, Counts, DIGITS, PrecisionRecall, SpanScores, classification_report, shown,
    span_report, token_accuracy,
};
use crate::base::IGNORE;
use crate::text::{self, EncodedSplit, Fit, LabelSet};

/// What the task is called.
pub const NAME: &str = text::TAGGING;

pub(super) const WITHOUT_GRADIENT: &str = "no token of the training split has a label that counts: set `ner_weight = 0`, or `ignore_outside = false`";

/// What figures call it.
pub const TITLE: &str = "NER";

/// What its loss counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagging {
    /// How many labels there are.
    pub labels: usize,
    /// The label whose tokens count in no loss.
    pub ignored: Option<u32>,
    /// How what it says is read.
    pub decoding: Decoding,
}

impl Tagging {
    /// One that counts every label, and reads each by itself.
    #[must_use]
    pub fn of(labels: usize) -> Self {
        Self { labels, ignored: None, decoding: Decoding::default() }
    }

    pub(super) fn targets(&self, split: &EncodedSplit, rows: &[u32]) -> Vec<u32> {
        let mut labels = split.labels_of(rows);
        if let Some(ignored) = self.ignored {
            let is_ignored = |label: &&mut u32| **label == ignored;
            labels.iter_mut().filter(is_ignored).for_each(|label| *label = IGNORE);
        }
        labels
    }

    /// Tells the labels of a text's tokens anew where one depends on others, each with its probability.
    ///
    /// * `logits`: `(tokens, labels)` of sequence `row`
    /// * `told`, `scores`: `(tokens,)`: the most likely label of each token by itself, with its probability
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
        if !self.decoding.is_joint() {
            return;
        }
        let begins = match self.decoding.decode {
            Decode::Tokens => &[][..],
            Decode::Words => &split.word_begins[split.range(row)],
        };
        self.decoding.tell(logits, &self.decoding.units(&split.special(row), begins), told);
        for ((logits, label), score) in logits.chunks_exact(self.labels).zip(told).zip(scores) {
            *score = logits::probability(logits, *label);
        }
    }
}

/// Precision, recall and F1 over all entities, as texts add up to them.
///
/// * `truth`, `found`: of each text
#[must_use]
pub fn counted<T: PartialEq>(truth: &[Vec<T>], found: &[Vec<T>]) -> Counted {
    let of_text = |(truth, found): (&Vec<T>, &Vec<T>)| {
        let matched = found.iter().filter(|span| truth.contains(span)).count();
        [matched, found.len(), truth.len()].map(|count| count as u64)
    };
    let counts: Vec<[u64; 3]> = truth.iter().zip(found).map(of_text).collect();
    let add = move |text: usize, sums: &mut [u64]| {
        sums.iter_mut().zip(counts[text]).for_each(|(sum, count)| *sum += count);
    };
    let scores = |sums: &[u64]| {
        let counts = Counts { matched: sums[0], predicted: sums[1], actual: sums[2] };
        let scores = counts.scores();
        vec![scores.precision, scores.recall, scores.f1]
    };
    Counted::new(NAME, &["span_precision", "span_recall", "span_f1"], 3, add, scores)
}

/// What `metrics.json` says of the task beside its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Details {
    /// What the corpus has, whether tokens can say it or not; it is counted also where nobody looks for it.
    entities: u64,
    /// Entities that truncation cut: they are missed. Where texts are read in windows, those that none of them has whole.
    cut: u64,
    /// Entities that begin or end inside a token, or with white space: they are missed, too.
    inside_tokens: u64,
    /// For every type with a true or a predicted entity; none without a head that tags.
    per_label: BTreeMap<String, PrecisionRecall>,
}

impl Details {
    /// * `spans`: of a model without such a head, as if it had found nothing
    #[must_use]
    pub fn of(split: &EncodedSplit, spans: &SpanScores, is_tagged: bool) -> Self {
        Self {
            entities: spans.micro.support,
            cut: split.truth.count(Fit::Cut) as u64,
            inside_tokens: split.truth.count(Fit::InsideTokens) as u64,
            per_label: if is_tagged { spans.per_label.clone() } else { BTreeMap::new() },
        }
    }
}

/// The part of `classification_report.txt` on the task: the recipe's report as scikit-learn prints it, and the entity-level one beside it.
///
/// * `predicted`: `(tokens,)`
#[must_use]
pub fn report(
    split: &EncodedSplit,
    predicted: &[u32],
    labels: &LabelSet,
    spans: &SpanScores,
) -> String {
    let (truth, guess): (Vec<u32>, Vec<u32>) = split
        .labels
        .iter()
        .zip(predicted)
        .filter(|(truth, _)| **truth != labels.outside() && **truth != IGNORE)
        .unzip();
    let mut text = "Named entities (whole entities: type and both ends must be right, in characters; `O` counts)\n\n".to_owned();
    text += &span_report(spans, DIGITS);
    text += "\n\nToken labels (only tokens whose true label is not `O`: what this leaves out are entities found where there are none)\n\n";
    if truth.is_empty() {
        text += "There are no such tokens.\n";
    } else {
        text += &classification_report(&truth, &guess, labels.names(), None, DIGITS);
    }
    let accuracy = token_accuracy(&split.labels, predicted);
    text + &format!("\nAccuracy over all tokens {}\n", shown(accuracy))
}
