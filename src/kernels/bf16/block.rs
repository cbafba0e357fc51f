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
    /// `(rows / 16, steps)`
    pub left: &'a [Tile],
    /// `(columns / 16, steps)`
    pub right: &'a [Tile],
    pub steps: usize,
}
