//! A product of two factors, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::Instructions;
use super::block::Block;
use super::tiles::{Factor, LINES, Reuse, Tile};
use crate::Write;

/// A product with fewer multiplications is done before other threads have heard of it.
const POOL_MULTIPLICATIONS: usize = 1 << 20;

/// Columns of a task: whole groups of what either instruction set computes at a time.
const BLOCK_COLUMNS: usize = 96;

/// What a task reads of the left factor, over and over, so that it stays in the second-level cache.
const BLOCK_BYTES: usize = 512 << 10;

/// A matrix that several threads write to, each its own block.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

#[expect(unsafe_code, reason = "blocks of one matrix interleave")]
// SAFETY: a task writes its own block, which no other writes or reads.
unsafe impl Sync for Shared {}

impl Shared {
    fn pointer(&self) -> *mut f32 {
        self.0
    }
}

/// `destination = left · right`, or `+=`.
///
/// * `destination`: `(left's lines, right's lines)`
/// * `reuse`: when it is read
///
/// # Panics
/// When the shapes do not fit together.
pub(super) fn multiply(
    destination: &mut [f32],
    write: Write,
    left: &Factor,
    right: &Factor,
    reuse: Reuse,
    instructions: Instructions,
) {
    let (rows, columns, steps) = (left.lines(), right.lines(), left.steps());
    assert_eq!(left.depth(), right.depth(), "the factors do not fit");
    assert_eq!(destination.len(), rows * columns, "the destination does not fit");
    let block_rows = BLOCK_BYTES / (2 * left.depth().max(1));
    let block_rows = block_rows.next_multiple_of(2 * LINES).clamp(2 * LINES, 1024);
    let across = columns.div_ceil(BLOCK_COLUMNS);
    // Whole vectors that are not read before.
    let streams = reuse == Reuse::Later
        && write == Write::Replace
        && columns.is_multiple_of(LINES)
        && destination.as_ptr().align_offset(LINES * size_of::<f32>()) == 0;
    let sums = Shared(destination.as_mut_ptr());
    let task = |task: usize| {
        let rows = part(task / across, block_rows, rows);
        let columns_here = part(task % across, BLOCK_COLUMNS, columns);
        let block = Block {
            sums: sums.pointer().wrapping_add(rows.start * columns + columns_here.start),
            stride: columns,
            rows: rows.len(),
            columns: columns_here.len(),
            adds: write == Write::Add,
            streams,
            left: of_lines(left, &rows),
            right: of_lines(right, &columns_here),
            right_stride: steps,
            steps,
        };
        multiply_block(&block, instructions);
    };
    let tasks = rows.div_ceil(block_rows) * across;
    if rows * columns * left.depth() < POOL_MULTIPLICATIONS {
        (0..tasks).for_each(task);
    } else {
        (0..tasks).into_par_iter().for_each(task);
    }
}

/// Lines of part number `number`, of `size` each.
fn part(number: usize, size: usize, lines: usize) -> Range<usize> {
    number * size..((number + 1) * size).min(lines)
}

fn of_lines<'f>(factor: &'f Factor, lines: &Range<usize>) -> &'f [Tile] {
    let (first, last) = (lines.start / LINES, lines.end.div_ceil(LINES));
    &factor.tiles()[first * factor.steps()..last * factor.steps()]
}

#[cfg(target_arch = "x86_64")]
pub(super) fn multiply_block(block: &Block<'_>, instructions: Instructions) {
    #[expect(
        unsafe_code,
        reason = "instructions that not every machine has, on a part of a matrix"
    )]
    // SAFETY: `multiply` has made the block from a matrix that holds it, and no other task has a sum of it. Factors exist only on machines with
    // these instructions.
    unsafe {
        match instructions {
            Instructions::Amx => super::amx::multiply(block),
            Instructions::Avx512 => super::avx512::multiply(block),
            Instructions::Portable => unreachable!("portable products have no tiles"),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn multiply_block(_block: &Block<'_>, _instructions: Instructions) {
    unreachable!("other machines have portable products only")
}
