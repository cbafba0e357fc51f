//! Attention over packed sequences, with rotary positions or without, forward and backward.
//!
//! One task handles one head of one sequence. It walks over blocks of queries and, for each, looks at the keys that its window reaches, so
//! the largest thing that exists at any time is a block of scores: `BLOCK` by sequence length in a layer that sees everything, `BLOCK` by
//! `BLOCK + 2 * window` in a local one, whose cost therefore grows linearly with the length. The backward recomputes the attention weights from
//! queries, keys and the logarithm of each row's sum.
//!
//! What the backward will need lies in *heads layout*: within a sequence `(heads, parts, length, head_dim)`, where the parts are queries, keys
//! and values, or a single one. A head's matrices are then contiguous. Results go to the columns of the head.
//!
//! A head of a short sequence needs no blocks: `short` computes it in one, to the same bits.

mod short;

use rayon::prelude::*;

use self::short::ShortHead;
use super::Write;
use super::dropout::Dropout;
use super::functions::exp_of_nonpositive;
use super::lanes::{dot, largest, sum_of, vectorised};
use super::product::{Matrix, MatrixMut, Threads, multiply};
use super::rotary::Rotary;

/// Queries that are looked at together.
pub(super) const BLOCK: usize = 64;

/// Queries, keys and values.
pub(super) const PARTS: usize = 3;

/// The part that knows no position.
const VALUES: usize = 2;

/// What the attention of a layer looks like.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// `(sequences + 1,)`: where each sequence begins.
    pub bounds: &'a [usize],
    pub heads: usize,
    pub head_dim: usize,
    /// How far a token sees on either side, or `None` if it sees the whole sequence.
    pub window: Option<usize>,
    /// Angles for all positions of the longest sequence; `None` where queries and keys are not turned.
    pub rotary: Option<&'a Rotary>,
    /// What is dropped of what a token looks at. The place of a weight among those of a head of a sequence is `query * length + key`.
    pub dropout: Option<Dropout>,
}

/// Attention of every token over the tokens of its sequence.
///
/// * `attended`: `(tokens, hidden)`, written
/// * `rotated`: queries and keys after the rotary embedding, and values, in heads layout; written, for the backward
/// * `log_sums`: per sequence `(heads, length)`: the logarithm of each row's sum of exponentials; written, for the backward
/// * `qkv`: `(tokens, 3 * hidden)`
///
/// Reference: transformers' `eager_attention_forward`, scaled by `head_dim^-1/2`.
pub fn attention(
    attended: &mut [f32],
    rotated: &mut [f32],
    log_sums: &mut [f32],
    qkv: &[f32],
    shape: &Heads<'_>,
) {
    let tasks: Vec<_> = shape
        .tasks()
        .zip(shape.split(rotated, PARTS * shape.head_dim))
        .zip(shape.split(log_sums, 1))
        .zip(shape.columns(attended))
        .collect();
    tasks.into_par_iter().for_each_init(
        Vec::new,
        |scores, (((task, rotated), log_sums), mut output)| {
            task.gather(rotated, qkv, shape);
            task.forward(&mut output, log_sums, rotated, scores, shape);
        },
    );
}

/// The gradient of [`attention`].
///
/// * `d_qkv`: `(tokens, 3 * hidden)`, replaced
/// * `d_attended`, `attended`: `(tokens, hidden)`
/// * `rotated`, `log_sums`: as the forward left them
pub fn attention_backward(
    d_qkv: &mut [f32],
    d_attended: &[f32],
    attended: &[f32],
    rotated: &[f32],
    log_sums: &[f32],
    shape: &Heads<'_>,
) {
    let tasks: Vec<_> = shape.tasks().zip(shape.columns_of_parts(d_qkv)).collect();
    tasks.into_par_iter().for_each_init(
        <(Vec<f32>, Vec<f32>)>::default,
        |scratch, (task, d_parts)| {
            let rotated = task.part_of(rotated, PARTS * shape.head_dim, shape);
            let log_sums = task.part_of(log_sums, 1, shape);
            task.backward(d_parts, d_attended, attended, rotated, log_sums, scratch, shape);
        },
    );
}

impl Heads<'_> {
    pub(super) fn hidden(&self) -> usize {
        self.heads * self.head_dim
    }

    pub(super) fn scale(&self) -> f32 {
        (1.0 / (self.head_dim as f64).sqrt()) as f32
    }

    /// Every head of every sequence, in heads layout's order.
    pub(super) fn tasks(&self) -> impl Iterator<Item = Task> {
        let heads = self.heads;
        self.bounds.windows(2).enumerate().flat_map(move |(sequence, pair)| {
            (0..heads).map(move |head| Task {
                first: pair[0],
                length: pair[1] - pair[0],
                head,
                number: sequence * heads + head,
            })
        })
    }

    pub(super) fn dropout_of(&self, task: &Task) -> Option<Dropout> {
        self.dropout.map(|dropout| dropout.numbered(task.number as u64))
    }

    /// The task, if it is the head of a short sequence.
    fn short(&self, task: &Task) -> Option<ShortHead> {
        ShortHead::is_one(task.length, self.head_dim, self.window).then(|| ShortHead {
            length: task.length,
            head_dim: self.head_dim,
            scale: self.scale(),
            dropout: self.dropout_of(task),
        })
    }

    /// The slices of `data`, in heads layout, that belong to the tasks.
    pub(super) fn split<'d, T>(
        &self,
        mut data: &'d mut [T],
        per_token: usize,
    ) -> impl Iterator<Item = &'d mut [T]> {
        self.tasks().map(move |task| {
            data.split_off_mut(..task.length * per_token)
                .expect("heads layout has room for every head of every token")
        })
    }

    /// The rows of each sequence in a `(tokens, parts * hidden)` matrix.
    fn sequences<'d>(
        &self,
        mut tokens: &'d mut [f32],
        parts: usize,
    ) -> impl Iterator<Item = MatrixMut<'d>> {
        let width = parts * self.hidden();
        self.bounds.windows(2).map(move |pair| {
            let rows = pair[1] - pair[0];
            let data = tokens.split_off_mut(..rows * width);
            MatrixMut::new(data.expect("there is a row for every token"), rows, width)
        })
    }

    /// The columns of each task in `(tokens, hidden)`.
    pub(super) fn columns<'d>(&self, tokens: &'d mut [f32]) -> impl Iterator<Item = MatrixMut<'d>> {
        self.sequences(tokens, 1).flat_map(|rows| rows.column_blocks(self.head_dim))
    }

    /// Those of queries, keys and values of each task in `(tokens, 3 * hidden)`.
    pub(super) fn columns_of_parts<'d>(
        &self,
        tokens: &'d mut [f32],
    ) -> impl Iterator<Item = [MatrixMut<'d>; PARTS]> {
        self.sequences(tokens, PARTS).flat_map(|rows| {
            let (queries, rest) = rows.split_at_column(self.hidden());
            let (keys, values) = rest.split_at_column(self.hidden());
            let [queries, keys, values] =
                [queries, keys, values].map(|part| part.column_blocks(self.head_dim));
            queries.zip(keys).zip(values).map(|((queries, keys), values)| [queries, keys, values])
        })
    }

    /// The keys that queries `from..to` of a sequence see.
    pub(super) fn keys(&self, from: usize, to: usize, length: usize) -> (usize, usize) {
        match self.window {
            None => (0, length),
            Some(window) => (from.saturating_sub(window), (to + window).min(length)),
        }
    }
}

/// One head of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// The sequence's first token in the batch.
    first: usize,
    pub(super) length: usize,
    pub(super) head: usize,
    /// Among all heads of all sequences.
    number: usize,
}

impl Task {
    /// This task's slice of `data`, in heads layout.
    pub(super) fn part_of<'d, T>(
        &self,
        data: &'d [T],
        per_token: usize,
        shape: &Heads<'_>,
    ) -> &'d [T] {
        let start = (self.first * shape.heads + self.head * self.length) * per_token;
        &data[start..start + self.length * per_token]
    }

    /// Queries, keys and values of `(3, length, head_dim)`, `(length, head_dim)` each.
    fn matrices<'d>(&self, rotated: &'d [f32], shape: &Heads<'_>) -> [Matrix<'d>; PARTS] {
        let head_dim = shape.head_dim;
        parts(rotated, self.length * head_dim).map(|part| Matrix::new(part, self.length, head_dim))
    }

    /// This head's `rows` of a `(tokens, hidden)` matrix, the first of them being `from` of the sequence.
    pub(super) fn rows_of<'d>(
        &self,
        tokens: &'d [f32],
        from: usize,
        rows: usize,
        shape: &Heads<'_>,
    ) -> Matrix<'d> {
        Matrix::with_stride(
            &tokens[self.start_of(from, shape)..],
            rows,
            shape.head_dim,
            shape.hidden(),
        )
    }

    /// Where this head's features of the sequence's token `row` begin in a `(tokens, hidden)` matrix.
    pub(super) fn start_of(&self, row: usize, shape: &Heads<'_>) -> usize {
        (self.first + row) * shape.hidden() + self.head * shape.head_dim
    }

    /// Turns queries and keys and collects them with the values: `(3, length, head_dim)` from `(tokens, 3 * hidden)`.
    pub(super) fn gather(&self, rotated: &mut [f32], qkv: &[f32], shape: &Heads<'_>) {
        let (length, head_dim, width) = (self.length, shape.head_dim, PARTS * shape.hidden());
        for (part, rows) in rotated.chunks_exact_mut(length * head_dim).enumerate() {
            let start = self.first * width + part * shape.hidden() + self.head * head_dim;
            let features = Matrix::with_stride(&qkv[start..], length, head_dim, width);
            match shape.rotary {
                Some(rotary) if part != VALUES => {
                    rotary.turn(&mut MatrixMut::new(rows, length, head_dim), features);
                }
                _ => {
                    let rows = rows.chunks_exact_mut(head_dim).enumerate();
                    rows.for_each(|(row, copy)| copy.copy_from_slice(features.row(row)));
                }
            }
        }
    }

    /// * `output`: `(length, head_dim)`; `log_sums`: `(length,)`; `rotated`: `(3, length, head_dim)`
    fn forward(
        &self,
        output: &mut MatrixMut<'_>,
        log_sums: &mut [f32],
        rotated: &[f32],
        scores: &mut Vec<f32>,
        shape: &Heads<'_>,
    ) {
        match shape.short(self) {
            Some(head) => {
                let parts = self.matrices(rotated, shape);
                short::Forward { head, output, log_sums, parts, scratch: scores }.run();
            }
            None => self.forward_in_blocks(output, log_sums, rotated, scores, shape),
        }
    }

    fn forward_in_blocks(
        &self,
        output: &mut MatrixMut<'_>,
        log_sums: &mut [f32],
        rotated: &[f32],
        scores: &mut Vec<f32>,
        shape: &Heads<'_>,
    ) {
        let Self { length, .. } = *self;
        let (head_dim, dropout) = (shape.head_dim, shape.dropout_of(self));
        let [queries, keys, values] = parts(rotated, length * head_dim);
        for from in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - from);
            let (first_key, last_key) = shape.keys(from, from + rows, length);
            let columns = last_key - first_key;
            let queries = Matrix::new(&queries[from * head_dim..], rows, head_dim);
            let keys = Matrix::new(&keys[first_key * head_dim..], columns, head_dim);
            let values = Matrix::new(&values[first_key * head_dim..], columns, head_dim);

            let scores = sized(scores, rows * columns); // (rows, columns)
            multiply(
                MatrixMut::new(scores, rows, columns),
                Write::Replace,
                shape.scale(),
                queries,
                keys.transposed(),
                Threads::Caller,
            );
            vectorised!(|| {
                for (row, (scores, log_sum)) in
                    scores.chunks_exact_mut(columns).zip(&mut log_sums[from..]).enumerate()
                {
                    *log_sum = softmax(within_window(scores, from + row - first_key, shape.window));
                }
            });
            drop_block(scores, columns, from * length + first_key, length, dropout);
            multiply(
                output.rows(from..from + rows),
                Write::Replace,
                1.0,
                Matrix::new(scores, rows, columns),
                values,
                Threads::Caller,
            );
        }
    }

    /// * `d_parts`: `(length, head_dim)` each, replaced by the gradients of queries and keys before their turn, and of values
    /// * `d_attended`, `attended`: `(tokens, hidden)`; `rotated`: `(3, length, head_dim)`; `log_sums`: `(length,)`
    #[expect(
        clippy::too_many_arguments,
        reason = "the forward's operands and results, and scratch"
    )]
    fn backward(
        &self,
        mut d_parts: [MatrixMut<'_>; PARTS],
        d_attended: &[f32],
        attended: &[f32],
        rotated: &[f32],
        log_sums: &[f32],
        scratch: &mut (Vec<f32>, Vec<f32>),
        shape: &Heads<'_>,
    ) {
        match shape.short(self) {
            Some(head) => {
                let backward = short::Backward {
                    head,
                    d_parts: d_parts.each_mut(),
                    d_output: self.rows_of(d_attended, 0, self.length, shape),
                    output: self.rows_of(attended, 0, self.length, shape),
                    log_sums,
                    parts: self.matrices(rotated, shape),
                    scratch: &mut scratch.0,
                };
                backward.run();
            }
            None => {
                let d_parts = d_parts.each_mut();
                self.backward_in_blocks(
                    d_parts, d_attended, attended, rotated, log_sums, scratch, shape,
                );
            }
        }
        if let Some(rotary) = shape.rotary {
            let [d_queries, d_keys, _] = &mut d_parts;
            rotary.turn_back(d_queries);
            rotary.turn_back(d_keys);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the forward's operands and results, and scratch"
    )]
    fn backward_in_blocks(
        &self,
        [d_queries, d_keys, d_values]: [&mut MatrixMut<'_>; PARTS],
        d_attended: &[f32],
        attended: &[f32],
        rotated: &[f32],
        log_sums: &[f32],
        (weights, d_weights): &mut (Vec<f32>, Vec<f32>),
        shape: &Heads<'_>,
    ) {
        let Self { length, .. } = *self;
        let (head_dim, scale, dropout) = (shape.head_dim, shape.scale(), shape.dropout_of(self));
        let [queries, keys, values] = parts(rotated, length * head_dim);
        // One block of queries writes all keys and values; several add to those that each of them sees.
        let write = if length <= BLOCK { Write::Replace } else { Write::Add };
        if write == Write::Add {
            d_keys.fill(0.0);
            d_values.fill(0.0);
        }
        for from in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - from);
            let (first_key, last_key) = shape.keys(from, from + rows, length);
            let columns = last_key - first_key;
            let queries = Matrix::new(&queries[from * head_dim..], rows, head_dim);
            let keys = Matrix::new(&keys[first_key * head_dim..], columns, head_dim);
            let values = Matrix::new(&values[first_key * head_dim..], columns, head_dim);
            let d_output = self.rows_of(d_attended, from, rows, shape);

            let (weights, d_weights) =
                (sized(weights, rows * columns), sized(d_weights, rows * columns)); // (rows, columns) each
            multiply(
                MatrixMut::new(weights, rows, columns),
                Write::Replace,
                scale,
                queries,
                keys.transposed(),
                Threads::Caller,
            );
            multiply(
                MatrixMut::new(d_weights, rows, columns),
                Write::Replace,
                1.0,
                d_output,
                values.transposed(),
                Threads::Caller,
            );
            drop_block(d_weights, columns, from * length + first_key, length, dropout);
            vectorised!(|| {
                let block =
                    weights.chunks_exact_mut(columns).zip(d_weights.chunks_exact_mut(columns));
                for (row, ((weights, d_weights), &log_sum)) in
                    block.zip(&log_sums[from..]).enumerate()
                {
                    let start = self.start_of(from + row, shape);
                    let features = start..start + head_dim;
                    let mean = dot(&d_attended[features.clone()], &attended[features]);
                    let weights = within_window(weights, from + row - first_key, shape.window);
                    let d_scores = within_window(d_weights, from + row - first_key, shape.window);
                    for (weight, d_score) in weights.iter_mut().zip(d_scores) {
                        *weight = exp_of_nonpositive(*weight - log_sum, 0.0);
                        *d_score = *weight * (*d_score - mean);
                    }
                }
            });
            drop_block(weights, columns, from * length + first_key, length, dropout);
            let (weights, d_scores) =
                (Matrix::new(weights, rows, columns), Matrix::new(d_weights, rows, columns));
            let d_queries = d_queries.rows(from..from + rows);
            multiply(d_queries, Write::Replace, scale, d_scores, keys, Threads::Caller);
            let d_keys = d_keys.rows(first_key..last_key);
            multiply(d_keys, write, scale, d_scores.transposed(), queries, Threads::Caller);
            let d_values = d_values.rows(first_key..last_key);
            multiply(d_values, write, 1.0, weights.transposed(), d_output, Threads::Caller);
        }
    }
}

/// Drops weights of a block, `(rows, columns)`, of which the first one has place `first`, and each row begins `length` places after the one before.
pub(super) fn drop_block(
    weights: &mut [f32],
    columns: usize,
    first: usize,
    length: usize,
    dropout: Option<Dropout>,
) {
    let Some(dropout) = dropout else { return };
    vectorised!(|| {
        for (row, weights) in weights.chunks_exact_mut(columns).enumerate() {
            for (place, weight) in ((first + row * length) as u32..).zip(weights.iter_mut()) {
                *weight *= dropout.factor(place);
            }
        }
    });
}

/// Queries, keys and values of `(3, length, head_dim)`.
pub(super) fn parts(rotated: &[f32], size: usize) -> [&[f32]; PARTS] {
    [&rotated[..size], &rotated[size..2 * size], &rotated[2 * size..]]
}

/// The first `length` floats of a scratch vector, whatever they hold.
pub(super) fn sized(scratch: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    &mut scratch[..length]
}

/// The scores that the window around column `centre` reaches; those outside become 0.
#[inline(always)]
fn within_window(scores: &mut [f32], centre: usize, window: Option<usize>) -> &mut [f32] {
    let Some(window) = window else { return scores };
    let (from, to) = (centre.saturating_sub(window), (centre + window + 1).min(scores.len()));
    scores[..from].fill(0.0);
    scores[to..].fill(0.0);
    &mut scores[from..to]
}

/// Turns scores into weights that sum to 1; returns the logarithm of the sum of their exponentials.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32]) -> f32 {
    let most = largest(scores);
    scores.iter_mut().for_each(|score| *score = exp_of_nonpositive(*score - most, 0.0));
    let sum = sum_of(scores, scores, scores, |score, _, _| score);
    let share = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= share);
    most + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::small::is_available;

    /// Floats of the largest block of scores of one head.
    fn scores(length: usize, window: Option<usize>) -> usize {
        let head_dim = 4;
        let mut rotary = Rotary::new(10_000.0, head_dim);
        rotary.grow(length);
        let shape = Heads {
            bounds: &[0, length],
            heads: 1,
            head_dim,
            window,
            rotary: Some(&rotary),
            dropout: None,
        };
        let task = Task { first: 0, length, head: 0, number: 0 };
        let rotated = vec![0.1; PARTS * length * head_dim];
        let (mut output, mut log_sums) = (vec![0.0; length * head_dim], vec![0.0; length]);
        let (mut forward, mut backward) = (Vec::new(), <(Vec<f32>, Vec<f32>)>::default());
        let view = &mut MatrixMut::new(&mut output, length, head_dim);
        task.forward(view, &mut log_sums, &rotated, &mut forward, &shape);
        let mut d_parts = [(); PARTS].map(|()| vec![0.0; length * head_dim]);
        let views = d_parts.each_mut().map(|part| MatrixMut::new(part, length, head_dim));
        task.backward(views, &output, &output, &rotated, &log_sums, &mut backward, &shape);
        let (weights, d_weights) = backward;
        assert_eq!((weights.len(), d_weights.len()), (forward.len(), forward.len()));
        forward.len()
    }

    #[test]
    fn a_local_layer_holds_no_more_scores_for_a_longer_text() {
        assert_eq!(scores(1000, Some(16)), BLOCK * (BLOCK + 2 * 16));
        assert_eq!(scores(4000, Some(16)), scores(1000, Some(16)));
    }

    #[test]
    fn a_global_layer_holds_a_block_of_rows() {
        assert_eq!(scores(1000, None), BLOCK * 1000);
    }

    #[test]
    fn a_head_of_a_short_sequence_has_the_bits_that_blocks_have() {
        let numbers = |count: usize, seed: f32| -> Vec<f32> {
            (0..count).map(|index| (index as f32 * 0.7391 + seed).sin()).collect()
        };
        let mut short = 0;
        for (length, head_dim) in (1..70).flat_map(|length| [(length, 32), (length, 64)]) {
            for dropout in [None, Some(Dropout::new(0.1, 7))] {
                let (window, rotary, bounds) = (Some(64), None, &[0, length]);
                let shape = Heads { bounds, heads: 1, head_dim, window, rotary, dropout };
                let task = Task { first: 0, length, head: 0, number: 0 };
                short += usize::from(shape.short(&task).is_some());
                let size = length * head_dim;
                let (rotated, d_attended) = (numbers(PARTS * size, 0.1), numbers(size, 0.2));
                let results = |in_blocks: bool| {
                    let (mut output, mut log_sums) = (vec![0.0; size], vec![0.0; length]);
                    let view = &mut MatrixMut::new(&mut output, length, head_dim);
                    let mut d_parts = [(); PARTS].map(|()| vec![0.0; size]);
                    let mut views =
                        d_parts.each_mut().map(|part| MatrixMut::new(part, length, head_dim));
                    let scratch = &mut <(Vec<f32>, Vec<f32>)>::default();
                    if in_blocks {
                        let (sums, scores) = (&mut log_sums, &mut Vec::new());
                        task.forward_in_blocks(view, sums, &rotated, scores, &shape);
                        let views = views.each_mut();
                        let (d, of, sums) = (&d_attended, &output, &log_sums);
                        task.backward_in_blocks(views, d, of, &rotated, sums, scratch, &shape);
                    } else {
                        task.forward(view, &mut log_sums, &rotated, &mut Vec::new(), &shape);
                        let (d, of, sums) = (&d_attended, &output, &log_sums);
                        task.backward(views, d, of, &rotated, sums, scratch, &shape);
                    }
                    (output, log_sums, d_parts)
                };
                assert!(results(false) == results(true), "{length} x {head_dim}, {dropout:?}");
            }
        }
        assert!(!is_available() || short > 200, "{short} of them were short");
    }
}
