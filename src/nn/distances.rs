//! What layers read that tell how far tokens are from each other: a table of distances behind its norm, which the matrix of queries and keys of each layer
//! takes as it takes the tokens. Where no layer tells distances, nothing here does anything.
//!
//! Of the table only the rows are computed with that two tokens of one text of the batch reach.

use std::ops::Range;

use super::buffers::fit;
use super::dropout::Place;
use super::encoder::Encoder;
use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::bias::{bias, bias_backward};
use super::kernels::dropout::drop_out;
use super::kernels::layer_norm::{layer_norm, layer_norm_backward};
use super::layout::DistanceLayout;
use super::workspace::{DistanceState, LayerState, Scratch};
use super::{Distances, Part};

impl Encoder<'_> {
    /// Norms the rows of the table that the batch reaches, for all layers.
    pub(super) fn norm_distances(&self, scratch: &mut Scratch) {
        let Some((distances, layout)) = self.distances() else { return };
        let DistanceState { places, normed, moments, .. } = &mut scratch.distances;
        let reached = self.reached(distances);
        *places = distances.places(self.batch.longest());
        let normed = fit(normed, reached.len() * self.spec.hidden_size); // (reached, hidden)
        layer_norm(
            normed,
            fit(moments, reached.len()),
            &self.at(&layout.table)[self.floats(&reached)],
            self.at(&layout.norm.weight),
            self.bias_of(&layout.norm),
            self.spec.epsilon() as f32,
        );
        scratch.profile.lap(Part::Norms);
    }

    /// Leaves in the state what the layer's matrix makes of the table, `(reached, 3 * hidden)`: queries and keys, and values that nobody reads.
    pub(super) fn project_distances(
        &self,
        layer: usize,
        state: &mut LayerState,
        scratch: &mut Scratch,
    ) {
        if self.distances().is_none() {
            return;
        }
        let DistanceState { normed, dropped, .. } = &mut scratch.distances;
        let (matrix, rows) =
            (&self.layout.layers[layer].wqkv, normed.len() / self.spec.hidden_size);
        let output = fit(&mut state.distances, 3 * normed.len());
        let write = match self.bias_of(matrix) {
            None => Write::Replace,
            Some(values) => {
                bias(output, Write::Replace, values);
                Write::Add
            }
        };
        let input = self.dropped_distances(layer, normed, dropped);
        self.linears.forward(output, write, input, &matrix.weight, rows, &mut scratch.operands);
        scratch.profile.lap(Part::Linear);
    }

    /// Before the first layer of a backward adds to the gradient of the table.
    pub(super) fn begin_distances_backward(&self, scratch: &mut Scratch) {
        let DistanceState { normed, d_normed, .. } = &mut scratch.distances;
        if self.distances().is_some() {
            fit(d_normed, normed.len()).fill(0.0);
        }
    }

    /// From the gradient of what [`project_distances`](Self::project_distances) left to that of the matrix, to which the tokens' was written before, and to
    /// that of the table behind its norm.
    pub(super) fn project_distances_backward(
        &self,
        layer: usize,
        scratch: &mut Scratch,
        gradients: &mut Gradients,
    ) {
        if self.distances().is_none() {
            return;
        }
        let Scratch { distances, partial, operands, profile, .. } = scratch;
        let DistanceState { normed, dropped, d_rows, d_normed, .. } = distances;
        let (matrix, rows) =
            (&self.layout.layers[layer].wqkv, normed.len() / self.spec.hidden_size);
        let mut linear = self.linears.backward(d_rows, &matrix.weight, rows, operands);
        linear.weight_of_more(gradients, self.dropped_distances(layer, normed, dropped));
        if let Some(bias) = &matrix.bias {
            bias_backward(gradients.at(bias), Write::Add, d_rows, partial);
        }
        if self.layout.lowest_trained() == 0 {
            let d_input = fit(dropped, normed.len()); // (reached, hidden)
            linear.input(d_input, Write::Replace);
            self.drop_out(d_input, Place::Distances(layer));
            d_normed.iter_mut().zip(d_input).for_each(|(sum, added)| *sum += *added);
        }
        profile.lap(Part::Linear);
    }

    /// From the gradient of the table behind its norm to those of the norm and of the table.
    pub(super) fn norm_distances_backward(&self, scratch: &mut Scratch, gradients: &mut Gradients) {
        let Some((distances, layout)) = self.distances() else { return };
        let Scratch { distances: state, partial, profile, .. } = scratch;
        let DistanceState { moments, dropped, d_normed, .. } = state;
        let (within, write) = (self.floats(&self.reached(distances)), gradients.write());
        let d_rows = fit(dropped, d_normed.len()); // (reached, hidden)
        if let Some(bias) = &layout.norm.bias {
            bias_backward(gradients.at(bias), write, d_normed, partial);
        }
        layer_norm_backward(
            d_rows,
            Write::Replace,
            gradients.at(&layout.norm.weight),
            write,
            d_normed,
            &self.at(&layout.table)[within.clone()],
            moments,
            self.at(&layout.norm.weight),
            partial,
        );
        let d_table = gradients.at(&layout.table);
        if write == Write::Replace {
            d_table.fill(0.0);
        }
        d_table[within].iter_mut().zip(d_rows).for_each(|(sum, added)| *sum += *added);
        profile.lap(Part::Norms);
    }

    /// What dropout leaves a layer of the table.
    fn dropped_distances<'d>(
        &self,
        layer: usize,
        normed: &'d [f32],
        dropped: &'d mut Vec<f32>,
    ) -> &'d [f32] {
        let Some(dropout) = self.dropout(Place::Distances(layer)) else { return normed };
        let left = fit(dropped, normed.len());
        left.copy_from_slice(normed);
        drop_out(left, dropout);
        left
    }

    fn distances(&self) -> Option<(Distances, &DistanceLayout)> {
        self.spec.distances().zip(self.layout.embeddings.distances.as_ref())
    }

    fn reached(&self, distances: Distances) -> Range<usize> {
        distances.reached(self.batch.longest())
    }

    /// Where rows of the table lie in it.
    fn floats(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.spec.hidden_size..rows.end * self.spec.hidden_size
    }
}
