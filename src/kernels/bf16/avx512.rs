//! A product on AVX-512 BF16: 8 rows of 48 sums at a time.

use std::arch::x86_64::*;

use super::block::Block;
use super::tiles::{LINES, Tile};

/// Rows of sums at a time.
const ROWS: usize = 8;

/// Vectors of sums in a row.
const VECTORS: usize = 3;

/// Computes a block of a product.
///
/// # Safety
/// The machine has these instructions; the block's pointers are good for what they say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[expect(unsafe_code, reason = "vector instructions on pointers")]
pub(super) unsafe fn multiply(block: &Block<'_>) {
    for column in (0..block.columns).step_by(VECTORS * LINES) {
        let width = (block.columns - column).min(VECTORS * LINES);
        for row in (0..block.rows).step_by(ROWS) {
            let height = (block.rows - row).min(ROWS);
            let here = Place { row, column, height, width };
            // SAFETY: the caller's.
            unsafe {
                match width.div_ceil(LINES) {
                    1 => multiply_rows::<1>(block, here),
                    2 => multiply_rows::<2>(block, here),
                    _ => multiply_rows::<VECTORS>(block, here),
                }
            }
        }
    }
    if block.streams {
        // What went past the caches is there before anybody hears that this is done.
        _mm_sfence();
    }
}

/// The sums of a block that are computed at a time.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    column: usize,
    height: usize,
    width: usize,
}

/// # Safety
/// As [`multiply`]; the place is within the block, and at most `VECTORS` vectors wide.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
#[expect(unsafe_code, reason = "vector instructions on pointers")]
unsafe fn multiply_rows<const VECTORS: usize>(block: &Block<'_>, here: Place) {
    let Block { stride, steps, right_stride, .. } = *block;
    let masks: [u16; VECTORS] = std::array::from_fn(|vector| {
        let numbers = here.width - vector * LINES;
        if numbers >= LINES { u16::MAX } else { (1 << numbers) - 1 }
    });
    let left = &block.left[here.row / LINES * steps..][..steps];
    let right =
        &block.right[here.column / LINES * right_stride..][..(VECTORS - 1) * right_stride + steps];
    let half = here.row % LINES;
    // SAFETY: tiles are as long as the indices into them; masks leave out what is not of the block.
    unsafe {
        let sums_at = |row: usize, vector: usize| {
            block.sums.add((here.row + row) * stride + here.column + vector * LINES)
        };
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        if block.adds {
            for (row, sums) in sums.iter_mut().enumerate().take(here.height) {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_maskz_loadu_ps(masks[vector], sums_at(row, vector));
                }
            }
        }
        for step in 0..steps {
            let left = left.as_ptr().add(step).cast::<i32>().add(half * LINES);
            let right = right.as_ptr().add(step);
            for pair in 0..LINES {
                let right: [__m512i; VECTORS] = std::array::from_fn(|vector| {
                    _mm512_load_si512(right.add(vector * right_stride).cast::<__m512i>().add(pair))
                });
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = bf16(_mm512_set1_epi32(left.add(row * LINES + pair).read()));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm512_dpbf16_ps(*sum, left, bf16(right));
                    }
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate().take(here.height) {
            for (vector, sum) in sums.into_iter().enumerate() {
                if block.streams {
                    _mm512_stream_ps(sums_at(row, vector), sum);
                } else {
                    _mm512_mask_storeu_ps(sums_at(row, vector), masks[vector], sum);
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn bf16(numbers: __m512i) -> __m512bh {
    #[expect(unsafe_code, reason = "the type of bf16 vectors has no other way in")]
    // SAFETY: both are 64 bytes of which any are good.
    unsafe {
        std::mem::transmute::<__m512i, __m512bh>(numbers)
    }
}

const _: () = assert!(LINES.is_multiple_of(ROWS) && size_of::<Tile>() == 1024);
