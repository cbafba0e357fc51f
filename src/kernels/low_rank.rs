//! A matrix of low rank beside another, which is not learned: `output += scale * up · down · input`.
//!
//! Reference: Hu et al., "LoRA: Low-rank adaptation of large language models" (2021), and `peft`'s `lora.Linear`, whose A and B these are.

use std::ops::Range;

use super::Write;
use super::product::{Matrix, MatrixMut, Threads, multiply};

/// The product of two matrices that is added to some of the outputs of a linear layer.
#[derive(Debug, Clone)]
pub struct LowRank<'a> {
    /// A: `(rank, inputs)`
    pub down: &'a [f32],
    /// B: `(columns.len(), rank)`
    pub up: &'a [f32],
    pub scale: f32,
    /// Which outputs of the layer it adds to.
    pub columns: Range<usize>,
    /// All outputs of the layer.
    pub outputs: usize,
    pub rank: usize,
}

impl LowRank<'_> {
    /// `output += scale * up · down · input`.
    ///
    /// * `input`: `(rows, inputs)`; `output`: `(rows, outputs)`; `between`: `(rows, rank)`, overwritten
    pub fn forward(&self, output: &mut [f32], input: &[f32], between: &mut [f32], rows: usize) {
        self.reduce(between, input, rows);
        let up = Matrix::new(self.up, self.columns.len(), self.rank).transposed();
        let between = Matrix::new(between, rows, self.rank);
        let output = MatrixMut::with_columns(output, rows, self.outputs, self.columns.clone());
        multiply(output, Write::Add, self.scale, between, up, Threads::Pool);
    }

    /// The gradient of the input: `d_input += scale * downᵀ · upᵀ · d_output`. Shapes as in [`forward`](Self::forward).
    pub fn backward_input(
        &self,
        d_input: &mut [f32],
        d_output: &[f32],
        between: &mut [f32],
        rows: usize,
    ) {
        self.gather(between, d_output, rows);
        let down = Matrix::new(self.down, self.rank, self.inputs());
        let between = Matrix::new(between, rows, self.rank);
        let d_input = MatrixMut::new(d_input, rows, self.inputs());
        multiply(d_input, Write::Add, self.scale, between, down, Threads::Pool);
    }

    /// The gradient of B: `d_up = scale * d_outputᵀ · (input · downᵀ)`, or `+=`. Shapes as in [`forward`](Self::forward).
    pub fn backward_up(
        &self,
        d_up: &mut [f32],
        write: Write,
        d_output: &[f32],
        input: &[f32],
        between: &mut [f32],
    ) {
        let rows = input.len() / self.inputs();
        self.reduce(between, input, rows);
        let between = Matrix::new(between, rows, self.rank);
        let d_up = MatrixMut::new(d_up, self.columns.len(), self.rank);
        let d_output = self.part(d_output, rows).transposed();
        multiply(d_up, write, self.scale, d_output, between, Threads::Pool);
    }

    /// The gradient of A: `d_down = scale * (d_output · up)ᵀ · input`, or `+=`. Shapes as in [`forward`](Self::forward).
    pub fn backward_down(
        &self,
        d_down: &mut [f32],
        write: Write,
        d_output: &[f32],
        input: &[f32],
        between: &mut [f32],
    ) {
        let rows = input.len() / self.inputs();
        self.gather(between, d_output, rows);
        let between = Matrix::new(between, rows, self.rank).transposed();
        let d_down = MatrixMut::new(d_down, self.rank, self.inputs());
        let input = Matrix::new(input, rows, self.inputs());
        multiply(d_down, write, self.scale, between, input, Threads::Pool);
    }

    /// Adds it to the matrix that it stands beside: `weight += scale * up · down`.
    ///
    /// * `weight`: `(columns.len(), inputs)`
    pub fn merge(&self, weight: &mut [f32]) {
        let up = Matrix::new(self.up, self.columns.len(), self.rank);
        let down = Matrix::new(self.down, self.rank, self.inputs());
        let weight = MatrixMut::new(weight, self.columns.len(), self.inputs());
        multiply(weight, Write::Add, self.scale, up, down, Threads::Pool);
    }

    /// `between = input · downᵀ`
    fn reduce(&self, between: &mut [f32], input: &[f32], rows: usize) {
        let down = Matrix::new(self.down, self.rank, self.inputs()).transposed();
        let input = Matrix::new(input, rows, self.inputs());
        let between = MatrixMut::new(between, rows, self.rank);
        multiply(between, Write::Replace, 1.0, input, down, Threads::Pool);
    }

    /// `between = d_output · up`
    fn gather(&self, between: &mut [f32], d_output: &[f32], rows: usize) {
        let up = Matrix::new(self.up, self.columns.len(), self.rank);
        let between = MatrixMut::new(between, rows, self.rank);
        multiply(between, Write::Replace, 1.0, self.part(d_output, rows), up, Threads::Pool);
    }

    /// The outputs that it adds to.
    fn part<'o>(&self, output: &'o [f32], rows: usize) -> Matrix<'o> {
        Matrix::with_stride(&output[self.columns.start..], rows, self.columns.len(), self.outputs)
    }

    fn inputs(&self) -> usize {
        self.down.len() / self.rank
    }
}
