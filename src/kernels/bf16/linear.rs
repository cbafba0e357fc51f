//! Linear layers in bf16.

use rayon::prelude::*;

use super::Instructions;
use super::pack::pack;
use super::product::multiply;
use super::round::rounded;
use super::tiles::{Factor, Reuse, Rows, Side};
use crate::lanes::vectorised;
use crate::product::{Threads, linear, linear_backward_input, linear_backward_weight};
use crate::{TASK_FLOATS, Write};

/// The weights of a model whose single ones are as large pass through the caches before they are read, and so do their gradients.
const CACHED_BYTES: usize = 1 << 20;

/// The weight of a linear layer, rounded for products in both directions.
#[derive(Debug, Clone)]
pub struct Weight {
    instructions: Instructions,
    outputs: usize,
    inputs: usize,
    stored: Stored,
}

#[derive(Debug, Clone)]
enum Stored {
    /// Its transpose as a right factor, and itself as one.
    Tiles { forward: Factor, backward: Factor },
    /// `(outputs, inputs)`
    Floats(Vec<f32>),
}

/// A layer's input or the gradient of its output, rounded. It keeps its memory from use to use.
#[derive(Debug, Default)]
pub struct Operand {
    rows: usize,
    columns: usize,
    /// The instructions that it was last rounded for.
    instructions: Option<Instructions>,
    /// Depth along the rows.
    along: Factor,
    /// Depth down the columns.
    across: Factor,
    floats: Vec<f32>,
}

impl Weight {
    /// Room for a weight of this shape; [`round`](Self::round) fills it.
    #[must_use]
    pub fn new(outputs: usize, inputs: usize, instructions: Instructions) -> Self {
        let stored = match instructions {
            Instructions::Portable => Stored::Floats(Vec::new()),
            Instructions::Amx | Instructions::Avx512 => {
                Stored::Tiles { forward: Factor::default(), backward: Factor::default() }
            }
        };
        Self { instructions, outputs, inputs, stored }
    }

    #[must_use]
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// How much memory such a weight takes.
    #[must_use]
    pub fn bytes(outputs: usize, inputs: usize, instructions: Instructions) -> usize {
        match instructions {
            Instructions::Portable => outputs * inputs * size_of::<f32>(),
            Instructions::Amx | Instructions::Avx512 => {
                Factor::bytes(outputs, inputs) + Factor::bytes(inputs, outputs)
            }
        }
    }

    /// Takes these values, `(outputs, inputs)`.
    pub fn round(&mut self, values: &[f32]) {
        let reuse = reuse_of(values);
        match &mut self.stored {
            Stored::Tiles { forward, backward } => pack(
                Rows::new(values, self.outputs, self.inputs),
                Some((forward, Side::Right)),
                Some((backward, Side::Right)),
                reuse,
                Threads::Pool,
            ),
            Stored::Floats(floats) => round_all(floats, values),
        }
    }

    /// `output = input · weightᵀ`, or `+=`.
    ///
    /// * `output`: `(rows, outputs)`; `input`: `(rows, inputs)`, rounded as an [input](Operand::input)
    pub fn forward(&self, output: &mut [f32], write: Write, input: &Operand) {
        input.check(self.instructions, self.inputs);
        match &self.stored {
            Stored::Tiles { forward, .. } => {
                multiply(output, write, &input.along, forward, Reuse::Next, self.instructions);
            }
            Stored::Floats(weight) => linear(output, write, &input.floats, weight, input.rows),
        }
    }

    /// The gradient of the input: `d_input = d_output · weight`, or `+=`.
    ///
    /// * `d_input`: `(rows, inputs)`; `d_output`: `(rows, outputs)`, rounded as the [gradient of an output](Operand::output_gradient)
    pub fn backward_input(&self, d_input: &mut [f32], write: Write, d_output: &Operand) {
        d_output.check(self.instructions, self.outputs);
        match &self.stored {
            Stored::Tiles { backward, .. } => {
                multiply(d_input, write, &d_output.along, backward, Reuse::Next, self.instructions);
            }
            Stored::Floats(weight) => {
                linear_backward_input(d_input, write, &d_output.floats, weight, d_output.rows);
            }
        }
    }
}

/// The gradient of a weight: `d_weight = d_outputᵀ · input`, or `+=`.
///
/// * `d_weight`: `(outputs, inputs)`
/// * `d_output`: `(rows, outputs)`, rounded as the [gradient of an output](Operand::output_gradient)
/// * `input`: `(rows, inputs)`, rounded as an [input again](Operand::input_again)
pub fn backward_weight(d_weight: &mut [f32], write: Write, d_output: &Operand, input: &Operand) {
    let instructions = d_output.instructions.expect("operands are rounded before they are used");
    input.check(instructions, d_weight.len() / d_output.columns);
    match instructions {
        Instructions::Portable => {
            linear_backward_weight(d_weight, write, &d_output.floats, &input.floats, input.rows);
        }
        Instructions::Amx | Instructions::Avx512 => {
            let reuse = reuse_of(d_weight);
            multiply(d_weight, write, &d_output.across, &input.across, reuse, instructions);
        }
    }
}

impl Operand {
    /// Rounds the input of a layer, `(rows, inputs)`, for [`Weight::forward`].
    pub fn input(&mut self, values: &[f32], rows: usize, instructions: Instructions) {
        let columns = self.begin(values, rows, instructions);
        match instructions {
            Instructions::Portable => round_all(&mut self.floats, values),
            Instructions::Amx | Instructions::Avx512 => {
                let along = Some((&mut self.along, Side::Left));
                pack(Rows::new(values, rows, columns), along, None, Reuse::Next, Threads::Pool);
            }
        }
    }

    /// Rounds the input of a layer, `(rows, inputs)`, for [`backward_weight`].
    pub fn input_again(&mut self, values: &[f32], rows: usize, instructions: Instructions) {
        let columns = self.begin(values, rows, instructions);
        match instructions {
            Instructions::Portable => round_all(&mut self.floats, values),
            Instructions::Amx | Instructions::Avx512 => {
                let across = Some((&mut self.across, Side::Right));
                pack(Rows::new(values, rows, columns), None, across, Reuse::Next, Threads::Pool);
            }
        }
    }

    /// Rounds the gradient of a layer's output, `(rows, outputs)`, for [`Weight::backward_input`] and [`backward_weight`].
    pub fn output_gradient(&mut self, values: &[f32], rows: usize, instructions: Instructions) {
        let columns = self.begin(values, rows, instructions);
        match instructions {
            Instructions::Portable => round_all(&mut self.floats, values),
            Instructions::Amx | Instructions::Avx512 => pack(
                Rows::new(values, rows, columns),
                Some((&mut self.along, Side::Left)),
                Some((&mut self.across, Side::Left)),
                Reuse::Next,
                Threads::Pool,
            ),
        }
    }

    /// How much memory an operand takes that has the shape `(rows, columns)` at most.
    #[must_use]
    pub fn bytes(rows: usize, columns: usize, instructions: Instructions) -> usize {
        match instructions {
            Instructions::Portable => rows * columns * size_of::<f32>(),
            Instructions::Amx | Instructions::Avx512 => {
                Factor::bytes(rows, columns) + Factor::bytes(columns, rows)
            }
        }
    }

    fn begin(&mut self, values: &[f32], rows: usize, instructions: Instructions) -> usize {
        (self.rows, self.columns) = (rows, values.len() / rows);
        self.instructions = Some(instructions);
        self.columns
    }

    fn check(&self, instructions: Instructions, columns: usize) {
        assert_eq!(self.instructions, Some(instructions), "rounded for other instructions");
        assert_eq!(self.columns, columns, "the operand has another width");
    }
}

/// When a matrix as large as a weight is read after it was written.
fn reuse_of(weight: &[f32]) -> Reuse {
    if size_of_val(weight) < CACHED_BYTES { Reuse::Next } else { Reuse::Later }
}

/// Leaves the rounded values in `floats`.
fn round_all(floats: &mut Vec<f32>, values: &[f32]) {
    floats.resize(values.len(), 0.0);
    let chunks = floats.par_chunks_mut(TASK_FLOATS).zip(values.par_chunks(TASK_FLOATS));
    chunks.for_each(|(floats, values)| {
        vectorised!(|| {
            for (float, value) in floats.iter_mut().zip(values) {
                *float = rounded(*value);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of about 1 without a pattern.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7_919 + seed * 104_729) as f32 * 0.37).sin()).collect()
    }

    /// Output, gradient of the input and gradient of the weight; all are added to ones if asked for.
    fn products(
        instructions: Instructions,
        [rows, inputs, outputs]: [usize; 3],
        write: Write,
    ) -> [Vec<f32>; 3] {
        let (x, w, dy) =
            (numbers(rows * inputs, 1), numbers(outputs * inputs, 2), numbers(rows * outputs, 3));
        let mut weight = Weight::new(outputs, inputs, instructions);
        weight.round(&w);
        let (mut input, mut d_output) = (Operand::default(), Operand::default());
        let [mut output, mut d_input, mut d_weight] =
            [rows * outputs, rows * inputs, outputs * inputs].map(|count| vec![1.0; count]);
        input.input(&x, rows, instructions);
        weight.forward(&mut output, write, &input);
        d_output.output_gradient(&dy, rows, instructions);
        weight.backward_input(&mut d_input, write, &d_output);
        input.input_again(&x, rows, instructions);
        backward_weight(&mut d_weight, write, &d_output, &input);
        [output, d_input, d_weight]
    }

    /// The same by the definition, in f64 on rounded numbers.
    fn expected([rows, inputs, outputs]: [usize; 3], before: f64) -> [Vec<f64>; 3] {
        let round = |values: Vec<f32>| -> Vec<f64> {
            values.into_iter().map(|value| f64::from(rounded(value))).collect()
        };
        let x = round(numbers(rows * inputs, 1));
        let w = round(numbers(outputs * inputs, 2));
        let dy = round(numbers(rows * outputs, 3));
        let sums = |height: usize,
                    width: usize,
                    depth: usize,
                    term: &dyn Fn(usize, usize, usize) -> f64| {
            let sum = |place: usize| {
                (0..depth).map(|inner| term(place / width, place % width, inner)).sum::<f64>()
            };
            (0..height * width).map(|place| before + sum(place)).collect::<Vec<_>>()
        };
        [
            sums(rows, outputs, inputs, &|row, column, inner| {
                x[row * inputs + inner] * w[column * inputs + inner]
            }),
            sums(rows, inputs, outputs, &|row, column, inner| {
                dy[row * outputs + inner] * w[inner * inputs + column]
            }),
            sums(outputs, inputs, rows, &|row, column, inner| {
                dy[inner * outputs + row] * x[inner * inputs + column]
            }),
        ]
    }

    const SHAPES: [[usize; 3]; 7] = [
        [32, 32, 32],
        [1, 1, 1],
        [17, 3, 50],
        [100, 70, 33],
        [5, 96, 49],
        [70, 160, 130],
        [2, 700, 400],
    ];

    #[test]
    fn all_instructions_round_the_factors_and_sum_in_f32() {
        for instructions in Instructions::available() {
            for shape in SHAPES {
                for (write, before) in [(Write::Replace, 0.0), (Write::Add, 1.0)] {
                    let found = products(instructions, shape, write);
                    for (found, expected) in found.iter().zip(expected(shape, before)) {
                        // Sums of up to 700 products below 1; a sum in bf16 would be wrong by 1e-1.
                        let worst = found.iter().zip(&expected);
                        let worst = worst
                            .map(|(found, expected)| (f64::from(*found) - expected).abs())
                            .fold(0.0, f64::max);
                        assert!(worst < 1e-3, "{instructions:?} {shape:?} {write:?}: {worst}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit_of_a_product_in_bf16() {
        for instructions in Instructions::available() {
            for shape in [[390, 130, 310], [1, 768, 96], [1_200, 64, 300]] {
                let on = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.unwrap().install(|| products(instructions, shape, Write::Add))
                };
                let one = on(1);
                assert!(one == on(2) && one == on(3), "{instructions:?} {shape:?}");
            }
        }
    }

    #[test]
    fn a_gradient_that_goes_past_the_caches_is_the_same() {
        let [rows, inputs, outputs] = [40, 528, 512];
        let (x, dy) = (numbers(rows * inputs, 1), numbers(rows * outputs, 2));
        for instructions in Instructions::available() {
            let (mut input, mut d_output) = (Operand::default(), Operand::default());
            input.input_again(&x, rows, instructions);
            d_output.output_gradient(&dy, rows, instructions);
            // Only what begins with a cache line goes past them.
            let mut room = vec![f32::NAN; outputs * inputs + 32];
            let line = room.as_ptr().align_offset(64);
            let [aligned, not] = [line, line + 1].map(|first| {
                let d_weight = &mut room[first..][..outputs * inputs];
                assert_eq!(reuse_of(d_weight), Reuse::Later);
                backward_weight(d_weight, Write::Replace, &d_output, &input);
                d_weight.to_vec()
            });
            assert!(aligned == not, "{instructions:?}");
        }
    }

    #[test]
    fn an_operand_serves_one_shape_after_another() {
        for instructions in Instructions::available() {
            let mut weight = Weight::new(40, 50, instructions);
            let (mut used, mut fresh) = (Operand::default(), Operand::default());
            used.input(&vec![7.0; 100 * 90], 100, instructions);
            weight.round(&numbers(40 * 50, 1));
            let x = numbers(3 * 50, 2);
            let outputs = [&mut used, &mut fresh].map(|operand| {
                let mut output = vec![0.0; 3 * 40];
                operand.input(&x, 3, instructions);
                weight.forward(&mut output, Write::Replace, operand);
                output
            });
            assert_eq!(outputs[0], outputs[1], "{instructions:?}");
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for instructions in Instructions::available() {
            let mut weight = Weight::new(1, 2, instructions);
            weight.round(&[1.0, 1.0]);
            let mut operand = Operand::default();
            for (x, expected) in
                [([f32::NAN, 1.0], f32::NAN), ([f32::INFINITY, 1.0], f32::INFINITY)]
            {
                operand.input(&x, 1, instructions);
                let mut output = [0.0];
                weight.forward(&mut output, Write::Replace, &operand);
                assert_eq!(output[0].is_nan(), expected.is_nan());
                assert_eq!(output[0].is_infinite(), expected.is_infinite());
            }
        }
    }
}
