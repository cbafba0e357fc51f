//! Minima of smooth convex functions: L-BFGS with a line search that halves.
//!
//! Reference: Nocedal & Wright, Numerical Optimization, algorithms 7.4 and 3.1.

use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that are remembered.
const REMEMBERED: usize = 10;

const MOST_ITERATIONS: usize = 200;

/// The largest component of the gradient at which it counts as zero: scikit-learn's `tol`.
const TOLERANCE: f64 = 1e-4;

/// * `value`: the function, which also fills in its gradient
pub(super) fn minimise(
    mut at: Vec<f64>,
    mut value: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut gradient = vec![0.0; at.len()];
    let mut here = value(&at, &mut gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(REMEMBERED);
    for _ in 0..MOST_ITERATIONS {
        if gradient.iter().all(|component| component.abs() <= TOLERANCE) {
            break;
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        // The first step of all is of length 1 at most: nothing is known of the curvature.
        let mut length =
            if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut there = vec![0.0; at.len()];
        let mut gradient_there = vec![0.0; at.len()];
        let found = loop {
            for ((there, at), along) in there.iter_mut().zip(&at).zip(&direction) {
                *there = at + length * along;
            }
            let found = value(&there, &mut gradient_there);
            if found <= here + 1e-4 * length * slope {
                break found;
            }
            length *= 0.5;
            if length < 1e-12 {
                // Rounding leaves nothing to gain.
                return at;
            }
        };
        let step: Vec<f64> = there.iter().zip(&at).map(|(there, at)| there - at).collect();
        let change: Vec<f64> =
            gradient_there.iter().zip(&gradient).map(|(one, other)| one - other).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 {
            if pairs.len() == REMEMBERED {
                pairs.pop_front();
            }
            pairs.push_back(Pair { step, change, curvature });
        }
        (at, gradient, here) = (there, gradient_there, found);
    }
    at
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// The product of the two.
    curvature: f64,
}

/// Downhill, as far as the pairs tell how steeply the gradient changes.
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|component| -component).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let share = dot(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    if let Some(latest) = pairs.back() {
        let scale = latest.curvature / dot(&latest.change, &latest.change);
        direction.iter_mut().for_each(|component| *component *= scale);
    }
    for (pair, share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = dot(&pair.change, &direction) / pair.curvature;
        add(&mut direction, share - back, &pair.step);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_is_followed_to_its_lowest_point() {
        // Minimum at (1, -2), ten thousand times as steep in one direction as in the other.
        let found = minimise(vec![5.0, 5.0], |at, gradient| {
            let (x, y) = (at[0] - 1.0, at[1] + 2.0);
            (gradient[0], gradient[1]) = (2.0 * x, 2e4 * y);
            x * x + 1e4 * y * y
        });
        assert!((found[0] - 1.0).abs() < 1e-4 && (found[1] + 2.0).abs() < 1e-4, "{found:?}");
    }
}
