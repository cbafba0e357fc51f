//! The activation of an MLP without a gate, forward and backward: the exact GELU.

use rayon::prelude::*;

use super::TASK_FLOATS;
use super::functions::normal_distribution;
use super::lanes::vectorised;

/// Numbers that one task takes at least: they cost some four times as much as those that are only added.
const TASK: usize = TASK_FLOATS / 4;

/// `output = gelu(input)`, of the same length.
///
/// Reference: `torch.nn.GELU(approximate="none")`.
pub fn gelu(output: &mut [f32], input: &[f32]) {
    output.par_chunks_mut(TASK).zip(input.par_chunks(TASK)).for_each(|(output, input)| {
        vectorised!(|| {
            for (output, &input) in output.iter_mut().zip(input) {
                *output = input * normal_distribution(input).0;
            }
        });
    });
}

/// The gradient of [`gelu`], in place.
///
/// * `input`: replaced by its gradient
/// * `output`: holds the gradient of the output and is replaced by the output itself, computed anew
pub fn gelu_backward(input: &mut [f32], output: &mut [f32]) {
    output.par_chunks_mut(TASK).zip(input.par_chunks_mut(TASK)).for_each(|(output, input)| {
        vectorised!(|| {
            for (output, input) in output.iter_mut().zip(input.iter_mut()) {
                let (below, density) = normal_distribution(*input);
                let d_output = *output;
                *output = *input * below;
                *input = d_output * (below + *input * density);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_match_finite_differences_and_the_output_comes_out_again() {
        let input: Vec<f32> = (0..57).map(|index| 3.0 * (index as f32 * 1.3).sin()).collect();
        let d_output: Vec<f32> = (0..57).map(|index| (index as f32 * 0.7).cos()).collect();
        let of = |input: &[f32]| {
            let mut output = vec![0.0; input.len()];
            gelu(&mut output, input);
            output
        };
        let (mut d_input, mut output) = (input.clone(), d_output.clone());
        gelu_backward(&mut d_input, &mut output);
        assert_eq!(output, of(&input));
        // Rounding of the f32 forward limits central differences with this step to about 1e-4.
        let step = 1e-2;
        let moved = |by: f32| of(&input.iter().map(|value| value + by).collect::<Vec<_>>());
        let (plus, minus) = (moved(step), moved(-step));
        for index in 0..input.len() {
            let numeric = (plus[index] - minus[index]) / (2.0 * step) * d_output[index];
            assert!((numeric - d_input[index]).abs() < 1e-3, "{index}: {numeric}");
        }
    }
}
