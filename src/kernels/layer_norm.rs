//! Layer norm, with or without a bias, forward and backward.

use rayon::prelude::*;

use super::lanes::{dot, sum_of, vectorised};
use super::{TASK_FLOATS, Write};

/// Rows whose contributions to the weight's gradient are summed one after the other; the sums of such chunks are added in order.
const CHUNK_ROWS: usize = 32;

/// How many floats [`layer_norm_backward`] sums up in, for so many rows.
pub fn partial_length(rows: usize, width: usize) -> usize {
    rows.div_ceil(CHUNK_ROWS) * width
}

/// What the backward needs to know of a row: its mean, and one over its standard deviation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    mean: f32,
    inverse_deviation: f32,
}

/// `output = (input - mean) / sqrt(variance + epsilon) * weight + bias`, row by row.
///
/// * `input`, `output`: `(rows, width)`; `weight`, `bias`: `(width,)`; `moments`: `(rows,)`, written
///
/// Reference: `torch.nn.LayerNorm`.
pub fn layer_norm(
    output: &mut [f32],
    moments: &mut [Moments],
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    epsilon: f32,
) {
    let width = weight.len();
    let rows = output.par_chunks_exact_mut(width).zip(input.par_chunks_exact(width)).zip(moments);
    rows.with_min_len(TASK_FLOATS.div_ceil(width)).for_each(|((output, input), moments)| {
        vectorised!(|| {
            *moments = moments_of(input, epsilon);
            normalise(output, input, *moments, weight, bias);
        });
    });
}

/// The output of [`layer_norm`] once more, from the moments that it wrote.
pub fn layer_norm_again(
    output: &mut [f32],
    moments: &[Moments],
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) {
    let width = weight.len();
    let rows = output.par_chunks_exact_mut(width).zip(input.par_chunks_exact(width)).zip(moments);
    rows.with_min_len(TASK_FLOATS.div_ceil(width)).for_each(|((output, input), moments)| {
        vectorised!(|| normalise(output, input, *moments, weight, bias));
    });
}

/// The gradients of a layer norm, without that of its bias, which is [`bias_backward`](super::bias::bias_backward)'s.
///
/// * `d_input`: `(rows, width)`, replaced or added to as `write` says
/// * `d_weight`: `(width,)`, replaced or added to as `write_weight` says
/// * `d_output`, `input`: `(rows, width)`; `moments`: `(rows,)`; `weight`: `(width,)`
/// * `partial`: scratch that holds a weight gradient per chunk of rows; grows to what is needed
///
/// With `x` the normalised row and `g = d_output * weight`, the input's gradient is
/// `(g - mean(g) - x * mean(g * x)) / deviation`, and the weight's the sum of `d_output * x` over the rows.
#[expect(
    clippy::too_many_arguments,
    reason = "two results, each with its own mode, and four operands"
)]
pub fn layer_norm_backward(
    d_input: &mut [f32],
    write: Write,
    d_weight: &mut [f32],
    write_weight: Write,
    d_output: &[f32],
    input: &[f32],
    moments: &[Moments],
    weight: &[f32],
    partial: &mut Vec<f32>,
) {
    let width = weight.len();
    let chunk = CHUNK_ROWS * width;
    partial.clear();
    partial.resize(partial_length(moments.len(), width), 0.0);
    let chunks =
        d_input.par_chunks_mut(chunk).zip(d_output.par_chunks(chunk)).zip(input.par_chunks(chunk));
    chunks
        .zip(moments.par_chunks(CHUNK_ROWS))
        .zip(partial.par_chunks_exact_mut(width))
        .with_min_len(TASK_FLOATS.div_ceil(chunk))
        .for_each(|((((d_input, d_output), input), moments), d_weight)| {
            vectorised!(|| {
                let rows = d_input
                    .chunks_exact_mut(width)
                    .zip(d_output.chunks_exact(width))
                    .zip(input.chunks_exact(width));
                for (((d_input, d_output), input), moments) in rows.zip(moments) {
                    backward_row(d_input, write, d_weight, d_output, input, *moments, weight);
                }
            });
        });

    let mut sums = partial.chunks_exact(width);
    if let (Write::Replace, Some(first)) = (write_weight, sums.next()) {
        d_weight.copy_from_slice(first);
    } else {
        sums = partial.chunks_exact(width);
    }
    for sum in sums {
        d_weight.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
}

#[inline(always)]
fn moments_of(row: &[f32], epsilon: f32) -> Moments {
    let width = row.len() as f32;
    let mean = sum_of(row, row, row, |value, _, _| value) / width;
    let variance = sum_of(row, row, row, |value, _, _| (value - mean) * (value - mean)) / width;
    Moments { mean, inverse_deviation: 1.0 / (variance + epsilon).sqrt() }
}

#[inline(always)]
fn normalise(
    output: &mut [f32],
    input: &[f32],
    moments: Moments,
    weight: &[f32],
    bias: Option<&[f32]>,
) {
    let normalised = |input: f32| (input - moments.mean) * moments.inverse_deviation;
    let columns = output.iter_mut().zip(input).zip(weight);
    match bias {
        None => columns.for_each(|((output, &input), weight)| *output = normalised(input) * weight),
        Some(bias) => columns.zip(bias).for_each(|(((output, &input), weight), bias)| {
            *output = normalised(input) * weight + bias;
        }),
    }
}

#[inline(always)]
fn backward_row(
    d_input: &mut [f32],
    write: Write,
    d_weight: &mut [f32],
    d_output: &[f32],
    input: &[f32],
    moments: Moments,
    weight: &[f32],
) {
    let width = weight.len() as f32;
    let Moments { mean, inverse_deviation } = moments;
    for ((d_weight, &d_output), &input) in d_weight.iter_mut().zip(d_output).zip(input) {
        *d_weight += d_output * ((input - mean) * inverse_deviation);
    }
    let mean_gradient = dot(d_output, weight) / width;
    let mean_product = sum_of(d_output, weight, input, |d_output, weight, input| {
        d_output * weight * ((input - mean) * inverse_deviation)
    }) / width;
    let gradient = |d_output: f32, input: f32, weight: f32| {
        let normalised = (input - mean) * inverse_deviation;
        (d_output * weight - mean_gradient - normalised * mean_product) * inverse_deviation
    };
    let columns = d_input.iter_mut().zip(d_output).zip(input).zip(weight);
    match write {
        Write::Replace => columns.for_each(|(((d_input, &d_output), &input), &weight)| {
            *d_input = gradient(d_output, input, weight)
        }),
        Write::Add => columns.for_each(|(((d_input, &d_output), &input), &weight)| {
            *d_input += gradient(d_output, input, weight)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|index| (index as f32 * 1.7 + seed).sin() + 0.3).collect()
    }

    #[test]
    fn a_normalised_row_has_mean_0_and_variance_1() {
        let input = numbers(2 * 50, 0.0);
        let (mut output, mut moments) = (vec![0.0; 100], vec![Moments::default(); 2]);
        layer_norm(&mut output, &mut moments, &input, &[1.0; 50], None, 0.0);
        for row in output.chunks_exact(50) {
            let mean: f32 = row.iter().sum::<f32>() / 50.0;
            let variance: f32 = row.iter().map(|value| value * value).sum::<f32>() / 50.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (rows, width) = (35, 20); // more than one chunk of rows
        let (input, weight, d_output) =
            (numbers(rows * width, 0.5), numbers(width, 1.0), numbers(rows * width, 2.0));
        let objective = |input: &[f32], weight: &[f32]| -> f64 {
            let (mut output, mut moments) =
                (vec![0.0; rows * width], vec![Moments::default(); rows]);
            layer_norm(&mut output, &mut moments, input, weight, None, 1e-5);
            output
                .iter()
                .zip(&d_output)
                .map(|(&output, &d_output)| f64::from(output) * f64::from(d_output))
                .sum()
        };
        let (mut output, mut moments) = (vec![0.0; rows * width], vec![Moments::default(); rows]);
        layer_norm(&mut output, &mut moments, &input, &weight, None, 1e-5);
        let (mut d_input, mut d_weight, mut partial) =
            (vec![0.0; rows * width], vec![0.0; width], Vec::new());
        let write = Write::Replace;
        layer_norm_backward(
            &mut d_input,
            write,
            &mut d_weight,
            write,
            &d_output,
            &input,
            &moments,
            &weight,
            &mut partial,
        );

        // Rounding of the f32 forward limits central differences with this step to about 1e-3.
        let step = 1e-2;
        let check = |analytic: f32, plus: f64, minus: f64| {
            let numeric = (plus - minus) / f64::from(2.0 * step);
            assert!(
                (numeric - f64::from(analytic)).abs() < 3e-3 * (1.0 + numeric.abs()),
                "{numeric} {analytic}"
            );
        };
        for index in (0..rows * width).step_by(37) {
            let moved = |by: f32| {
                input
                    .iter()
                    .enumerate()
                    .map(|(other, &value)| if other == index { value + by } else { value })
                    .collect::<Vec<_>>()
            };
            check(
                d_input[index],
                objective(&moved(step), &weight),
                objective(&moved(-step), &weight),
            );
        }
        for (index, &analytic) in d_weight.iter().enumerate() {
            let moved = |by: f32| {
                weight
                    .iter()
                    .enumerate()
                    .map(|(other, &value)| if other == index { value + by } else { value })
                    .collect::<Vec<_>>()
            };
            check(analytic, objective(&input, &moved(step)), objective(&input, &moved(-step)));
        }
    }
}
