//! The encoder: forward through embedding, layers and final norm, and backward.
//!
//! A layer computes, with `x` the residual stream, where norms stand before what they are for:
//!
//! ```text
//! x = x + Wo · attention(Wqkv · input_norm(x))       (no input_norm where another stands directly before the layer)
//! x = x + Wo · activation(Wi · middle_norm(x))
//! ```
//!
//! and where they stand after it:
//!
//! ```text
//! x = middle_norm(x + Wo · attention(Wqkv · x))
//! x = output_norm(x + Wo · activation(Wi · x))
//! ```
//!
//! Either way the MLP reads a norm of the middle: attention and MLP are the same code, and what they are added to differs. Of this the backward
//! keeps the stream before and between, the turned queries, keys and values, the attended values, the output of `Wi` and what the last norm is
//! of; norms and activations are computed again.

use std::ops::Range;

use super::buffers::fit;
use super::dropout::Place;
use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::attention::Heads;
use super::kernels::bias::{bias, bias_backward};
use super::kernels::dropout::{Dropout, add_dropped, drop_out};
use super::kernels::geglu::{geglu, geglu_backward};
use super::kernels::gelu::{gelu, gelu_backward};
use super::kernels::layer_norm::Moments;
use super::kernels::layer_norm::{layer_norm, layer_norm_again, layer_norm_backward};
use super::layout::{Affine, LayerLayout, Layout};
use super::linear::{LinearBackward, Linears, Operands};
use super::workspace::{LayerState, Rotaries, Scratch, Workspace, fill_up};
use super::{Activation, Batch, EncoderSpec, Mlp, Norm, Part, Pass, Positions};

/// What a forward leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What the backward needs.
    ForBackward,
    /// The last hidden states only.
    Nothing,
}

/// An encoder's spec, layout and parameters, and the batch that it works on. All ids are below the vocabulary's size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoder<'a> {
    pub spec: &'a EncoderSpec,
    pub layout: &'a Layout,
    pub linears: Linears<'a>,
    pub batch: &'a Batch,
}

impl Encoder<'_> {
    /// Leaves the last hidden states, `(tokens, hidden)`, in `workspace.hidden`.
    pub fn forward(&self, workspace: &mut Workspace, keep: Keep) {
        let layers = self.spec.layers.len();
        let keep_layers = keep == Keep::ForBackward && !workspace.recomputes_layers();
        let size = self.batch.len() * self.spec.hidden_size;
        let Workspace {
            rotary,
            embedding_moments,
            inputs,
            layers: states,
            final_moments,
            hidden,
            scratch,
            ..
        } = workspace;
        scratch.profile.begin(Pass::Forward);
        rotary.prepare(self.spec, self.batch.longest());
        fill_up(inputs, if keep == Keep::ForBackward { layers + 1 } else { 2 });
        fill_up(states, if keep_layers { layers } else { 1 });
        let place = |layer: usize| if keep == Keep::ForBackward { layer } else { layer % 2 };

        self.embed_forward(fit(&mut inputs[0], size), embedding_moments, scratch);
        self.norm_distances(scratch);
        for layer in 0..layers {
            let mut output = std::mem::take(&mut inputs[place(layer + 1)]);
            let state = &mut states[if keep_layers { layer } else { 0 }];
            self.layer_forward(
                layer,
                Some(fit(&mut output, size)),
                &inputs[place(layer)],
                state,
                scratch,
                rotary,
            );
            inputs[place(layer + 1)] = output;
        }
        let last = &inputs[place(layers)];
        match &self.layout.final_norm {
            Some(norm) => self.norm(fit(hidden, size), final_moments, last, norm),
            None => fit(hidden, size).copy_from_slice(last),
        }
        scratch.profile.lap(Part::Norms);
    }

    /// Writes or adds the gradients of the encoder's parameters from the lowest part on that is trained, from that of the last hidden states in `workspace.hidden`.
    ///
    /// The forward of the same batch must have run with [`Keep::ForBackward`]. What it kept is used up.
    pub fn backward(&self, workspace: &mut Workspace, gradients: &mut Gradients) {
        let layers = self.spec.layers.len();
        let recompute = workspace.recomputes_layers();
        let size = self.batch.len() * self.spec.hidden_size;
        let Workspace {
            rotary,
            embedding_moments,
            inputs,
            layers: states,
            final_moments,
            hidden,
            scratch,
            ..
        } = workspace;

        let d_stream = fit(&mut scratch.d_stream, size);
        match &self.layout.final_norm {
            Some(norm) => self.norm_backward(
                d_stream,
                Write::Replace,
                hidden,
                &inputs[layers],
                final_moments,
                norm,
                &mut scratch.partial,
                gradients,
            ),
            None => d_stream.copy_from_slice(hidden),
        }
        scratch.profile.lap(Part::Norms);
        self.begin_distances_backward(scratch);
        let lowest = self.layout.lowest_trained();
        for layer in (lowest.saturating_sub(1)..layers).rev() {
            let state = &mut states[if recompute { 0 } else { layer }];
            if recompute {
                self.layer_forward(layer, None, &inputs[layer], state, scratch, rotary);
            }
            self.layer_backward(layer, &inputs[layer], state, scratch, rotary, gradients);
        }

        if lowest == 0 {
            self.norm_distances_backward(scratch, gradients);
            self.embed_backward(embedding_moments, scratch, gradients);
        }
    }

    /// * `input`, `output`: `(tokens, hidden)`; without an `output` only `state` is written
    fn layer_forward(
        &self,
        layer: usize,
        output: Option<&mut [f32]>,
        input: &[f32],
        state: &mut LayerState,
        scratch: &mut Scratch,
        rotary: &Rotaries,
    ) {
        let (rows, hidden, intermediate) =
            (self.batch.len(), self.spec.hidden_size, self.spec.intermediate_size);
        let LayerLayout { input_norm, wqkv, attn_wo, middle_norm, wi, mlp_wo, output_norm } =
            &self.layout.layers[layer];
        self.project_distances(layer, state, scratch);
        let normed = fit(&mut scratch.normed, rows * hidden);

        let attention_input = match input_norm {
            None => input,
            Some(norm) => {
                self.norm(normed, &mut state.input_moments, input, norm);
                &*normed
            }
        };
        scratch.profile.lap(Part::Norms);
        let qkv = fit(&mut scratch.qkv, rows * 3 * hidden);
        let operands = &mut scratch.operands;
        self.linear(qkv, Write::Replace, attention_input, wqkv, operands); // (tokens, 3 * hidden)
        scratch.profile.lap(Part::Linear);
        self.attend(layer, qkv, state, rotary, &scratch.distances);
        scratch.profile.lap(self.attention_part(layer));
        let (attended, middle) = (&state.attended, fit(&mut state.middle, rows * hidden));
        middle.copy_from_slice(input);
        let (place, dropped) = (Place::AttentionOutput(layer), &mut scratch.dropped);
        self.add_linear(middle, attended, attn_wo, place, dropped, &mut scratch.operands); // (tokens, hidden)
        scratch.profile.lap(Part::Linear);

        self.norm(normed, &mut state.middle_moments, middle, middle_norm);
        scratch.profile.lap(Part::Norms);
        let expanded = fit(&mut state.expanded, rows * self.spec.expanded_size());
        self.linear(expanded, Write::Replace, normed, wi, &mut scratch.operands); // (tokens, expanded)
        scratch.profile.lap(Part::Linear);
        if output.is_none() && output_norm.is_none() {
            return;
        }
        let activated = fit(&mut scratch.activated, rows * intermediate);
        match self.spec.mlp {
            Mlp::Gated(Activation::Gelu) => geglu(activated, expanded, intermediate),
            Mlp::Plain(Activation::Gelu) => gelu(activated, expanded),
        } // (tokens, intermediate)
        self.drop_out(activated, Place::Mlp(layer));
        scratch.profile.lap(Part::Activation);
        let (place, dropped) = (Place::MlpOutput(layer), &mut scratch.dropped);
        let operands = &mut scratch.operands;
        match (output_norm, output) {
            (None, None) => {}
            (None, Some(output)) => {
                output.copy_from_slice(middle);
                self.add_linear(output, activated, mlp_wo, place, dropped, operands); // (tokens, hidden)
                scratch.profile.lap(Part::Linear);
            }
            (Some(norm), output) => {
                let sum = fit(&mut state.sum, rows * hidden);
                sum.copy_from_slice(normed);
                self.add_linear(sum, activated, mlp_wo, place, dropped, operands); // (tokens, hidden)
                scratch.profile.lap(Part::Linear);
                // The backward needs the moments even where nobody reads what is normed.
                let output = output.unwrap_or(normed);
                self.norm(output, &mut state.output_moments, sum, norm);
                scratch.profile.lap(Part::Norms);
            }
        }
    }

    /// Turns `scratch.d_stream` from the gradient of the layer's output into that of its input, `(tokens, hidden)` both.
    fn layer_backward(
        &self,
        layer: usize,
        input: &[f32],
        state: &mut LayerState,
        scratch: &mut Scratch,
        rotary: &Rotaries,
        gradients: &mut Gradients,
    ) {
        self.mlp_backward(layer, state, scratch, gradients);
        self.self_attention_backward(layer, input, state, scratch, rotary, gradients);
        self.project_distances_backward(layer, scratch, gradients);
    }

    /// From the gradient of a layer's output to that of its middle. The gradient of the activation turns into the activation, and the expanded
    /// rows into their gradient.
    fn mlp_backward(
        &self,
        layer: usize,
        state: &mut LayerState,
        scratch: &mut Scratch,
        gradients: &mut Gradients,
    ) {
        let (rows, hidden, intermediate) =
            (self.batch.len(), self.spec.hidden_size, self.spec.intermediate_size);
        let LayerLayout { middle_norm, wi, mlp_wo, output_norm, .. } = &self.layout.layers[layer];
        let Scratch {
            normed,
            activated,
            dropped,
            d_stream,
            d_normed,
            partial,
            operands,
            profile,
            ..
        } = scratch;
        let normed = fit(normed, rows * hidden);
        fit(d_normed, rows * hidden);
        if let Some(norm) = output_norm {
            let (sum, moments) = (&state.sum, &state.output_moments);
            std::mem::swap(d_stream, d_normed);
            let replace = Write::Replace;
            self.norm_backward(d_stream, replace, d_normed, sum, moments, norm, partial, gradients);
            profile.lap(Part::Norms);
        }
        let activated = fit(activated, rows * intermediate);
        let d_output = self.dropped(d_stream, Place::MlpOutput(layer), dropped); // (tokens, hidden)
        let mut linear = self.linear_backward(d_output, mlp_wo, operands);
        linear.input(activated, Write::Replace); // (tokens, intermediate)
        profile.lap(Part::Linear);
        self.drop_out(activated, Place::Mlp(layer));
        match self.spec.mlp {
            Mlp::Gated(Activation::Gelu) => {
                geglu_backward(&mut state.expanded, activated, intermediate);
            }
            Mlp::Plain(Activation::Gelu) => gelu_backward(&mut state.expanded, activated),
        }
        self.drop_out(activated, Place::Mlp(layer));
        profile.lap(Part::Activation);
        linear.weight(gradients, activated);
        self.bias_backward(d_output, mlp_wo, partial, gradients);
        let d_expanded = &state.expanded; // (tokens, expanded)
        profile.lap(Part::Linear);
        let (middle, moments) = (&state.middle, &state.middle_moments);
        self.norm_again(normed, moments, middle, middle_norm);
        profile.lap(Part::Norms);
        let mut linear = self.linear_backward(d_expanded, wi, operands);
        linear.weight(gradients, normed);
        self.bias_backward(d_expanded, wi, partial, gradients);
        // The MLP is added to the middle, or to its norm.
        let write = match self.spec.norm {
            Norm::Before { .. } => {
                linear.input(d_normed, Write::Replace); // (tokens, hidden)
                Write::Add
            }
            Norm::After { .. } => {
                linear.input(d_stream, Write::Add); // (tokens, hidden)
                std::mem::swap(d_stream, d_normed);
                Write::Replace
            }
        };
        profile.lap(Part::Linear);
        self.norm_backward(
            d_stream,
            write,
            d_normed,
            middle,
            moments,
            middle_norm,
            partial,
            gradients,
        );
        profile.lap(Part::Norms);
    }

    /// From the gradient of a layer's middle to that of its input.
    fn self_attention_backward(
        &self,
        layer: usize,
        input: &[f32],
        state: &LayerState,
        scratch: &mut Scratch,
        rotary: &Rotaries,
        gradients: &mut Gradients,
    ) {
        let (rows, hidden) = (self.batch.len(), self.spec.hidden_size);
        let LayerLayout { input_norm, wqkv, attn_wo, .. } = &self.layout.layers[layer];
        let Scratch {
            normed,
            qkv,
            dropped,
            d_stream,
            d_normed,
            partial,
            distances,
            operands,
            profile,
            ..
        } = scratch;
        let (normed, d_normed) = (fit(normed, rows * hidden), fit(d_normed, rows * hidden));
        let d_output = self.dropped(d_stream, Place::AttentionOutput(layer), dropped); // (tokens, hidden)
        let mut linear = self.linear_backward(d_output, attn_wo, operands);
        linear.weight(gradients, &state.attended);
        linear.input(d_normed, Write::Replace); // (tokens, hidden)
        self.bias_backward(d_output, attn_wo, partial, gradients);
        profile.lap(Part::Linear);
        let d_qkv = fit(qkv, rows * 3 * hidden);
        self.attend_backward(layer, d_qkv, d_normed, state, rotary, distances);
        profile.lap(self.attention_part(layer));
        let mut linear = self.linear_backward(d_qkv, wqkv, operands);
        self.bias_backward(d_qkv, wqkv, partial, gradients);
        match input_norm {
            None => {
                linear.weight(gradients, input);
                linear.input(d_stream, Write::Add); // (tokens, hidden)
                profile.lap(Part::Linear);
            }
            Some(norm) => {
                self.norm_again(normed, &state.input_moments, input, norm);
                profile.lap(Part::Norms);
                linear.weight(gradients, normed);
                linear.input(d_normed, Write::Replace); // (tokens, hidden)
                profile.lap(Part::Linear);
                self.norm_backward(
                    d_stream,
                    Write::Add,
                    d_normed,
                    input,
                    &state.input_moments,
                    norm,
                    partial,
                    gradients,
                );
                profile.lap(Part::Norms);
            }
        }
    }

    pub(super) fn norm(
        &self,
        output: &mut [f32],
        moments: &mut Vec<Moments>,
        input: &[f32],
        norm: &Affine,
    ) {
        let (moments, bias) = (fit(moments, self.batch.len()), self.bias_of(norm));
        layer_norm(output, moments, input, self.at(&norm.weight), bias, self.spec.epsilon() as f32);
    }

    pub(super) fn norm_again(
        &self,
        output: &mut [f32],
        moments: &[Moments],
        input: &[f32],
        norm: &Affine,
    ) {
        layer_norm_again(output, moments, input, self.at(&norm.weight), self.bias_of(norm));
    }

    #[expect(clippy::too_many_arguments, reason = "the operands and results of the kernel")]
    pub(super) fn norm_backward(
        &self,
        d_input: &mut [f32],
        write: Write,
        d_output: &[f32],
        input: &[f32],
        moments: &[Moments],
        norm: &Affine,
        partial: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let (write_weight, weight) = (gradients.write(), self.at(&norm.weight));
        if let Some(bias) = &norm.bias {
            bias_backward(gradients.at(bias), write_weight, d_output, partial);
        }
        let d_weight = gradients.at(&norm.weight);
        layer_norm_backward(
            d_input,
            write,
            d_weight,
            write_weight,
            d_output,
            input,
            moments,
            weight,
            partial,
        );
    }

    /// `output = weight · input + bias`, or `+=`.
    pub(super) fn linear(
        &self,
        output: &mut [f32],
        write: Write,
        input: &[f32],
        matrix: &Affine,
        operands: &mut Operands,
    ) {
        let write = match self.bias_of(matrix) {
            None => write,
            Some(values) => {
                bias(output, write, values);
                Write::Add
            }
        };
        self.linears.forward(output, write, input, &matrix.weight, self.batch.len(), operands);
    }

    fn linear_backward<'b>(
        &'b self,
        d_output: &'b [f32],
        matrix: &Affine,
        operands: &'b mut Operands,
    ) -> LinearBackward<'b> {
        self.linears.backward(d_output, &matrix.weight, self.batch.len(), operands)
    }

    pub(super) fn bias_backward(
        &self,
        d_output: &[f32],
        matrix: &Affine,
        partial: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let write = gradients.write();
        if let Some(bias) = &matrix.bias {
            bias_backward(gradients.at(bias), write, d_output, partial);
        }
    }

    /// `sum += weight · input + bias`, of which some is dropped.
    fn add_linear(
        &self,
        sum: &mut [f32],
        input: &[f32],
        matrix: &Affine,
        place: Place,
        dropped: &mut Vec<f32>,
        operands: &mut Operands,
    ) {
        match self.dropout(place) {
            None => self.linear(sum, Write::Add, input, matrix, operands),
            Some(dropout) => {
                let added = fit(dropped, sum.len());
                self.linear(added, Write::Replace, input, matrix, operands);
                add_dropped(sum, added, dropout);
            }
        }
    }

    /// The gradient of what [`add_linear`](Self::add_linear) adds from that of the sum.
    fn dropped<'d>(&self, d_sum: &'d [f32], place: Place, dropped: &'d mut Vec<f32>) -> &'d [f32] {
        let Some(dropout) = self.dropout(place) else { return d_sum };
        let d_added = fit(dropped, d_sum.len());
        d_added.copy_from_slice(d_sum);
        drop_out(d_added, dropout);
        d_added
    }

    /// Drops features where the batch has noise for it.
    pub fn drop_out(&self, features: &mut [f32], place: Place) {
        if let Some(dropout) = self.dropout(place) {
            drop_out(features, dropout);
        }
    }

    pub(super) fn dropout(&self, place: Place) -> Option<Dropout> {
        self.spec.dropped(place, self.batch.noise())
    }

    pub(super) fn heads<'r>(&'r self, layer: usize, rotary: &'r Rotaries) -> Heads<'r> {
        let dropout = self.dropout(Place::Attention(layer));
        let layer = &self.spec.layers[layer];
        Heads {
            bounds: self.batch.bounds(),
            heads: self.spec.num_attention_heads,
            head_dim: self.spec.head_dim(),
            window: layer.window,
            rotary: match layer.positions {
                Positions::Rotary { theta } => Some(rotary.of(theta)),
                Positions::Embedded | Positions::Relative(_) => None,
            },
            dropout,
        }
    }

    fn attention_part(&self, layer: usize) -> Part {
        match self.spec.layers[layer].window {
            None => Part::GlobalAttention,
            Some(_) => Part::LocalAttention,
        }
    }

    pub(super) fn bias_of(&self, affine: &Affine) -> Option<&[f32]> {
        affine.bias.as_ref().map(|bias| self.at(bias))
    }

    pub(super) fn at(&self, range: &Range<usize>) -> &[f32] {
        &self.linears.parameters[range.clone()]
    }
}
