//! Attention of a layer on the CPU path: which kernel computes it, by how its tokens have their positions and in which arithmetic.

use super::Positions;
use super::buffers::fit;
use super::encoder::Encoder;
use super::kernels::attention::{attention, attention_backward};
use super::kernels::bf16::attention as rounded;
use super::kernels::relative::{Reached, relative_attention, relative_attention_backward};
use super::workspace::{DistanceState, LayerState, Rotaries};

impl Encoder<'_> {
    /// Leaves what each token attends to in the state, `(tokens, hidden)`, and what the backward needs of it.
    ///
    /// * `qkv`: `(tokens, 3 * hidden)`
    pub(super) fn attend(
        &self,
        layer: usize,
        qkv: &[f32],
        state: &mut LayerState,
        rotary: &Rotaries,
        shared: &DistanceState,
    ) {
        let (rows, heads) = (self.batch.len(), self.heads(layer, rotary));
        let size = rows * self.spec.hidden_size;
        let LayerState { attended, rotated, rotated_bits, log_sums, distances, .. } = state;
        let (attended, sums) = (fit(attended, size), fit(log_sums, rows * heads.heads));
        if let Positions::Relative(_) = self.spec.layers[layer].positions {
            let distances = Reached { rows: distances, places: &shared.places };
            relative_attention(attended, fit(rotated, 3 * size), sums, qkv, &distances, &heads);
            return;
        }
        match self.linears.arithmetic.instructions() {
            None => attention(attended, fit(rotated, 3 * size), sums, qkv, &heads),
            Some(instructions) => {
                let bits = fit(rotated_bits, 3 * size);
                rounded::attention(attended, bits, sums, qkv, &heads, instructions);
            }
        }
    }

    /// The gradient of what [`attend`](Self::attend) reads.
    ///
    /// * `d_qkv`: `(tokens, 3 * hidden)`, written; `d_attended`: `(tokens, hidden)`
    pub(super) fn attend_backward(
        &self,
        layer: usize,
        d_qkv: &mut [f32],
        d_attended: &[f32],
        state: &LayerState,
        rotary: &Rotaries,
        shared: &mut DistanceState,
    ) {
        let LayerState { attended, rotated, rotated_bits, log_sums, distances, .. } = state;
        let heads = self.heads(layer, rotary);
        if let Positions::Relative(_) = self.spec.layers[layer].positions {
            let d_rows = fit(&mut shared.d_rows, distances.len());
            let distances = Reached { rows: distances, places: &shared.places };
            relative_attention_backward(
                [d_qkv, d_rows],
                d_attended,
                attended,
                rotated,
                log_sums,
                &distances,
                &heads,
            );
            return;
        }
        match self.linears.arithmetic.instructions() {
            None => attention_backward(d_qkv, d_attended, attended, rotated, log_sums, &heads),
            Some(instructions) => rounded::attention_backward(
                d_qkv,
                d_attended,
                attended,
                rotated_bits,
                log_sums,
                &heads,
                instructions,
            ),
        }
    }
}
