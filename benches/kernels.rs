//! `cargo bench --bench kernels`: the kernels of one layer of ModernBERT-base, forward and backward, on a batch of 16 texts of 12 to 34 tokens, and
//! the optimiser on that layer's weights. Items are tokens, or weights.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use pipeline::nn::Group;
use pipeline::nn::kernels::Write;
use pipeline::nn::kernels::attention::{Heads, attention, attention_backward};
use pipeline::nn::kernels::cross_entropy::{Focus, cross_entropy};
use pipeline::nn::kernels::geglu::{geglu, geglu_backward};
use pipeline::nn::kernels::layer_norm::{Moments, layer_norm, layer_norm_backward};
use pipeline::nn::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use pipeline::nn::kernels::rotary::Rotary;
use pipeline::training::adamw::{AdamW, Gradient, Update, gradient_norm};

const HIDDEN: usize = 768;
const INTERMEDIATE: usize = 1152;
const HEADS: usize = 12;
const LABELS: usize = 93;
/// Weights of a layer's four linear maps.
const WEIGHTS: usize = HIDDEN * (3 * HIDDEN + HIDDEN + 2 * INTERMEDIATE + INTERMEDIATE);

fn main() {
    divan::main();
}

/// Numbers between -1 and 1 without a pattern.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 0.7391).sin()).collect()
}

/// The lengths of 16 texts, as even a mixture of 12 to 34 as there is.
fn lengths() -> Vec<usize> {
    (0..16).map(|text| 12 + text * 7 % 23).collect()
}

fn tokens() -> usize {
    lengths().iter().sum()
}

/// The linear maps of a layer: name, inputs, outputs.
const MAPS: [(&str, usize, usize); 4] = [
    ("Wqkv", HIDDEN, 3 * HIDDEN),
    ("attention Wo", HIDDEN, HIDDEN),
    ("Wi", HIDDEN, 2 * INTERMEDIATE),
    ("MLP Wo", INTERMEDIATE, HIDDEN),
];

#[divan::bench(args = MAPS)]
fn linear_forward(bencher: Bencher, (_, inputs, outputs): (&str, usize, usize)) {
    let (input, weight, mut output) =
        (numbers(tokens() * inputs), numbers(outputs * inputs), numbers(tokens() * outputs));
    bencher
        .counter(ItemsCount::new(tokens()))
        .bench_local(|| linear(&mut output, Write::Replace, &input, &weight, tokens()));
}

#[divan::bench(args = MAPS)]
fn linear_gradient_of_input(bencher: Bencher, (_, inputs, outputs): (&str, usize, usize)) {
    let (mut d_input, weight, d_output) =
        (numbers(tokens() * inputs), numbers(outputs * inputs), numbers(tokens() * outputs));
    let bencher = bencher.counter(ItemsCount::new(tokens()));
    bencher.bench_local(|| {
        linear_backward_input(&mut d_input, Write::Replace, &d_output, &weight, tokens())
    });
}

#[divan::bench(args = MAPS)]
fn linear_gradient_of_weight(bencher: Bencher, (_, inputs, outputs): (&str, usize, usize)) {
    let (input, mut d_weight, d_output) =
        (numbers(tokens() * inputs), numbers(outputs * inputs), numbers(tokens() * outputs));
    let bencher = bencher.counter(ItemsCount::new(tokens()));
    bencher.bench_local(|| {
        linear_backward_weight(&mut d_weight, Write::Replace, &d_output, &input, tokens())
    });
}

const TEXTS: [&str; 3] = ["16 short texts", "one of 2,048, local", "one of 2,048, global"];

/// Calls `bench` with the shape of the attention over some texts, and the number of their tokens.
fn with_heads(name: &str, bench: impl FnOnce(&Heads<'_>, usize)) {
    // How far a token sees on either side.
    let (lengths, window) = match name {
        "16 short texts" => (lengths(), Some(64)),
        "one of 2,048, local" => (vec![2048], Some(64)),
        _ => (vec![2048], None),
    };
    let mut bounds = vec![0];
    for length in &lengths {
        bounds.push(bounds[bounds.len() - 1] + length);
    }
    let head_dim = HIDDEN / HEADS;
    let mut rotary = Rotary::new(10_000.0, head_dim);
    rotary.grow(lengths.into_iter().max().unwrap_or(0));
    let tokens = bounds[bounds.len() - 1];
    bench(
        &Heads {
            bounds: &bounds,
            heads: HEADS,
            head_dim,
            window,
            rotary: Some(&rotary),
            dropout: None,
        },
        tokens,
    );
}

#[divan::bench(args = TEXTS)]
fn rotary_attention(bencher: Bencher, name: &str) {
    with_heads(name, |heads, tokens| {
        let qkv = numbers(tokens * 3 * HIDDEN);
        let (mut attended, mut rotated, mut log_sums) =
            (numbers(tokens * HIDDEN), numbers(tokens * 3 * HIDDEN), numbers(tokens * HEADS));
        let bencher = bencher.counter(ItemsCount::new(tokens));
        bencher.bench_local(|| attention(&mut attended, &mut rotated, &mut log_sums, &qkv, heads));
    });
}

#[divan::bench(args = TEXTS)]
fn rotary_attention_backward(bencher: Bencher, name: &str) {
    with_heads(name, |heads, tokens| {
        let (qkv, d_attended) = (numbers(tokens * 3 * HIDDEN), numbers(tokens * HIDDEN));
        let (mut attended, mut rotated, mut log_sums) =
            (numbers(tokens * HIDDEN), numbers(tokens * 3 * HIDDEN), numbers(tokens * HEADS));
        let mut d_qkv = numbers(tokens * 3 * HIDDEN);
        attention(&mut attended, &mut rotated, &mut log_sums, &qkv, heads);
        let bencher = bencher.counter(ItemsCount::new(tokens));
        bencher.bench_local(|| {
            attention_backward(&mut d_qkv, &d_attended, &attended, &rotated, &log_sums, heads)
        });
    });
}

#[divan::bench]
fn layer_norm_forward(bencher: Bencher) {
    let (input, weight, mut output) =
        (numbers(tokens() * HIDDEN), numbers(HIDDEN), numbers(tokens() * HIDDEN));
    let mut moments = vec![Moments::default(); tokens()];
    let bencher = bencher.counter(ItemsCount::new(tokens()));
    bencher.bench_local(|| layer_norm(&mut output, &mut moments, &input, &weight, None, 1e-5));
}

#[divan::bench]
fn layer_norm_gradients(bencher: Bencher) {
    let (input, weight, d_output) =
        (numbers(tokens() * HIDDEN), numbers(HIDDEN), numbers(tokens() * HIDDEN));
    let (mut d_input, mut d_weight, mut partial) =
        (numbers(tokens() * HIDDEN), numbers(HIDDEN), Vec::new());
    let mut moments = vec![Moments::default(); tokens()];
    layer_norm(&mut d_input, &mut moments, &input, &weight, None, 1e-5);
    let write = Write::Replace;
    let bencher = bencher.counter(ItemsCount::new(tokens()));
    bencher.bench_local(|| {
        layer_norm_backward(
            &mut d_input,
            write,
            &mut d_weight,
            write,
            &d_output,
            &input,
            &moments,
            &weight,
            &mut partial,
        )
    });
}

#[divan::bench]
fn geglu_forward(bencher: Bencher) {
    let (input, mut output) =
        (numbers(tokens() * 2 * INTERMEDIATE), numbers(tokens() * INTERMEDIATE));
    bencher
        .counter(ItemsCount::new(tokens()))
        .bench_local(|| geglu(&mut output, &input, INTERMEDIATE));
}

#[divan::bench]
fn geglu_gradients(bencher: Bencher) {
    // In place, so each sample begins with a copy, which is not timed.
    let (input, output) = (numbers(tokens() * 2 * INTERMEDIATE), numbers(tokens() * INTERMEDIATE));
    let bencher =
        bencher.counter(ItemsCount::new(tokens())).with_inputs(|| (input.clone(), output.clone()));
    bencher.bench_local_refs(|(input, output)| geglu_backward(input, output, INTERMEDIATE));
}

#[divan::bench]
fn cross_entropy_with_gradient(bencher: Bencher) {
    let (logits, labels): (_, Vec<u32>) =
        (numbers(tokens() * LABELS), (0..tokens()).map(|token| (token % LABELS) as u32).collect());
    let bencher = bencher.counter(ItemsCount::new(tokens())).with_inputs(|| logits.clone());
    bencher.bench_local_refs(|logits| {
        cross_entropy(logits, LABELS, &labels, &|_, _| 1.0, Focus { gamma: 0.0 }, Some(0.1))
    });
}

#[divan::bench]
fn norm_of_the_gradient(bencher: Bencher) {
    let values = numbers(WEIGHTS);
    let gradients = [Gradient::Dense { start: 0, values: &values, group: Group::default() }];
    bencher.counter(ItemsCount::new(WEIGHTS)).bench_local(|| gradient_norm(black_box(&gradients)));
}

#[divan::bench]
fn adamw(bencher: Bencher) {
    let (mut parameters, values) = (numbers(WEIGHTS), numbers(WEIGHTS));
    let gradients = [Gradient::Dense { start: 0, values: &values, group: Group::default() }];
    let update = Update {
        learning_rate: 2e-5,
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: 0.01,
        gradient_scale: 0.5,
        clips_updates: false,
    };
    let mut state = AdamW::new(WEIGHTS);
    bencher
        .counter(ItemsCount::new(WEIGHTS))
        .bench_local(|| state.step(&mut parameters, &gradients, &update));
}
