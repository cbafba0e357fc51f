//! The linear layers of the encoder, in the arithmetic that the model computes them in.

use std::ops::Range;

use super::buffers::room_for;
use super::kernels::Write;
use super::kernels::bf16::{Instructions, Operand, Weight, backward_weight};
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::{EncoderSpec, Layout, NoMemory};

/// What a model's linear layers are computed in. Sums, and all else, are f32 in any case.
#[derive(Debug, Clone, Default)]
pub(super) enum Arithmetic {
    #[default]
    F32,
    Bf16(RoundedWeights),
}

/// The weights of the encoder's linear layers in bf16: a copy that follows the model's own.
#[derive(Debug, Clone)]
pub(super) struct RoundedWeights {
    instructions: Instructions,
    /// By their places among the parameters, which rise.
    weights: Vec<(Range<usize>, Weight)>,
}

impl RoundedWeights {
    /// Those of `parameters`.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn try_new(
        layout: &Layout,
        parameters: &[f32],
        instructions: Instructions,
    ) -> Result<Self, NoMemory> {
        let shapes: Vec<_> = layout.linear_layers().collect();
        let bytes = |(_, outputs, inputs): &(_, usize, usize)| {
            Weight::bytes(*outputs, *inputs, instructions)
        };
        room_for(shapes.iter().map(bytes).sum::<usize>() / 4, "the weights in bf16")?;
        let weight = |(range, outputs, inputs)| (range, Weight::new(outputs, inputs, instructions));
        let mut rounded = Self { instructions, weights: shapes.into_iter().map(weight).collect() };
        rounded.follow(parameters);
        Ok(rounded)
    }

    /// Takes the present values of the parameters.
    pub fn follow(&mut self, parameters: &[f32]) {
        for (range, weight) in &mut self.weights {
            weight.round(&parameters[range.clone()]);
        }
    }

    fn of(&self, range: &Range<usize>) -> &Weight {
        let place = self.weights.binary_search_by_key(&range.start, |(range, _)| range.start);
        &self.weights[place.expect("every linear layer of the encoder has its rounded weight")].1
    }
}

impl Arithmetic {
    /// The instructions of rounded products.
    pub fn instructions(&self) -> Option<Instructions> {
        match self {
            Self::F32 => None,
            Self::Bf16(weights) => Some(weights.instructions),
        }
    }
}

/// Rounded factors of the product that is computed.
#[derive(Debug, Default)]
pub(super) struct Operands {
    input: Operand,
    d_output: Operand,
}

impl Operands {
    /// The memory for a batch of `tokens` tokens, in floats.
    pub fn floats(spec: &EncoderSpec, tokens: usize, instructions: Instructions) -> usize {
        let input = spec.hidden_size.max(spec.intermediate_size);
        let output = (3 * spec.hidden_size).max(spec.expanded_size());
        let bytes = |width| Operand::bytes(tokens, width, instructions);
        (bytes(input) + bytes(output)) / size_of::<f32>()
    }
}

/// The linear layers of a model: weights are named by their places among the parameters, and are `(outputs, inputs)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linears<'a> {
    pub arithmetic: &'a Arithmetic,
    pub parameters: &'a [f32],
}

impl<'a> Linears<'a> {
    /// `output = input · weightᵀ`, or `+=`.
    ///
    /// * `input`: `(rows, inputs)`; `output`: `(rows, outputs)`
    pub fn forward(
        self,
        output: &mut [f32],
        write: Write,
        input: &[f32],
        weight: &Range<usize>,
        rows: usize,
        operands: &mut Operands,
    ) {
        match self.arithmetic {
            Arithmetic::F32 => {
                linear(output, write, input, &self.parameters[weight.clone()], rows);
            }
            Arithmetic::Bf16(weights) => {
                operands.input.input(input, rows, weights.instructions);
                weights.of(weight).forward(output, write, &operands.input);
            }
        }
    }

    /// The way back through a layer, from the gradient of its output, `(rows, outputs)`.
    pub fn backward(
        self,
        d_output: &'a [f32],
        weight: &Range<usize>,
        rows: usize,
        operands: &'a mut Operands,
    ) -> LinearBackward<'a> {
        match self.arithmetic {
            Arithmetic::F32 => {
                LinearBackward::F32 { d_output, weight: &self.parameters[weight.clone()], rows }
            }
            Arithmetic::Bf16(weights) => {
                operands.d_output.output_gradient(d_output, rows, weights.instructions);
                let weight = weights.of(weight);
                LinearBackward::Bf16 { operands, weight, rows }
            }
        }
    }
}

/// A layer on the way back.
pub(super) enum LinearBackward<'a> {
    F32 { d_output: &'a [f32], weight: &'a [f32], rows: usize },
    Bf16 { operands: &'a mut Operands, weight: &'a Weight, rows: usize },
}

impl LinearBackward<'_> {
    /// The gradient of the input: `d_input = d_output · weight`, or `+=`.
    pub fn input(&self, d_input: &mut [f32], write: Write) {
        match self {
            Self::F32 { d_output, weight, rows } => {
                linear_backward_input(d_input, write, d_output, weight, *rows);
            }
            Self::Bf16 { operands, weight, .. } => {
                weight.backward_input(d_input, write, &operands.d_output);
            }
        }
    }

    /// The gradient of the weight: `d_weight = d_outputᵀ · input`, or `+=`.
    pub fn weight(&mut self, d_weight: &mut [f32], write: Write, input: &[f32]) {
        match self {
            Self::F32 { d_output, rows, .. } => {
                linear_backward_weight(d_weight, write, d_output, input, *rows);
            }
            Self::Bf16 { operands, weight, rows } => {
                operands.input.input_again(input, *rows, weight.instructions());
                backward_weight(d_weight, write, &operands.d_output, &operands.input);
            }
        }
    }
}
