//! How far probabilities can be believed, what mends them, and from which one on an answer counts.

use super::evidence::Classes;
use super::ranking::Thresholds;

/// The bins of a [`Reliability`], as Guo et al. have them.
pub const BINS: usize = 15;

/// The limits of a temperature: beyond them a validation split is too small, or told apart without a mistake, and says nothing of it.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];

/// What became true of answers of one probability.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    pub count: usize,
    /// The mean probability of the answers in it.
    pub confidence: f64,
    /// The share of them that were right.
    pub accuracy: f64,
}

/// The answers by their probability, in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    pub bins: [Bin; BINS],
}

impl Reliability {
    /// * `confidences`: the probability of each answer, within 0 and 1
    /// * `right`: whether it is the true one
    ///
    /// # Panics
    /// When the slices differ in length.
    #[must_use]
    pub fn of(confidences: &[f64], right: &[bool]) -> Self {
        assert_eq!(confidences.len(), right.len(), "one truth for each answer");
        let mut bins = [Bin::default(); BINS];
        for (confidence, right) in confidences.iter().zip(right) {
            // The upper edge belongs to a bin, as in the reference.
            let number = edges().take_while(|edge| edge < confidence).count();
            let bin = &mut bins[number];
            bin.count += 1;
            bin.confidence += confidence;
            bin.accuracy += f64::from(u8::from(*right));
        }
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            bin.confidence /= bin.count as f64;
            bin.accuracy /= bin.count as f64;
        }
        Self { bins }
    }

    /// The expected calibration error: the mean distance of confidence and accuracy, weighted by counts; `None` without answers.
    ///
    /// Reference: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    #[must_use]
    pub fn expected_error(&self) -> Option<f64> {
        let total: usize = self.bins.iter().map(|bin| bin.count).sum();
        let distance = |bin: &Bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs();
        let error = self.bins.iter().map(distance).sum::<f64>() / total as f64;
        error.is_finite().then_some(error)
    }
}

impl Classes<'_> {
    /// Of two classes, how often texts of a score have the second; of more, how often the answer is right.
    #[must_use]
    pub fn reliability(&self) -> Reliability {
        let right: Vec<bool> = match self.classes {
            2 => self.truth.iter().map(|truth| *truth == 1).collect(),
            _ => self.truth.iter().zip(self.predicted).map(|(one, other)| one == other).collect(),
        };
        Reliability::of(self.scores, &right)
    }
}

/// Those between the bins, as `numpy.linspace` rounds them.
fn edges() -> impl Iterator<Item = f64> {
    (1..BINS).map(|number| number as f64 * (1.0 / BINS as f64))
}

/// The temperature by which logits are divided so that their cross-entropy is the least: the answers stay as they are, their probabilities become
/// those that come true.
///
/// * `logits`: `(texts, classes)`
/// * `truth`: `(texts,)`, each below `classes`
///
/// `None` without texts, or where no temperature within the limits is better than all beyond: the least loss is at a limit.
///
/// Reference: Guo et al. 2017, section 4.2. The loss is convex in the temperature's inverse, of which Newton's method finds the zero of the slope.
#[must_use]
pub fn temperature(logits: &[f32], classes: usize, truth: &[u32]) -> Option<f64> {
    if truth.is_empty() {
        return None;
    }
    let [mut low, mut high] = TEMPERATURES.map(|temperature| 1.0 / temperature);
    (low, high) = (high, low);
    if slope(logits, classes, truth, low).0 > 0.0 || slope(logits, classes, truth, high).0 < 0.0 {
        return None;
    }
    let mut inverse = 1.0;
    for _ in 0..100 {
        let (slope, curvature) = slope(logits, classes, truth, inverse);
        if slope < 0.0 {
            low = inverse;
        } else {
            high = inverse;
        }
        let newton = inverse - slope / curvature;
        // Where Newton's step leaves what is known to hold the zero, half of that is as good as any.
        let next = if newton > low && newton < high { newton } else { low.midpoint(high) };
        if (next - inverse).abs() <= 1e-12 * inverse {
            break;
        }
        inverse = next;
    }
    Some(1.0 / inverse)
}

/// The slope and the curvature of the mean cross-entropy in the inverse of the temperature.
fn slope(logits: &[f32], classes: usize, truth: &[u32], inverse: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, truth) in logits.chunks_exact(classes).zip(truth) {
        let row = || row.iter().map(|logit| f64::from(*logit));
        let largest = row().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
        for logit in row() {
            let weight = ((logit - largest) * inverse).exp();
            sum += weight;
            mean += weight * logit;
            square += weight * logit * logit;
        }
        let mean = mean / sum;
        slope += mean - row().nth(*truth as usize).expect("a class");
        curvature += square / sum - mean * mean;
    }
    let count = truth.len() as f64;
    (slope / count, curvature / count)
}

/// What a threshold is to give on the texts it is chosen on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The highest F1.
    F1,
    /// At least this precision, with the highest recall.
    Precision(f64),
    /// At most this many answers.
    Alerts(usize),
}

/// The score from which on a text counts as what is looked for; `None` where none gives what is asked for.
///
/// Of thresholds that are equally good the highest is taken. It lies between the lowest score that counts and the next below, at the shortest
/// decimal near their middle: so a score that differs in its last bit on another machine counts as it did.
///
/// * `truth`: 1 is what is looked for
/// * `scores`: within 0 and 1, higher means more so
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn threshold(aim: Aim, truth: &[u32], scores: &[f64]) -> Option<f64> {
    let Thresholds { scores, true_positives, false_positives } = Thresholds::of(truth, scores)?;
    let positives = *true_positives.last()?;
    let mut best: Option<(f64, usize)> = None;
    for (at, (found, wrong)) in true_positives.iter().zip(&false_positives).enumerate() {
        let (found, answers) = (*found as f64, (found + wrong) as f64);
        let worth = match aim {
            Aim::F1 => 2.0 * found / (answers + positives as f64),
            Aim::Precision(least) if found / answers >= least => found,
            Aim::Alerts(most) if answers <= most as f64 => answers,
            Aim::Precision(_) | Aim::Alerts(_) => continue,
        };
        if worth > best.map_or(0.0, |(worth, _)| worth) {
            best = Some((worth, at));
        }
    }
    let (_, at) = best?;
    Some(between(scores.get(at + 1).copied().unwrap_or(0.0), scores[at]))
}

/// The number of the fewest digits that is near the middle of two; the upper one where none lies between.
fn between(lower: f64, upper: f64) -> f64 {
    let middle = lower.midpoint(upper);
    let rounded = |digits: usize| format!("{middle:.digits$}").parse::<f64>().ok();
    let fits = |number: &f64| lower < *number && *number < upper;
    (1..=17).filter_map(rounded).find(fits).unwrap_or(upper)
}

/// The share of what is looked for among the texts of the highest scores, where equal ones are drawn at random; `None` without such texts.
///
/// * `truth`: 1 is what is looked for
/// * `count`: how many texts are looked at; all where there are fewer
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn precision_at(truth: &[u32], scores: &[f64], count: usize) -> Option<f64> {
    let Thresholds { true_positives, false_positives, .. } = Thresholds::of(truth, scores)?;
    let count = count.min(truth.len()) as f64;
    let (mut found, mut answers) = (0.0, 0.0);
    for (positives, negatives) in true_positives.iter().zip(&false_positives) {
        let (all, total) = (*positives as f64, (positives + negatives) as f64);
        if total >= count {
            found += (all - found) * (count - answers) / (total - answers);
            break;
        }
        (found, answers) = (all, total);
    }
    (count > 0.0).then(|| found / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_error_is_the_weighted_distance_of_the_bins() {
        // Two answers of 0.9, one of them right, and one of 0.4 that is right.
        let reliability = Reliability::of(&[0.9, 0.9, 0.4], &[true, false, true]);
        let error = reliability.expected_error().expect("there are answers");
        assert!((error - (2.0 * 0.4 + 0.6) / 3.0).abs() < 1e-12, "{error}");
        assert_eq!(Reliability::of(&[], &[]).expected_error(), None);
    }

    #[test]
    fn the_edges_of_bins_belong_to_the_lower_one() {
        let bins = Reliability::of(&[0.0, 1.0 / 15.0, 1.0], &[true; 3]).bins;
        assert_eq!((bins[0].count, bins[1].count, bins[14].count), (2, 0, 1));
    }

    /// Logits that are right in three of four cases, whatever their size: the probability of the answer becomes 3/4.
    #[test]
    fn a_temperature_gives_the_probabilities_that_come_true() {
        for size in [0.5_f32, 1.0, 4.0] {
            let logits = [0.0, size].repeat(4);
            let found = temperature(&logits, 2, &[1, 1, 1, 0]).expect("within the limits");
            let probability = 1.0 / (1.0 + (-f64::from(size) / found).exp());
            assert!((probability - 0.75).abs() < 1e-9, "{size}: {found}");
        }
    }

    #[test]
    fn there_is_no_temperature_where_every_answer_is_right_or_none() {
        assert_eq!(temperature(&[0.0, 1.0, 1.0, 0.0], 2, &[1, 0]), None);
        assert_eq!(temperature(&[0.0, 1.0, 1.0, 0.0], 2, &[0, 1]), None);
        assert_eq!(temperature(&[], 2, &[]), None);
    }

    #[test]
    fn thresholds_give_what_is_asked_for() {
        let truth = [1, 0, 1, 1, 0, 0];
        let scores = [0.9, 0.8, 0.7, 0.4, 0.3, 0.2];
        let threshold = |aim| threshold(aim, &truth, &scores);
        assert_eq!(threshold(Aim::F1), Some(0.35));
        assert_eq!(threshold(Aim::Precision(0.7)), Some(0.35));
        assert_eq!(threshold(Aim::Precision(0.8)), Some(0.85));
        assert_eq!(threshold(Aim::Alerts(3)), Some(0.6));
        assert_eq!(threshold(Aim::Alerts(0)), None);
    }

    #[test]
    fn a_threshold_is_short_and_above_what_does_not_count() {
        assert_eq!(between(0.001, 0.998), 0.5);
        assert_eq!(between(0.731_23, 0.731_58), 0.7314);
        assert_eq!(between(0.0, 0.2), 0.1);
        let next = 0.3_f64.next_up();
        assert_eq!(between(0.3, next), next);
    }

    #[test]
    fn of_equal_scores_a_budget_takes_a_share() {
        let (truth, scores) = ([1, 0, 1, 1, 0], [0.9, 0.9, 0.9, 0.4, 0.1]);
        let at = |count| precision_at(&truth, &scores, count);
        assert_eq!((at(0), at(2), at(3)), (None, Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!((at(4), at(9)), (Some(0.75), Some(0.6)));
        assert_eq!(precision_at(&[], &[], 3), None);
    }

    #[test]
    fn no_precision_is_promised_that_no_threshold_gives() {
        assert_eq!(super::threshold(Aim::Precision(0.9), &[0, 1], &[0.9, 0.1]), None);
        assert_eq!(super::threshold(Aim::F1, &[0, 0], &[0.9, 0.1]), None);
    }
}
