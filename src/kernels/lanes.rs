//! Sums over slices in a fixed order that a compiler can vectorise, and the choice of the vector instructions.

#[cfg(target_arch = "x86_64")]
use pulp::{Arch, Simd, cast, f32x8};

/// Floats that are summed side by side.
pub(super) const LANES: usize = 16;

/// Runs a closure without arguments, compiled for the widest vectors that this machine has.
///
/// Only what is inlined into the closure profits, so the functions it calls are `#[inline(always)]`. This is a macro so that the closure
/// is, too. None of the instructions chosen fuses a multiplication with an addition, so the choice changes no bit.
macro_rules! vectorised {
    (|| $kernel:expr) => {
        pulp::Arch::new().dispatch($crate::lanes::Kernel(
            #[inline(always)]
            || $kernel,
        ))
    };
}

pub(crate) use vectorised;

/// A closure that is called in place: as a mere `FnOnce` it would be called through a function of its own, compiled for any machine.
pub(crate) struct Kernel<F>(pub F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Kernel<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// The sum of `term(a[i], b[i], c[i])`.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], b: &[f32], c: &[f32], term: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let ((a_blocks, a_rest), (b_blocks, b_rest), (c_blocks, c_rest)) =
        (a.as_chunks(), b.as_chunks(), c.as_chunks());
    let mut lanes = [0.0f32; LANES];
    for ((a, b), c) in a_blocks.iter().zip(b_blocks).zip(c_blocks) {
        let (a, b, c): (&[f32; LANES], &[f32; LANES], &[f32; LANES]) = (a, b, c);
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane], c[lane]);
        }
    }
    for (lane, ((&a, &b), &c)) in a_rest.iter().zip(b_rest).zip(c_rest).enumerate() {
        lanes[lane] += term(a, b, c);
    }
    fold(lanes)
}

/// The sum of `a[i] * b[i]`.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_of(a, b, a, |a, b, _| a * b)
}

/// The largest of `values`, or negative infinity if there is none.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = if block[lane] > lanes[lane] { block[lane] } else { lanes[lane] };
        }
    }
    rest.iter()
        .chain(&lanes)
        .fold(f32::NEG_INFINITY, |most, &value| if value > most { value } else { most })
}

/// Halves the lanes until one is left.
///
/// On machines with wide vectors by instructions that are named: from the loop below a compiler makes one addition for each lane.
#[inline(always)]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    match Arch::new() {
        Arch::V4(simd) => return simd.reduce_sum_f32s(cast(lanes)),
        Arch::V3(simd) => {
            let [low, high]: [f32x8; 2] = cast(lanes);
            return simd.reduce_sum_f32s(simd.add_f32s(low, high));
        }
        _ => {}
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_count_what_does_not_fill_a_vector() {
        for length in [0, 1, 15, 16, 17, 40] {
            let values: Vec<f32> = (1..=length).map(|value| value as f32).collect();
            assert_eq!(
                sum_of(&values, &values, &values, |value, _, _| value),
                (length * (length + 1) / 2) as f32
            );
        }
    }

    #[test]
    fn the_largest_is_found_wherever_it_stands() {
        for length in [1, 15, 16, 17, 40] {
            for place in 0..length {
                let mut values = vec![-5.0; length];
                values[place] = -1.0;
                assert_eq!(largest(&values), -1.0);
            }
        }
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
    }
}
