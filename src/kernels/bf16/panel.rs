//! Small matrices that one task makes and multiplies.

use std::ops::Range;

use super::Instructions;
use super::block::Block;
use super::pack::pack;
use super::product::multiply_block;
use super::round::rounded;
use super::tiles::{DEPTH, Factor, LINES, Reuse, Rows, Side, Tile};
use crate::Write;
use crate::lanes::vectorised;
use crate::product::{Matrix, MatrixMut, Threads, multiply};

/// Parts of a panel begin at multiples of this.
pub(super) const PART: usize = DEPTH;

/// A matrix in bf16. It keeps its memory from use to use.
#[derive(Debug, Default)]
pub(super) struct Panel {
    rows: usize,
    columns: usize,
    /// Depth along the rows.
    along: Factor,
    /// Depth down the columns.
    across: Factor,
    /// `(rows, columns)`, where products take rounded floats.
    floats: Vec<f32>,
}

/// As which factors a panel will stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    /// Depth along the rows: itself as a left factor, or transposed as a right one.
    pub along: Option<Side>,
    /// Depth down the columns: itself as a right factor, or transposed as a left one.
    pub across: Option<Side>,
}

/// A panel as a factor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turned<'p> {
    Not(&'p Panel),
    Transposed(&'p Panel),
}

impl Panel {
    /// Takes these values.
    pub fn round(&mut self, values: Rows<'_>, uses: Uses, instructions: Instructions) {
        (self.rows, self.columns) = (values.rows, values.columns);
        match instructions {
            Instructions::Portable => {
                self.floats.resize(values.rows * values.columns, 0.0);
                vectorised!(|| {
                    let to = self.floats.chunks_exact_mut(values.columns);
                    for (to, from) in to.zip(values.values.chunks(values.stride)) {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = rounded(*from));
                    }
                });
            }
            Instructions::Amx | Instructions::Avx512 => {
                let along = uses.along.map(|side| (&mut self.along, side));
                let across = uses.across.map(|side| (&mut self.across, side));
                pack(values, along, across, Reuse::Next, Threads::Caller);
            }
        }
    }

    fn floats(&self, rows: &Range<usize>) -> Matrix<'_> {
        Matrix::new(&self.floats[rows.start * self.columns..], rows.len(), self.columns)
    }
}

/// `sums = left · right`, or `+=`, on the calling thread.
///
/// * `right`: of its panel only the rows `part`, which begin at a multiple of [`PART`], and end at one or with the panel
pub(super) fn multiply_panels(
    mut sums: MatrixMut<'_>,
    write: Write,
    left: Turned<'_>,
    right: Turned<'_>,
    part: Range<usize>,
    instructions: Instructions,
) {
    if instructions == Instructions::Portable {
        let left = match left {
            Turned::Not(panel) => panel.floats(&(0..panel.rows)),
            Turned::Transposed(panel) => panel.floats(&(0..panel.rows)).transposed(),
        };
        let right = match right {
            Turned::Not(panel) => panel.floats(&part),
            Turned::Transposed(panel) => panel.floats(&part).transposed(),
        };
        multiply(sums, write, 1.0, left, right, Threads::Caller);
        return;
    }
    let (left, rows) = match left {
        Turned::Not(panel) => (&panel.along, panel.rows),
        Turned::Transposed(panel) => (&panel.across, panel.columns),
    };
    let (right, right_stride, columns, steps) = lines_of(right, &part);
    assert_eq!(left.steps(), steps, "the factors do not fit");
    assert_eq!((sums.height(), sums.width()), (rows, columns), "the sums do not fit");
    let (first, stride) = sums.place();
    let block = Block {
        sums: first,
        stride,
        rows,
        columns,
        adds: write == Write::Add,
        streams: false,
        left: left.tiles(),
        right,
        right_stride,
        steps,
    };
    multiply_block(&block, instructions);
}

/// Of a right factor: its tiles, from lines to lines, lines and steps.
fn lines_of<'p>(right: Turned<'p>, part: &Range<usize>) -> (&'p [Tile], usize, usize, usize) {
    assert!(part.start.is_multiple_of(PART), "parts begin with a tile");
    match right {
        Turned::Not(panel) => {
            let (first, steps) = (part.start / DEPTH, panel.across.steps());
            (&panel.across.tiles()[first..], steps, panel.columns, part.len().div_ceil(DEPTH))
        }
        Turned::Transposed(panel) => {
            let steps = panel.along.steps();
            let lines = part.start / LINES * steps..part.end.div_ceil(LINES) * steps;
            (&panel.along.tiles()[lines], steps, part.len(), steps)
        }
    }
}
