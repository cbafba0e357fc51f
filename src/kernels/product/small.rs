//! Products of matrices that fit into the nearest cache, for which a call of gemm costs more than their multiplications.
//!
//! Every sum runs in gemm's order, each multiplication fused with its addition as gemm's are: the results are gemm's to the bit.

use pulp::{Arch, Simd};

use super::matrix::{Matrix, MatrixMut};
use crate::lanes::LANES;

/// Rows that are summed side by side, each in [`VECTORS`] vectors: so many sums, with what they are of, stay in registers.
const ROWS: usize = 6;
const VECTORS: usize = 2;

/// In which order a sum runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// From the first product to the last.
    Straight,
    /// In as many sums as a vector of the machine has lanes, of which halves are then added to each other.
    Lanes,
}

/// Whether this machine has instructions that gemm and [`multiply_small`] both fuse with.
pub(crate) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        matches!(Arch::new(), Arch::V3(_) | Arch::V4(_))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// `destination = scale * left · right`, with the instructions of a machine that [`is_available`] says has them.
///
/// * `left`: `(rows, depth)`; `right`: `(depth, columns)`, rows of it contiguous, `columns` a multiple of 16; `destination`: `(rows, columns)`
/// * `order`: of the sums over `depth`, which is a multiple of 16 for those in lanes
///
/// # Panics
/// When the shapes do not fit together.
#[inline(always)]
pub(crate) fn multiply_small<S: Simd>(
    simd: S,
    destination: &mut MatrixMut<'_>,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
    order: Order,
) {
    let (rows, depth, columns) = (left.rows, left.columns, right.columns);
    assert_eq!((rows, columns), (destination.rows, destination.columns), "as the factors");
    assert_eq!(depth, right.rows, "the factors fit each other");
    assert!(columns.is_multiple_of(LANES) && right.column_stride == 1, "whole vectors");
    let mut product = Product { destination, scale, left, right };
    match order {
        Order::Straight => {
            let mut column = 0;
            while columns - column >= VECTORS * S::F32_LANES {
                product.columns::<S, VECTORS>(simd, column);
                column += VECTORS * S::F32_LANES;
            }
            if column < columns {
                product.columns::<S, 1>(simd, column);
            }
        }
        Order::Lanes => {
            assert!(depth.is_multiple_of(LANES), "whole vectors of products");
            for column in (0..columns).step_by(S::F32_LANES) {
                for row in 0..rows {
                    product.in_lanes(simd, row, column);
                }
            }
        }
    }
}

struct Product<'p, 'd, 'a> {
    destination: &'p mut MatrixMut<'d>,
    scale: f32,
    left: Matrix<'a>,
    right: Matrix<'a>,
}

impl Product<'_, '_, '_> {
    /// All rows of some vectors of columns.
    #[inline(always)]
    fn columns<S: Simd, const VECTORS: usize>(&mut self, simd: S, column: usize) {
        let rows = self.left.rows;
        let whole = rows - rows % ROWS;
        for row in (0..whole).step_by(ROWS) {
            self.tile::<S, ROWS, VECTORS>(simd, row, column);
        }
        match rows - whole {
            1 => self.tile::<S, 1, VECTORS>(simd, whole, column),
            2 => self.tile::<S, 2, VECTORS>(simd, whole, column),
            3 => self.tile::<S, 3, VECTORS>(simd, whole, column),
            4 => self.tile::<S, 4, VECTORS>(simd, whole, column),
            5 => self.tile::<S, 5, VECTORS>(simd, whole, column),
            _ => {}
        }
    }

    /// Sums from the first product to the last.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) {
        let Self { left, right, scale, .. } = *self;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for inner in 0..left.columns {
            let factors: [S::f32s; VECTORS] = std::array::from_fn(
                #[inline(always)]
                |vector| vector_at::<S>(right, inner, column + vector * S::F32_LANES),
            );
            for (place, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(float_at(left, row + place, inner));
                for (sum, other) in sums.iter_mut().zip(factors) {
                    *sum = simd.mul_add_f32s(factor, other, *sum);
                }
            }
        }
        for (place, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                let scaled = simd.mul_f32s(simd.splat_f32s(scale), sum);
                self.put::<S>(row + place, column + vector * S::F32_LANES, scaled);
            }
        }
    }

    /// Sums in lanes, of a vector of columns in one row.
    #[inline(always)]
    fn in_lanes<S: Simd>(&mut self, simd: S, row: usize, column: usize) {
        let Self { left, right, scale, .. } = *self;
        let mut sums = [simd.splat_f32s(0.0); LANES];
        for first in (0..left.columns).step_by(S::F32_LANES) {
            for (lane, sum) in sums.iter_mut().enumerate().take(S::F32_LANES) {
                let factor = simd.splat_f32s(float_at(left, row, first + lane));
                let other = vector_at::<S>(right, first + lane, column);
                *sum = simd.mul_add_f32s(factor, other, *sum);
            }
        }
        let mut width = S::F32_LANES / 2;
        while width > 0 {
            for lane in 0..width {
                sums[lane] = simd.add_f32s(sums[lane], sums[lane + width]);
            }
            width /= 2;
        }
        self.put::<S>(row, column, simd.mul_f32s(simd.splat_f32s(scale), sums[0]));
    }

    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "sums leave registers for a view that others may interleave with"
    )]
    fn put<S: Simd>(&mut self, row: usize, column: usize, sums: S::f32s) {
        let MatrixMut { pointer, rows, columns, row_stride, .. } = *self.destination;
        debug_assert!(row < rows && column + S::F32_LANES <= columns);
        // SAFETY: the place is within the matrix, whose constructor has checked that it is within its slice.
        unsafe {
            pointer.add(row * row_stride + column).cast::<S::f32s>().write_unaligned(sums);
        }
    }
}

#[inline(always)]
#[expect(
    unsafe_code,
    reason = "a check of bounds for every factor would cost as much as the product"
)]
fn float_at(matrix: Matrix<'_>, row: usize, column: usize) -> f32 {
    debug_assert!(row < matrix.rows && column < matrix.columns);
    // SAFETY: the place is within the matrix, whose constructor has checked that it is within its slice.
    unsafe { *matrix.data.get_unchecked(row * matrix.row_stride + column * matrix.column_stride) }
}

#[inline(always)]
#[expect(unsafe_code, reason = "as for a single factor")]
fn vector_at<S: Simd>(matrix: Matrix<'_>, row: usize, column: usize) -> S::f32s {
    debug_assert!(row < matrix.rows && column + S::F32_LANES <= matrix.columns);
    // SAFETY: the place is within the matrix, whose constructor has checked that it is within its slice; its rows are contiguous.
    unsafe {
        matrix
            .data
            .as_ptr()
            .add(row * matrix.row_stride + column)
            .cast::<S::f32s>()
            .read_unaligned()
    }
}
