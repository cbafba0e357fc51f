//! Cross-entropy, forward and backward in one pass.

use super::IGNORE;
use super::functions::exp_of_nonpositive;
use super::lanes::{largest, sum_of, vectorised};

/// How much less a row counts, the better it is told.
///
/// Reference: Lin et al. 2017, Focal Loss for Dense Object Detection; its alpha is the weight of a class.
#[derive(Debug, Clone, Copy)]
pub struct Focus {
    /// 0 is plain cross-entropy.
    pub gamma: f32,
}

impl Focus {
    /// `(1 - p)^gamma * cost` of a row that costs `-log p`, and how many times its gradient by the logits is that of `-log p`:
    /// `(1 - p)^gamma + gamma * p * (1 - p)^(gamma - 1) * cost`.
    #[must_use]
    pub fn of(self, cost: f64) -> (f64, f64) {
        if self.gamma == 0.0 {
            return (cost, 1.0);
        }
        let (gamma, rest) = (f64::from(self.gamma), -(-cost).exp_m1()); // rest: 1 - p
        if rest <= 0.0 {
            // Nothing is left to learn: both tend to 0.
            return (0.0, 0.0);
        }
        let share = rest.powf(gamma);
        (share * cost, share + gamma * (1.0 - rest) * share / rest * cost)
    }
}

/// The sum over the rows of `weight(row, label) * -log softmax(logits)[label]`, as `focus` counts it; rows labelled [`IGNORE`] add nothing.
///
/// * `logits`: `(rows, classes)`, unnormalised
/// * `labels`: `(rows,)`, below `classes` or [`IGNORE`]
/// * `d_scale`: if given, `logits` is replaced by the gradient of `d_scale` times the sum
///
/// The function has no type parameter, so that it is compiled here, at this package's optimisation.
///
/// The sum is in nats and in f64: it is that of thousands of rows.
///
/// Reference: `torch.nn.functional.cross_entropy(weight=..., ignore_index=..., reduction="sum")`.
pub fn cross_entropy(
    logits: &mut [f32],
    classes: usize,
    labels: &[u32],
    weight: &dyn Fn(usize, u32) -> f32,
    focus: Focus,
    d_scale: Option<f32>,
) -> f64 {
    vectorised!(|| {
        let mut sum = 0.0;
        for (row, (logits, &label)) in logits.chunks_exact_mut(classes).zip(labels).enumerate() {
            if label == IGNORE {
                if d_scale.is_some() {
                    logits.fill(0.0);
                }
                continue;
            }
            let most = largest(logits);
            let mass =
                sum_of(logits, logits, logits, |logit, _, _| exp_of_nonpositive(logit - most, 0.0));
            let (weight, label) = (weight(row, label), label as usize);
            let cost = f64::from(mass).ln() + f64::from(most - logits[label]);
            let (cost, slope) = focus.of(cost);
            sum += f64::from(weight) * cost;
            if let Some(d_scale) = d_scale {
                let scale = d_scale * weight * slope as f32;
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

    const PLAIN: Focus = Focus { gamma: 0.0 };

    const LOGITS: [f32; 9] = [1.0, 2.0, 3.0, -1.0, 0.0, 5.0, 0.5, 0.25, -8.0];

    fn loss(logits: &[f32], labels: &[u32], focus: Focus) -> f64 {
        cross_entropy(&mut logits.to_vec(), 3, labels, &|_, label| 1.0 + label as f32, focus, None)
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let found = cross_entropy(&mut [7.0; 4], 4, &[2], &|_, _| 1.0, PLAIN, None);
        assert!((found - 4f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn ignored_rows_add_nothing_and_get_no_gradient() {
        assert_eq!(
            loss(&LOGITS, &[0, IGNORE, 2], PLAIN),
            loss(&LOGITS[..3], &[0], PLAIN) + loss(&LOGITS[6..], &[2], PLAIN)
        );
        let mut logits = LOGITS;
        cross_entropy(&mut logits, 3, &[0, IGNORE, 2], &|_, _| 1.0, PLAIN, Some(1.0));
        assert_eq!(logits[3..6], [0.0; 3]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let labels = [0, 2, 1];
        for gamma in [0.0, 0.5, 2.0] {
            let focus = Focus { gamma };
            let mut gradient = LOGITS;
            cross_entropy(
                &mut gradient,
                3,
                &labels,
                &|_, label| 1.0 + label as f32,
                focus,
                Some(0.5),
            );
            let step = 1e-2;
            for index in 0..LOGITS.len() {
                let moved = |by: f32| {
                    let mut logits = LOGITS;
                    logits[index] += by;
                    0.5 * loss(&logits, &labels, focus)
                };
                let numeric = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                assert!(
                    (numeric - f64::from(gradient[index])).abs() < 2e-4,
                    "{gamma} {index}: {numeric} {}",
                    gradient[index]
                );
            }
        }
    }

    #[test]
    fn the_focal_loss_is_that_of_the_paper() {
        // In float64: p = softmax([1, 2, 3])[0], (1 - p)^2 * -log p
        let found =
            cross_entropy(&mut [1.0, 2.0, 3.0], 3, &[0], &|_, _| 1.0, Focus { gamma: 2.0 }, None);
        let p = 1.0 / (1.0 + 1f64.exp() + 2f64.exp());
        assert!((found - (1.0 - p).powi(2) * -p.ln()).abs() < 1e-7, "{found}");
    }

    #[test]
    fn a_row_that_is_told_for_sure_costs_nothing_and_moves_nothing() {
        for gamma in [0.25, 1.0, 3.0] {
            let mut logits = [80.0, -80.0, 0.0];
            let cost = cross_entropy(&mut logits, 3, &[0], &|_, _| 1.0, Focus { gamma }, Some(1.0));
            assert!(cost == 0.0 && logits.iter().all(|slope| slope.abs() < 1e-6), "{logits:?}");
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut logits = [1e30, -1e30, 0.0];
        assert_eq!(cross_entropy(&mut logits, 3, &[0], &|_, _| 1.0, PLAIN, Some(1.0)), 0.0);
        assert_eq!(logits, [0.0; 3]);
    }
}
