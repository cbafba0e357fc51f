//! The matrix products of a training step by themselves: at the rate that these reach, the floor below which no step can go.

use super::buffers::reserve;
use super::kernels::Write;
use super::kernels::bf16::{Instructions, Operand, Weight, backward_weight};
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
    /// In bf16, the factors of the maps of a layer.
    operands: Vec<Operands>,
}

struct Linear {
    inputs: usize,
    outputs: usize,
    /// `(outputs, inputs)`
    weight: Factor,
    gradient: Vec<f32>,
}

enum Factor {
    F32(Vec<f32>),
    Bf16(Weight),
}

/// A map's factors that are no weights. Rounding them is no product.
#[derive(Default)]
struct Operands {
    input: Operand,
    input_again: Operand,
    d_output: Operand,
}

impl StepProducts {
    /// The products of a batch of `tokens` tokens. They take 8 bytes for each weight of the linear layers.
    ///
    /// * `instructions`: of products in bf16, instead of f32
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn try_new(
        spec: &EncoderSpec,
        tokens: usize,
        instructions: Option<Instructions>,
    ) -> Result<Self, NoMemory> {
        // Small numbers that are neither zero nor denormal, since those take another time.
        let filled = |length: usize| {
            let mut values = Vec::new();
            reserve(&mut values, length, "the matrix products of a step")?;
            values.extend((0..length).map(|index| (index % 17) as f32 * 1e-2 - 0.08));
            Ok(values)
        };
        let linear = |(inputs, outputs): (usize, usize)| {
            let values = filled(inputs * outputs)?;
            let weight = match instructions {
                None => Factor::F32(values),
                Some(instructions) => {
                    let mut weight = Weight::new(outputs, inputs, instructions);
                    weight.round(&values);
                    Factor::Bf16(weight)
                }
            };
            Ok(Linear { inputs, outputs, weight, gradient: filled(inputs * outputs)? })
        };
        let layers = spec.layers.iter().flat_map(|_| maps(spec));
        let widest =
            maps(spec).into_iter().map(|(inputs, outputs)| inputs.max(outputs)).max().unwrap_or(0);
        let (inputs, outputs) = (filled(tokens * widest)?, filled(tokens * widest)?);
        let operands = |(width, height): (usize, usize)| {
            let mut operands = Operands::default();
            if let Some(instructions) = instructions {
                let input = &inputs[..tokens * width];
                operands.input.input(input, tokens, instructions);
                operands.input_again.input_again(input, tokens, instructions);
                let d_output = &outputs[..tokens * height];
                operands.d_output.output_gradient(d_output, tokens, instructions);
            }
            operands
        };
        Ok(Self {
            tokens,
            maps: layers.map(linear).collect::<Result<_, _>>()?,
            operands: maps(spec).map(operands).into(),
            d_inputs: filled(tokens * widest)?,
            inputs,
            outputs,
        })
    }

    /// Computes them once on the current pool. Returns the floating-point operations: two for each multiplication and addition.
    pub fn run(&mut self) -> f64 {
        let Self { tokens, maps, inputs, outputs, d_inputs, operands } = self;
        let tokens = *tokens;
        for (map, operands) in maps.iter().zip(operands.iter().cycle()) {
            let output = &mut outputs[..tokens * map.outputs];
            match &map.weight {
                Factor::F32(weight) => {
                    linear(output, Write::Replace, &inputs[..tokens * map.inputs], weight, tokens);
                }
                Factor::Bf16(weight) => weight.forward(output, Write::Replace, &operands.input),
            }
        }
        let operands = operands.iter().rev().cycle();
        for (map, operands) in maps.iter_mut().rev().zip(operands) {
            let Linear { weight, gradient, .. } = map;
            let (input, d_output) =
                (&inputs[..tokens * map.inputs], &outputs[..tokens * map.outputs]);
            let d_input = &mut d_inputs[..tokens * map.inputs];
            match weight {
                Factor::F32(weight) => {
                    linear_backward_weight(gradient, Write::Replace, d_output, input, tokens);
                    linear_backward_input(d_input, Write::Replace, d_output, weight, tokens);
                }
                Factor::Bf16(weight) => {
                    let Operands { input_again, d_output, .. } = operands;
                    backward_weight(gradient, Write::Replace, d_output, input_again);
                    weight.backward_input(d_input, Write::Replace, d_output);
                }
            }
        }
        6.0 * tokens as f64 * self.parameters() as f64
    }

    /// Weights of the linear layers.
    fn parameters(&self) -> usize {
        self.maps.iter().map(|map| map.inputs * map.outputs).sum()
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
        for instructions in [None, Some(Instructions::Portable), Some(Instructions::best())] {
            let mut products = StepProducts::try_new(&spec, 5, instructions).unwrap();
            assert_eq!(products.run(), (6 * 5 * weights) as f64);
        }
    }
}
