//! Scores of a ranking: how well a number separates two classes at every threshold.

/// One point for each distinct score, from the highest: how many of either class have at least this score.
pub(super) struct Thresholds {
    pub(super) scores: Vec<f64>,
    pub(super) true_positives: Vec<u64>,
    pub(super) false_positives: Vec<u64>,
}

/// Points of the receiver operating characteristic, from (0, 0) to (1, 1).
#[derive(Debug, Clone, PartialEq)]
pub struct RocCurve {
    pub false_positive_rate: Vec<f64>,
    pub true_positive_rate: Vec<f64>,
    /// The lowest score counted as positive; the first is infinite.
    pub thresholds: Vec<f64>,
}

/// Points of the precision-recall curve, recall falling from 1 to 0.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecallCurve {
    pub precision: Vec<f64>,
    pub recall: Vec<f64>,
    /// One fewer than points: the last point, precision 1 at recall 0, has none.
    pub thresholds: Vec<f64>,
}

impl Thresholds {
    /// `None` when a score is not a number.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub(super) fn of(truth: &[u32], scores: &[f64]) -> Option<Self> {
        assert_eq!(truth.len(), scores.len(), "one score for each truth");
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let mut ranked: Vec<(f64, bool)> =
            scores.iter().copied().zip(truth.iter().map(|truth| *truth == 1)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut thresholds =
            Self { scores: Vec::new(), true_positives: Vec::new(), false_positives: Vec::new() };
        let (mut positives, mut negatives) = (0, 0);
        // Zero and minus zero are one score, as chunks compare with `==`.
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            let found = tied.iter().filter(|(_, positive)| *positive).count() as u64;
            positives += found;
            negatives += tied.len() as u64 - found;
            thresholds.scores.push(tied[tied.len() - 1].0);
            thresholds.true_positives.push(positives);
            thresholds.false_positives.push(negatives);
        }
        Some(thresholds)
    }

    fn positives(&self) -> u64 {
        self.true_positives.last().copied().unwrap_or(0)
    }

    fn negatives(&self) -> u64 {
        self.false_positives.last().copied().unwrap_or(0)
    }
}

/// The area under the ROC curve: the chance that a positive ranks above a negative, ties counting half.
///
/// * `truth`: 1 is positive, anything else negative
/// * `scores`: higher means more positive
///
/// `None` unless both classes occur and every score is a number.
///
/// Reference: scikit-learn's `roc_auc_score`, with its trapezoids and the order of its sum, so that not even the last digit differs.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn auroc(truth: &[u32], scores: &[f64]) -> Option<f64> {
    let RocCurve { false_positive_rate: x, true_positive_rate: y, .. } = roc_curve(truth, scores)?;
    let trapezoids: Vec<f64> =
        x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[1] - x[0]) * (y[1] + y[0]) / 2.0).collect();
    Some(pairwise_sum(&trapezoids).clamp(0.0, 1.0))
}

/// Average precision: precision at every threshold, weighted by the recall gained there.
///
/// `None` without positives, or when a score is not a number.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn average_precision(truth: &[u32], scores: &[f64]) -> Option<f64> {
    let curve = precision_recall_curve(truth, scores)?;
    let gained = curve.recall.windows(2).map(|pair| pair[0] - pair[1]);
    let terms: Vec<f64> =
        gained.zip(&curve.precision).map(|(gained, precision)| gained * precision).collect();
    // A sum of rounded terms may pass 1 by a hair.
    Some(pairwise_sum(&terms).clamp(0.0, 1.0))
}

/// Sums in the order of `numpy.sum`, so that not even the last digit differs: eight running sums up to 128 terms, halves beyond.
///
/// Reference: `DOUBLE_pairwise_sum` in numpy's `loops_utils.h.src`.
fn pairwise_sum(terms: &[f64]) -> f64 {
    let count = terms.len();
    if count < 8 {
        return terms.iter().sum();
    }
    if count <= 128 {
        let mut sums: [f64; 8] = std::array::from_fn(|lane| terms[lane]);
        let blocks = terms[8..].chunks_exact(8);
        let rest = blocks.remainder();
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, term)| *sum += term);
        }
        let sum = ((sums[0] + sums[1]) + (sums[2] + sums[3]))
            + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
        return rest.iter().fold(sum, |sum, term| sum + term);
    }
    let half = count / 2 - (count / 2) % 8;
    pairwise_sum(&terms[..half]) + pairwise_sum(&terms[half..])
}

/// The ROC curve, without points between two others on a straight line. Scikit-learn's `roc_curve`.
///
/// `None` unless both classes occur and every score is a number.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn roc_curve(truth: &[u32], scores: &[f64]) -> Option<RocCurve> {
    let points = Thresholds::of(truth, scores)?;
    let (positives, negatives) = (points.positives(), points.negatives());
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut curve = RocCurve {
        false_positive_rate: vec![0.0],
        true_positive_rate: vec![0.0],
        thresholds: vec![f64::INFINITY],
    };
    let count = points.scores.len();
    let straight =
        |values: &[u64], index: usize| values[index + 1] + values[index - 1] == 2 * values[index];
    for index in 0..count {
        let inner = index > 0 && index + 1 < count;
        if inner
            && straight(&points.true_positives, index)
            && straight(&points.false_positives, index)
        {
            continue;
        }
        curve.false_positive_rate.push(points.false_positives[index] as f64 / negatives as f64);
        curve.true_positive_rate.push(points.true_positives[index] as f64 / positives as f64);
        curve.thresholds.push(points.scores[index]);
    }
    Some(curve)
}

/// The precision-recall curve. Scikit-learn's `precision_recall_curve`.
///
/// `None` without positives, or when a score is not a number.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn precision_recall_curve(truth: &[u32], scores: &[f64]) -> Option<PrecisionRecallCurve> {
    let points = Thresholds::of(truth, scores)?;
    let positives = points.positives();
    if positives == 0 {
        return None;
    }
    let mut curve =
        PrecisionRecallCurve { precision: Vec::new(), recall: Vec::new(), thresholds: Vec::new() };
    for index in (0..points.scores.len()).rev() {
        let found = points.true_positives[index];
        curve.precision.push(found as f64 / (found + points.false_positives[index]) as f64);
        curve.recall.push(found as f64 / positives as f64);
        curve.thresholds.push(points.scores[index]);
    }
    curve.precision.push(1.0);
    curve.recall.push(0.0);
    Some(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(auroc(&[0, 1, 0, 1], &[0.5, 0.5, 0.5, 0.5]), Some(0.5));
        assert_eq!(auroc(&[0, 1, 1], &[0.1, 0.1, 0.2]), Some(0.75));
        assert_eq!(auroc(&[0, 1], &[0.0, -0.0]), Some(0.5));
    }

    #[test]
    fn a_perfect_ranking_is_never_better_than_perfect() {
        for positives in 1..400 {
            let truth: Vec<u32> =
                (0..positives + 3).map(|rank| u32::from(rank < positives)).collect();
            let scores: Vec<f64> = (0..truth.len()).map(|rank| 1.0 / (1.0 + rank as f64)).collect();
            let of = [average_precision(&truth, &scores), auroc(&truth, &scores)];
            assert!(of.iter().all(|score| score.is_some_and(|score| score <= 1.0)), "{of:?}");
        }
    }

    #[test]
    fn one_class_has_no_area() {
        assert_eq!(auroc(&[1, 1], &[0.1, 0.9]), None);
        assert_eq!(auroc(&[], &[]), None);
        assert_eq!(average_precision(&[0, 0], &[0.1, 0.9]), None);
        assert_eq!(average_precision(&[1, 1], &[0.1, 0.9]), Some(1.0));
    }

    #[test]
    fn a_score_that_is_no_number_makes_every_ranking_undefined() {
        assert_eq!(auroc(&[0, 1], &[f64::NAN, 0.5]), None);
        assert_eq!(average_precision(&[0, 1], &[f64::NAN, 0.5]), None);
        assert_eq!(roc_curve(&[0, 1], &[f64::NAN, 0.5]), None);
    }
}
