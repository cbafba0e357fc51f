//! Biases: a row that every row begins with or has added to it, and its gradient.

use rayon::prelude::*;

use super::lanes::vectorised;
use super::{TASK_FLOATS, Write};

/// Rows whose sums are taken one after the other; the sums of such chunks are added in order.
const CHUNK_ROWS: usize = 32;

/// Puts `bias` into every row, or adds it.
///
/// * `rows`: `(rows, width)`; `bias`: `(width,)`
pub fn bias(rows: &mut [f32], write: Write, bias: &[f32]) {
    let width = bias.len();
    let rows = rows.par_chunks_exact_mut(width).with_min_len(TASK_FLOATS.div_ceil(width));
    match write {
        Write::Replace => rows.for_each(|row| row.copy_from_slice(bias)),
        Write::Add => rows.for_each(|row| vectorised!(|| add(row, bias))),
    }
}

/// The gradient of a bias: the sum of all rows, or added to what is there.
///
/// * `d_bias`: `(width,)`; `d_output`: `(rows, width)`
/// * `partial`: scratch that holds a sum per chunk of rows; grows to what is needed
pub fn bias_backward(d_bias: &mut [f32], write: Write, d_output: &[f32], partial: &mut Vec<f32>) {
    let width = d_bias.len();
    let chunk = CHUNK_ROWS * width;
    partial.clear();
    partial.resize(d_output.len().div_ceil(chunk) * width, 0.0);
    partial
        .par_chunks_exact_mut(width)
        .zip(d_output.par_chunks(chunk))
        .with_min_len(TASK_FLOATS.div_ceil(chunk))
        .for_each(|(sum, rows)| {
            vectorised!(|| rows.chunks_exact(width).for_each(|row| add(sum, row)));
        });
    if write == Write::Replace {
        d_bias.fill(0.0);
    }
    partial.chunks_exact(width).for_each(|sum| add(d_bias, sum));
}

#[inline(always)]
fn add(sum: &mut [f32], added: &[f32]) {
    sum.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_gets_the_bias() {
        let mut rows = [1.0, 2.0, 3.0, 4.0];
        bias(&mut rows, Write::Add, &[10.0, 20.0]);
        assert_eq!(rows, [11.0, 22.0, 13.0, 24.0]);
        bias(&mut rows, Write::Replace, &[5.0, 6.0]);
        assert_eq!(rows, [5.0, 6.0, 5.0, 6.0]);
    }

    #[test]
    fn the_gradient_is_the_sum_of_all_rows() {
        let (rows, width) = (75, 3); // more than two chunks
        let d_output: Vec<f32> = (0..rows * width).map(|index| (index % 7) as f32).collect();
        let sum = |column: usize| -> f32 {
            d_output.iter().skip(column).step_by(width).sum::<f32>() // exact: small integers
        };
        let expected = [sum(0), sum(1), sum(2)];
        let mut d_bias = [f32::NAN; 3];
        bias_backward(&mut d_bias, Write::Replace, &d_output, &mut Vec::new());
        assert_eq!(d_bias, expected);
        bias_backward(&mut d_bias, Write::Add, &d_output, &mut Vec::new());
        assert_eq!(d_bias, expected.map(|sum| 2.0 * sum));
    }
}
