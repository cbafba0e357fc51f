//! Cross-entropy, forward and backward in one pass.

use super::functions::exp_of_nonpositive;
use super::lanes::{largest, sum_of, vectorised};
use crate::base::IGNORE;

/// The sum over the rows of `weight(label) * -log softmax(logits)[label]`; rows labelled [`IGNORE`] add nothing.
///
/// * `logits`: `(rows, classes)`, unnormalised
/// * `labels`: `(rows,)`, below `classes` or [`IGNORE`]
/// * `d_scale`: if given, `logits` is replaced by the gradient of `d_scale` times the sum
///
/// The sum is in nats and in f64: it is that of thousands of rows.
///
/// Reference: `torch.nn.functional.cross_entropy(weight=..., ignore_index=..., reduction="sum")`.
pub fn cross_entropy(
    logits: &mut [f32],
    classes: usize,
    labels: &[u32],
    weight: impl Fn(u32) -> f32,
    d_scale: Option<f32>,
) -> f64 {
    vectorised!(|| {
        let mut sum = 0.0;
        for (logits, &label) in logits.chunks_exact_mut(classes).zip(labels) {
            if label == IGNORE {
                if d_scale.is_some() {
                    logits.fill(0.0);
                }
                continue;
            }
            let most = largest(logits);
            let mass =
                sum_of(logits, logits, logits, |logit, _, _| exp_of_nonpositive(logit - most, 0.0));
            let (weight, label) = (weight(label), label as usize);
            sum += f64::from(weight) * (f64::from(mass).ln() + f64::from(most - logits[label]));
            if let Some(d_scale) = d_scale {
                let scale = d_scale * weight;
                let share = scale / mass;
                logits
                    .iter_mut()
                    .for_each(|logit| *logit = exp_of_nonpositive(*logit - most, 0.0) * share);
                logits[label] -= scale;
            }
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 9] = [1.0, 2.0, 3.0, -1.0, 0.0, 5.0, 0.5, 0.25, -8.0];

    fn loss(logits: &[f32], labels: &[u32]) -> f64 {
        cross_entropy(&mut logits.to_vec(), 3, labels, |label| 1.0 + label as f32, None)
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let found = cross_entropy(&mut [7.0; 4], 4, &[2], |_| 1.0, None);
        assert!((found - 4f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn ignored_rows_add_nothing_and_get_no_gradient() {
        assert_eq!(
            loss(&LOGITS, &[0, IGNORE, 2]),
            loss(&LOGITS[..3], &[0]) + loss(&LOGITS[6..], &[2])
        );
        let mut logits = LOGITS;
        cross_entropy(&mut logits, 3, &[0, IGNORE, 2], |_| 1.0, Some(1.0));
        assert_eq!(logits[3..6], [0.0; 3]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let labels = [0, 2, 1];
        let mut gradient = LOGITS;
        cross_entropy(&mut gradient, 3, &labels, |label| 1.0 + label as f32, Some(0.5));
        let step = 1e-2;
        for index in 0..LOGITS.len() {
            let moved = |by: f32| {
                let mut logits = LOGITS;
                logits[index] += by;
                0.5 * loss(&logits, &labels)
            };
            let numeric = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            assert!(
                (numeric - f64::from(gradient[index])).abs() < 1e-4,
                "{index}: {numeric} {}",
                gradient[index]
            );
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut logits = [1e30, -1e30, 0.0];
        assert_eq!(cross_entropy(&mut logits, 3, &[0], |_| 1.0, Some(1.0)), 0.0);
        assert_eq!(logits, [0.0; 3]);
    }
}
