//! Views of matrices in slices, whose bounds are checked once.

use std::marker::PhantomData;
use std::ops::Range;

/// A matrix in a slice: element `(row, column)` is `data[row * row_stride + column * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

/// A row-major matrix in a slice that a product writes to, or some of its columns.
///
/// It has the elements `pointer[row * row_stride + column]` to itself for as long as the slice is borrowed.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) pointer: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    slice: PhantomData<&'a mut [f32]>,
}

#[expect(
    unsafe_code,
    reason = "a view holds a raw pointer, because blocks of columns of one slice interleave"
)]
// SAFETY: no element belongs to two views, so a view may go to another thread as the mutable slice that it came from may.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> Matrix<'a> {
    /// Rows that follow each other without a gap.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_stride(data, rows, columns, columns)
    }

    /// Rows that begin `row_stride` apart.
    pub fn with_stride(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check_bounds(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows for columns.
    pub fn transposed(self) -> Self {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Self {
            data,
            rows: columns,
            columns: rows,
            row_stride: column_stride,
            column_stride: row_stride,
        }
    }

    #[inline(always)]
    pub(crate) fn height(self) -> usize {
        self.rows
    }

    /// The elements of a row, which are contiguous.
    #[inline(always)]
    pub(crate) fn row(self, row: usize) -> &'a [f32] {
        assert!(self.column_stride == 1 && row < self.rows, "a row of what is not transposed");
        &self.data[row * self.row_stride..][..self.columns]
    }

    /// Views of `width` columns each; the last may have fewer.
    pub(super) fn column_blocks(self, width: usize) -> impl Iterator<Item = Self> {
        (0..self.columns).step_by(width).map(move |first| {
            let data = self.data.get(first * self.column_stride..).unwrap_or_default(); // empty if there are no rows
            Self { data, columns: width.min(self.columns - first), ..self }
        })
    }
}

impl<'a> MatrixMut<'a> {
    /// Rows that follow each other without a gap.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        check_bounds(data.len(), rows, columns, columns);
        Self { pointer: data.as_mut_ptr(), rows, columns, row_stride: columns, slice: PhantomData }
    }

    /// Some columns of rows of `width` floats that follow each other without a gap.
    pub fn with_columns(
        data: &'a mut [f32],
        rows: usize,
        width: usize,
        columns: Range<usize>,
    ) -> Self {
        assert!(columns.end <= width, "rows of {width} floats have no columns {columns:?}");
        let whole = Self::new(data, rows, width);
        let pointer = whole.pointer.wrapping_add(columns.start);
        Self { pointer, columns: columns.len(), ..whole }
    }

    #[inline(always)]
    pub(crate) fn height(&self) -> usize {
        self.rows
    }

    pub(crate) fn width(&self) -> usize {
        self.columns
    }

    /// The first element, and how far one row begins from the next.
    pub(crate) fn place(&mut self) -> (*mut f32, usize) {
        (self.pointer, self.row_stride)
    }

    /// Some of the rows.
    pub fn rows(&mut self, rows: Range<usize>) -> MatrixMut<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "there are {} rows", self.rows);
        let pointer = self.pointer.wrapping_add(rows.start * self.row_stride);
        MatrixMut { pointer, rows: rows.len(), ..*self }
    }

    /// The elements of a row.
    #[inline(always)]
    #[expect(unsafe_code, reason = "a row of a view that others may interleave with")]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "there are {} rows", self.rows);
        // SAFETY: the constructor has checked that the row lies within the slice, and no other view has its elements.
        unsafe {
            std::slice::from_raw_parts_mut(self.pointer.add(row * self.row_stride), self.columns)
        }
    }

    pub fn fill(&mut self, value: f32) {
        (0..self.rows).for_each(|row| self.row(row).fill(value));
    }

    /// The columns before `column`, and the others.
    pub fn split_at_column(self, column: usize) -> (Self, Self) {
        assert!(column <= self.columns, "there are {} columns", self.columns);
        let pointer = self.pointer.wrapping_add(column);
        (Self { columns: column, ..self }, Self { pointer, columns: self.columns - column, ..self })
    }

    /// Views of `width` columns each; the last may have fewer. They have no element in common.
    pub fn column_blocks(self, width: usize) -> impl Iterator<Item = Self> {
        let Self { pointer, rows, columns, row_stride, slice } = self;
        (0..columns).step_by(width).map(move |first| Self {
            pointer: pointer.wrapping_add(first),
            rows,
            columns: width.min(columns - first),
            row_stride,
            slice,
        })
    }
}

/// # Panics
/// When a matrix of this shape does not fit into `length` floats, or its rows overlap.
fn check_bounds(length: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(
        rows <= 1 || row_stride >= columns,
        "rows of {columns} floats that begin {row_stride} apart overlap"
    );
    let needed = match (rows, columns) {
        (0, _) | (_, 0) => Some(0),
        _ => (rows - 1).checked_mul(row_stride).and_then(|last| last.checked_add(columns)),
    };
    assert!(
        needed.is_some_and(|needed| needed <= length),
        "a {rows} x {columns} matrix does not fit into {length} floats"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_rows_and_columns_have_the_elements_that_they_say() {
        let mut data = [0.0; 12];
        let (mut left, right) = MatrixMut::new(&mut data, 3, 4).split_at_column(1);
        left.fill(1.0);
        left.rows(1..3).row(1).fill(2.0);
        for (number, mut block) in right.column_blocks(2).enumerate() {
            block.row(0).fill(3.0 + number as f32);
        }
        assert_eq!(data, [1.0, 3.0, 3.0, 4.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
        let view = Matrix::with_stride(&data, 3, 2, 4);
        assert_eq!((view.height(), view.row(0)), (3, &data[..2]));
        assert_eq!(view.transposed().height(), 2);
    }

    #[test]
    #[should_panic(expected = "there are 3 rows")]
    fn a_row_beyond_the_last_is_refused() {
        MatrixMut::new(&mut [0.0; 12], 3, 4).row(3);
    }

    #[test]
    #[should_panic(expected = "a row of what is not transposed")]
    fn a_column_is_no_row() {
        let _ = Matrix::new(&[0.0; 12], 3, 4).transposed().row(0);
    }
}
