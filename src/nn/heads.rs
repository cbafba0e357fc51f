//! The two classifiers on top of the encoder, forward and backward.

use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::cross_entropy::cross_entropy;
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::layout::{ANOMALY_CLASSES, HeadLayout, Layout};
use super::workspace::{Workspace, fit};
use super::{LossOptions, Losses, Targets, Tokens};

/// Leaves the logits of the heads, from `workspace.hidden`, in `workspace.heads`: none for a head that the model has not.
pub(super) fn forward(
    layout: &Layout,
    parameters: &[f32],
    tokens: &Tokens<'_>,
    workspace: &mut Workspace,
) {
    let Workspace { hidden, heads, .. } = workspace;
    let width = hidden.len() / tokens.len();
    let logits = fit(&mut heads.ner, tokens.len() * layout.labels());
    if let Some(head) = &layout.ner {
        classify(logits, hidden, parameters, head);
    }
    let sequences = if layout.anomaly.is_some() { tokens.sequences() } else { 0 };
    let first = fit(&mut heads.first, sequences * width); // (sequences, hidden)
    for (row, &token) in first.chunks_exact_mut(width).zip(tokens.bounds()) {
        row.copy_from_slice(&hidden[token * width..][..width]);
    }
    let logits = fit(&mut heads.anomaly, sequences * ANOMALY_CLASSES);
    if let Some(head) = &layout.anomaly {
        classify(logits, first, parameters, head);
    }
}

/// The losses of the logits in `workspace.heads`, which turn into the gradients of the total if `differentiate` says so.
pub(super) fn losses(
    layout: &Layout,
    tokens: &Tokens<'_>,
    targets: &Targets<'_>,
    options: &LossOptions,
    workspace: &mut Workspace,
    differentiate: bool,
) -> Losses {
    let heads = &mut workspace.heads;
    let normalisers = options.normalisers(targets);
    // A mean over nothing does not exist; such a batch adds nothing.
    let share = |normaliser: f64| if normaliser > 0.0 { 1.0 / normaliser } else { 0.0 };
    let (ner_share, anomaly_share) = (share(normalisers.ner), share(normalisers.anomaly));
    let (ner_weight, anomaly_weight) =
        (f64::from(options.ner_weight), f64::from(options.anomaly_weight));

    debug_assert_eq!(targets.labels.len(), tokens.len());
    let (mut ner, mut anomaly, mut counted_tokens) = (0.0, 0.0, 0);
    if layout.ner.is_some() {
        let d_scale = differentiate.then_some((ner_weight * ner_share) as f32);
        ner = ner_share
            * cross_entropy(&mut heads.ner, layout.labels(), targets.labels, |_| 1.0, d_scale);
        counted_tokens = targets.labels.iter().filter(|&&label| label != super::IGNORE).count();
    }
    if layout.anomaly.is_some() {
        let d_scale = differentiate.then_some((anomaly_weight * anomaly_share) as f32);
        let class_weight = |class| options.class_weight(class);
        anomaly = anomaly_share
            * cross_entropy(
                &mut heads.anomaly,
                ANOMALY_CLASSES,
                targets.anomaly,
                class_weight,
                d_scale,
            );
    }
    Losses { ner, anomaly, total: ner_weight * ner + anomaly_weight * anomaly, counted_tokens }
}

/// Writes or adds the gradients of both heads from those of their logits, and leaves that of the hidden states in `workspace.hidden`.
pub(super) fn backward(
    layout: &Layout,
    parameters: &[f32],
    tokens: &Tokens<'_>,
    workspace: &mut Workspace,
    gradients: &mut Gradients,
) {
    let Workspace { hidden, heads, .. } = workspace;
    let width = hidden.len() / tokens.len();
    match &layout.ner {
        Some(head) => classify_backward(hidden, &heads.ner, parameters, head, gradients),
        None => hidden.fill(0.0),
    }
    if let Some(head) = &layout.anomaly {
        classify_backward(&mut heads.first, &heads.anomaly, parameters, head, gradients);
    }
    for (d_first, &token) in heads.first.chunks_exact(width).zip(tokens.bounds()) {
        hidden[token * width..][..width]
            .iter_mut()
            .zip(d_first)
            .for_each(|(sum, added)| *sum += added);
    }
}

/// `logits = input · weightᵀ + bias`.
///
/// * `input`: `(rows, hidden)`; `logits`: `(rows, classes)`
fn classify(logits: &mut [f32], input: &[f32], parameters: &[f32], head: &HeadLayout) {
    let bias = &parameters[head.bias.clone()];
    let rows = logits.len() / bias.len();
    logits.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    linear(logits, Write::Add, input, &parameters[head.weight.clone()], rows);
}

/// The gradients of [`classify`]; `input` is replaced by its own.
fn classify_backward(
    input: &mut [f32],
    d_logits: &[f32],
    parameters: &[f32],
    head: &HeadLayout,
    gradients: &mut Gradients,
) {
    let write = gradients.write();
    let classes = head.bias.len();
    let rows = d_logits.len() / classes;
    let d_bias = gradients.at(&head.bias);
    if write == Write::Replace {
        d_bias.fill(0.0);
    }
    for row in d_logits.chunks_exact(classes) {
        d_bias.iter_mut().zip(row).for_each(|(sum, added)| *sum += added);
    }
    linear_backward_weight(gradients.at(&head.weight), write, d_logits, input, rows);
    linear_backward_input(input, Write::Replace, d_logits, &parameters[head.weight.clone()], rows);
}
