//! Multinomial logistic regression with an L2 penalty.
//!
//! Reference: scikit-learn's `LogisticRegression(C=1.0)`: the sum of the texts' losses and half the squared weights, intercepts left out. Of two
//! classes it has one vector, for which here two opposite halves stand: their squares count twice.

use super::classes::class_of;
use super::ngrams::{SparseVector, Vocabulary};
use super::optimise::minimise;
use crate::text::{ClassHead, Example};

/// Of more texts than this, as many are taken, evenly spread: it is to take seconds.
const MOST_TEXTS: usize = 20_000;

pub(super) struct Linear {
    vocabulary: Vocabulary,
    classes: usize,
    /// `(classes, features + 1)`, the intercept last
    weights: Vec<f64>,
}

impl Linear {
    /// `None` where fewer than two classes occur.
    pub(super) fn fit(texts: &[Example], head: &ClassHead) -> Option<Self> {
        let labelled = texts.iter().filter_map(|it| Some((it.text.as_str(), class_of(it, head)?)));
        let labelled: Vec<(&str, usize)> = labelled.collect();
        let taken = labelled.len().min(MOST_TEXTS);
        let labelled: Vec<(&str, usize)> =
            (0..taken).map(|number| labelled[number * labelled.len() / taken]).collect();
        let (first, rest) = labelled.split_first()?;
        rest.iter().find(|(_, class)| *class != first.1)?;
        let texts: Vec<&str> = labelled.iter().map(|(text, _)| *text).collect();
        let vocabulary = Vocabulary::of(&texts);
        let rows: Vec<(SparseVector, usize)> =
            labelled.iter().map(|(text, class)| (vocabulary.vector(text), *class)).collect();
        let classes = head.classes.len();
        let width = vocabulary.len() + 1;
        let weights = minimise(vec![0.0; classes * width], |weights, gradient| {
            loss(weights, gradient, &rows, width)
        });
        Some(Self { vocabulary, classes, weights })
    }

    /// Of each class.
    pub(super) fn probabilities(&self, text: &str) -> Vec<f64> {
        let row = self.vocabulary.vector(text);
        softmax(&logits(&self.weights, &row, self.vocabulary.len() + 1, self.classes))
    }
}

/// * `weights`: `(classes, width)`
///
/// Returns `(classes,)`.
fn logits(weights: &[f64], row: &SparseVector, width: usize, classes: usize) -> Vec<f64> {
    let logit = |class: usize| {
        let weights = &weights[class * width..(class + 1) * width];
        row.iter().map(|(at, value)| weights[*at] * value).sum::<f64>() + weights[width - 1]
    };
    (0..classes).map(logit).collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

/// The penalised loss, with its gradient in place of what `gradient` held.
fn loss(
    weights: &[f64],
    gradient: &mut [f64],
    rows: &[(SparseVector, usize)],
    width: usize,
) -> f64 {
    let classes = weights.len() / width;
    let penalty = if classes == 2 { 2.0 } else { 1.0 };
    let mut total = 0.0;
    for class in 0..classes {
        let (weights, gradient) =
            (&weights[class * width..(class + 1) * width], &mut gradient[class * width..]);
        for (at, weight) in weights[..width - 1].iter().enumerate() {
            gradient[at] = penalty * weight;
            total += 0.5 * penalty * weight * weight;
        }
        gradient[width - 1] = 0.0;
    }
    for (row, class) in rows {
        let probabilities = softmax(&logits(weights, row, width, classes));
        total -= probabilities[*class].max(f64::MIN_POSITIVE).ln();
        for (other, probability) in probabilities.iter().enumerate() {
            let slope = probability - f64::from(u8::from(other == *class));
            let gradient = &mut gradient[other * width..(other + 1) * width];
            for (at, value) in row {
                gradient[*at] += slope * value;
            }
            gradient[width - 1] += slope;
        }
    }
    total
}
