//! What the first layer reads: rows of tokens, of positions and of types, normed, and brought to the width of the hidden states where they have another.

use super::Part;
use super::buffers::fit;
use super::dropout::Place;
use super::encoder::Encoder;
use super::gradients::Gradients;
use super::kernels::Write;
use super::kernels::bias::{bias, bias_backward};
use super::kernels::layer_norm::Moments;
use super::kernels::product::{linear, linear_backward_input, linear_backward_weight};
use super::workspace::Scratch;

impl Encoder<'_> {
    /// What the first layer reads.
    ///
    /// * `output`: `(tokens, hidden)`
    pub(super) fn embed_forward(
        &self,
        output: &mut [f32],
        moments: &mut Vec<Moments>,
        scratch: &mut Scratch,
    ) {
        let size = self.batch.len() * self.spec.embeddings.width;
        let Scratch { normed, embedded, profile, .. } = scratch;
        self.embed(fit(normed, size)); // (tokens, width)
        profile.lap(Part::Embedding);
        let norm = &self.layout.embeddings.norm;
        match &self.layout.embeddings.projection {
            None => {
                self.norm(output, moments, normed, norm); // (tokens, hidden)
                self.drop_out(output, Place::Embeddings);
                profile.lap(Part::Norms);
            }
            Some(projection) => {
                self.norm(fit(embedded, size), moments, normed, norm); // (tokens, width)
                self.drop_out(embedded, Place::Embeddings);
                profile.lap(Part::Norms);
                let weight = self.at(&projection.weight);
                let write = match self.bias_of(projection) {
                    None => Write::Replace,
                    Some(values) => {
                        bias(output, Write::Replace, values);
                        Write::Add
                    }
                };
                linear(output, write, embedded, weight, self.batch.len()); // (tokens, hidden)
                profile.lap(Part::Linear);
            }
        }
    }

    /// From the gradient of what the first layer reads, in `scratch.d_stream`, to those of the tables.
    pub(super) fn embed_backward(
        &self,
        moments: &[Moments],
        scratch: &mut Scratch,
        gradients: &mut Gradients,
    ) {
        let size = self.batch.len() * self.spec.embeddings.width;
        let Scratch { normed, embedded, d_stream, d_normed, partial, profile, .. } = scratch;
        self.embed(fit(normed, size)); // (tokens, width)
        profile.lap(Part::Embedding);
        let norm = &self.layout.embeddings.norm;
        let d_output = match &self.layout.embeddings.projection {
            None => &mut *d_stream,
            Some(projection) => {
                self.norm_again(fit(embedded, size), moments, normed, norm);
                self.drop_out(embedded, Place::Embeddings);
                profile.lap(Part::Norms);
                let (rows, write) = (self.batch.len(), gradients.write());
                let d_weight = gradients.at(&projection.weight);
                linear_backward_weight(d_weight, write, d_stream, embedded, rows);
                self.bias_backward(d_stream, projection, partial, gradients);
                let weight = self.at(&projection.weight);
                linear_backward_input(embedded, Write::Replace, d_stream, weight, rows); // (tokens, width)
                profile.lap(Part::Linear);
                embedded
            }
        };
        self.drop_out(d_output, Place::Embeddings);
        let d_embedded = fit(d_normed, size);
        self.norm_backward(
            d_embedded,
            Write::Replace,
            d_output,
            normed,
            moments,
            norm,
            partial,
            gradients,
        );
        profile.lap(Part::Norms);
        self.tables_backward(d_embedded, partial, gradients);
        profile.lap(Part::Embedding);
    }

    /// Looks up the tokens' rows and adds those of their positions and type: `embedded` is `(tokens, width)`.
    fn embed(&self, embedded: &mut [f32]) {
        let width = self.spec.embeddings.width;
        let layout = &self.layout.embeddings;
        let table = self.at(&layout.tokens);
        for (row, &id) in embedded.chunks_exact_mut(width).zip(self.batch.ids()) {
            row.copy_from_slice(&table[id as usize * width..][..width]);
        }
        if let Some(types) = &layout.types {
            bias(embedded, Write::Add, &self.at(types)[..width]);
        }
        if let Some(positions) = &layout.positions {
            let table = &self.at(positions)[self.first_position() * width..];
            for bounds in self.batch.bounds().windows(2) {
                let rows = embedded[bounds[0] * width..bounds[1] * width].iter_mut();
                rows.zip(table).for_each(|(sum, added)| *sum += added);
            }
        }
    }

    /// The gradients of the tables that [`embed`](Self::embed) looks into.
    fn tables_backward(
        &self,
        d_embedded: &[f32],
        partial: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let (width, write) = (self.spec.embeddings.width, gradients.write());
        if let Some(positions) = &self.layout.embeddings.positions {
            let d_table = gradients.at(positions);
            if write == Write::Replace {
                d_table.fill(0.0);
            }
            let d_table = &mut d_table[self.first_position() * width..];
            for bounds in self.batch.bounds().windows(2) {
                let rows = &d_embedded[bounds[0] * width..bounds[1] * width];
                d_table.iter_mut().zip(rows).for_each(|(sum, added)| *sum += added);
            }
        }
        if let Some(types) = &self.layout.embeddings.types {
            let (first, others) = gradients.at(types).split_at_mut(width);
            bias_backward(first, write, d_embedded, partial);
            if write == Write::Replace {
                others.fill(0.0);
            }
        }
        gradients.add_embedding(self.batch.ids(), d_embedded);
    }

    fn first_position(&self) -> usize {
        self.spec.embeddings.positions.map_or(0, |table| table.first)
    }
}
