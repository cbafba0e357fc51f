//! Rounding to bf16, on any machine.

/// The nearest bf16, as an f32; of two equally near ones that with an even last digit.
///
/// What is not a number stays so, and what is below the normal range becomes zero: as `vcvtneps2bf16` rounds.
#[inline(always)]
pub(super) fn rounded(value: f32) -> f32 {
    const UPPER_HALF: u32 = 0xffff_0000;
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & UPPER_HALF;
    let quiet = (bits | 0x0040_0000) & UPPER_HALF;
    let is_small = value.abs() < f32::MIN_POSITIVE;
    f32::from_bits(if value.is_nan() {
        quiet
    } else if is_small {
        bits & 0x8000_0000
    } else {
        nearest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_taken_and_of_two_the_even_one() {
        let step = 2f32.powi(-7);
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 0.49 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.51 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 1.5 * step, -1.0 - 2.0 * step),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (1e-39, 0.0),
        ] {
            assert_eq!(rounded(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for bits in [0x7f80_0001_u32, 0x7fff_ffff, 0xffff_ffff] {
            assert!(rounded(f32::from_bits(bits)).is_nan());
        }
    }
}
