//! One head of a sequence that fits into a block, so that all of its matrices stay in the nearest cache.
//!
//! Scores lie transposed here, a row for each key and a column for each query: what the softmax takes of the keys of a query, it takes of a
//! vector of queries side by side, and no vector is left half full. Sums run in the order of the way for any length, so the results are the
//! same to the bit.

use pulp::{Arch, Simd, WithSimd};

use crate::dropout::Dropout;
use crate::functions::exps_of_nonpositive;
use crate::lanes::{LANES, dot};
use crate::product::small::{Order, is_available, multiply_small};
use crate::product::{Matrix, MatrixMut};

/// The longest sequence that is short.
const LONGEST: usize = 64;

/// gemm sums in lanes where a product has no more results than this.
const RESULTS_IN_LANES: usize = 256;

/// One head of a short sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortHead {
    pub length: usize,
    pub head_dim: usize,
    pub scale: f32,
    /// The place of a weight is `query * length + key`.
    pub dropout: Option<Dropout>,
}

impl ShortHead {
    /// Whether a head is computed here. Of one or two tokens gemm takes other ways, and it cuts long sums into pieces.
    pub fn is_one(length: usize, head_dim: usize, window: Option<usize>) -> bool {
        (3..=LONGEST).contains(&length)
            && head_dim.is_multiple_of(LANES)
            && (1..=LONGEST).contains(&head_dim)
            && window.is_none_or(|window| window + 1 >= length)
            && is_available()
    }

    /// The queries, up to a whole number of vectors.
    fn width(&self) -> usize {
        self.length.next_multiple_of(LANES)
    }

    /// Matrices of so many rows of `width` floats.
    fn split<'s, const COUNT: usize>(
        &self,
        scratch: &'s mut Vec<f32>,
        rows: [usize; COUNT],
    ) -> [&'s mut [f32]; COUNT] {
        let width = self.width();
        let needed = rows.iter().sum::<usize>() * width;
        if scratch.len() < needed {
            scratch.resize(needed, 0.0);
        }
        let mut rest = &mut scratch[..];
        rows.map(|rows| rest.split_off_mut(..rows * width).expect("as long as all together"))
    }

    /// `(head_dim, width)` from `(length, head_dim)`, with zeros where there is no token.
    #[inline(always)]
    fn transpose(&self, transposed: &mut [f32], matrix: Matrix<'_>) {
        const TOKENS: usize = 4;
        let width = self.width();
        for first in (0..width).step_by(TOKENS) {
            let mut rows: [&[f32]; TOKENS] = [&[0.0; LONGEST][..self.head_dim]; TOKENS];
            for (row, token) in rows.iter_mut().zip(first..self.length) {
                *row = matrix.row(token);
            }
            let [a, b, c, d] = rows;
            let values = a.iter().zip(b).zip(c.iter().zip(d));
            for (features, ((a, b), (c, d))) in transposed.chunks_exact_mut(width).zip(values) {
                features[first..first + TOKENS].copy_from_slice(&[*a, *b, *c, *d]);
            }
        }
    }

    /// What each key, or value, has to do with each query: `(length, width)` from `(length, head_dim)` and `(head_dim, width)`.
    #[inline(always)]
    fn across<S: Simd>(
        &self,
        simd: S,
        results: &mut [f32],
        scale: f32,
        left: Matrix<'_>,
        right: &[f32],
    ) {
        let width = self.width();
        let in_lanes = self.length * self.length <= RESULTS_IN_LANES;
        let order = if in_lanes { Order::Lanes } else { Order::Straight };
        let right = Matrix::new(right, self.head_dim, width);
        let mut results = MatrixMut::new(results, self.length, width);
        multiply_small(simd, &mut results, scale, left, right, order);
    }

    #[inline(always)]
    fn drop_out(&self, weights: &mut [f32]) {
        let Some(dropout) = self.dropout else { return };
        let length = self.length as u32;
        for (key, weights) in weights.chunks_exact_mut(self.width()).enumerate() {
            for (query, weight) in weights.iter_mut().enumerate() {
                *weight *= dropout.factor(query as u32 * length + key as u32);
            }
        }
    }

    /// `(length, length)`, transposed, of `(length, width)`.
    fn without_rest<'m>(&self, weights: &'m [f32]) -> Matrix<'m> {
        Matrix::with_stride(weights, self.length, self.length, self.width())
    }
}

/// The attention of a head.
pub(super) struct Forward<'a, 'o> {
    pub head: ShortHead,
    /// `(length, head_dim)`, written
    pub output: &'a mut MatrixMut<'o>,
    /// `(length,)`, written
    pub log_sums: &'a mut [f32],
    /// Queries, keys and values, `(length, head_dim)` each.
    pub parts: [Matrix<'a>; 3],
    pub scratch: &'a mut Vec<f32>,
}

impl Forward<'_, '_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, output, log_sums, parts: [queries, keys, values], scratch } = self;
        let [transposed, weights] = head.split(scratch, [head.head_dim, head.length]);
        head.transpose(transposed, queries);
        head.across(simd, weights, head.scale, keys, transposed); // (keys, queries)
        softmax(simd, weights, head.width(), log_sums);
        head.drop_out(weights);
        let weights = head.without_rest(weights).transposed();
        multiply_small(simd, output, 1.0, weights, values, Order::Straight);
    }
}

/// The gradient of a head's attention.
pub(super) struct Backward<'a, 'o> {
    pub head: ShortHead,
    /// Those of queries, keys and values, `(length, head_dim)` each; written
    pub d_parts: [&'a mut MatrixMut<'o>; 3],
    /// `(length, head_dim)`
    pub d_output: Matrix<'a>,
    /// `(length, head_dim)`
    pub output: Matrix<'a>,
    /// As the forward left them.
    pub log_sums: &'a [f32],
    pub parts: [Matrix<'a>; 3],
    pub scratch: &'a mut Vec<f32>,
}

impl Backward<'_, '_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, d_parts, d_output, output, log_sums, parts, scratch } = self;
        let ShortHead { length, head_dim, scale, .. } = head;
        let [queries, keys, values] = parts;
        let [transposed, weights, d_scores] = head.split(scratch, [head_dim, length, length]);
        head.transpose(transposed, queries);
        head.across(simd, weights, scale, keys, transposed); // (keys, queries)
        head.transpose(transposed, d_output);
        head.across(simd, d_scores, 1.0, values, transposed); // (keys, queries)
        head.drop_out(d_scores);
        let (mut of_queries, mut means) = ([0.0; LONGEST], [0.0; LONGEST]);
        of_queries[..length].copy_from_slice(log_sums);
        for (row, mean) in means[..length].iter_mut().enumerate() {
            *mean = dot(d_output.row(row), output.row(row));
        }
        weigh(simd, weights, d_scores, head.width(), [&of_queries, &means]);
        head.drop_out(weights);
        let (weights, d_scores) = (head.without_rest(weights), head.without_rest(d_scores));
        let [d_queries, d_keys, d_values] = d_parts;
        multiply_small(simd, d_queries, scale, d_scores.transposed(), keys, Order::Straight);
        multiply_small(simd, d_keys, scale, d_scores, queries, Order::Straight);
        multiply_small(simd, d_values, 1.0, weights, d_output, Order::Straight);
    }
}

/// Turns the scores of each query into weights that sum to 1, and leaves the logarithms of the sums of their exponentials.
///
/// * `weights`: `(keys, width)`; `log_sums`: `(queries,)`
#[inline(always)]
fn softmax<S: Simd>(simd: S, weights: &mut [f32], width: usize, log_sums: &mut [f32]) {
    let weights = S::as_mut_simd_f32s(weights).0;
    let vectors = width / S::F32_LANES;
    for (vector, log_sums) in log_sums.chunks_mut(S::F32_LANES).enumerate() {
        let mut most = simd.splat_f32s(f32::NEG_INFINITY);
        for scores in weights.iter().skip(vector).step_by(vectors) {
            most = simd.max_f32s(*scores, most);
        }
        let zero = simd.splat_f32s(0.0);
        let mut sums = [zero; LANES];
        for (key, weight) in weights.iter_mut().skip(vector).step_by(vectors).enumerate() {
            *weight = exps_of_nonpositive(simd, simd.sub_f32s(*weight, most), zero);
            sums[key % LANES] = simd.add_f32s(sums[key % LANES], *weight);
        }
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                sums[lane] = simd.add_f32s(sums[lane], sums[lane + half]);
            }
            half /= 2;
        }
        let share = simd.div_f32s(simd.splat_f32s(1.0), sums[0]);
        for weight in weights.iter_mut().skip(vector).step_by(vectors) {
            *weight = simd.mul_f32s(*weight, share);
        }
        let (mut largest, mut sum) = ([0.0; LANES], [0.0; LANES]);
        simd.partial_store_f32s(&mut largest, most);
        simd.partial_store_f32s(&mut sum, sums[0]);
        for (log_sum, (most, sum)) in log_sums.iter_mut().zip(largest.iter().zip(sum)) {
            *log_sum = most + sum.ln();
        }
    }
}

/// From scores to weights, and from the gradients of weights to those of scores; `(keys, width)` both.
///
/// * `log_sums`, `means`: `(width,)`
#[inline(always)]
fn weigh<S: Simd>(
    simd: S,
    weights: &mut [f32],
    d_scores: &mut [f32],
    width: usize,
    [log_sums, means]: [&[f32]; 2],
) {
    let (weights, d_scores) = (S::as_mut_simd_f32s(weights).0, S::as_mut_simd_f32s(d_scores).0);
    let vectors = width / S::F32_LANES;
    let (log_sums, means) = (S::as_simd_f32s(log_sums).0, S::as_simd_f32s(means).0);
    for (vector, (log_sum, mean)) in log_sums.iter().zip(means).enumerate().take(vectors) {
        let weights = weights.iter_mut().skip(vector).step_by(vectors);
        let d_scores = d_scores.iter_mut().skip(vector).step_by(vectors);
        for (weight, d_score) in weights.zip(d_scores) {
            let below = simd.sub_f32s(*weight, *log_sum);
            *weight = exps_of_nonpositive(simd, below, simd.splat_f32s(0.0));
            *d_score = simd.mul_f32s(*weight, simd.sub_f32s(*d_score, *mean));
        }
    }
}
