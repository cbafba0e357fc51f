//! What a task computes of a product.

use super::tiles::Tile;

/// Some rows and columns of a product.
pub(super) struct Block<'a> {
    /// The first sum. Rows begin `stride` apart, and belong to the block as far as its columns go.
    pub sums: *mut f32,
    pub stride: usize,
    pub rows: usize,
    pub columns: usize,
    /// Whether what stands there is added to.
    pub adds: bool,
    /// Whether they go past the caches: rows are whole vectors, and each begins at a multiple of 64 bytes.
    pub streams: bool,
    /// `(rows / 16, steps)`
    pub left: &'a [Tile],
    /// `(columns / 16, steps)`, of which the next columns' begin `right_stride` tiles further on.
    pub right: &'a [Tile],
    pub right_stride: usize,
    pub steps: usize,
}
