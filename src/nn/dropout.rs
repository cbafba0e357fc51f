//! Where features are dropped in training, and which: the same on both paths.

use super::kernels::dropout::Dropout as Dropped;
use super::{Dropout, EncoderSpec, Norm};

/// A place in the model, with the number of the layer where each has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Embeddings,
    Attention(usize),
    AttentionOutput(usize),
    Mlp(usize),
    MlpOutput(usize),
    Distances(usize),
    Heads,
}

impl EncoderSpec {
    /// The same encoder, with dropout of `share` wherever its family has it.
    #[must_use]
    pub fn with_dropout(mut self, share: f64) -> Self {
        let (mlp, mlp_output) = match self.norm {
            Norm::Before { .. } => (share, 0.0),
            Norm::After { .. } => (0.0, share),
        };
        self.dropout = Dropout {
            embeddings: share,
            attention: share,
            attention_output: share,
            mlp,
            mlp_output,
            distances: if self.distances().is_some() { share } else { 0.0 },
            heads: share,
        };
        self
    }

    /// What is dropped at a place; nothing where no features are to be.
    ///
    /// * `noise`: of the batch
    pub(super) fn dropped(&self, place: Place, noise: Option<u64>) -> Option<Dropped> {
        let Dropout { embeddings, attention, attention_output, mlp, mlp_output, distances, heads } =
            self.dropout;
        let of_layer = |layer: usize, place: u64| 2 + 4 * layer as u64 + place;
        let (share, number) = match place {
            Place::Embeddings => (embeddings, 0),
            Place::Heads => (heads, 1),
            Place::Attention(layer) => (attention, of_layer(layer, 0)),
            Place::AttentionOutput(layer) => (attention_output, of_layer(layer, 1)),
            Place::Mlp(layer) => (mlp, of_layer(layer, 2)),
            Place::MlpOutput(layer) => (mlp_output, of_layer(layer, 3)),
            Place::Distances(layer) => (distances, of_layer(self.layers.len() + layer, 0)),
        };
        let noise = noise.filter(|_| share > 0.0)?;
        Some(Dropped::new(share, noise).numbered(number))
    }
}
