//! The encoder: forward through embedding, layers and final norm, and backward.
//!
//! A layer computes, with `x` the residual stream:
//!
//! ```text
//! x = x + Wo · attention(Wqkv · attn_norm(x))        (no attn_norm where another stands directly before the layer)
//! x = x + Wo · activation(Wi · mlp_norm(x))
//! ```
//!
//! Of this the backward keeps the stream before and between, the turned queries, keys and values, the attended values and the output of
//! `Wi`; norms and activations are computed again.

use std::ops::Range;

use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::attention::{Heads, attention, attention_backward};
use super::kernels::geglu::{geglu, geglu_backward};
use super::kernels::layer_norm::{layer_norm, layer_norm_again, layer_norm_backward};
use super::layout::{LayerLayout, Layout};
use super::linear::Linears;
use super::workspace::{LayerState, Rotaries, Scratch, Workspace, fill_up, fit};
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

        self.embed(fit(&mut scratch.normed, size)); // (tokens, hidden)
        scratch.profile.lap(Part::Embedding);
        let moments = fit(embedding_moments, self.batch.len());
        let epsilon = self.epsilon();
        layer_norm(
            fit(&mut inputs[0], size),
            moments,
            &scratch.normed,
            self.at(&self.layout.embedding_norm),
            epsilon,
        );
        scratch.profile.lap(Part::Norms);
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
        let moments = fit(final_moments, self.batch.len());
        layer_norm(
            fit(hidden, size),
            moments,
            &inputs[place(layers)],
            self.at(&self.layout.final_norm),
            epsilon,
        );
        scratch.profile.lap(Part::Norms);
    }

    /// Writes or adds the gradients of all encoder parameters, from that of the last hidden states in `workspace.hidden`.
    ///
    /// The forward of the same batch must have run with [`Keep::ForBackward`]. What it kept is used up.
    pub fn backward(&self, workspace: &mut Workspace, gradients: &mut Gradients) {
        let layers = self.spec.layers.len();
        let recompute = workspace.recomputes_layers();
        let size = self.batch.len() * self.spec.hidden_size;
        let write = gradients.write();
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

        let range = &self.layout.final_norm;
        let d_stream = fit(&mut scratch.d_stream, size);
        let d_weight = gradients.at(range);
        let partial = &mut scratch.partial;
        layer_norm_backward(
            d_stream,
            Write::Replace,
            d_weight,
            write,
            hidden,
            &inputs[layers],
            final_moments,
            self.at(range),
            partial,
        );
        scratch.profile.lap(Part::Norms);
        for layer in (0..layers).rev() {
            let state = &mut states[if recompute { 0 } else { layer }];
            if recompute {
                self.layer_forward(layer, None, &inputs[layer], state, scratch, rotary);
            }
            self.layer_backward(layer, &inputs[layer], state, scratch, rotary, gradients);
        }

        let Scratch { normed, d_stream, d_normed, partial, profile, .. } = scratch;
        self.embed(fit(normed, size)); // (tokens, hidden)
        profile.lap(Part::Embedding);
        let range = &self.layout.embedding_norm;
        let (d_embedded, d_weight) = (fit(d_normed, size), gradients.at(range));
        layer_norm_backward(
            d_embedded,
            Write::Replace,
            d_weight,
            write,
            d_stream,
            normed,
            embedding_moments,
            self.at(range),
            partial,
        );
        profile.lap(Part::Norms);
        gradients.add_embedding(self.batch.ids(), d_embedded);
        profile.lap(Part::Embedding);
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
        let epsilon = self.epsilon();
        let LayerLayout { attn_norm, wqkv, attn_wo, mlp_norm, wi, mlp_wo } =
            &self.layout.layers[layer];
        let normed = fit(&mut scratch.normed, rows * hidden);

        let attention_input = match attn_norm {
            None => input,
            Some(weight) => {
                layer_norm(
                    normed,
                    fit(&mut state.attn_moments, rows),
                    input,
                    self.at(weight),
                    epsilon,
                );
                &*normed
            }
        };
        scratch.profile.lap(Part::Norms);
        let qkv = fit(&mut scratch.qkv, rows * 3 * hidden);
        let operands = &mut scratch.operands;
        self.linears.forward(qkv, Write::Replace, attention_input, wqkv, rows, operands); // (tokens, 3 * hidden)
        scratch.profile.lap(Part::Linear);
        let attended = fit(&mut state.attended, rows * hidden);
        let rotated = fit(&mut state.rotated, rows * 3 * hidden);
        let log_sums = fit(&mut state.log_sums, rows * self.spec.num_attention_heads);
        let heads = self.heads(layer, rotary);
        attention(attended, rotated, log_sums, qkv, fit(&mut scratch.heads, rows * hidden), &heads); // (tokens, hidden)
        scratch.profile.lap(self.attention_part(layer));
        let middle = fit(&mut state.middle, rows * hidden);
        middle.copy_from_slice(input);
        self.linears.forward(middle, Write::Add, attended, attn_wo, rows, &mut scratch.operands); // (tokens, hidden)
        scratch.profile.lap(Part::Linear);

        layer_norm(normed, fit(&mut state.mlp_moments, rows), middle, self.at(mlp_norm), epsilon);
        scratch.profile.lap(Part::Norms);
        let expanded = fit(&mut state.expanded, rows * self.spec.expanded_size());
        self.linears.forward(expanded, Write::Replace, normed, wi, rows, &mut scratch.operands); // (tokens, expanded)
        scratch.profile.lap(Part::Linear);
        if let Some(output) = output {
            let activated = fit(&mut scratch.activated, rows * intermediate);
            match self.spec.mlp {
                Mlp::Gated(Activation::Gelu) => geglu(activated, expanded, intermediate),
            } // (tokens, intermediate)
            scratch.profile.lap(Part::Activation);
            output.copy_from_slice(middle);
            self.linears.forward(
                output,
                Write::Add,
                activated,
                mlp_wo,
                rows,
                &mut scratch.operands,
            ); // (tokens, hidden)
            scratch.profile.lap(Part::Linear);
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
        let LayerLayout { mlp_norm, wi, mlp_wo, .. } = &self.layout.layers[layer];
        let write = gradients.write();
        let Scratch { normed, activated, d_stream, d_normed, partial, operands, profile, .. } =
            scratch;
        let (normed, d_normed) = (fit(normed, rows * hidden), fit(d_normed, rows * hidden));
        let activated = fit(activated, rows * intermediate);
        let mut linear = self.linears.backward(d_stream, mlp_wo, rows, operands);
        linear.input(activated, Write::Replace); // (tokens, intermediate)
        profile.lap(Part::Linear);
        match self.spec.mlp {
            Mlp::Gated(Activation::Gelu) => {
                geglu_backward(&mut state.expanded, activated, intermediate);
            }
        }
        profile.lap(Part::Activation);
        linear.weight(gradients.at(mlp_wo), write, activated);
        let d_expanded = &state.expanded; // (tokens, expanded)
        profile.lap(Part::Linear);
        layer_norm_again(normed, &state.mlp_moments, &state.middle, self.at(mlp_norm));
        profile.lap(Part::Norms);
        let mut linear = self.linears.backward(d_expanded, wi, rows, operands);
        linear.weight(gradients.at(wi), write, normed);
        linear.input(d_normed, Write::Replace); // (tokens, hidden)
        profile.lap(Part::Linear);
        layer_norm_backward(
            d_stream,
            Write::Add,
            gradients.at(mlp_norm),
            write,
            d_normed,
            &state.middle,
            &state.mlp_moments,
            self.at(mlp_norm),
            partial,
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
        let LayerLayout { attn_norm, wqkv, attn_wo, .. } = &self.layout.layers[layer];
        let write = gradients.write();
        let Scratch { normed, qkv, heads, d_stream, d_normed, partial, operands, profile, .. } =
            scratch;
        let (normed, d_normed) = (fit(normed, rows * hidden), fit(d_normed, rows * hidden));
        let mut linear = self.linears.backward(d_stream, attn_wo, rows, operands);
        linear.weight(gradients.at(attn_wo), write, &state.attended);
        linear.input(d_normed, Write::Replace); // (tokens, hidden)
        profile.lap(Part::Linear);
        let d_qkv = fit(qkv, rows * 3 * hidden);
        let heads_scratch = fit(heads, rows * 3 * hidden);
        let shape = self.heads(layer, rotary);
        attention_backward(
            d_qkv,
            d_normed,
            &state.attended,
            &state.rotated,
            &state.log_sums,
            heads_scratch,
            &shape,
        );
        profile.lap(self.attention_part(layer));
        let mut linear = self.linears.backward(d_qkv, wqkv, rows, operands);
        match attn_norm {
            None => {
                linear.weight(gradients.at(wqkv), write, input);
                linear.input(d_stream, Write::Add); // (tokens, hidden)
                profile.lap(Part::Linear);
            }
            Some(norm) => {
                layer_norm_again(normed, &state.attn_moments, input, self.at(norm));
                profile.lap(Part::Norms);
                linear.weight(gradients.at(wqkv), write, normed);
                linear.input(d_normed, Write::Replace); // (tokens, hidden)
                profile.lap(Part::Linear);
                layer_norm_backward(
                    d_stream,
                    Write::Add,
                    gradients.at(norm),
                    write,
                    d_normed,
                    input,
                    &state.attn_moments,
                    self.at(norm),
                    partial,
                );
                profile.lap(Part::Norms);
            }
        }
    }

    /// Looks up the tokens' rows: `embedded` is `(tokens, hidden)`.
    fn embed(&self, embedded: &mut [f32]) {
        let hidden = self.spec.hidden_size;
        let table = self.at(&self.layout.embedding);
        for (row, &id) in embedded.chunks_exact_mut(hidden).zip(self.batch.ids()) {
            row.copy_from_slice(&table[id as usize * hidden..][..hidden]);
        }
    }

    fn heads<'r>(&'r self, layer: usize, rotary: &'r Rotaries) -> Heads<'r> {
        let layer = &self.spec.layers[layer];
        let Positions::Rotary { theta } = layer.positions;
        Heads {
            bounds: self.batch.bounds(),
            heads: self.spec.num_attention_heads,
            head_dim: self.spec.head_dim(),
            window: layer.window,
            rotary: rotary.of(theta),
        }
    }

    fn attention_part(&self, layer: usize) -> Part {
        match self.spec.layers[layer].window {
            None => Part::GlobalAttention,
            Some(_) => Part::LocalAttention,
        }
    }

    fn epsilon(&self) -> f32 {
        let Norm::Before { epsilon } = self.spec.norm;
        epsilon as f32
    }

    fn at(&self, range: &Range<usize>) -> &[f32] {
        &self.linears.parameters[range.clone()]
    }
}
