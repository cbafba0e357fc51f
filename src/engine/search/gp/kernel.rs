//! The Matérn 5/2 kernel with a length scale per axis.
//!
//! k(r) = s² (1 + √5 r + 5/3 r²) exp(-√5 r), r² = sum over axes of (difference / length)²; two entries of a choice
//! differ by 1, whichever they are.
//!
//! Reference: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), equation 4.17.

/// What the kernel is told by; all positive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    /// s²
    pub(super) signal: f64,
    /// length⁻² per axis
    pub(super) weights: Vec<f64>,
}

const SQRT_5: f64 = 2.236_067_977_499_79;

/// k, and k' such that `dk / d(r²) = -k' / 2`: the factor that all derivatives share.
pub(super) fn matern(signal: f64, square: f64) -> (f64, f64) {
    let scaled = SQRT_5 * libm::sqrt(square);
    let fading = signal * libm::exp(-scaled);
    (fading * (1.0 + scaled + scaled * scaled / 3.0), fading * (1.0 + scaled) * (5.0 / 3.0))
}

/// Squared difference of two places along one axis.
pub(super) fn square_difference(is_choice: bool, a: f64, b: f64) -> f64 {
    if is_choice { f64::from(u8::from(a != b)) } else { (a - b) * (a - b) }
}

impl Kernel {
    /// r² between two places.
    pub(super) fn square(&self, choices: &[bool], a: &[f64], b: &[f64]) -> f64 {
        let axes = self.weights.iter().zip(choices).zip(a.iter().zip(b));
        axes.map(|((weight, is_choice), (a, b))| weight * square_difference(*is_choice, *a, *b))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivative_by_the_square_is_half_the_factor() {
        for square in [0.01, 0.5, 4.0] {
            let difference = (matern(1.7, square + 1e-6).0 - matern(1.7, square - 1e-6).0) / 2e-6;
            assert!((difference + matern(1.7, square).1 / 2.0).abs() < 1e-7);
        }
    }

    #[test]
    fn entries_of_a_choice_are_equally_far() {
        let kernel = Kernel { signal: 1.0, weights: vec![4.0] };
        let square = |a: f64, b: f64| kernel.square(&[true], &[a], &[b]);
        assert_eq!([square(0.1, 0.1), square(0.1, 0.3), square(0.1, 0.9)], [0.0, 4.0, 4.0]);
    }
}
