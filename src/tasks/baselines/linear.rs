//! Multinomial logistic regression with an L2 penalty.
//!
//! Reference: scikit-learn's `LogisticRegression(C=1.0)`: the sum of the texts' losses and half the squared weights, intercepts left out. Of two
//! classes it has one vector, for which here two opposite halves stand: their squares count twice.

use rayon::prelude::*;

use super::classes::class_of;
use super::ngrams::{SparseVector, Vocabulary};
use super::optimise::minimise;
use crate::text::{ClassHead, Example};

/// Of more texts than this, as many are taken, evenly spread: it is to take seconds.
const MOST_TEXTS: usize = 20_000;

/// Features whose slopes one thread sums up at a time. Each is summed in the order of the texts, whatever the number of threads.
const FEATURES: usize = 1 << 13;

/// The texts that a head learns from: all that are labelled for it, or some that are evenly spread.
pub(super) struct Sample {
    /// Texts that are labelled.
    labelled: usize,
    /// Those among them that have come.
    come: usize,
    texts: Vec<(String, usize)>,
}

impl Sample {
    /// * `labelled`: how many texts will come that are labelled
    pub(super) fn of(labelled: usize) -> Self {
        Self { labelled, come: 0, texts: Vec::new() }
    }

    pub(super) fn add(&mut self, example: &Example, head: &ClassHead) {
        let Some(class) = class_of(example, head) else { return };
        if self.come == self.texts.len() * self.labelled / self.labelled.min(MOST_TEXTS) {
            self.texts.push((example.text.clone(), class));
        }
        self.come += 1;
    }
}

pub(super) struct Linear {
    vocabulary: Vocabulary,
    classes: usize,
    /// `(features + 1, classes)`, the intercepts last
    weights: Vec<f64>,
}

impl Linear {
    /// `None` where fewer than two classes occur.
    pub(super) fn fit(sample: &Sample, head: &ClassHead) -> Option<Self> {
        let (first, rest) = sample.texts.split_first()?;
        rest.iter().find(|(_, class)| *class != first.1)?;
        let texts: Vec<&str> = sample.texts.iter().map(|(text, _)| text.as_str()).collect();
        let vocabulary = Vocabulary::of(&texts);
        let row = |(text, class): &(String, usize)| (vocabulary.vector(text), *class);
        let classes = head.classes.len();
        let width = vocabulary.len() + 1;
        let rows = Rows::of(sample.texts.par_iter().map(row).collect(), width);
        let weights = minimise(vec![0.0; classes * width], |weights, gradient| {
            loss(weights, gradient, &rows)
        });
        Some(Self { vocabulary, classes, weights: transposed(&weights, width) })
    }

    /// Of each class.
    pub(super) fn probabilities(&self, text: &str) -> Vec<f64> {
        let mut probabilities = vec![0.0; self.classes];
        logits(&self.weights, &self.vocabulary.vector(text), &mut probabilities);
        softmax(&mut probabilities);
        probabilities
    }
}

/// Texts as vectors with their classes. All are cut at the same features, so that threads share the work on slopes.
struct Rows {
    vectors: Vec<(SparseVector, usize)>,
    /// Features, and one for the intercept.
    width: usize,
    /// Where each [part](FEATURES) of the features begins in a vector, and where the last one ends: `(rows, parts + 1)`.
    cuts: Vec<usize>,
}

impl Rows {
    fn of(vectors: Vec<(SparseVector, usize)>, width: usize) -> Self {
        let firsts = (0..=width.div_ceil(FEATURES)).map(|part| part * FEATURES);
        let cut = |vector: &SparseVector, first| {
            vector.partition_point(|(feature, _)| (*feature as usize) < first)
        };
        let cuts = vectors.iter().flat_map(|(vector, _)| firsts.clone().map(|it| cut(vector, it)));
        let cuts = cuts.collect();
        Self { vectors, width, cuts }
    }

    /// What each vector has of a part of the features.
    fn of_part(&self, part: usize) -> impl Iterator<Item = &[(u32, f64)]> {
        let cuts = self.cuts.chunks(self.width.div_ceil(FEATURES) + 1);
        let vectors = self.vectors.iter().zip(cuts);
        vectors.map(move |((vector, _), cuts)| &vector[cuts[part]..cuts[part + 1]])
    }
}

/// * `matrix`: `(rows, columns)`
///
/// Returns `(columns, rows)`.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let column = |column: usize| matrix.iter().skip(column).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// * `weights`: `(features + 1, classes)`
/// * `logits`: `(classes,)`, which become those of the row
fn logits(weights: &[f64], row: &SparseVector, logits: &mut [f64]) {
    let classes = logits.len();
    logits.fill(0.0);
    for (at, value) in row {
        let weights = &weights[*at as usize * classes..][..classes];
        logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += weight * value);
    }
    let intercepts = &weights[weights.len() - classes..];
    logits.iter_mut().zip(intercepts).for_each(|(logit, intercept)| *logit += intercept);
}

/// Logits become probabilities.
fn softmax(logits: &mut [f64]) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|value| *value /= sum);
}

/// The penalised loss, with its gradient in place of what `gradient` held.
///
/// * `weights`, `gradient`: `(classes, width)`, the intercepts last
fn loss(weights: &[f64], gradient: &mut [f64], rows: &Rows) -> f64 {
    let Rows { vectors, width, .. } = rows;
    let width = *width;
    let classes = weights.len() / width;
    let penalty = if classes == 2 { 2.0 } else { 1.0 };
    let mut total = 0.0;
    for class in 0..classes {
        for weight in &weights[class * width..][..width - 1] {
            total += 0.5 * penalty * weight * weight;
        }
    }
    // The classes of a feature lie side by side, so that each feature of a row is one place in memory.
    let by_feature = transposed(weights, width); // (width, classes)
    let mut slopes = vec![0.0; vectors.len() * classes];
    slopes.par_chunks_mut(classes).zip(vectors).with_min_len(64).for_each(|(slopes, (row, _))| {
        logits(&by_feature, row, slopes);
        softmax(slopes);
    });
    for (slopes, (_, class)) in slopes.chunks_mut(classes).zip(vectors) {
        total -= slopes[*class].max(f64::MIN_POSITIVE).ln();
        slopes[*class] -= 1.0;
    }
    let mut sums = vec![0.0; by_feature.len()]; // (width, classes)
    let parts = sums.par_chunks_mut(FEATURES * classes).enumerate();
    parts.for_each(|(part, sums)| {
        let first = part * FEATURES;
        let of_weights = &by_feature[first * classes..][..sums.len()];
        sums.iter_mut().zip(of_weights).for_each(|(sum, weight)| *sum = penalty * weight);
        let holds_intercepts = first + sums.len() / classes == width;
        if holds_intercepts {
            let from = sums.len() - classes;
            sums[from..].fill(0.0);
        }
        for (row, slopes) in rows.of_part(part).zip(slopes.chunks(classes)) {
            let mut add = |feature: usize, value: f64| {
                let sums = &mut sums[(feature - first) * classes..][..classes];
                sums.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope * value);
            };
            row.iter().for_each(|(at, value)| add(*at as usize, *value));
            if holds_intercepts {
                add(width - 1, 1.0);
            }
        }
    });
    gradient.copy_from_slice(&transposed(&sums, classes));
    total
}
