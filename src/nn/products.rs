//! The matrix products of a training step by themselves: at the rate that these reach, the floor below which no step can go.

use super::buffers::reserve;
use super::kernels::Write;
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::{EncoderSpec, NoMemory};

/// The products of the linear layers of a training step, in the step's order: all layers forward, then backward the gradients of every weight
/// and input.
///
/// Every layer has weights and gradients of its own, so that they come from memory, as a step's do, and not from the cache of the layer before.
/// Inputs and outputs are shared: in a step they come from the operation before, mostly from the cache.
pub struct StepProducts {
    tokens: usize,
    /// Layer by layer.
    maps: Vec<Linear>,
    /// Long enough for the inputs or outputs of any map, as are the two below. They stay what they are, so that no number grows from run to run.
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    d_inputs: Vec<f32>,
}

struct Linear {
    inputs: usize,
    outputs: usize,
    /// `(outputs, inputs)`
    weight: Vec<f32>,
    gradient: Vec<f32>,
}

impl StepProducts {
    /// The products of a batch of `tokens` tokens. They take 8 bytes for each weight of the linear layers.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn try_new(spec: &EncoderSpec, tokens: usize) -> Result<Self, NoMemory> {
        // Small numbers that are neither zero nor denormal, since those take another time.
        let filled = |length: usize| {
            let mut values = Vec::new();
            reserve(&mut values, length, "the matrix products of a step")?;
            values.extend((0..length).map(|index| (index % 17) as f32 * 1e-2 - 0.08));
            Ok(values)
        };
        let linear = |(inputs, outputs): (usize, usize)| {
            Ok(Linear {
                inputs,
                outputs,
                weight: filled(inputs * outputs)?,
                gradient: filled(inputs * outputs)?,
            })
        };
        let layers = spec.layers.iter().flat_map(|_| maps(spec));
        let widest =
            maps(spec).into_iter().map(|(inputs, outputs)| inputs.max(outputs)).max().unwrap_or(0);
        Ok(Self {
            tokens,
            maps: layers.map(linear).collect::<Result<_, _>>()?,
            inputs: filled(tokens * widest)?,
            outputs: filled(tokens * widest)?,
            d_inputs: filled(tokens * widest)?,
        })
    }

    /// Computes them once on the current pool. Returns the floating-point operations: two for each multiplication and addition.
    pub fn run(&mut self) -> f64 {
        let Self { tokens, maps, inputs, outputs, d_inputs } = self;
        let tokens = *tokens;
        for map in &*maps {
            linear(
                &mut outputs[..tokens * map.outputs],
                Write::Replace,
                &inputs[..tokens * map.inputs],
                &map.weight,
                tokens,
            );
        }
        for map in maps.iter_mut().rev() {
            let (inputs, outputs) =
                (&inputs[..tokens * map.inputs], &outputs[..tokens * map.outputs]);
            linear_backward_weight(&mut map.gradient, Write::Replace, outputs, inputs, tokens);
            linear_backward_input(
                &mut d_inputs[..tokens * map.inputs],
                Write::Replace,
                outputs,
                &map.weight,
                tokens,
            );
        }
        6.0 * tokens as f64 * self.parameters() as f64
    }

    /// Weights of the linear layers.
    fn parameters(&self) -> usize {
        self.maps.iter().map(|map| map.weight.len()).sum()
    }

    /// Weights of the linear layers of a model: what a step's matrix products grow with.
    #[must_use]
    pub fn parameters_of(spec: &EncoderSpec) -> usize {
        maps(spec).iter().map(|(inputs, outputs)| inputs * outputs).sum::<usize>()
            * spec.layers.len()
    }
}

/// Inputs and outputs of the linear maps of a layer.
fn maps(spec: &EncoderSpec) -> [(usize, usize); 4] {
    let (hidden, intermediate) = (spec.hidden_size, spec.intermediate_size);
    [(hidden, 3 * hidden), (hidden, hidden), (hidden, spec.expanded_size()), (intermediate, hidden)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_of_base_hold_its_published_number_of_parameters() {
        assert_eq!(
            StepProducts::parameters_of(&EncoderSpec::published("base").unwrap()),
            110_297_088
        );
    }

    #[test]
    fn a_run_counts_six_operations_for_each_token_and_weight() {
        let sizes = r#"{"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 3, "num_attention_heads": 1}"#;
        let spec = EncoderSpec::from_json(sizes).unwrap();
        let weights = 3 * 8 * (24 + 8 + 24 + 12);
        assert_eq!(StepProducts::try_new(&spec, 5).unwrap().run(), (6 * 5 * weights) as f64);
    }
}
