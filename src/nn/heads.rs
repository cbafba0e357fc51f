//! The heads on top of the encoder, forward and backward.

use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::cross_entropy::{Focus, cross_entropy};
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::layout::{HeadLayout, Layout};
use super::workspace::{Workspace, fit};
use super::{Batch, LossOptions, Losses, Over};

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
    for (head, logits) in layout.heads.iter().zip(&mut heads.logits) {
        let input: &[f32] = match head.spec.over {
            Over::Tokens => hidden,
            Over::FirstToken => first,
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
    let Workspace { hidden, heads, .. } = workspace;
    let width = hidden.len() / batch.len();
    for (over, input) in [(Over::Tokens, &mut *hidden), (Over::FirstToken, &mut heads.first)] {
        let of_input = layout.heads.iter().zip(&heads.logits);
        let of_input = of_input.filter(|(head, _)| head.spec.over == over);
        for (head, d_logits) in of_input.clone() {
            parameter_gradients(input, d_logits, head, gradients);
        }
        // Only now, as it takes the place of the input.
        let mut write = Write::Replace;
        for (head, d_logits) in of_input {
            let weight = &parameters[head.weight.clone()];
            linear_backward_input(input, write, d_logits, weight, batch.rows(over));
            write = Write::Add;
        }
        if write == Write::Replace {
            input.fill(0.0);
        }
    }
    for (d_first, &token) in heads.first.chunks_exact(width).zip(batch.bounds()) {
        hidden[token * width..][..width]
            .iter_mut()
            .zip(d_first)
            .for_each(|(sum, added)| *sum += added);
    }
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
