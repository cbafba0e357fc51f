//! Matrix products: `gemm` behind views whose bounds are checked.

mod matrix;
pub(crate) mod small;

use gemm::Parallelism;
use rayon::prelude::*;

use super::Write;

pub use matrix::{Matrix, MatrixMut};

/// A product with fewer multiplications is done before other threads have heard of it.
const POOL_MULTIPLICATIONS: usize = 1 << 19;

/// Columns that one task computes: what one call of gemm's innermost loop does.
const BLOCK_COLUMNS: usize = 64;

/// Who computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// All threads of the current pool, if it is large enough.
    Pool,
    /// The calling thread.
    Caller,
}

/// `destination = scale * left · right`, or `+=`.
///
/// * `left`: `(rows, depth)`; `right`: `(depth, columns)`; `destination`: `(rows, columns)`
///
/// On the pool, a product is cut into blocks of columns if the rows of `left` are contiguous: gemm reads such a factor where it is, so the
/// blocks share no preparation. Otherwise gemm rearranges `left` first, and the cut is left to it. Either way the sum over `depth` is never
/// split and whatever could change its order depends on shapes alone, so the number of threads changes no bit.
///
/// # Panics
/// When the shapes do not fit together.
pub fn multiply(
    destination: MatrixMut<'_>,
    write: Write,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
    threads: Threads,
) {
    let small = destination.rows * destination.columns * left.columns < POOL_MULTIPLICATIONS;
    match threads {
        Threads::Pool if !small && left.column_stride == 1 => {
            let blocks: Vec<_> = destination
                .column_blocks(BLOCK_COLUMNS)
                .zip(right.column_blocks(BLOCK_COLUMNS))
                .collect();
            blocks.into_par_iter().for_each(|(destination, right)| {
                call_gemm(destination, write, scale, left, right, Parallelism::None)
            });
        }
        Threads::Pool if !small => {
            call_gemm(destination, write, scale, left, right, Parallelism::Rayon(0))
        }
        Threads::Pool | Threads::Caller => {
            call_gemm(destination, write, scale, left, right, Parallelism::None)
        }
    }
}

#[expect(unsafe_code, reason = "gemm takes raw pointers")]
fn call_gemm(
    destination: MatrixMut<'_>,
    write: Write,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
    parallelism: Parallelism,
) {
    let MatrixMut { pointer, rows, columns, row_stride, .. } = destination;
    let depth = left.columns;
    assert_eq!((left.rows, left.columns), (rows, right.rows), "the left factor does not fit");
    assert_eq!(right.columns, columns, "the right factor does not fit");
    let stride =
        |stride: usize| isize::try_from(stride).expect("a stride within a slice fits into isize");
    // SAFETY: the constructors of the views have checked that all elements of the given shapes and strides lie within the slices that they
    // borrow, and a block has no others. The destination's elements belong to no other view. gemm writes those only, and does not read
    // them unless it is to add.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            pointer,
            1,
            stride(row_stride),
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
pub fn linear(output: &mut [f32], write: Write, input: &[f32], weight: &[f32], rows: usize) {
    let (inputs, outputs) = (input.len() / rows, output.len() / rows);
    let weight = Matrix::new(weight, outputs, inputs).transposed();
    multiply(
        MatrixMut::new(output, rows, outputs),
        write,
        1.0,
        Matrix::new(input, rows, inputs),
        weight,
        Threads::Pool,
    );
}

/// The gradient of a linear layer's input: `d_input = d_output · weight`, or `+=`. Shapes as in [`linear`].
pub fn linear_backward_input(
    d_input: &mut [f32],
    write: Write,
    d_output: &[f32],
    weight: &[f32],
    rows: usize,
) {
    let (inputs, outputs) = (d_input.len() / rows, d_output.len() / rows);
    let weight = Matrix::new(weight, outputs, inputs);
    multiply(
        MatrixMut::new(d_input, rows, inputs),
        write,
        1.0,
        Matrix::new(d_output, rows, outputs),
        weight,
        Threads::Pool,
    );
}

/// The gradient of a linear layer's weight: `d_weight = d_outputᵀ · input`, or `+=`. Shapes as in [`linear`].
pub fn linear_backward_weight(
    d_weight: &mut [f32],
    write: Write,
    d_output: &[f32],
    input: &[f32],
    rows: usize,
) {
    let (inputs, outputs) = (input.len() / rows, d_output.len() / rows);
    let d_output = Matrix::new(d_output, rows, outputs).transposed();
    multiply(
        MatrixMut::new(d_weight, outputs, inputs),
        write,
        1.0,
        d_output,
        Matrix::new(input, rows, inputs),
        Threads::Pool,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern that are exact in f32, and so are sums of their products.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7_919 + seed * 104_729) % 23) as f32 - 11.0).collect()
    }

    /// `destination + scale * left · right`, by the definition.
    fn expected(
        destination: &[f32],
        scale: f32,
        left: impl Fn(usize, usize) -> f32,
        right: impl Fn(usize, usize) -> f32,
        shape: [usize; 3],
    ) -> Vec<f32> {
        let [_, columns, depth] = shape;
        let sum = |place: usize| -> f32 {
            (0..depth)
                .map(|inner| left(place / columns, inner) * right(inner, place % columns))
                .sum()
        };
        destination.iter().enumerate().map(|(place, before)| before + scale * sum(place)).collect()
    }

    #[test]
    fn a_product_with_strides_and_transposes_is_what_the_definition_says() {
        let (rows, columns, depth) = (5, 7, 3);
        let (left, right, before) =
            (numbers(depth * 8, 1), numbers(depth * 9, 2), numbers(rows * columns, 3));
        let mut destination = before.clone();
        let left_view = Matrix::with_stride(&left, depth, rows, 8).transposed();
        let right_view = Matrix::with_stride(&right, depth, columns, 9);
        multiply(
            MatrixMut::new(&mut destination, rows, columns),
            Write::Add,
            2.0,
            left_view,
            right_view,
            Threads::Caller,
        );
        let (left, right) =
            (|row, inner| left[inner * 8 + row], |inner, column| right[inner * 9 + column]);
        assert_eq!(destination, expected(&before, 2.0, left, right, [rows, columns, depth]));
    }

    #[test]
    fn products_on_the_pool_are_what_the_definition_says() {
        let (rows, inputs, outputs) = (70, 60, 150); // the last block of columns is narrower
        assert!(rows * inputs * outputs >= POOL_MULTIPLICATIONS);
        let (x, y, w) =
            (numbers(rows * inputs, 1), numbers(rows * outputs, 2), numbers(outputs * inputs, 3));
        let (x_at, y_at) =
            (|row, column| x[row * inputs + column], |row, column| y[row * outputs + column]);
        let w_at = |row, column| w[row * inputs + column];

        let mut output = y.clone();
        linear(&mut output, Write::Add, &x, &w, rows);
        assert_eq!(
            output,
            expected(&y, 1.0, x_at, |inner, column| w_at(column, inner), [rows, outputs, inputs])
        );
        let mut d_input = x.clone();
        linear_backward_input(&mut d_input, Write::Add, &y, &w, rows);
        assert_eq!(d_input, expected(&x, 1.0, y_at, w_at, [rows, inputs, outputs]));
        let mut d_weight = w.clone();
        linear_backward_weight(&mut d_weight, Write::Add, &y, &x, rows);
        assert_eq!(
            d_weight,
            expected(&w, 1.0, |row, inner| y_at(inner, row), x_at, [outputs, inputs, rows])
        );
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
        // Those that are cut into blocks and those that gemm cuts, and a single row, which takes another path through it.
        for (rows, columns, depth) in
            [(117, 310, 257), (1, 2_304, 768), (65, 64, 300), (370, 130, 1_100)]
        {
            let data = |count: usize| -> Vec<f32> {
                (0..count).map(|index| (index as f32 * 0.37).sin()).collect()
            };
            let (left, right) = (data(rows * depth), data(depth * columns));
            let product = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let (mut output, mut d_weight) =
                    (vec![0.0; rows * columns], vec![0.0; columns * depth]);
                pool.install(|| {
                    linear(&mut output, Write::Replace, &left, &right, rows);
                    linear_backward_weight(&mut d_weight, Write::Replace, &output, &left, rows);
                });
                (output, d_weight)
            };
            let one = product(1);
            assert!(one == product(2) && one == product(3), "{rows} x {columns} x {depth}");
        }
    }
}
