//! The normal distribution, exact in the tails.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Standard deviations below which the differences in [`log_improvement`] cancel and its series takes over.
const TAIL: f64 = -20.0;

pub(crate) fn density(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * PI)
}

/// P(Z <= z).
pub(crate) fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// P(a < Z <= b) for `a <= b`, without cancellation where both lie in one tail.
pub(crate) fn between(a: f64, b: f64) -> f64 {
    if a > 0.0 { cumulative(-a) - cumulative(-b) } else { cumulative(b) - cumulative(a) }
}

/// ln E[max(Z + z, 0)] and its derivative, where plain expected improvement is 0 in floating point long before it stops
/// to tell good places from bad ones.
///
/// Reference: Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian Optimization" (2023).
pub(crate) fn log_improvement(z: f64) -> (f64, f64) {
    if z > TAIL {
        let below = cumulative(z);
        let improvement = density(z) + z * below;
        return (libm::log(improvement), below / improvement);
    }
    // Asymptotic series of Mills' ratio; at -20 the next term is below 1e-6 of the sum.
    let square = 1.0 / (z * z);
    let tail = 1.0 - square * (1.0 - square * (3.0 - 15.0 * square));
    let improvement = 1.0 - square * (3.0 - square * (15.0 - 105.0 * square));
    let log = -0.5 * z * z - 0.5 * libm::log(2.0 * PI) + libm::log(square * improvement);
    (log, -z * tail / improvement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_keep_their_digits() {
        let expected = 6.220_960_574_271_785e-16; // P(Z > 8), from tables
        assert!((between(8.0, 40.0) / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn both_forms_of_the_improvement_meet() {
        let (direct, series) = (log_improvement(TAIL + 1e-9), log_improvement(TAIL - 1e-9));
        assert!((direct.0 - series.0).abs() < 1e-6, "{direct:?} {series:?}");
        assert!((direct.1 - series.1).abs() < 1e-4, "{direct:?} {series:?}");
    }

    #[test]
    fn the_derivative_is_that_of_the_improvement() {
        for z in [-60.0, -15.0, -3.0, 0.0, 2.5] {
            let difference = (log_improvement(z + 1e-5).0 - log_improvement(z - 1e-5).0) / 2e-5;
            let derivative = log_improvement(z).1;
            assert!((difference / derivative - 1.0).abs() < 1e-5, "{z}: {difference} {derivative}");
        }
    }
}
