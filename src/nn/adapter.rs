//! Where the matrices of low rank beside a matrix lie.

use std::ops::Range;

use super::kernels::low_rank::LowRank;

/// The places of the two matrices of low rank beside a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adapter {
    /// Its module's name, such as `layers.0.attn.Wqkv`.
    pub module: String,
    /// The place of the parameter: `(outputs, inputs)`
    pub matrix: Range<usize>,
    pub inputs: usize,
    /// `(rank, inputs)`
    pub down: Range<usize>,
    /// `(outputs, rank)`
    pub up: Range<usize>,
    pub rank: usize,
    pub scale: f32,
}

impl Adapter {
    /// The adapter as a layer computes with it whose whole matrix is at `matrix`.
    pub fn within<'p>(&self, matrix: &Range<usize>, parameters: &'p [f32]) -> LowRank<'p> {
        let row = |place: usize| (place - matrix.start) / self.inputs;
        LowRank {
            down: &parameters[self.down.clone()],
            up: &parameters[self.up.clone()],
            scale: self.scale,
            columns: row(self.matrix.start)..row(self.matrix.end),
            outputs: row(matrix.end),
            rank: self.rank,
        }
    }
}
