//! The gated activation of the MLP, forward and backward: `gelu(first half) * second half`, with the exact GELU.

use rayon::prelude::*;

use super::TASK_FLOATS;
use super::functions::normal_distribution;
use super::lanes::vectorised;

/// `output = gelu(first) * gate`, where `first` and `gate` are the halves of each row of `input`.
///
/// * `input`: `(rows, 2 * width)`; `output`: `(rows, width)`
///
/// Reference: `torch.nn.GELU(approximate="none")`.
pub fn geglu(output: &mut [f32], input: &[f32], width: usize) {
    let rows = output.par_chunks_exact_mut(width).zip(input.par_chunks_exact(2 * width));
    rows.with_min_len(TASK_FLOATS.div_ceil(4 * width)).for_each(|(output, input)| {
        vectorised!(|| {
            let (first, gate) = input.split_at(width);
            for ((output, &first), &gate) in output.iter_mut().zip(first).zip(gate) {
                *output = first * normal_distribution(first).0 * gate;
            }
        });
    });
}

/// The gradient of [`geglu`], in place.
///
/// * `input`: `(rows, 2 * width)`, replaced by its gradient
/// * `output`: `(rows, width)`, holds the gradient of the output and is replaced by the output itself, computed anew
///
/// So what comes out is what the gradients of the weights before and behind need, without another buffer.
pub fn geglu_backward(input: &mut [f32], output: &mut [f32], width: usize) {
    let rows = output.par_chunks_exact_mut(width).zip(input.par_chunks_exact_mut(2 * width));
    rows.with_min_len(TASK_FLOATS.div_ceil(4 * width)).for_each(|(output, input)| {
        vectorised!(|| {
            let (first, gate) = input.split_at_mut(width);
            for ((output, first), gate) in output.iter_mut().zip(first).zip(gate) {
                let (below, density) = normal_distribution(*first);
                let activated = *first * below;
                let d_activated = *output * *gate;
                let d_gate = *output * activated;
                *output = activated * *gate;
                *first = d_activated * (below + *first * density);
                *gate = d_gate;
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_match_finite_differences() {
        let (rows, width) = (3, 19);
        let input: Vec<f32> =
            (0..rows * 2 * width).map(|index| 3.0 * (index as f32 * 1.3).sin()).collect();
        let d_output: Vec<f32> =
            (0..rows * width).map(|index| (index as f32 * 0.7).cos()).collect();
        let objective = |input: &[f32]| -> f64 {
            let mut output = vec![0.0; rows * width];
            geglu(&mut output, input, width);
            output
                .iter()
                .zip(&d_output)
                .map(|(&output, &d_output)| f64::from(output) * f64::from(d_output))
                .sum()
        };
        let (mut d_input, mut output) = (input.clone(), d_output.clone());
        geglu_backward(&mut d_input, &mut output, width);
        let mut expected = vec![0.0; rows * width];
        geglu(&mut expected, &input, width);
        assert_eq!(output, expected, "the output comes out again");
        // Rounding of the f32 forward limits central differences with this step to about 1e-4.
        let step = 1e-2;
        for index in 0..input.len() {
            let mut moved = input.clone();
            moved[index] = input[index] + step;
            let plus = objective(&moved);
            moved[index] = input[index] - step;
            let numeric = (plus - objective(&moved)) / f64::from(2.0 * step);
            assert!(
                (numeric - f64::from(d_input[index])).abs() < 1e-3,
                "{index}: {numeric} {}",
                d_input[index]
            );
        }
    }
}
