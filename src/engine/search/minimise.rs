//! A minimum of a smooth function in a box: projected BFGS with backtracking.
//!
//! Reference: Nocedal and Wright, "Numerical Optimization" (2006), sections 6.1 and 16.7; for the few dimensions here
//! the inverse Hessian is kept whole.

use pipeline_kernels::positive_definite::dot;

/// Share of the promised decrease that a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before the search gives up.
const HALVINGS: usize = 20;

pub(crate) struct Bounds<'a> {
    pub(crate) low: &'a [f64],
    pub(crate) high: &'a [f64],
}

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) steps: usize,
    /// Longest first step along any axis; later ones know the curvature.
    pub(crate) first_step: f64,
    /// A decrease below this ends the search.
    pub(crate) tolerance: f64,
}

/// Goes downhill from `start`, which lies in the box.
///
/// * `f`: value at a place, its gradient written to the second argument
///
/// Returns the lowest place and its value; a value that is not finite counts as infinitely high.
pub(crate) fn minimise(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    bounds: &Bounds<'_>,
    limits: Limits,
) -> (Vec<f64>, f64) {
    let n = start.len();
    let mut x = start.to_vec();
    let mut gradient = vec![0.0; n];
    let mut value = f(&x, &mut gradient);
    let mut curvature = Curvature::unknown(n);
    if !value.is_finite() {
        return (x, f64::INFINITY);
    }
    for _ in 0..limits.steps {
        let is_free = |i: usize| {
            !(x[i] <= bounds.low[i] && gradient[i] > 0.0
                || x[i] >= bounds.high[i] && gradient[i] < 0.0)
        };
        let free: Vec<bool> = (0..n).map(is_free).collect();
        let mut direction = curvature.direction(&gradient, &free);
        if dot(&direction, &gradient) >= 0.0 {
            curvature = Curvature::unknown(n);
            direction = curvature.direction(&gradient, &free);
        }
        let longest = direction.iter().fold(0.0, |longest: f64, d| longest.max(d.abs()));
        if longest == 0.0 {
            break;
        }
        let mut step =
            if curvature.is_known { 1.0 } else { (limits.first_step / longest).min(1.0) };
        let mut next = None;
        for _ in 0..HALVINGS {
            let place: Vec<f64> = (0..n)
                .map(|i| (x[i] + step * direction[i]).clamp(bounds.low[i], bounds.high[i]))
                .collect();
            let moved: Vec<f64> = place.iter().zip(&x).map(|(place, x)| place - x).collect();
            let mut slope = vec![0.0; n];
            let there = f(&place, &mut slope);
            if there.is_finite() && there <= value + SUFFICIENT * dot(&gradient, &moved) {
                next = Some((place, moved, there, slope));
                break;
            }
            step *= if there.is_finite() { 0.5 } else { 0.1 };
        }
        let Some((place, moved, there, slope)) = next else { break };
        let bent: Vec<f64> = slope.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        curvature.learn(&moved, &bent);
        let decrease = value - there;
        (x, value, gradient) = (place, there, slope);
        if decrease < limits.tolerance {
            break;
        }
    }
    (x, value)
}

/// An estimate of the inverse Hessian, `(n, n)`.
struct Curvature {
    n: usize,
    inverse: Vec<f64>,
    is_known: bool,
}

impl Curvature {
    fn unknown(n: usize) -> Self {
        let inverse = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
        Self { n, inverse, is_known: false }
    }

    /// The quasi-Newton step among the coordinates that are free to move.
    fn direction(&self, gradient: &[f64], free: &[bool]) -> Vec<f64> {
        let masked: Vec<f64> =
            gradient.iter().zip(free).map(|(g, free)| if *free { *g } else { 0.0 }).collect();
        let rows = self.inverse.chunks_exact(self.n);
        rows.zip(free).map(|(row, free)| if *free { -dot(row, &masked) } else { 0.0 }).collect()
    }

    /// The BFGS update; left out where the function bends the wrong way.
    fn learn(&mut self, moved: &[f64], bent: &[f64]) {
        let product = dot(moved, bent);
        if product <= 1e-10 * libm::sqrt(dot(moved, moved) * dot(bent, bent)) {
            return;
        }
        if !self.is_known {
            let scale = product / dot(bent, bent);
            self.inverse.iter_mut().for_each(|entry| *entry *= scale);
            self.is_known = true;
        }
        let n = self.n;
        let pulled: Vec<f64> = self.inverse.chunks_exact(n).map(|row| dot(row, bent)).collect();
        let grown = (1.0 + dot(bent, &pulled) / product) / product;
        for i in 0..n {
            for j in 0..n {
                self.inverse[i * n + j] += grown * moved[i] * moved[j]
                    - (pulled[i] * moved[j] + moved[i] * pulled[j]) / product;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { steps: 200, first_step: 0.5, tolerance: 1e-14 };

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        let bend = x[1] - x[0] * x[0];
        gradient[0] = -400.0 * x[0] * bend - 2.0 * (1.0 - x[0]);
        gradient[1] = 200.0 * bend;
        100.0 * bend * bend + (1.0 - x[0]) * (1.0 - x[0])
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let bounds = Bounds { low: &[-2.0, -2.0], high: &[2.0, 2.0] };
        let (x, _) = minimise(rosenbrock, &[-1.2, 1.0], &bounds, LIMITS);
        assert!((x[0] - 1.0).abs() < 1e-4 && (x[1] - 1.0).abs() < 1e-4, "{x:?}");
    }

    #[test]
    fn a_bound_is_kept_and_the_rest_still_minimised() {
        let bounds = Bounds { low: &[-2.0, -2.0], high: &[0.5, 2.0] };
        let (x, _) = minimise(rosenbrock, &[-1.2, 1.0], &bounds, LIMITS);
        assert!(x[0] == 0.5 && (x[1] - 0.25).abs() < 1e-5, "{x:?}");
    }
}
