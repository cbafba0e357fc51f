//! Attention that tells how far a query is from a key, forward and backward.
//!
//! A score is the sum of three: query with key, query with the key of their distance, and key with the query of their distance. The products with
//! distances are computed for each distance once and then looked up: `(queries, distances)` and `(keys, distances)`, of which a text of `length` tokens
//! reaches `2 * length - 1` at most.
//!
//! It works on blocks of queries, as [`attention`](super::attention) does, and shares its layouts. The gradient of distances is summed up over sequences in
//! their order, one task for each head.

use rayon::prelude::*;

use super::Write;
use super::attention::{BLOCK, Heads, PARTS, Task, drop_block, parts, sized, softmax};
use super::functions::exp_of_nonpositive;
use super::lanes::{dot, vectorised};
use super::product::{Matrix, MatrixMut, Threads, multiply};

/// How many products of two numbers a score has for each feature.
const SCORES: usize = 3;

/// The distances that the longest sequence reaches.
#[derive(Debug, Clone, Copy)]
pub struct Reached<'a> {
    /// `(reached, 3 * hidden)`: queries and keys of distances, and values that are not read.
    pub rows: &'a [f32],
    /// The row of each distance from a key on to a query, from `1 - longest` to `longest - 1`; they never fall.
    pub places: &'a [u32],
}

/// What a head works on, kept from one task of a thread to the next.
#[derive(Debug, Default)]
struct Scratch {
    weights: Vec<f32>,
    d_weights: Vec<f32>,
    of_queries: Vec<f32>,
    d_of_queries: Vec<f32>,
    of_keys: Vec<f32>,
    d_of_keys: Vec<f32>,
}

/// The distances that one head of a sequence reaches.
struct Near<'a> {
    /// `(width, head_dim)`
    queries: Matrix<'a>,
    keys: Matrix<'a>,
    /// The first of them among all that are reached, and how many they are.
    first: usize,
    width: usize,
    /// By distance, from `1 - length`.
    places: &'a [u32],
}

impl Near<'_> {
    /// Where the distances of the query to all keys lie, in the order of the keys.
    fn of_query(&self, query: usize) -> impl Iterator<Item = usize> {
        let length = self.places.len() / 2 + 1;
        let places = &self.places[query..query + length];
        places.iter().rev().map(|place| *place as usize - self.first)
    }
}

impl<'a> Reached<'a> {
    fn near(&self, task: &Task, shape: &Heads<'_>) -> Near<'a> {
        let (hidden, longest) = (shape.hidden(), self.places.len() / 2 + 1);
        let places = &self.places[longest - task.length..longest + task.length - 1];
        let first = places[0] as usize;
        let width = places[places.len() - 1] as usize + 1 - first;
        let part = |part: usize| {
            let start = (first * PARTS + part) * hidden + task.head * shape.head_dim;
            Matrix::with_stride(&self.rows[start..], width, shape.head_dim, PARTS * hidden)
        };
        Near { queries: part(0), keys: part(1), first, width, places }
    }
}

/// Attention of every token over the tokens of its sequence.
///
/// * `attended`, `rotated`, `log_sums`, `qkv`: as [`attention`](super::attention::attention) has them
///
/// Reference: transformers' `DisentangledSelfAttention`, with `c2p` and `p2c`, scaled by `(3 * head_dim)^-1/2`.
pub fn relative_attention(
    attended: &mut [f32],
    rotated: &mut [f32],
    log_sums: &mut [f32],
    qkv: &[f32],
    distances: &Reached<'_>,
    shape: &Heads<'_>,
) {
    let tasks: Vec<_> = shape
        .tasks()
        .zip(shape.split(rotated, PARTS * shape.head_dim))
        .zip(shape.split(log_sums, 1))
        .zip(shape.columns(attended))
        .collect();
    tasks.into_par_iter().for_each_init(
        Scratch::default,
        |scratch, (((task, rotated), log_sums), mut output)| {
            task.gather(rotated, qkv, shape);
            forward(&task, &mut output, log_sums, rotated, distances, scratch, shape);
        },
    );
}

/// The gradient of [`relative_attention`].
///
/// * `d_qkv`: `(tokens, 3 * hidden)`, and that of the distances' rows, `(reached, 3 * hidden)`; replaced
/// * `d_attended`, `attended`: `(tokens, hidden)`
/// * `rotated`, `log_sums`: as the forward left them
pub fn relative_attention_backward(
    [d_qkv, d_rows]: [&mut [f32]; 2],
    d_attended: &[f32],
    attended: &[f32],
    rotated: &[f32],
    log_sums: &[f32],
    distances: &Reached<'_>,
    shape: &Heads<'_>,
) {
    let mut of_heads: Vec<Vec<_>> = (0..shape.heads).map(|_| Vec::new()).collect();
    for (task, d_parts) in shape.tasks().zip(shape.columns_of_parts(d_qkv)) {
        of_heads[task.head].push((task, d_parts));
    }
    let all = [0, d_rows.len() / (PARTS * shape.hidden())];
    let of_rows = Heads { bounds: &all, ..*shape };
    let tasks: Vec<_> = of_heads.into_iter().zip(of_rows.columns_of_parts(d_rows)).collect();
    tasks.into_par_iter().for_each_init(Scratch::default, |scratch, (tasks, mut d_distances)| {
        d_distances.iter_mut().for_each(|part| part.fill(0.0));
        for (task, d_parts) in tasks {
            let kept = Kept {
                d_attended,
                attended,
                rotated: task.part_of(rotated, PARTS * shape.head_dim, shape),
                log_sums: task.part_of(log_sums, 1, shape),
            };
            backward(&task, d_parts, &mut d_distances, &kept, distances, scratch, shape);
        }
    });
}

fn scale(shape: &Heads<'_>) -> f32 {
    (1.0 / ((SCORES * shape.head_dim) as f64).sqrt()) as f32
}

/// `scale * left · rightᵀ`, or the like.
fn product(
    output: &mut [f32],
    (rows, columns): (usize, usize),
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    let output = MatrixMut::new(output, rows, columns);
    multiply(output, Write::Replace, scale, left, right.transposed(), Threads::Caller);
}

/// `to = scale * left · right`, or `+=`.
fn set_or_add(to: MatrixMut<'_>, write: Write, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
    multiply(to, write, scale, left, right, Threads::Caller);
}

/// Adds to the scores of a block those of its distances.
///
/// * `scores`: `(rows, length)`, of queries `from` and on; `of_queries`: `(rows, width)`; `of_keys`: `(length, width)`
fn add_distances(
    scores: &mut [f32],
    from: usize,
    of_queries: &[f32],
    of_keys: &[f32],
    near: &Near<'_>,
) {
    let length = near.places.len() / 2 + 1;
    let rows = scores.chunks_exact_mut(length).zip(of_queries.chunks_exact(near.width));
    for (row, (scores, of_query)) in rows.enumerate() {
        let of_keys = of_keys.chunks_exact(near.width);
        for ((score, of_key), place) in
            scores.iter_mut().zip(of_keys).zip(near.of_query(from + row))
        {
            *score += of_query[place] + of_key[place];
        }
    }
}

fn forward(
    task: &Task,
    output: &mut MatrixMut<'_>,
    log_sums: &mut [f32],
    rotated: &[f32],
    distances: &Reached<'_>,
    scratch: &mut Scratch,
    shape: &Heads<'_>,
) {
    let (length, head_dim, scale) = (task.length, shape.head_dim, scale(shape));
    let [queries, keys, values] = parts(rotated, length * head_dim);
    let [keys, values] = [keys, values].map(|part| Matrix::new(part, length, head_dim));
    let near = distances.near(task, shape);
    let of_keys = sized(&mut scratch.of_keys, length * near.width); // (length, width)
    product(of_keys, (length, near.width), scale, keys, near.queries);
    for from in (0..length).step_by(BLOCK) {
        let rows = BLOCK.min(length - from);
        let queries = Matrix::new(&queries[from * head_dim..], rows, head_dim);
        let scores = sized(&mut scratch.weights, rows * length); // (rows, length)
        product(scores, (rows, length), scale, queries, keys);
        let of_queries = sized(&mut scratch.of_queries, rows * near.width); // (rows, width)
        product(of_queries, (rows, near.width), scale, queries, near.keys);
        add_distances(scores, from, of_queries, of_keys, &near);
        vectorised!(|| {
            let rows = scores.chunks_exact_mut(length).zip(&mut log_sums[from..]);
            rows.for_each(|(scores, log_sum)| *log_sum = softmax(scores));
        });
        drop_block(scores, length, from * length, length, shape.dropout_of(task));
        multiply(
            output.rows(from..from + rows),
            Write::Replace,
            1.0,
            Matrix::new(scores, rows, length),
            values,
            Threads::Caller,
        );
    }
}

/// What the backward of a head has of the forward.
struct Kept<'a> {
    /// `(tokens, hidden)`
    d_attended: &'a [f32],
    attended: &'a [f32],
    /// `(3, length, head_dim)`
    rotated: &'a [f32],
    /// `(length,)`
    log_sums: &'a [f32],
}

/// * `d_parts`: `(length, head_dim)` each, replaced
/// * `d_distances`: `(reached, head_dim)` each, added to
fn backward(
    task: &Task,
    [mut d_queries, mut d_keys, mut d_values]: [MatrixMut<'_>; PARTS],
    [d_distance_queries, d_distance_keys, _]: &mut [MatrixMut<'_>; PARTS],
    kept: &Kept<'_>,
    distances: &Reached<'_>,
    scratch: &mut Scratch,
    shape: &Heads<'_>,
) {
    let (length, head_dim, scale) = (task.length, shape.head_dim, scale(shape));
    let [queries, keys, values] = parts(kept.rotated, length * head_dim);
    let [keys, values] = [keys, values].map(|part| Matrix::new(part, length, head_dim));
    let near = distances.near(task, shape);
    let (width, reached) = (near.width, near.first..near.first + near.width);
    let Scratch { weights, d_weights, of_queries, d_of_queries, of_keys, d_of_keys } = scratch;
    let of_keys = sized(of_keys, length * width); // (length, width)
    product(of_keys, (length, width), scale, keys, near.queries);
    let d_of_keys = sized(d_of_keys, length * width);
    d_of_keys.fill(0.0);
    for from in (0..length).step_by(BLOCK) {
        let rows = BLOCK.min(length - from);
        let write = if from == 0 { Write::Replace } else { Write::Add };
        let queries = Matrix::new(&queries[from * head_dim..], rows, head_dim);
        let weights = sized(weights, rows * length); // (rows, length)
        product(weights, (rows, length), scale, queries, keys);
        let of_queries = sized(of_queries, rows * width); // (rows, width)
        product(of_queries, (rows, width), scale, queries, near.keys);
        add_distances(weights, from, of_queries, of_keys, &near);
        let d_output = task.rows_of(kept.d_attended, from, rows, shape);
        let d_scores = sized(d_weights, rows * length);
        product(d_scores, (rows, length), 1.0, d_output, values);
        drop_block(d_scores, length, from * length, length, shape.dropout_of(task));
        scores_backward(task, from, weights, d_scores, kept, shape);
        let d_of_queries = sized(d_of_queries, rows * width);
        d_of_queries.fill(0.0);
        let blocks = d_scores.chunks_exact(length).zip(d_of_queries.chunks_exact_mut(width));
        for (row, (d_scores, d_of_query)) in blocks.enumerate() {
            let d_of_keys = d_of_keys.chunks_exact_mut(width);
            let places = near.of_query(from + row);
            for ((d_score, d_of_key), place) in d_scores.iter().zip(d_of_keys).zip(places) {
                d_of_query[place] += d_score;
                d_of_key[place] += d_score;
            }
        }
        drop_block(weights, length, from * length, length, shape.dropout_of(task));
        let [weights, d_scores] =
            [&*weights, &*d_scores].map(|block| Matrix::new(block, rows, length));
        let d_of_queries = Matrix::new(d_of_queries, rows, width);
        let block = from..from + rows;
        set_or_add(d_queries.rows(block.clone()), Write::Replace, scale, d_scores, keys);
        set_or_add(d_queries.rows(block), Write::Add, scale, d_of_queries, near.keys);
        set_or_add(d_keys.rows(0..length), write, scale, d_scores.transposed(), queries);
        let d_near = d_distance_keys.rows(reached.clone());
        set_or_add(d_near, Write::Add, scale, d_of_queries.transposed(), queries);
        set_or_add(d_values.rows(0..length), write, 1.0, weights.transposed(), d_output);
    }
    let d_of_keys = Matrix::new(d_of_keys, length, width);
    set_or_add(d_keys, Write::Add, scale, d_of_keys, near.queries);
    set_or_add(d_distance_queries.rows(reached), Write::Add, scale, d_of_keys.transposed(), keys);
}

/// Turns the scores of a block into weights, and the gradient of weights into that of scores.
///
/// * `weights`, `d_weights`: `(rows, length)`, of queries `from` and on
fn scores_backward(
    task: &Task,
    from: usize,
    weights: &mut [f32],
    d_weights: &mut [f32],
    kept: &Kept<'_>,
    shape: &Heads<'_>,
) {
    vectorised!(|| {
        let rows =
            weights.chunks_exact_mut(task.length).zip(d_weights.chunks_exact_mut(task.length));
        for (row, ((weights, d_scores), &log_sum)) in rows.zip(&kept.log_sums[from..]).enumerate() {
            let start = task.start_of(from + row, shape);
            let features = start..start + shape.head_dim;
            let mean = dot(&kept.d_attended[features.clone()], &kept.attended[features]);
            for (weight, d_score) in weights.iter_mut().zip(d_scores) {
                *weight = exp_of_nonpositive(*weight - log_sum, 0.0);
                *d_score = *weight * (*d_score - mean);
            }
        }
    });
}
