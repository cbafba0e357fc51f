//! From a matrix of f32 to the factors that it is in products.

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::tiles::{DEPTH, Factor, LINES, Reuse, Rows, Side, Tile};
use crate::TASK_FLOATS;
use crate::product::Threads;

/// A factor that is written to by several threads, each its own tiles.
#[derive(Clone, Copy)]
struct Target {
    tiles: *mut Tile,
    steps: usize,
    side: Side,
    /// Whether it goes past the caches.
    streams: bool,
}

#[expect(unsafe_code, reason = "tiles of one factor are written by several threads")]
// SAFETY: a task writes the tiles of its own 32 rows, which no other writes or reads.
unsafe impl Send for Target {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    fn new(
        to: Option<(&mut Factor, Side)>,
        lines: usize,
        depth: usize,
        reuse: Reuse,
    ) -> Option<Self> {
        let streams = reuse == Reuse::Later;
        to.map(|(factor, side)| {
            factor.fit(lines, depth);
            Self { steps: factor.steps(), tiles: factor.tiles_mut().as_mut_ptr(), side, streams }
        })
    }
}

/// Rounds a row-major matrix into one or two factors, reading it once.
///
/// * `along`: a factor whose depth runs along the rows: the matrix as a left one, or its transpose as a right one
/// * `across`: a factor whose depth runs down the columns: the matrix as a right one, or its transpose as a left one
///
/// The machine has AVX-512 BF16.
pub(super) fn pack(
    matrix: Rows<'_>,
    along: Option<(&mut Factor, Side)>,
    across: Option<(&mut Factor, Side)>,
    reuse: Reuse,
    threads: Threads,
) {
    let Rows { rows, columns, .. } = matrix;
    let along = Target::new(along, rows, columns, reuse);
    let across = Target::new(across, columns, rows, reuse);
    let blocks = rows.div_ceil(DEPTH);
    let pack = |block: usize| {
        #[expect(unsafe_code, reason = "vector instructions, and tiles of other threads beside")]
        // SAFETY: both factors have just been given the shape that the matrix has in them, and only this call writes the tiles of these rows.
        // Factors are packed on machines with these instructions only.
        unsafe {
            pack_rows(matrix, block * DEPTH, along, across);
        }
    };
    if threads == Threads::Caller || rows * columns < 2 * TASK_FLOATS {
        (0..blocks).for_each(pack);
    } else {
        let least = TASK_FLOATS.div_ceil(DEPTH * columns);
        (0..blocks).into_par_iter().with_min_len(least).for_each(pack);
    }
}

/// 32 rows and 32 columns of a matrix, or what there is of them.
#[derive(Clone, Copy)]
struct Square {
    values: *const f32,
    stride: usize,
    height: usize,
    /// Of the columns of either half.
    masks: [u16; 2],
}

impl Square {
    /// Half of a row; what is not of the matrix is zero.
    ///
    /// # Safety
    /// The square is of a matrix that is there.
    #[target_feature(enable = "avx512f")]
    #[inline]
    #[expect(unsafe_code, reason = "reads through a pointer")]
    unsafe fn load(&self, row: usize, half: usize) -> __m512 {
        let mask = if row < self.height { self.masks[half] } else { 0 };
        let from = self.values.wrapping_add(row * self.stride + half * LINES);
        // SAFETY: the mask leaves out what is not of the matrix.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }

    /// The tile of half of the rows, whose depth runs along them.
    ///
    /// # Safety
    /// As [`load`](Self::load).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[inline]
    #[expect(unsafe_code, reason = "reads through a pointer")]
    unsafe fn along(&self, half: usize, side: Side) -> [__m512i; LINES] {
        let mut tile = [_mm512_setzero_si512(); LINES];
        for (line, numbers) in tile.iter_mut().enumerate() {
            let row = half * LINES + line;
            // SAFETY: the caller's.
            *numbers = unsafe { round(self.load(row, 1), self.load(row, 0)) };
        }
        if side == Side::Right { transposed(tile) } else { tile }
    }

    /// The tile of half of the columns, whose depth runs down them.
    ///
    /// # Safety
    /// As [`load`](Self::load).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[inline]
    #[expect(unsafe_code, reason = "reads through a pointer")]
    unsafe fn across(&self, half: usize, side: Side) -> [__m512i; LINES] {
        let mut tile = [_mm512_setzero_si512(); LINES];
        for (pair, numbers) in tile.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let both = unsafe { round(self.load(2 * pair + 1, half), self.load(2 * pair, half)) };
            *numbers = interleave(both);
        }
        if side == Side::Left { transposed(tile) } else { tile }
    }
}

/// Packs the 32 rows from `first` on, or what there is of them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[expect(unsafe_code, reason = "reads the matrix and writes to tiles through pointers")]
unsafe fn pack_rows(matrix: Rows<'_>, first: usize, along: Option<Target>, across: Option<Target>) {
    let Rows { values, rows, columns, stride } = matrix;
    let height = (rows - first).min(DEPTH);
    let values = &values[first * stride..][..(height - 1) * stride + columns];
    for column in (0..columns).step_by(DEPTH) {
        let width = (columns - column).min(DEPTH);
        let masks = [mask(width), mask(width.saturating_sub(LINES))];
        let values = values[column..].as_ptr();
        let square = Square { values, stride, height, masks };
        // SAFETY: the square is within the values; lines and depth are within the shapes of the factors.
        unsafe {
            if let Some(Target { tiles, steps, side, streams }) = along {
                for half in 0..height.div_ceil(LINES) {
                    let to = tiles.add((first / LINES + half) * steps + column / DEPTH);
                    store(to, square.along(half, side), streams);
                }
            }
            if let Some(Target { tiles, steps, side, streams }) = across {
                for half in 0..width.div_ceil(LINES) {
                    let to = tiles.add((column / LINES + half) * steps + first / DEPTH);
                    store(to, square.across(half, side), streams);
                }
            }
        }
    }
    // What went past the caches is there before anybody hears that this is done.
    if [along, across].into_iter().flatten().any(|target| target.streams) {
        _mm_sfence();
    }
}

fn mask(numbers: usize) -> u16 {
    if numbers >= LINES { u16::MAX } else { (1 << numbers) - 1 }
}

/// The numbers of `low`, then those of `high`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
fn round(high: __m512, low: __m512) -> __m512i {
    #[expect(unsafe_code, reason = "the type of bf16 vectors has no other way out")]
    // SAFETY: both are 64 bytes of which any are good.
    unsafe {
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
    }
}

/// From `a0 .. a15 b0 .. b15` to `a0 b0 .. a15 b15`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn interleave(both: __m512i) -> __m512i {
    const ORDER: [u16; DEPTH] = {
        let mut order = [0; DEPTH];
        let mut place = 0;
        while place < DEPTH {
            order[place] = (place / 2 + place % 2 * LINES) as u16;
            place += 1;
        }
        order
    };
    #[expect(unsafe_code, reason = "loads a vector")]
    // SAFETY: the array is a vector long.
    let order = unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) };
    _mm512_permutexvar_epi16(order, both)
}

#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "writes through a pointer")]
unsafe fn store(tile: *mut Tile, lines: [__m512i; LINES], streams: bool) {
    for (line, numbers) in lines.into_iter().enumerate() {
        // SAFETY: a tile is sixteen aligned vectors, and the caller owns it.
        unsafe {
            let to = tile.cast::<__m512i>().add(line);
            if streams {
                _mm512_stream_si512(to, numbers);
            } else {
                _mm512_store_si512(to, numbers);
            }
        }
    }
}

/// Transposes 16 x 16 pairs: in fours, then lane by lane.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed(rows: [__m512i; LINES]) -> [__m512i; LINES] {
    // Lane `l` of `fours[4 * g + c]` has column `4 * l + c` of the rows from `4 * g` on.
    let mut fours = [_mm512_setzero_si512(); LINES];
    for (four, rows) in fours.chunks_exact_mut(4).zip(rows.chunks_exact(4)) {
        let low =
            [_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpacklo_epi32(rows[2], rows[3])];
        let high =
            [_mm512_unpackhi_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[2], rows[3])];
        four[0] = _mm512_unpacklo_epi64(low[0], low[1]);
        four[1] = _mm512_unpackhi_epi64(low[0], low[1]);
        four[2] = _mm512_unpacklo_epi64(high[0], high[1]);
        four[3] = _mm512_unpackhi_epi64(high[0], high[1]);
    }
    let mut columns = rows;
    for c in 0..4 {
        let even = |g: usize| _mm512_shuffle_i32x4::<0x88>(fours[4 * g + c], fours[4 * g + 4 + c]);
        let odd = |g: usize| _mm512_shuffle_i32x4::<0xdd>(fours[4 * g + c], fours[4 * g + 4 + c]);
        let (even, odd) = ([even(0), even(2)], [odd(0), odd(2)]);
        columns[c] = _mm512_shuffle_i32x4::<0x88>(even[0], even[1]);
        columns[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]);
        columns[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]);
        columns[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]);
    }
    columns
}
