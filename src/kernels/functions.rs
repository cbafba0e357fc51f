//! Exponential and normal distribution, elementwise, without branches, so that loops over them become vector code.

use pulp::{Scalar, Simd};

/// Turns a float of moderate size into the nearest integer in its low mantissa bits: 1.5 * 2^23.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts, of which the first has few enough bits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Below this an exponential is taken to be 0, so that no result is denormal.
const SMALLEST_EXPONENT: f32 = -87.0;

/// `exp(high + low)` for `high <= 0`, where `low` is a small correction that `high` has no bits for.
///
/// Within 1 unit in the last place, and exactly 0 for `high` below -87. `NaN` stays `NaN`.
#[inline(always)]
pub(super) fn exp_of_nonpositive(high: f32, low: f32) -> f32 {
    exps_of_nonpositive(Scalar, high, low)
}

/// [`exp_of_nonpositive`] in every lane.
#[inline(always)]
pub(super) fn exps_of_nonpositive<S: Simd>(simd: S, high: S::f32s, low: S::f32s) -> S::f32s {
    let all = |value| simd.splat_f32s(value);
    let (add, mul) = (|a, b| simd.add_f32s(a, b), |a, b| simd.mul_f32s(a, b));
    let rounded = add(mul(high, all(std::f32::consts::LOG2_E)), all(ROUND));
    let power = simd.sub_f32s(rounded, all(ROUND));
    let rest = simd.sub_f32s(high, mul(power, all(LN_2_HIGH)));
    let rest = add(simd.sub_f32s(rest, mul(power, all(LN_2_LOW))), low); // in ±ln 2 / 2
    // exp(r) = 1 + r + r²·p(r); the coefficients are those of Cephes' expf.
    let mut series = all(1.987_569_1e-4);
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        series = add(mul(series, rest), all(coefficient));
    }
    let fraction = add(add(mul(series, mul(rest, rest)), rest), all(1.0));
    let bits = simd.sub_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(ROUND.to_bits()));
    let exponent = simd.add_u32s(bits, simd.splat_u32s(127));
    let scale = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    let is_tiny = simd.less_than_f32s(high, all(SMALLEST_EXPONENT));
    simd.select_f32s(is_tiny, all(0.0), mul(fraction, simd.transmute_f32s_u32s(scale)))
}

/// The standard normal distribution at `x`: `(Φ(x), φ(x))`, the part of it below `x` and its density.
///
/// Φ is `(1 + erf(x / √2)) / 2`, the factor of an exact GELU. Both are within 4 units in the last place of their own size, far into the
/// tails too, where computing `1 + erf` would lose every digit.
#[inline(always)]
pub(super) fn normal_distribution(x: f32) -> (f32, f32) {
    // x² in two parts, since the exponential turns its absolute error into a relative one.
    let coarse = f32::from_bits(x.to_bits() & 0xffff_f000);
    let bell = exp_of_nonpositive(-0.5 * (coarse * coarse), -0.5 * ((x - coarse) * (x + coarse)));
    let size = x.abs();

    // In the middle, Φ(x) - 1/2 is x times a polynomial in x²: fitted on 0..1 to 7e-10, relative.
    let square = x * x;
    let mut middle = MIDDLE[0];
    for coefficient in &MIDDLE[1..] {
        middle = middle * square + coefficient;
    }
    let middle = size * middle;

    // Beyond, Φ(-|x|) is exp(-x²/2) times t times a polynomial in t = 1 / (1 + 0.35 |x|): fitted on 1..13.5 to 4e-8, relative.
    let t = 1.0 / (1.0 + 0.35 * size);
    let mut tail = TAIL[0];
    for coefficient in &TAIL[1..] {
        tail = tail * t + coefficient;
    }
    let tail = bell * (t * tail);

    let below = if size < 1.0 { 0.5 - middle } else { tail };
    let above = if size < 1.0 { 0.5 + middle } else { 1.0 - tail };
    (if x < 0.0 { below } else { above }, bell * FRAC_1_SQRT_2_PI)
}

const FRAC_1_SQRT_2_PI: f32 = 0.398_942_3;

/// From the highest power of x² down.
const MIDDLE: [f32; 6] =
    [-7.654_207e-6, 1.134_863_7e-4, -1.186_33e-3, 9.973_323e-3, -6.649_036e-2, 0.398_942_3];

/// From the highest power of t down.
const TAIL: [f32; 8] = [
    0.039_83,
    -0.097_891_57,
    0.027_021_555,
    0.043_598_942,
    0.084_766_544,
    0.123_705_71,
    0.139_465_15,
    0.139_638_48,
];

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: f64 = f32::EPSILON as f64;

    /// Every `step`th float from 0 to `end`.
    fn floats_up_to(end: f32, step: usize) -> impl Iterator<Item = f32> {
        (0..=end.to_bits()).step_by(step).map(f32::from_bits)
    }

    /// Φ in f64: its series about 0 where that converges well, and the continued fraction of the tail beyond.
    fn normal_cdf(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x.abs() < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..100 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 + density * sum
        } else {
            let fraction = (1..200).rev().fold(x.abs(), |rest, n| x.abs() + f64::from(n) / rest);
            if x < 0.0 { density / fraction } else { 1.0 - density / fraction }
        }
    }

    #[test]
    fn the_reference_itself_is_right() {
        // From tables: Φ(1), Φ(-2.5), Φ(-6).
        for (x, expected) in [
            (1.0, 0.841_344_746_068_543),
            (-2.5, 0.006_209_665_325_776_132),
            (-6.0, 9.865_876_450_376_98e-10),
        ] {
            assert!((normal_cdf(x) / expected - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn exponentials_are_within_one_unit_in_the_last_place() {
        for x in floats_up_to(87.0, 9_973) {
            let error = f64::from(exp_of_nonpositive(-x, 0.0)) / f64::from(-x).exp() - 1.0;
            assert!(error.abs() < UNIT, "exp(-{x}): {error:e}");
        }
    }

    #[test]
    fn exponentials_far_below_are_exactly_zero_and_nan_stays() {
        assert_eq!(exp_of_nonpositive(-87.5, 0.0), 0.0);
        assert_eq!(exp_of_nonpositive(f32::NEG_INFINITY, 0.0), 0.0);
        assert!(exp_of_nonpositive(f32::NAN, 0.0).is_nan());
        assert_eq!(exp_of_nonpositive(0.0, 0.0), 1.0);
    }

    #[test]
    fn the_normal_distribution_keeps_its_digits_in_the_lower_tail() {
        for x in floats_up_to(12.9, 99_991) {
            let (below, _) = normal_distribution(-x);
            let error = f64::from(below) / normal_cdf(-f64::from(x)) - 1.0;
            assert!(error.abs() < 4.0 * UNIT, "below -{x}: {error:e}");
        }
    }

    #[test]
    fn the_upper_half_and_the_density_are_right_to_rounding() {
        for x in floats_up_to(12.9, 99_991) {
            let (below, density) = normal_distribution(x);
            let error = f64::from(below) - normal_cdf(f64::from(x));
            assert!(error.abs() < UNIT, "below {x}: {error:e}");
            let exact = (-0.5 * f64::from(x).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) / exact - 1.0).abs() < 2.0 * UNIT, "density at {x}");
        }
    }

    #[test]
    fn the_normal_distribution_is_whole_at_its_ends() {
        assert_eq!(normal_distribution(40.0), (1.0, 0.0));
        assert_eq!(normal_distribution(-40.0), (0.0, 0.0));
        assert_eq!(normal_distribution(0.0).0, 0.5);
    }
}
