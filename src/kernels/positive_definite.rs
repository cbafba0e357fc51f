//! Symmetric positive definite matrices in f64: what a Gaussian process computes.
//!
//! On one thread; the order of additions depends on sizes alone.

use super::lanes::vectorised;

/// Sums that run side by side: a vector of any machine holds some of them.
const LANES: usize = 8;

/// The sum of `a[i] * b[i]`.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    vectorised!(|| product(a, b))
}

#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> f64 {
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks(), b.as_chunks());
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        let (a, b): (&[f64; LANES], &[f64; LANES]) = (a, b);
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    rest + ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}

/// `y += factor * x`
#[inline(always)]
fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// `M x`, `(rows,)`
///
/// * `matrix`: `(rows, columns)`, row after row
/// * `x`: `(columns,)`, at least one
#[must_use]
pub fn times(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    let rows = matrix.chunks_exact(x.len());
    let mut sums = vec![0.0; rows.len()];
    vectorised!(|| {
        // `collect` would not be inlined here, and so not be compiled for wide vectors.
        for (sum, row) in sums.iter_mut().zip(rows.clone()) {
            *sum = product(row, x);
        }
    });
    sums
}

/// A matrix `A = L Lᵀ` by its lower triangle `L`: row after row, `(n, n)`, zeros above the diagonal not written.
pub struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// * `matrix`: `(n, n)`, row after row; only the lower triangle is read
    ///
    /// `None` where the matrix is not positive definite.
    #[must_use]
    pub fn new(n: usize, matrix: Vec<f64>) -> Option<Self> {
        let mut lower = matrix;
        let is_positive_definite = vectorised!(|| decompose(n, &mut lower));
        is_positive_definite.then_some(Self { n, lower })
    }

    /// The diagonal of `L`, `(n,)`: the determinant of `A` is the product of its squares.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.n).map(|i| self.lower[i * self.n + i])
    }

    /// `A⁻¹ b`, `(n,)`
    #[must_use]
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (n, lower) = (self.n, &*self.lower);
        let mut x = b.to_vec();
        vectorised!(|| {
            for i in 0..n {
                let row = &lower[i * n..=i * n + i];
                x[i] = (x[i] - product(&row[..i], &x[..i])) / row[i];
            }
            for i in (0..n).rev() {
                let row = &lower[i * n..=i * n + i];
                let value = x[i] / row[i];
                x[i] = value;
                add_scaled(&mut x[..i], -value, &row[..i]);
            }
        });
        x
    }

    /// `A⁻¹`, `(n, n)`, both triangles.
    #[must_use]
    pub fn inverse(&self) -> Vec<f64> {
        vectorised!(|| invert(self.n, &self.lower))
    }
}

/// Writes `L` over the lower triangle of `A`; whether there is one.
#[inline(always)]
fn decompose(n: usize, lower: &mut [f64]) -> bool {
    for i in 0..n {
        let (above, row) = lower.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..=j * n + j];
            row[j] = (row[j] - product(&row[..j], &other[..j])) / other[j];
        }
        let square = row[i] - product(&row[..i], &row[..i]);
        if square.is_nan() || square <= 0.0 {
            return false;
        }
        row[i] = square.sqrt();
    }
    true
}

#[inline(always)]
fn invert(n: usize, lower: &[f64]) -> Vec<f64> {
    // Rows of L⁻¹: m_i = (e_i - sum over k < i of L_ik m_k) / L_ii
    let mut half = vec![0.0; n * n];
    for i in 0..n {
        let (above, row) = half.split_at_mut(i * n);
        let lower = &lower[i * n..=i * n + i];
        for k in 0..i {
            add_scaled(&mut row[..=k], -lower[k], &above[k * n..=k * n + k]);
        }
        row[i] = 1.0;
        row[..=i].iter_mut().for_each(|value| *value /= lower[i]);
    }
    let mut inverse = vec![0.0; n * n];
    for k in 0..n {
        let row = &half[k * n..=k * n + k];
        for i in 0..=k {
            add_scaled(&mut inverse[i * n..=i * n + i], row[i], row);
        }
    }
    for i in 0..n {
        for j in 0..i {
            inverse[j * n + i] = inverse[i * n + j];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn positive_definite(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let entries: Vec<f64> = (0..n * n).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let product = dot(&entries[i * n..(i + 1) * n], &entries[j * n..(j + 1) * n]);
                matrix[i * n + j] = product + if i == j { 0.1 } else { 0.0 };
            }
        }
        matrix
    }

    #[test]
    fn solving_and_inverting_undo_the_matrix() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for n in (1..=11).chain([16, 41]) {
            let matrix = positive_definite(n, &mut rng);
            let cholesky = Cholesky::new(n, matrix.clone()).expect("positive definite");
            let b: Vec<f64> = (0..n).map(|i| i as f64 - 3.0).collect();
            let x = cholesky.solve(&b);
            let there_and_back = times(&matrix, &x).into_iter().zip(&b);
            assert!(there_and_back.into_iter().all(|(found, b)| (found - b).abs() < 1e-6), "{n}");
            let solved = times(&cholesky.inverse(), &b).into_iter().zip(&x);
            assert!(solved.into_iter().all(|(found, x)| (found - x).abs() < 1e-6), "{n}");
        }
    }

    #[test]
    fn sums_count_what_does_not_fill_a_vector() {
        for length in [0, 1, 7, 8, 9, 20] {
            let values: Vec<f64> = (1..=length).map(f64::from).collect();
            let ones = vec![1.0; values.len()];
            assert_eq!(dot(&values, &ones), f64::from(length * (length + 1) / 2));
        }
    }

    #[test]
    fn the_determinant_is_the_product_of_the_squared_diagonal() {
        let cholesky = Cholesky::new(2, vec![4.0, f64::NAN, 2.0, 10.0]).expect("positive definite");
        assert_eq!(cholesky.diagonal().map(|it| it * it).product::<f64>(), 36.0);
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert!(Cholesky::new(2, vec![1.0, 2.0, 2.0, 1.0]).is_none());
    }
}
