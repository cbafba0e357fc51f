//! Matrix products: `gemm` behind views whose bounds are checked.

use gemm::Parallelism;

use crate::models::gradients::Write;

/// A matrix in a slice: element `(row, column)` is `data[row * row_stride + column * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// A row-major matrix in a slice that a product writes to.
#[derive(Debug)]
pub(in crate::models) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

/// Who computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Threads {
    /// All threads of the current pool, if it is large enough.
    Pool,
    /// The calling thread.
    Caller,
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other without a gap.
    pub(in crate::models) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_stride(data, rows, columns, columns)
    }

    /// Rows that begin `row_stride` apart.
    pub(in crate::models) fn with_stride(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check_bounds(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows for columns.
    pub(in crate::models) fn transposed(self) -> Self {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Self { data, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }
}

impl<'a> MatrixMut<'a> {
    /// Rows that follow each other without a gap.
    pub(in crate::models) fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::with_stride(data, rows, columns, columns)
    }

    /// Rows that begin `row_stride` apart.
    pub(in crate::models) fn with_stride(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check_bounds(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride }
    }
}

/// # Panics
/// When a matrix of this shape does not fit into `length` floats, or its rows overlap.
fn check_bounds(length: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(rows <= 1 || row_stride >= columns, "rows of {columns} floats that begin {row_stride} apart overlap");
    let needed =
        if rows == 0 || columns == 0 { Some(0) } else { (rows - 1).checked_mul(row_stride).and_then(|last| last.checked_add(columns)) };
    assert!(needed.is_some_and(|needed| needed <= length), "a {rows} x {columns} matrix does not fit into {length} floats");
}

/// `destination = scale * left · right`, or `+=`.
///
/// * `left`: `(rows, depth)`; `right`: `(depth, columns)`; `destination`: `(rows, columns)`
///
/// The sum over `depth` is never split between threads, so their number changes no bit.
///
/// # Panics
/// When the shapes do not fit together.
#[expect(unsafe_code, reason = "gemm takes raw pointers; the views have checked that every element lies inside its slice")]
pub(in crate::models) fn multiply(
    destination: MatrixMut<'_>,
    write: Write,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
    threads: Threads,
) {
    let (rows, columns, depth) = (destination.rows, destination.columns, left.columns);
    assert_eq!((left.rows, left.columns), (rows, right.rows), "the left factor does not fit");
    assert_eq!(right.columns, columns, "the right factor does not fit");
    let parallelism = match threads {
        Threads::Pool => Parallelism::Rayon(0),
        Threads::Caller => Parallelism::None,
    };
    let stride = |stride: usize| isize::try_from(stride).expect("a stride within a slice fits into isize");
    // SAFETY: the constructors of the views have checked that all elements of the given shapes and strides lie within the slices, and
    // the borrows keep the slices alive and the destination apart from the factors. gemm writes the destination's elements only, and
    // does not read them unless it is to add.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            destination.data.as_mut_ptr(),
            1,
            stride(destination.row_stride),
            write == Write::Add,
            left.data.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.data.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// A linear layer: `output = input · weightᵀ`, or `+=`.
///
/// * `input`: `(rows, inputs)`; `weight`: `(outputs, inputs)`; `output`: `(rows, outputs)`
pub(in crate::models) fn linear(output: &mut [f32], write: Write, input: &[f32], weight: &[f32], rows: usize) {
    let (inputs, outputs) = (input.len() / rows, output.len() / rows);
    let weight = Matrix::new(weight, outputs, inputs).transposed();
    multiply(MatrixMut::new(output, rows, outputs), write, 1.0, Matrix::new(input, rows, inputs), weight, Threads::Pool);
}

/// The gradient of a linear layer's input: `d_input = d_output · weight`, or `+=`. Shapes as in [`linear`].
pub(in crate::models) fn linear_backward_input(d_input: &mut [f32], write: Write, d_output: &[f32], weight: &[f32], rows: usize) {
    let (inputs, outputs) = (d_input.len() / rows, d_output.len() / rows);
    let weight = Matrix::new(weight, outputs, inputs);
    multiply(MatrixMut::new(d_input, rows, inputs), write, 1.0, Matrix::new(d_output, rows, outputs), weight, Threads::Pool);
}

/// The gradient of a linear layer's weight: `d_weight = d_outputᵀ · input`, or `+=`. Shapes as in [`linear`].
pub(in crate::models) fn linear_backward_weight(d_weight: &mut [f32], write: Write, d_output: &[f32], input: &[f32], rows: usize) {
    let (inputs, outputs) = (input.len() / rows, d_output.len() / rows);
    let d_output = Matrix::new(d_output, rows, outputs).transposed();
    multiply(MatrixMut::new(d_weight, outputs, inputs), write, 1.0, d_output, Matrix::new(input, rows, inputs), Threads::Pool);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern that are exact in f32, and so are sums of their products.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7_919 + seed * 104_729) % 23) as f32 - 11.0).collect()
    }

    #[test]
    fn a_product_with_strides_and_transposes_is_what_the_definition_says() {
        let (rows, columns, depth) = (5, 7, 3);
        let (left, right) = (numbers(depth * 8, 1), numbers(depth * 9, 2));
        let mut destination = numbers(rows * 10, 3);
        let before = destination.clone();
        let transposed = Matrix::with_stride(&left, depth, rows, 8).transposed();
        let target = MatrixMut::with_stride(&mut destination, rows, columns, 10);
        multiply(target, Write::Add, 2.0, transposed, Matrix::with_stride(&right, depth, columns, 9), Threads::Caller);
        for row in 0..rows {
            for column in 0..10 {
                let sum: f32 = (0..depth).map(|inner| left[inner * 8 + row] * right[inner * 9 + column.min(8)]).sum();
                let expected = before[row * 10 + column] + if column < columns { 2.0 * sum } else { 0.0 };
                assert_eq!(destination[row * 10 + column], expected, "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn replacing_does_not_look_at_what_was_there() {
        let mut destination = [f32::NAN; 4];
        let ones = [1.0; 4];
        multiply(
            MatrixMut::new(&mut destination, 2, 2),
            Write::Replace,
            1.0,
            Matrix::new(&ones, 2, 2),
            Matrix::new(&ones, 2, 2),
            Threads::Caller,
        );
        assert_eq!(destination, [2.0; 4]);
    }

    #[test]
    #[should_panic(expected = "does not fit into 5 floats")]
    fn a_view_beyond_its_slice_is_refused() {
        let _ = Matrix::new(&[0.0; 5], 2, 3);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit_of_a_product() {
        // Above gemm's threshold for threads, and a single row, which takes another path through it.
        for (rows, columns, depth) in [(117, 310, 257), (1, 2_304, 768), (65, 64, 300), (370, 130, 1_100)] {
            let data = |count: usize| -> Vec<f32> { (0..count).map(|index| (index as f32 * 0.37).sin()).collect() };
            let (left, right) = (data(rows * depth), data(depth * columns));
            let product = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut destination = vec![0.0; rows * columns];
                pool.install(|| linear(&mut destination, Write::Replace, &left, &right, rows));
                destination
            };
            let one = product(1);
            assert!(one == product(2) && one == product(3), "{rows} x {columns} x {depth}");
        }
    }
}
