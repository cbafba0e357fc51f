//! What keeps a step from going too far: the norm of the whole gradient, and the size of each tensor's update.

use std::ops::Range;

use rayon::prelude::*;

use super::{AdamW, CHUNK, Constants, Gradient, Rows, Update, normal_or_zero};
use crate::lanes::vectorised;

/// Independent accumulators of a partial sum.
const LANES: usize = 16;

/// The Euclidean norm of the whole gradient, summed in f64.
#[must_use]
pub fn gradient_norm(gradients: &[Gradient<'_>]) -> f64 {
    let squares = |gradient: &Gradient<'_>| {
        let values = gradient.values();
        sum_over(values.len().div_ceil(CHUNK), |number| {
            sum_of_squares(&values[chunk(number, values.len())])
        })
    };
    gradients.iter().map(squares).sum::<f64>().sqrt()
}

/// The factor that brings a gradient of norm `norm` to at most `max_norm`; never above 1.
#[must_use]
pub fn clip_coefficient(norm: f64, max_norm: Option<f64>) -> f64 {
    max_norm.map_or(1.0, |max_norm| (max_norm / (norm + 1e-6)).min(1.0))
}

impl AdamW {
    /// The update with the learning rate that it asks for in the tensor of this gradient, before its moments have taken the gradient in.
    pub(super) fn clipped(&self, update: Update, gradient: &Gradient<'_>) -> Update {
        if !update.clips_updates {
            return update;
        }
        let constants = Constants::new(&update, self.updates);
        let (sum, count) = match *gradient {
            Gradient::Dense { start, values, .. } => {
                let second = &self.second[self.place_of(&(start..start + values.len()))];
                let sum = sum_over(values.len().div_ceil(CHUNK), |number| {
                    let place = chunk(number, values.len());
                    sum_of_ratios(&second[place.clone()], &values[place], &constants)
                });
                (sum, values.len())
            }
            // Rows without a gradient add nothing, but count.
            Gradient::Rows { rows, values, .. } => {
                let matrix @ Rows { start, width, count, .. } = self.matrix();
                let width = *width;
                let sum = sum_over(rows.len(), |number| {
                    let second = start + matrix.number(rows[number]) * width;
                    let second = &self.second[second..][..width];
                    sum_of_ratios(second, &values[number * width..][..width], &constants)
                });
                (sum, count * width)
            }
        };
        let size = (sum / count as f64).sqrt();
        Update { learning_rate: update.learning_rate / size.max(1.0), ..update }
    }
}

/// The place of a chunk among `length` values.
fn chunk(number: usize, length: usize) -> Range<usize> {
    number * CHUNK..((number + 1) * CHUNK).min(length)
}

/// The sum over the numbers below `count`. The terms of a group are added up in order by one thread; groups likewise.
fn sum_over(count: usize, term: impl Fn(usize) -> f64 + Sync) -> f64 {
    const GROUP: usize = 64;
    let group = |first: usize| {
        let mut terms = [0.0_f64; GROUP];
        let numbered = terms.par_iter_mut().zip(first..count);
        numbered.for_each(|(sum, number)| *sum = term(number));
        terms.iter().sum::<f64>()
    };
    (0..count).step_by(GROUP).map(group).sum()
}

fn sum_of_squares(chunk: &[f32]) -> f64 {
    vectorised!(|| {
        let mut lanes = [0.0_f64; LANES];
        let (blocks, rest) = chunk.as_chunks::<LANES>();
        for block in blocks {
            for (lane, &value) in lanes.iter_mut().zip(block) {
                *lane += f64::from(value) * f64::from(value);
            }
        }
        for (lane, &value) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(value) * f64::from(value);
        }
        lanes.iter().sum()
    })
}

/// The sum of `g^2 / max(v, eps^2)`, with `v` the corrected second moment that the gradient will bring.
fn sum_of_ratios(second: &[f32], gradient: &[f32], constants: &Constants) -> f64 {
    let Constants { gradient_scale, beta2, one_minus_beta2, correction, eps, .. } = *constants;
    vectorised!(|| {
        let mut lanes = [0.0_f64; LANES];
        let add = |lane: &mut f64, second: f32, gradient: f32| {
            let gradient = gradient * gradient_scale;
            let variance = normal_or_zero(second * beta2 + one_minus_beta2 * gradient * gradient);
            *lane += f64::from(gradient * gradient / (variance * correction).max(eps * eps));
        };
        let (seconds, gradients) = (second.as_chunks::<LANES>(), gradient.as_chunks::<LANES>());
        for (second, gradient) in seconds.0.iter().zip(gradients.0) {
            for ((lane, &second), &gradient) in lanes.iter_mut().zip(second).zip(gradient) {
                add(lane, second, gradient);
            }
        }
        for ((lane, &second), &gradient) in lanes.iter_mut().zip(seconds.1).zip(gradients.1) {
            add(lane, second, gradient);
        }
        lanes.iter().sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Group;

    #[test]
    fn the_norm_of_a_large_gradient_is_exact_to_rounding() {
        let values = vec![0.5_f32; 100 * CHUNK + 3];
        let norm = gradient_norm(&[Gradient::Dense {
            start: 0,
            values: &values,
            group: Group::default(),
        }]);
        assert!((norm - 0.5 * (values.len() as f64).sqrt()).abs() < 1e-9 * norm);
    }

    #[test]
    fn clipping_never_scales_up_and_leaves_a_norm_of_at_most_the_bound() {
        assert_eq!(clip_coefficient(0.5, Some(1.0)), 1.0);
        assert!(clip_coefficient(4.0, Some(1.0)) * 4.0 <= 1.0);
        assert_eq!(clip_coefficient(1e9, None), 1.0);
    }

    #[test]
    fn a_gradient_beyond_all_earlier_ones_slows_its_tensor_and_no_other() {
        let update = Update {
            learning_rate: 1.0,
            betas: (0.9, 0.99),
            eps: 1e-8,
            weight_decay: 0.0,
            gradient_scale: 1.0,
            clips_updates: true,
        };
        let mut state = AdamW::with_rows(4, Rows::all(0, 2, 2));
        let (first, second) = state.restore(99);
        first.fill(1.0);
        second.fill(1.0);
        state.updates += 1;
        let rate = |start, values: &[f32]| {
            let dense = Gradient::Dense { start, values, group: Group::default() };
            state.clipped(update, &dense).learning_rate
        };
        assert_eq!(rate(0, &[0.5, 0.5]), 1.0);
        // 100 / (0.99 + 0.01 * 100) = 50.3, less the correction of 1 - 0.99^100 = 0.634.
        assert!(
            (rate(2, &[10.0, 10.0]) - 1.0 / (100.0_f64 / 1.99 * 0.633_967_6).sqrt()).abs() < 1e-6
        );
        let rows = Gradient::Rows { rows: &[1], values: &[10.0, 10.0], group: Group::default() };
        let dense = rate(0, &[0.0, 0.0, 10.0, 10.0]);
        assert!((state.clipped(update, &rows).learning_rate - dense).abs() < 1e-12);
    }
}
