//! Factors in bf16, laid out in the order in which a product reads them.

/// Rows of a left factor, or columns of a right one, in a tile.
pub(super) const LINES: usize = 16;

/// How much of the depth is in a tile.
pub(super) const DEPTH: usize = 32;

/// The bits of 512 numbers, 1 KiB.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile([u16; LINES * DEPTH]);

/// A row-major matrix that is to be rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// From one row's begin to the next one's.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows that follow each other without a gap.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "the matrix has another shape");
        Self { values, rows, columns, stride: columns }
    }
}

/// Which side of a product a factor stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `(lines, depth)`: a tile is 16 lines of 32 numbers.
    Left,
    /// `(depth, lines)`: a tile is 16 pairs of neighbours in depth, each for 16 lines.
    Right,
}

/// When what is written is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Next: it stays in the caches.
    Next,
    /// Once much else has gone through the caches: it goes past them.
    Later,
}

/// One factor of a product, cut into tiles that span 16 of its lines and 32 of the depth. Those of the same lines follow each other.
///
/// That is what `tdpbf16ps` takes, and `vdpbf16ps` takes it a vector or a pair at a time. What is missing to whole tiles is zero, which adds
/// nothing to a sum.
#[derive(Debug, Clone, Default)]
pub(super) struct Factor {
    tiles: Vec<Tile>,
    lines: usize,
    depth: usize,
}

impl Factor {
    /// Takes this shape, for a packing that writes all of it. It allocates only beyond the largest so far.
    pub fn fit(&mut self, lines: usize, depth: usize) {
        let count = lines.div_ceil(LINES) * depth.div_ceil(DEPTH);
        if count > self.tiles.capacity() {
            self.tiles = Vec::with_capacity(count);
        }
        self.tiles.resize(count, Tile([0; LINES * DEPTH]));
        (self.lines, self.depth) = (lines, depth);
    }

    pub fn lines(&self) -> usize {
        self.lines
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Tiles of the same lines.
    pub fn steps(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }

    /// `(lines / 16, steps)`
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    pub fn tiles_mut(&mut self) -> &mut [Tile] {
        &mut self.tiles
    }

    /// Bytes of a factor of this shape.
    pub fn bytes(lines: usize, depth: usize) -> usize {
        lines.div_ceil(LINES) * depth.div_ceil(DEPTH) * size_of::<Tile>()
    }
}
