//! The heads on top of the encoder, forward and backward.

use std::ops::Range;

use super::buffers::fit;
use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::bias::{bias, bias_backward};
use super::kernels::cross_entropy::{Focus, cross_entropy};
use super::kernels::gelu::{gelu, gelu_backward};
use super::kernels::layer_norm::{layer_norm, layer_norm_backward};
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::layout::{DenseLayout, HeadLayout, Layout};
use super::workspace::{DenseState, Workspace};
use super::{Batch, DenseActivation, LossOptions, Losses, Over};

/// Leaves the logits of the heads, from `workspace.hidden`, in `workspace.heads`.
pub(super) fn forward(
    layout: &Layout,
    parameters: &[f32],
    batch: &Batch,
    workspace: &mut Workspace,
) {
    let Workspace { hidden, heads, .. } = workspace;
    let width = hidden.len() / batch.len();
    let is_used = layout.heads().any(|head| head.over == Over::FirstToken);
    let first = fit(&mut heads.first, if is_used { batch.sequences() * width } else { 0 }); // (sequences, hidden)
    for (row, &token) in first.chunks_exact_mut(width).zip(batch.bounds()) {
        row.copy_from_slice(&hidden[token * width..][..width]);
    }
    let is_used = layout.heads().any(|head| head.over == Over::Masked);
    let masked = fit(&mut heads.masked, if is_used { batch.masked().len() * width } else { 0 }); // (masked, hidden)
    for (row, &token) in masked.chunks_exact_mut(width).zip(batch.masked()) {
        row.copy_from_slice(&hidden[token as usize * width..][..width]);
    }
    let of_heads = heads.logits.iter_mut().zip(&mut heads.dense);
    for (head, (logits, state)) in layout.heads.iter().zip(of_heads) {
        let input: &[f32] = match head.spec.over {
            Over::Tokens => hidden,
            Over::FirstToken => first,
            Over::Masked => masked,
        };
        let input = match &head.dense {
            None => input,
            Some(dense) => {
                dense_forward(dense, input, parameters, batch.rows(head.spec.over), state)
            }
        };
        let logits = fit(logits, batch.rows(head.spec.over) * head.spec.outputs);
        classify(logits, input, parameters, head);
    }
}

/// The losses of the logits in `workspace.heads`, which turn into the gradients of the total if `differentiate` says so.
///
/// * `options`: for each head
pub(super) fn losses(
    layout: &Layout,
    batch: &Batch,
    options: &[LossOptions],
    workspace: &mut Workspace,
    differentiate: bool,
) -> Losses {
    debug_assert_eq!(options.len(), layout.heads.len());
    let mut losses = Losses::default();
    let heads = layout.heads().zip(&mut workspace.heads.logits);
    for ((head, logits), (targets, options)) in heads.zip(batch.targets().iter().zip(options)) {
        let shares = batch.shares(head.over);
        let normaliser = options.normaliser(targets, shares);
        // A mean over nothing does not exist; such a batch adds nothing.
        let share = if normaliser > 0.0 { 1.0 / normaliser } else { 0.0 };
        let d_scale = differentiate.then_some((f64::from(options.weight) * share) as f32);
        let weight = |row, class| options.row_weight(shares, row, class);
        let focus = Focus { gamma: options.focal_gamma };
        let sum = cross_entropy(logits, head.outputs, targets, &weight, focus, d_scale);
        losses.push(options, share * sum, targets);
    }
    losses
}

/// Writes or adds the gradients of the heads from those of their logits, and leaves that of the hidden states in `workspace.hidden`.
pub(super) fn backward(
    layout: &Layout,
    parameters: &[f32],
    batch: &Batch,
    workspace: &mut Workspace,
    gradients: &mut Gradients,
) {
    let Workspace { hidden, heads, scratch, .. } = workspace;
    let width = hidden.len() / batch.len();
    let partial = &mut scratch.partial;
    let inputs = [
        (Over::Tokens, &mut *hidden),
        (Over::FirstToken, &mut heads.first),
        (Over::Masked, &mut heads.masked),
    ];
    for (over, input) in inputs {
        let of_heads = heads.logits.iter().zip(&mut heads.dense);
        let mut of_input: Vec<_> =
            layout.heads.iter().zip(of_heads).filter(|(head, _)| head.spec.over == over).collect();
        for (head, (d_logits, state)) in &mut of_input {
            match &head.dense {
                None => parameter_gradients(input, d_logits, head, gradients),
                Some(dense) => {
                    parameter_gradients(&state.output, d_logits, head, gradients);
                    let weight = &parameters[head.weight.clone()];
                    let (rows, write) = (batch.rows(over), Write::Replace);
                    linear_backward_input(&mut state.output, write, d_logits, weight, rows);
                    dense_backward(dense, input, parameters, state, partial, gradients);
                }
            }
        }
        // Only now, as it takes the place of the input.
        let mut write = Write::Replace;
        for (head, (d_logits, state)) in of_input {
            let (d_output, weight) = match &head.dense {
                None => (d_logits.as_slice(), &head.weight),
                Some(dense) => (state.before.as_slice(), &dense.matrix.weight),
            };
            let weight = &parameters[weight.clone()];
            linear_backward_input(input, write, d_output, weight, batch.rows(over));
            write = Write::Add;
        }
        if write == Write::Replace {
            input.fill(0.0);
        }
    }
    let firsts = heads.first.chunks_exact(width).zip(batch.bounds().iter().copied());
    let places = batch.masked().iter().map(|token| *token as usize);
    for (gradient, token) in firsts.chain(heads.masked.chunks_exact(width).zip(places)) {
        let sums = hidden[token * width..][..width].iter_mut();
        sums.zip(gradient).for_each(|(sum, added)| *sum += added);
    }
}

/// `norm(activation(input · weightᵀ + bias))`, left in `state.output`.
///
/// * `input`: `(rows, hidden)`
fn dense_forward<'s>(
    layout: &DenseLayout,
    input: &[f32],
    parameters: &[f32],
    rows: usize,
    state: &'s mut DenseState,
) -> &'s [f32] {
    let at = |range: &Range<usize>| &parameters[range.clone()];
    let DenseState { before, activated, output, moments, .. } = state;
    let size = rows * layout.width;
    let before = fit(before, size); // (rows, width)
    let write = match &layout.matrix.bias {
        None => Write::Replace,
        Some(values) => {
            bias(before, Write::Replace, at(values));
            Write::Add
        }
    };
    linear(before, write, input, at(&layout.matrix.weight), rows);
    let activated = fit(activated, size);
    match layout.dense.activation {
        DenseActivation::Gelu => gelu(activated, before),
        DenseActivation::Tanh => each(activated, before, f32::tanh),
        DenseActivation::Relu => each(activated, before, |value| value.max(0.0)),
    }
    let output = fit(output, size);
    match &layout.norm {
        None => output.copy_from_slice(activated),
        Some(norm) => {
            let (weight, values) = (at(&norm.weight), norm.bias.as_ref().map(at));
            let moments = fit(moments, rows);
            layer_norm(output, moments, activated, weight, values, layout.epsilon as f32);
        }
    }
    output
}

/// From the gradient in `state.output` to that before the activation, in `state.before`, and those of the parameters.
fn dense_backward(
    layout: &DenseLayout,
    input: &[f32],
    parameters: &[f32],
    state: &mut DenseState,
    partial: &mut Vec<f32>,
    gradients: &mut Gradients,
) {
    let write = gradients.write();
    let DenseState { before, activated, output, moments, d_activated } = state;
    let rows = before.len() / layout.width;
    let d_activated = fit(d_activated, before.len());
    match &layout.norm {
        None => d_activated.copy_from_slice(output),
        Some(norm) => {
            if let Some(bias) = &norm.bias {
                bias_backward(gradients.at(bias), write, output, partial);
            }
            let (d_weight, weight) = (gradients.at(&norm.weight), &parameters[norm.weight.clone()]);
            let replace = Write::Replace;
            layer_norm_backward(
                d_activated,
                replace,
                d_weight,
                write,
                output,
                activated,
                moments,
                weight,
                partial,
            );
        }
    }
    match layout.dense.activation {
        DenseActivation::Gelu => gelu_backward(before, d_activated),
        DenseActivation::Tanh => {
            let slopes = activated.iter().map(|value| 1.0 - value * value);
            for ((d_before, d_activated), slope) in before.iter_mut().zip(d_activated).zip(slopes) {
                *d_before = *d_activated * slope;
            }
        }
        DenseActivation::Relu => {
            for (value, d_activated) in before.iter_mut().zip(d_activated) {
                *value = if *value > 0.0 { *d_activated } else { 0.0 };
            }
        }
    }
    let d_weight = gradients.at(&layout.matrix.weight);
    linear_backward_weight(d_weight, write, before, input, rows);
    if let Some(bias) = &layout.matrix.bias {
        bias_backward(gradients.at(bias), write, before, partial);
    }
}

fn each(output: &mut [f32], input: &[f32], function: impl Fn(f32) -> f32) {
    output.iter_mut().zip(input).for_each(|(output, input)| *output = function(*input));
}

/// `logits = input · weightᵀ + bias`.
///
/// * `input`: `(rows, hidden)`; `logits`: `(rows, outputs)`
fn classify(logits: &mut [f32], input: &[f32], parameters: &[f32], head: &HeadLayout) {
    let bias = &parameters[head.bias.clone()];
    let rows = logits.len() / bias.len();
    logits.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    linear(logits, Write::Add, input, &parameters[head.weight.clone()], rows);
}

/// The gradients of weight and bias in [`classify`].
fn parameter_gradients(
    input: &[f32],
    d_logits: &[f32],
    head: &HeadLayout,
    gradients: &mut Gradients,
) {
    let write = gradients.write();
    let outputs = head.spec.outputs;
    let d_bias = gradients.at(&head.bias);
    if write == Write::Replace {
        d_bias.fill(0.0);
    }
    for row in d_logits.chunks_exact(outputs) {
        d_bias.iter_mut().zip(row).for_each(|(sum, added)| *sum += added);
    }
    let rows = d_logits.len() / outputs;
    linear_backward_weight(gradients.at(&head.weight), write, d_logits, input, rows);
}
