//! Symmetric positive definite matrices, in a fixed order of additions.

/// Sums that run side by side in [`dot`]: what the compiler may vectorise without changing a bit.
const LANES: usize = 8;

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    rest + ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}

/// `y += factor * x`
fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// A matrix `A = L Lᵀ` by its lower triangle `L`: row after row, `(n, n)`, zeros above the diagonal not written.
pub(crate) struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// * `matrix`: `(n, n)`, row after row; only the lower triangle is read
    ///
    /// `None` where the matrix is not positive definite.
    pub(crate) fn new(n: usize, matrix: Vec<f64>) -> Option<Self> {
        let mut lower = matrix;
        for i in 0..n {
            let (above, row) = lower.split_at_mut(i * n);
            for j in 0..i {
                let other = &above[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let square = row[i] - dot(&row[..i], &row[..i]);
            if square.is_nan() || square <= 0.0 {
                return None;
            }
            row[i] = libm::sqrt(square);
        }
        Some(Self { n, lower })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.lower[i * self.n..i * self.n + i + 1]
    }

    /// ln det A
    pub(crate) fn log_determinant(&self) -> f64 {
        2.0 * (0..self.n).map(|i| libm::log(self.row(i)[i])).sum::<f64>()
    }

    /// `A⁻¹ b`
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for i in 0..self.n {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
        for i in (0..self.n).rev() {
            let row = self.row(i);
            let value = x[i] / row[i];
            x[i] = value;
            add_scaled(&mut x[..i], -value, &row[..i]);
        }
        x
    }

    /// `A⁻¹`, `(n, n)`, both triangles.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let n = self.n;
        // Rows of L⁻¹: m_i = (e_i - sum over k < i of L_ik m_k) / L_ii
        let mut half = vec![0.0; n * n];
        for i in 0..n {
            let (above, row) = half.split_at_mut(i * n);
            let lower = self.row(i);
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn positive_definite(n: usize, entries: &[f64]) -> Vec<f64> {
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| entries[i * n + k] * entries[j * n + k]).sum();
                matrix[i * n + j] = product + if i == j { 0.1 } else { 0.0 };
            }
        }
        matrix
    }

    proptest! {
        #[test]
        fn solving_and_inverting_undo_the_matrix(entries in prop::collection::vec(-1.0..1.0, 11 * 11)) {
            let n = 11;
            let matrix = positive_definite(n, &entries);
            let cholesky = Cholesky::new(n, matrix.clone()).expect("positive definite");
            let b: Vec<f64> = (0..n).map(|i| i as f64 - 3.0).collect();
            let (x, inverse) = (cholesky.solve(&b), cholesky.inverse());
            for i in 0..n {
                let row = &matrix[i * n..(i + 1) * n];
                prop_assert!((dot(row, &x) - b[i]).abs() < 1e-8);
                prop_assert!((dot(&inverse[i * n..(i + 1) * n], &b) - x[i]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn the_determinant_is_the_product_of_the_squared_diagonal() {
        let cholesky = Cholesky::new(2, vec![4.0, f64::NAN, 2.0, 10.0]).expect("positive definite");
        assert!((cholesky.log_determinant() - 36.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert!(Cholesky::new(2, vec![1.0, 2.0, 2.0, 1.0]).is_none());
    }
}
