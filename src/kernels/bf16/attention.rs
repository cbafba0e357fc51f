//! Attention in bf16, forward and backward: queries, keys, values, weights and their gradients are rounded where they are factors; scores, weights
//! before that and all sums are f32.
//!
//! One task handles one head of one sequence, block by block of queries, and for each block by block of the keys that its window reaches, so that
//! what a task holds does not grow with the length but for the sequence's own queries, keys and values. The forward brings the sums so far to the
//! largest score so far whenever a block of keys has a larger one.
//!
//! Reference: Dao et al., "FlashAttention" (2022); what is rounded is what PyTorch's autocast rounds there.

use std::ops::Range;

use rayon::prelude::*;

use super::Instructions;
use super::panel::{PART, Panel, Turned, Uses, multiply_panels};
use super::round::rounded;
use super::tiles::{Rows, Side};
use crate::Write;
use crate::attention::{BLOCK, Heads, PARTS, Task, drop_block, parts, sized};
use crate::functions::exp_of_nonpositive;
use crate::lanes::{LANES, dot, largest, sum_of, vectorised};
use crate::product::MatrixMut;

/// Keys that a block of queries looks at together.
const KEYS: usize = 512;

const LEFT: Uses = Uses { along: Some(Side::Left), across: None };
const LEFT_TRANSPOSED: Uses = Uses { along: None, across: Some(Side::Left) };
const RIGHT: Uses = Uses { along: None, across: Some(Side::Right) };
const RIGHT_TRANSPOSED: Uses = Uses { along: Some(Side::Right), across: None };

/// What a task works in.
#[derive(Debug, Default)]
struct Room {
    /// `(3, length, head_dim)`
    rotated: Vec<f32>,
    queries: Panel,
    keys: Panel,
    values: Panel,
    d_output: Panel,
    scores: Scores,
}

/// Scores and weights of a block.
#[derive(Debug, Default)]
struct Scores {
    /// Rows are whole vectors, here and in the gradients.
    values: Vec<f32>,
    gradients: Vec<f32>,
    weights: Panel,
    d_scores: Panel,
}

/// Attention of every token over the tokens of its sequence, as [`attention`](crate::attention::attention) but in bf16.
///
/// * `attended`: `(tokens, hidden)`, written
/// * `kept`: the bits of queries and keys after the rotary embedding, and of values, in heads layout; written, for the backward
/// * `log_sums`: per sequence `(heads, length)`: the logarithm of each row's sum of exponentials; written, for the backward
/// * `qkv`: `(tokens, 3 * hidden)`
pub fn attention(
    attended: &mut [f32],
    kept: &mut [u16],
    log_sums: &mut [f32],
    qkv: &[f32],
    shape: &Heads<'_>,
    instructions: Instructions,
) {
    let tasks: Vec<_> = shape
        .tasks()
        .zip(shape.split(kept, PARTS * shape.head_dim))
        .zip(shape.split(log_sums, 1))
        .zip(shape.columns(attended))
        .collect();
    tasks.into_par_iter().for_each_init(
        Room::default,
        |room, (((task, kept), log_sums), mut output)| {
            let rotated = sized(&mut room.rotated, kept.len());
            task.gather(rotated, qkv, shape);
            keep(kept, rotated);
            forward(&task, &mut output, log_sums, room, shape, instructions);
        },
    );
}

/// The gradient of [`attention`].
///
/// * `d_qkv`: `(tokens, 3 * hidden)`, replaced
/// * `d_attended`, `attended`: `(tokens, hidden)`
/// * `kept`, `log_sums`: as the forward left them
pub fn attention_backward(
    d_qkv: &mut [f32],
    d_attended: &[f32],
    attended: &[f32],
    kept: &[u16],
    log_sums: &[f32],
    shape: &Heads<'_>,
    instructions: Instructions,
) {
    let tasks: Vec<_> = shape.tasks().zip(shape.columns_of_parts(d_qkv)).collect();
    tasks.into_par_iter().for_each_init(Room::default, |room, (task, d_parts)| {
        let kept = task.part_of(kept, PARTS * shape.head_dim, shape);
        let rotated = sized(&mut room.rotated, kept.len());
        rotated.iter_mut().zip(kept).for_each(|(value, bits)| *value = unpacked(*bits));
        let log_sums = task.part_of(log_sums, 1, shape);
        let of = OfTask { d_attended, attended, log_sums, shape, instructions };
        backward(&task, d_parts, &of, room);
    });
}

/// * `output`: `(length, head_dim)`; `log_sums`: `(length,)`
fn forward(
    task: &Task,
    output: &mut MatrixMut<'_>,
    log_sums: &mut [f32],
    room: &mut Room,
    shape: &Heads<'_>,
    instructions: Instructions,
) {
    let (length, head_dim, dropout) = (task.length, shape.head_dim, shape.dropout_of(task));
    let Room { rotated, queries, keys, values, scores, .. } = room;
    let Scores { values: scores, weights, .. } = scores;
    let [all_queries, all_keys, all_values] =
        parts(&rotated[..PARTS * length * head_dim], length * head_dim);
    keys.round(Rows::new(all_keys, length, head_dim), RIGHT_TRANSPOSED, instructions);
    values.round(Rows::new(all_values, length, head_dim), RIGHT, instructions);
    for from in (0..length).step_by(BLOCK) {
        let rows = BLOCK.min(length - from);
        let block = from * head_dim..(from + rows) * head_dim;
        queries.round(Rows::new(&all_queries[block], rows, head_dim), LEFT, instructions);
        let mut output = output.rows(from..from + rows);
        let mut softmax = Softmax::new(shape.scale(), rows);
        let mut write = Write::Replace;
        for (first, last) in blocks_of_keys(shape, from, rows, length) {
            let (part, columns) = (first..last, last - first);
            let stride = columns.next_multiple_of(LANES);
            let scores = sized(scores, rows * stride);
            let product = |sums: MatrixMut<'_>, write, left: Turned<'_>, right: Turned<'_>| {
                multiply_panels(sums, write, left, right, part.clone(), instructions);
            };
            let sums = MatrixMut::with_columns(scores, rows, stride, 0..columns);
            product(sums, Write::Replace, Turned::Not(queries), Turned::Transposed(keys));
            leave_out(scores, stride, from, part.clone(), shape.window);
            softmax.weigh(scores, stride, (write == Write::Add).then_some(&mut output));
            drop_block(scores, stride, from * length + first, length, dropout);
            weights.round(Rows { values: scores, rows, columns, stride }, LEFT, instructions);
            product(output.rows(0..rows), write, Turned::Not(weights), Turned::Not(values));
            write = Write::Add;
        }
        softmax.finish(&mut output, &mut log_sums[from..]);
    }
}

/// What the backward of a task reads.
struct OfTask<'a> {
    /// `(tokens, hidden)` both
    d_attended: &'a [f32],
    attended: &'a [f32],
    /// `(length,)`
    log_sums: &'a [f32],
    shape: &'a Heads<'a>,
    instructions: Instructions,
}

/// * `d_parts`: `(length, head_dim)` each, replaced by the gradients of queries and keys before their turn, and of values
fn backward(task: &Task, mut d_parts: [MatrixMut<'_>; PARTS], of: &OfTask<'_>, room: &mut Room) {
    let OfTask { shape, instructions, .. } = *of;
    let (length, head_dim) = (task.length, shape.head_dim);
    let Room { rotated, queries, keys, values, d_output, scores } = room;
    let [all_queries, all_keys, all_values] =
        parts(&rotated[..PARTS * length * head_dim], length * head_dim);
    let uses = both(RIGHT_TRANSPOSED, RIGHT);
    keys.round(Rows::new(all_keys, length, head_dim), uses, instructions);
    values.round(Rows::new(all_values, length, head_dim), RIGHT_TRANSPOSED, instructions);
    // One block of queries writes all keys and values; several add to those that each of them sees.
    let write = if length <= BLOCK { Write::Replace } else { Write::Add };
    if write == Write::Add {
        d_parts[1..].iter_mut().for_each(|part| part.fill(0.0));
    }
    for from in (0..length).step_by(BLOCK) {
        let rows = BLOCK.min(length - from);
        let block = from * head_dim..(from + rows) * head_dim;
        let uses = both(LEFT, RIGHT);
        queries.round(Rows::new(&all_queries[block], rows, head_dim), uses, instructions);
        let values_here = &of.d_attended[task.start_of(from, shape)..];
        let gradient =
            Rows { values: values_here, rows, columns: head_dim, stride: shape.hidden() };
        d_output.round(gradient, uses, instructions);
        let block = Block { task, from, rows, queries, keys, values, d_output };
        block.backward(&mut d_parts, write, of, scores);
    }
    if let Some(rotary) = shape.rotary {
        let [d_queries, d_keys, _] = &mut d_parts;
        rotary.turn_back(d_queries);
        rotary.turn_back(d_keys);
    }
}

/// A block of queries, and what it is multiplied with.
struct Block<'a> {
    task: &'a Task,
    from: usize,
    rows: usize,
    /// `(rows, head_dim)`, as is the gradient of the output
    queries: &'a Panel,
    /// `(length, head_dim)` both
    keys: &'a Panel,
    values: &'a Panel,
    d_output: &'a Panel,
}

impl Block<'_> {
    /// Writes the gradient of the block's queries, and writes or adds those of keys and values.
    fn backward(
        &self,
        [d_queries, d_keys, d_values]: &mut [MatrixMut<'_>; PARTS],
        write: Write,
        of: &OfTask<'_>,
        scores: &mut Scores,
    ) {
        let Self { task, from, rows, queries, keys, values, d_output } = *self;
        let OfTask { shape, instructions, .. } = *of;
        let (length, dropout) = (task.length, shape.dropout_of(task));
        let Scores { values: scores, gradients, weights, d_scores } = scores;
        let means = of.means(task, from, rows);
        let mut write_queries = Write::Replace;
        for (first, last) in blocks_of_keys(shape, from, rows, length) {
            let (part, columns) = (first..last, last - first);
            let stride = columns.next_multiple_of(LANES);
            let (scores, gradients) =
                (sized(scores, rows * stride), sized(gradients, rows * stride));
            let product =
                |sums: MatrixMut<'_>, write, left: Turned<'_>, right: Turned<'_>, part| {
                    multiply_panels(sums, write, left, right, part, instructions);
                };
            let (left, right) = (Turned::Not(queries), Turned::Transposed(keys));
            let sums = MatrixMut::with_columns(scores, rows, stride, 0..columns);
            product(sums, Write::Replace, left, right, part.clone());
            let (left, right) = (Turned::Not(d_output), Turned::Transposed(values));
            let sums = MatrixMut::with_columns(gradients, rows, stride, 0..columns);
            product(sums, Write::Replace, left, right, part.clone());
            leave_out(scores, stride, from, part.clone(), shape.window);
            drop_block(gradients, stride, from * length + first, length, dropout);
            of.weigh_again(scores, gradients, stride, from, &means);
            drop_block(scores, stride, from * length + first, length, dropout);
            let uses = both(LEFT, LEFT_TRANSPOSED);
            let block = Rows { values: scores, rows, columns, stride };
            weights.round(block, LEFT_TRANSPOSED, instructions);
            let block = Rows { values: gradients, rows, columns, stride };
            d_scores.round(block, uses, instructions);
            let (sums, right) = (d_queries.rows(from..from + rows), Turned::Not(keys));
            product(sums, write_queries, Turned::Not(d_scores), right, part.clone());
            let (left, right) = (Turned::Transposed(d_scores), Turned::Not(queries));
            product(d_keys.rows(part.clone()), write, left, right, 0..rows);
            let (left, right) = (Turned::Transposed(weights), Turned::Not(d_output));
            product(d_values.rows(part), write, left, right, 0..rows);
            write_queries = Write::Add;
        }
    }
}

/// One use along the rows, and another down the columns.
fn both(along: Uses, across: Uses) -> Uses {
    Uses { along: along.along, across: across.across }
}

impl OfTask<'_> {
    /// What the gradient of a weight is measured against, for each of the queries from `from` on: the mean of those of its row.
    fn means(&self, task: &Task, from: usize, rows: usize) -> [f32; BLOCK] {
        let mut means = [0.0; BLOCK];
        vectorised!(|| {
            for (row, mean) in means.iter_mut().enumerate().take(rows) {
                let start = task.start_of(from + row, self.shape);
                let features = start..start + self.shape.head_dim;
                *mean = dot(&self.d_attended[features.clone()], &self.attended[features]);
            }
        });
        means
    }

    /// From scores to weights, and from the gradient of weights to that of scores.
    fn weigh_again(
        &self,
        scores: &mut [f32],
        d_weights: &mut [f32],
        stride: usize,
        from: usize,
        means: &[f32; BLOCK],
    ) {
        let scale = self.shape.scale();
        vectorised!(|| {
            let rows = scores.chunks_exact_mut(stride).zip(d_weights.chunks_exact_mut(stride));
            for ((weights, d_scores), (log_sum, mean)) in
                rows.zip(self.log_sums[from..].iter().zip(means))
            {
                for (weight, d_score) in weights.iter_mut().zip(d_scores) {
                    *weight = exp_of_nonpositive(*weight * scale - log_sum, 0.0);
                    *d_score = *weight * (*d_score - mean) * scale;
                }
            }
        });
    }
}

/// The softmax of a block of queries over one block of keys after another.
struct Softmax {
    scale: f32,
    rows: usize,
    /// The largest score so far, scaled, and the sum of the exponentials of what each is below it.
    most: [f32; BLOCK],
    sums: [f32; BLOCK],
}

impl Softmax {
    fn new(scale: f32, rows: usize) -> Self {
        Self { scale, rows, most: [f32::MIN; BLOCK], sums: [0.0; BLOCK] }
    }

    /// Turns scores into exponentials, and brings what was summed before, if anything, to the same largest score.
    ///
    /// * `scores`: rows of `stride` floats, of which those that count nowhere are negative infinity
    /// * `before`: `(rows, head_dim)`
    fn weigh(&mut self, scores: &mut [f32], stride: usize, before: Option<&mut MatrixMut<'_>>) {
        let Self { scale, rows, most, sums } = self;
        let (scale, mut before) = (*scale, before);
        vectorised!(|| {
            let states = most.iter_mut().zip(sums.iter_mut()).take(*rows);
            for (row, (scores, (most, sum))) in
                scores.chunks_exact_mut(stride).zip(states).enumerate()
            {
                let here = largest(scores) * scale;
                let peak = if here > *most { here } else { *most };
                scores.iter_mut().for_each(|score| {
                    *score = exp_of_nonpositive(*score * scale - peak, 0.0);
                });
                let shrunk = exp_of_nonpositive(*most - peak, 0.0);
                *sum = *sum * shrunk + sum_of(scores, scores, scores, |score, _, _| score);
                *most = peak;
                if let Some(before) = &mut before {
                    before.row(row).iter_mut().for_each(|feature| *feature *= shrunk);
                }
            }
        });
    }

    /// Divides what was summed by the sum of the weights.
    fn finish(&self, output: &mut MatrixMut<'_>, log_sums: &mut [f32]) {
        vectorised!(|| {
            let states = self.most.iter().zip(&self.sums).zip(log_sums.iter_mut());
            for (row, ((most, sum), log_sum)) in states.enumerate().take(self.rows) {
                let share = 1.0 / sum;
                output.row(row).iter_mut().for_each(|feature| *feature *= share);
                *log_sum = most + sum.ln();
            }
        });
    }
}

/// The keys that the queries from `from` on see, some at a time.
fn blocks_of_keys(
    shape: &Heads<'_>,
    from: usize,
    rows: usize,
    length: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let (first, last) = shape.keys(from, from + rows, length);
    let first = first / PART * PART;
    let last = last.next_multiple_of(PART).min(length);
    (first..last).step_by(KEYS).map(move |first| (first, last.min(first + KEYS)))
}

/// Makes negative infinity of the scores of `keys` that are outside of the window of their query, and of what fills up the rows.
fn leave_out(
    scores: &mut [f32],
    stride: usize,
    from: usize,
    keys: Range<usize>,
    window: Option<usize>,
) {
    for (query, scores) in (from..).zip(scores.chunks_exact_mut(stride)) {
        let (first, end) = match window {
            None => (keys.start, keys.end),
            Some(window) => (query.saturating_sub(window), query + window + 1),
        };
        let column = |key: usize| key.clamp(keys.start, keys.end) - keys.start;
        scores[..column(first)].fill(f32::NEG_INFINITY);
        scores[column(end)..].fill(f32::NEG_INFINITY);
    }
}

/// Rounds what the backward needs, and leaves its bits in `kept`.
fn keep(kept: &mut [u16], values: &mut [f32]) {
    vectorised!(|| {
        for (bits, value) in kept.iter_mut().zip(values.iter_mut()) {
            *value = rounded(*value);
            *bits = (value.to_bits() >> 16) as u16;
        }
    });
}

#[inline(always)]
fn unpacked(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::{self as exact};
    use crate::dropout::Dropout;
    use crate::rotary::Rotary;

    /// Numbers of about 1 without a pattern.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7_919 + seed * 104_729) as f32 * 0.37).sin()).collect()
    }

    /// What is attended, and the gradient of queries, keys and values; in f32 without instructions.
    fn computed(shape: &Heads<'_>, instructions: Option<Instructions>) -> [Vec<f32>; 2] {
        let tokens = *shape.bounds.last().unwrap();
        let size = tokens * shape.hidden();
        let (qkv, d_attended) = (numbers(3 * size, 1), numbers(size, 2));
        let (mut attended, mut d_qkv) = (vec![0.0; size], vec![0.0; 3 * size]);
        let mut sums = vec![0.0; tokens * shape.heads];
        match instructions {
            None => {
                let mut kept = vec![0.0; 3 * size];
                exact::attention(&mut attended, &mut kept, &mut sums, &qkv, shape);
                exact::attention_backward(&mut d_qkv, &d_attended, &attended, &kept, &sums, shape);
            }
            Some(with) => {
                let mut kept = vec![0; 3 * size];
                attention(&mut attended, &mut kept, &mut sums, &qkv, shape, with);
                attention_backward(&mut d_qkv, &d_attended, &attended, &kept, &sums, shape, with);
            }
        }
        [attended, d_qkv]
    }

    /// In Euclidean norms.
    fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
        let square = |value: f32| f64::from(value) * f64::from(value);
        let apart: f64 = found.iter().zip(expected).map(|(one, other)| square(one - other)).sum();
        (apart / expected.iter().copied().map(square).sum::<f64>()).sqrt()
    }

    fn for_all_shapes(check: impl Fn(&Heads<'_>)) {
        let lengths: [&[usize]; 4] = [&[1, 23, 64, 2], &[70, 34], &[600], &[1_100]];
        let dropout = [None, Some(Dropout::new(0.2, 3))];
        for head_dim in [12, 64] {
            let mut rotary = Rotary::new(10_000.0, head_dim);
            rotary.grow(1_100);
            for (lengths, window) in lengths
                .into_iter()
                .flat_map(|it| [None, Some(5), Some(64), Some(700)].map(|w| (it, w)))
            {
                let mut bounds = vec![0];
                lengths.iter().for_each(|length| bounds.push(bounds[bounds.len() - 1] + length));
                let bounds = &bounds;
                let (heads, rotary) = (2, Some(&rotary));
                for dropout in dropout {
                    check(&Heads { bounds, heads, head_dim, window, rotary, dropout });
                }
            }
        }
    }

    #[test]
    fn it_is_attention_up_to_rounding() {
        for_all_shapes(|shape| {
            let expected = computed(shape, None);
            for instructions in Instructions::available() {
                let found = computed(shape, Some(instructions));
                let errors = [0, 1].map(|which| relative_error(&found[which], &expected[which]));
                let says = format!("{instructions:?}, {shape:?}: {errors:?}");
                assert!(errors.iter().all(|error| (1e-4..1e-2).contains(error)), "{says}");
            }
        });
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        for_all_shapes(|shape| {
            for instructions in Instructions::available() {
                let on = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.unwrap().install(|| computed(shape, Some(instructions)))
                };
                assert!(on(1) == on(3), "{instructions:?}, {shape:?}");
            }
        });
    }

    #[test]
    fn a_task_holds_a_block_of_keys_however_long_the_text_is() {
        let held = |length: usize| {
            let bounds = &[0, length];
            let (heads, head_dim) = (1, 8);
            let shape =
                Heads { bounds, heads, head_dim, window: None, rotary: None, dropout: None };
            let task = shape.tasks().next().unwrap();
            let mut room = Room { rotated: vec![0.1; 3 * length * 8], ..Room::default() };
            let (mut output, mut sums) = (vec![0.0; length * 8], vec![0.0; length]);
            let output = &mut MatrixMut::new(&mut output, length, 8);
            forward(&task, output, &mut sums, &mut room, &shape, Instructions::Portable);
            room.scores.values.len()
        };
        assert_eq!((held(2_000), held(5_000)), (BLOCK * KEYS, BLOCK * KEYS));
    }
}
