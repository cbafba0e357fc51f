//! Attention that tells distances, on texts of several blocks of queries: the kernel against its definition in float64, and one path against the other.

use candle_core::Device;
use pipeline::nn::kernels::attention::Heads;
use pipeline::nn::kernels::relative::{Reached, relative_attention, relative_attention_backward};
use pipeline::nn::{Batch, ComposedModel, Distances, Gradients, LossOptions, Workspace};

use crate::families::{has_no_gradient, model};
use crate::fixture::{by_name, relative_error};

/// Two texts, of 2 blocks of 64 queries and of 3.
const BOUNDS: [usize; 3] = [0, 70, 220];
const LONGEST: usize = 150;
const HEADS: usize = 2;
const HEAD_DIM: usize = 8;
const HIDDEN: usize = HEADS * HEAD_DIM;

/// Every third distance beyond 8 shares its row with others, and those beyond 100 are one.
const DISTANCES: Distances = Distances { buckets: 16, farthest: 100 };

/// A step in float32 is this far away from one in float64 by rounding.
const ROUNDING: f64 = 5e-6;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 0.7391 + seed).sin()).collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(sum: &mut [f64], factor: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

/// Rows of queries, keys and values, `(rows, 3 * HIDDEN)`.
struct Rows(Vec<f64>);

impl Rows {
    fn of(values: &[f32]) -> Self {
        Self(values.iter().map(|value| f64::from(*value)).collect())
    }

    fn place(row: usize, part: usize, head: usize) -> std::ops::Range<usize> {
        let start = (row * 3 + part) * HIDDEN + head * HEAD_DIM;
        start..start + HEAD_DIM
    }

    fn at(&self, row: usize, part: usize, head: usize) -> &[f64] {
        &self.0[Self::place(row, part, head)]
    }

    fn at_mut(&mut self, row: usize, part: usize, head: usize) -> &mut [f64] {
        &mut self.0[Self::place(row, part, head)]
    }
}

/// The attention of one query of a text whose tokens are `text`, and what it adds to the gradients, token by token.
///
/// Reference: formula 4 of DeBERTa's paper, arXiv:2006.03654.
fn attend(
    (query, head): (usize, usize),
    text: std::ops::Range<usize>,
    [tokens, rows]: [&Rows; 2],
    [d_tokens, d_rows]: [&mut Rows; 2],
    d_attended: &[f64],
) -> Vec<f64> {
    let [of_queries, of_keys, of_values] = [0, 1, 2];
    let scale = 1.0 / (3.0 * HEAD_DIM as f64).sqrt();
    let first = DISTANCES.row(1 - LONGEST as i64);
    let row = |key: usize| DISTANCES.row(query as i64 - key as i64) - first;
    let of_query = tokens.at(query, of_queries, head);
    let score = |key: usize| {
        let of_key = tokens.at(key, of_keys, head);
        let by_distance = dot(of_query, rows.at(row(key), of_keys, head))
            + dot(of_key, rows.at(row(key), of_queries, head));
        ((dot(of_query, of_key) + by_distance) * scale).exp()
    };
    let weights: Vec<f64> = text.clone().map(score).collect();
    let sum: f64 = weights.iter().sum();
    let mut attended = vec![0.0; HEAD_DIM];
    for (key, weight) in text.clone().zip(&weights) {
        add(&mut attended, weight / sum, tokens.at(key, of_values, head));
    }
    for (key, weight) in text.zip(&weights) {
        let (weight, value) = (weight / sum, tokens.at(key, of_values, head));
        let d_score = scale * weight * (dot(d_attended, value) - dot(d_attended, &attended));
        let (of_key, row) = (tokens.at(key, of_keys, head), row(key));
        add(d_tokens.at_mut(key, of_values, head), weight, d_attended);
        add(d_tokens.at_mut(query, of_queries, head), d_score, of_key);
        add(d_tokens.at_mut(query, of_queries, head), d_score, rows.at(row, of_keys, head));
        add(d_tokens.at_mut(key, of_keys, head), d_score, of_query);
        add(d_tokens.at_mut(key, of_keys, head), d_score, rows.at(row, of_queries, head));
        add(d_rows.at_mut(row, of_keys, head), d_score, of_query);
        add(d_rows.at_mut(row, of_queries, head), d_score, of_key);
    }
    attended
}

#[test]
fn attention_over_several_blocks_is_its_definition_forward_and_backward() {
    let tokens = BOUNDS[2];
    let reached = DISTANCES.reached(LONGEST).len();
    let places = DISTANCES.places(LONGEST);
    let (qkv, rows) = (numbers(3 * tokens * HIDDEN, 0.1), numbers(3 * reached * HIDDEN, 0.2));
    let d_attended = numbers(tokens * HIDDEN, 0.3);
    let (mut attended, mut rotated) = (vec![0.0; tokens * HIDDEN], vec![0.0; qkv.len()]);
    let (mut log_sums, mut d_qkv) = (vec![0.0; tokens * HEADS], vec![f32::NAN; qkv.len()]);
    let mut d_rows = vec![f32::NAN; rows.len()];
    let distances = Reached { rows: &rows, places: &places };
    let shape = Heads {
        bounds: &BOUNDS,
        heads: HEADS,
        head_dim: HEAD_DIM,
        window: None,
        rotary: None,
        dropout: None,
    };
    relative_attention(&mut attended, &mut rotated, &mut log_sums, &qkv, &distances, &shape);
    relative_attention_backward(
        [&mut d_qkv, &mut d_rows],
        &d_attended,
        &attended,
        &rotated,
        &log_sums,
        &distances,
        &shape,
    );

    let (exact, exact_rows) = (Rows::of(&qkv), Rows::of(&rows));
    let mut d_exact = Rows(vec![0.0; qkv.len()]);
    let mut d_exact_rows = Rows(vec![0.0; rows.len()]);
    let mut expected = Vec::new();
    for text in BOUNDS.windows(2).map(|pair| pair[0]..pair[1]) {
        for (query, head) in
            text.clone().flat_map(|query| (0..HEADS).map(move |head| (query, head)))
        {
            let start = query * HIDDEN + head * HEAD_DIM;
            let d_attended: Vec<f64> =
                d_attended[start..start + HEAD_DIM].iter().map(|d| f64::from(*d)).collect();
            expected.extend(attend(
                (query, head),
                text.clone(),
                [&exact, &exact_rows],
                [&mut d_exact, &mut d_exact_rows],
                &d_attended,
            ));
        }
    }
    for (what, found, expected) in [
        ("what is attended to", &attended, &expected),
        ("the gradient of queries, keys and values", &d_qkv, &d_exact.0),
        ("the gradient of distances", &d_rows, &d_exact_rows.0),
    ] {
        let error = relative_error(found, expected);
        assert!(error < ROUNDING, "{what} is off by {error:e}");
    }
}

#[test]
fn both_paths_compute_the_same_of_texts_of_several_blocks() -> candle_core::Result<()> {
    let mut model = model("deberta-v2");
    model.spec = model.spec.with_dropout(0.25);
    let tokens = BOUNDS[2] as u32;
    let ids = (0..tokens).map(|token| token * 7_919 % model.spec.vocab_size as u32).collect();
    let targets = vec![(0..tokens).map(|token| token % 5).collect(), vec![0, 1]];
    let batch = Batch::new(ids, BOUNDS.to_vec()).unwrap().with_targets(targets);
    let composed = ComposedModel::new(&model, &Device::Cpu)?;
    let doubles = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();

    let theirs = doubles(composed.encode(&batch)?.flatten_all()?.to_vec1()?);
    let error = relative_error(model.encode(&batch, &mut Workspace::new()).unwrap(), &theirs);
    assert!(error < ROUNDING, "hidden states are off by {error:e}");

    for batch in [batch.clone(), batch.with_noise(7)] {
        for recompute in [false, true] {
            let mut gradients = Gradients::new(&model.layout);
            let mut workspace = Workspace::new().recompute_layers(recompute);
            let options = [LossOptions::EVEN; 2];
            let losses =
                model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients).unwrap();
            let (expected, theirs) = composed.loss_and_gradients(&batch, &options, recompute)?;
            assert!((losses.total / expected.total - 1.0).abs() < ROUNDING, "{losses:?}");
            for ((name, found), theirs) in by_name(&model, &gradients).iter().zip(theirs) {
                let theirs =
                    doubles(theirs.expect("each has a gradient").flatten_all()?.to_vec1()?);
                let error = relative_error(found, &theirs);
                assert!(has_no_gradient(name) || error < ROUNDING, "{name} is off by {error:e}");
            }
        }
    }
    Ok(())
}
