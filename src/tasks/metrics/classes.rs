//! Scores of classes: counts, confusion matrices, the two-class summary.

use super::PrecisionRecall;
use crate::base::IGNORE;

/// How often each class was meant, predicted, and both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCounts {
    pub matched: Vec<u64>,
    pub predicted: Vec<u64>,
    pub actual: Vec<u64>,
}

impl ClassCounts {
    /// Counts `classes` classes, those of [`IGNORE`]d truth left out.
    ///
    /// # Panics
    /// When the slices differ in length or hold a class that is not below `classes`.
    #[must_use]
    pub fn of(truth: &[u32], predicted: &[u32], classes: usize) -> Self {
        let mut counts = Self {
            matched: vec![0; classes],
            predicted: vec![0; classes],
            actual: vec![0; classes],
        };
        for (truth, predicted) in kept(truth, predicted) {
            counts.actual[truth as usize] += 1;
            counts.predicted[predicted as usize] += 1;
            counts.matched[truth as usize] += u64::from(truth == predicted);
        }
        counts
    }

    /// Those of a confusion matrix.
    ///
    /// * `counts`: `(classes, classes)`, a row for each true class
    #[must_use]
    pub fn of_confusion(counts: &[u64], classes: usize) -> Self {
        let row = |class: usize| counts[class * classes..(class + 1) * classes].iter();
        let column = |class: usize| counts[class..].iter().step_by(classes);
        Self {
            matched: (0..classes).map(|class| counts[class * (classes + 1)]).collect(),
            predicted: (0..classes).map(|class| column(class).sum()).collect(),
            actual: (0..classes).map(|class| row(class).sum()).collect(),
        }
    }

    /// Precision, recall and F1 of each class.
    pub fn scores(&self) -> impl Iterator<Item = PrecisionRecall> {
        let counts = self.matched.iter().zip(&self.predicted).zip(&self.actual);
        counts.map(|((&matched, &predicted), &actual)| PrecisionRecall {
            precision: ratio(matched, predicted),
            recall: ratio(matched, actual),
            f1: ratio(2 * matched, predicted + actual),
            support: actual,
        })
    }

    /// The mean of the classes' F1 over those that are meant or predicted, as scikit-learn's `f1_score(average="macro")`; `None` without texts.
    #[must_use]
    pub fn macro_f1(&self) -> Option<f64> {
        let scores: Vec<f64> = self.scores().filter_map(|scores| scores.f1).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// F1 over all decisions together, which is the share of right ones; `None` without texts.
    #[must_use]
    pub fn micro_f1(&self) -> Option<f64> {
        ratio(self.matched.iter().sum(), self.actual.iter().sum())
    }
}

/// How often each class was taken for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    pub classes: usize,
    /// Row-major; the row is the truth, the column the prediction.
    pub counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts `classes` classes, those of [`IGNORE`]d truth left out.
    ///
    /// # Panics
    /// When the slices differ in length or hold a class that is not below `classes`.
    #[must_use]
    pub fn of(truth: &[u32], predicted: &[u32], classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        for (truth, predicted) in kept(truth, predicted) {
            assert!((predicted as usize) < classes, "class {predicted} of {classes}");
            counts[truth as usize * classes + predicted as usize] += 1;
        }
        Self { classes, counts }
    }

    #[must_use]
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// One row for each true class.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks(self.classes.max(1))
    }
}

/// Scores of a two-class decision in which 1 is the class that is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryScores {
    pub accuracy: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
}

/// Scores of 0/1 decisions.
///
/// # Panics
/// When the slices differ in length or hold anything but 0 and 1.
#[must_use]
pub fn binary_scores(truth: &[u32], predicted: &[u32]) -> BinaryScores {
    let matrix = ConfusionMatrix::of(truth, predicted, 2);
    let [tn, fp, fneg, tp] =
        [matrix.get(0, 0), matrix.get(0, 1), matrix.get(1, 0), matrix.get(1, 1)];
    BinaryScores {
        accuracy: ratio(tp + tn, tp + tn + fp + fneg),
        precision: ratio(tp, tp + fp),
        recall: ratio(tp, tp + fneg),
        f1: ratio(2 * tp, 2 * tp + fp + fneg),
    }
}

/// The share of tokens with the right label, `O` counted; `None` without tokens.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn token_accuracy(truth: &[u32], predicted: &[u32]) -> Option<f64> {
    let (right, all) = kept(truth, predicted).fold((0, 0), |(right, all), (truth, predicted)| {
        (right + u64::from(truth == predicted), all + 1)
    });
    ratio(right, all)
}

pub(super) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// The pairs that count.
pub(super) fn kept<'a>(
    truth: &'a [u32],
    predicted: &'a [u32],
) -> impl Iterator<Item = (u32, u32)> + 'a {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    truth.iter().copied().zip(predicted.iter().copied()).filter(|(truth, _)| *truth != IGNORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_divide_by_nothing_are_undefined() {
        let scores = binary_scores(&[0, 0], &[0, 0]);
        assert_eq!(
            (scores.accuracy, scores.precision, scores.recall, scores.f1),
            (Some(1.0), None, None, None)
        );
        let scores = binary_scores(&[1, 0], &[0, 0]);
        assert_eq!((scores.precision, scores.recall, scores.f1), (None, Some(0.0), Some(0.0)));
        assert_eq!(binary_scores(&[], &[]).accuracy, None);
    }

    #[test]
    fn a_class_that_is_neither_meant_nor_predicted_counts_in_no_mean() {
        // scikit-learn: f1_score([0, 0, 1, 1], [0, 1, 1, 1], average="macro") = (2/3 + 4/5) / 2
        let counts = ClassCounts::of(&[0, 0, 1, 1, IGNORE], &[0, 1, 1, 1, 2], 3);
        assert_eq!(counts.macro_f1(), Some((2.0 / 3.0 + 0.8) / 2.0));
        assert_eq!(counts.micro_f1(), Some(0.75));
        assert_eq!(counts.scores().last().and_then(|scores| scores.f1), None);
        assert_eq!(ClassCounts::of(&[], &[], 3).macro_f1(), None);
    }

    #[test]
    fn ignored_tokens_have_no_accuracy() {
        assert_eq!(token_accuracy(&[IGNORE, 1, 2], &[1, 1, 1]), Some(0.5));
        assert_eq!(token_accuracy(&[IGNORE], &[1]), None);
    }

    #[test]
    fn rows_of_the_matrix_are_the_truth() {
        let matrix = ConfusionMatrix::of(&[0, 0, 1, 2], &[0, 1, 1, 0], 3);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1, 1, 0], [0, 1, 0], [1, 0, 0]]);
    }
}
