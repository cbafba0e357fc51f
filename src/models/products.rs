//! The matrix products of a training step by themselves: the floor below which no step on this machine can go.

use super::ModernBertConfig;
use super::gradients::Write;
use super::kernels::product::{Matrix, MatrixMut, Threads, multiply};

/// The four linear maps of one encoder layer, with the three products that each costs in a training step: forward, the gradient of its input, and
/// the gradient of its weight. All on buffers of their own, of the shapes that a batch of `tokens` tokens gives.
pub struct LayerProducts {
    tokens: usize,
    maps: Vec<Linear>,
}

struct Linear {
    inputs: usize,
    outputs: usize,
    /// `(outputs, inputs)`
    weight: Vec<f32>,
    weight_gradient: Vec<f32>,
    /// `(tokens, inputs)`
    input: Vec<f32>,
    input_gradient: Vec<f32>,
    /// `(tokens, outputs)`
    output: Vec<f32>,
}

impl LayerProducts {
    #[must_use]
    pub fn new(config: &ModernBertConfig, tokens: usize) -> Self {
        // Small numbers that are neither zero nor denormal, since those take another time.
        let filled = |length: usize| (0..length).map(|index| (index % 17) as f32 * 1e-2 - 0.08).collect::<Vec<f32>>();
        let linear = |(inputs, outputs): (usize, usize)| Linear {
            inputs,
            outputs,
            weight: filled(inputs * outputs),
            weight_gradient: filled(inputs * outputs),
            input: filled(tokens * inputs),
            input_gradient: filled(tokens * inputs),
            output: filled(tokens * outputs),
        };
        Self { tokens, maps: maps(config).into_iter().map(linear).collect() }
    }

    /// Computes them once on the current pool. Returns the floating-point operations: two for each multiplication and addition.
    pub fn run(&mut self) -> f64 {
        let tokens = self.tokens;
        for map in &mut self.maps {
            let Linear { inputs, outputs, weight, weight_gradient, input, input_gradient, output } = map;
            let (inputs, outputs) = (*inputs, *outputs);
            multiply(
                MatrixMut::new(output, tokens, outputs),
                Write::Replace,
                1.0,
                Matrix::new(input, tokens, inputs),
                Matrix::new(weight, outputs, inputs).transposed(),
                Threads::Pool,
            );
            multiply(
                MatrixMut::new(input_gradient, tokens, inputs),
                Write::Replace,
                1.0,
                Matrix::new(output, tokens, outputs),
                Matrix::new(weight, outputs, inputs),
                Threads::Pool,
            );
            multiply(
                MatrixMut::new(weight_gradient, outputs, inputs),
                Write::Replace,
                1.0,
                Matrix::new(output, tokens, outputs).transposed(),
                Matrix::new(input, tokens, inputs),
                Threads::Pool,
            );
        }
        6.0 * tokens as f64 * self.parameters() as f64
    }

    /// Weights of the four maps.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.maps.iter().map(|map| map.inputs * map.outputs).sum()
    }

    /// Weights of the linear maps of all layers: what a step's matrix products grow with.
    #[must_use]
    pub fn parameters_of(config: &ModernBertConfig) -> usize {
        maps(config).iter().map(|(inputs, outputs)| inputs * outputs).sum::<usize>() * config.num_hidden_layers
    }
}

/// Inputs and outputs of the linear maps of a layer.
fn maps(config: &ModernBertConfig) -> [(usize, usize); 4] {
    let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
    [(hidden, 3 * hidden), (hidden, hidden), (hidden, 2 * intermediate), (intermediate, hidden)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_of_base_hold_its_published_number_of_parameters() {
        let config = ModernBertConfig::base();
        assert_eq!(LayerProducts::new(&config, 1).parameters() * config.num_hidden_layers, 110_297_088);
        assert_eq!(LayerProducts::parameters_of(&config), 110_297_088);
    }
}
