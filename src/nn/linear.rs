//! The linear layers of the encoder, in the arithmetic that the model computes them in, with the adapters beside them.

use std::ops::Range;

use super::buffers::{fit, room_for};
use super::kernels::Write;
use super::kernels::bf16::{Instructions, Operand, Weight, backward_weight};
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::{EncoderSpec, Gradients, Layout, NoMemory};

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
        rounded.follow(parameters, &(0..parameters.len()));
        Ok(rounded)
    }

    /// Takes the present values of the parameters, of which those at `changed` have changed.
    pub fn follow(&mut self, parameters: &[f32], changed: &Range<usize>) {
        let first = self.weights.partition_point(|(range, _)| range.end <= changed.start);
        let changed = |(range, _): &&mut (Range<usize>, Weight)| range.start < changed.end;
        for (range, weight) in self.weights[first..].iter_mut().take_while(changed) {
            weight.round(&parameters[range.clone()]);
        }
    }

    /// The same range in parts that end where a weight does.
    pub fn cut(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let within = |end: &usize| range.contains(end);
        let ends = self.weights.iter().map(|(weight, _)| weight.end).filter(within);
        let mut from = range.start;
        let part = |end| std::mem::replace(&mut from, end)..end;
        ends.chain([range.end]).map(part).filter(|part| !part.is_empty()).collect()
    }

    fn of(&self, range: &Range<usize>) -> &Weight {
        let place = self.weights.binary_search_by_key(&range.start, |(range, _)| range.start);
        &self.weights[place.expect("every linear layer of the encoder has its rounded weight")].1
    }
}

impl Arithmetic {
    /// Brings up to date what it has of `parameters`, of which those at `changed` have changed.
    pub fn follow(&mut self, parameters: &[f32], changed: &Range<usize>) {
        if let Self::Bf16(weights) = self {
            weights.follow(parameters, changed);
        }
    }

    /// The instructions of rounded products.
    pub fn instructions(&self) -> Option<Instructions> {
        match self {
            Self::F32 => None,
            Self::Bf16(weights) => Some(weights.instructions),
        }
    }
}

/// Rounded factors of the product that is computed, and what an adapter has between its two.
#[derive(Debug, Default)]
pub(super) struct Operands {
    input: Operand,
    d_output: Operand,
    /// `(tokens, rank)`
    between: Vec<f32>,
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
    pub layout: &'a Layout,
}

impl<'a> Linears<'a> {
    /// `output = input · weightᵀ`, or `+=`, and what adapters add.
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
        for adapter in self.layout.adapters_of(weight) {
            let between = fit(&mut operands.between, rows * adapter.rank);
            adapter.within(weight, self.parameters).forward(output, input, between, rows);
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
        let Operands { input, d_output: rounded, between } = operands;
        let product = match self.arithmetic {
            Arithmetic::F32 => Product::F32 { weight: &self.parameters[weight.clone()] },
            Arithmetic::Bf16(weights) => {
                rounded.output_gradient(d_output, rows, weights.instructions);
                Product::Bf16 { input, d_output: rounded, weight: weights.of(weight) }
            }
        };
        LinearBackward { linears: self, place: weight.clone(), product, d_output, rows, between }
    }
}

/// A layer on the way back.
pub(super) struct LinearBackward<'a> {
    linears: Linears<'a>,
    /// Of the weight.
    place: Range<usize>,
    product: Product<'a>,
    d_output: &'a [f32],
    rows: usize,
    between: &'a mut Vec<f32>,
}

enum Product<'a> {
    F32 { weight: &'a [f32] },
    Bf16 { input: &'a mut Operand, d_output: &'a Operand, weight: &'a Weight },
}

impl LinearBackward<'_> {
    /// The gradient of the input: `d_input = d_output · weight`, or `+=`, and that through adapters.
    pub fn input(&mut self, d_input: &mut [f32], write: Write) {
        let Self { linears, place, product, d_output, rows, between } = self;
        match product {
            Product::F32 { weight } => {
                linear_backward_input(d_input, write, d_output, weight, *rows);
            }
            Product::Bf16 { d_output, weight, .. } => {
                weight.backward_input(d_input, write, d_output);
            }
        }
        for adapter in linears.layout.adapters_of(place) {
            let between = fit(between, *rows * adapter.rank);
            let low_rank = adapter.within(place, linears.parameters);
            low_rank.backward_input(d_input, d_output, between, *rows);
        }
    }

    /// Writes or adds the gradient of the weight, `d_outputᵀ · input`, where it is trained, and those of adapters.
    pub fn weight(&mut self, gradients: &mut Gradients, input: &[f32]) {
        self.write_weight(gradients, gradients.write(), input);
    }

    /// Adds to what [`weight`](Self::weight) left of other rows that went through the same matrix.
    pub fn weight_of_more(&mut self, gradients: &mut Gradients, input: &[f32]) {
        self.write_weight(gradients, Write::Add, input);
    }

    fn write_weight(&mut self, gradients: &mut Gradients, write: Write, input: &[f32]) {
        let Self { linears, place, product, d_output, rows, between } = self;
        if linears.layout.trains(place) {
            let d_weight = gradients.at(place);
            match product {
                Product::F32 { .. } => {
                    linear_backward_weight(d_weight, write, d_output, input, *rows);
                }
                Product::Bf16 { input: operand, d_output, weight } => {
                    operand.input_again(input, *rows, weight.instructions());
                    backward_weight(d_weight, write, d_output, operand);
                }
            }
        }
        for adapter in linears.layout.adapters_of(place) {
            let between = fit(between, *rows * adapter.rank);
            let low_rank = adapter.within(place, linears.parameters);
            low_rank.backward_up(gradients.at(&adapter.up), write, d_output, input, between);
            low_rank.backward_down(gradients.at(&adapter.down), write, d_output, input, between);
        }
    }
}
