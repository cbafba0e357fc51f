//! Scores of attention by the distance of query and key, in candle's operations.

use candle_core::{D, Result, Tensor};

use super::ComposedModel;
use super::padded::Padded;
use crate::nn::dropout::Place;

impl ComposedModel {
    /// `(length, length)`: for each query and key the place of their distance among the rows of the table that are reached, if layers tell distances.
    pub(super) fn distances_of(&self, length: usize) -> Result<Option<Tensor>> {
        let Some(distances) = self.spec.distances() else { return Ok(None) };
        let places = distances.places(length);
        let of_query = |query: usize| places[query..query + length].iter().rev().copied();
        let all: Vec<u32> = (0..length).flat_map(of_query).collect();
        Tensor::from_vec(all, (length, length), &self.device).map(Some)
    }

    /// What is added to the scores of queries and keys for their distance, `(sequences, heads, length, length)`; none where the layers tell no distances.
    ///
    /// * `queries`: `(sequences, heads, length, head_dim)`, divided by [`score_divisor`](crate::nn::EncoderSpec::score_divisor); `keys`: alike, not divided
    pub(super) fn distance_scores(
        &self,
        layer: usize,
        queries: &Tensor,
        keys: &Tensor,
        padded: &Padded,
    ) -> Result<Option<Tensor>> {
        let of_model = self.spec.distances().zip(self.layout.embeddings.distances.as_ref());
        let Some(((distances, layout), places)) = of_model.zip(padded.distances.as_ref()) else {
            return Ok(None);
        };
        let reached = distances.reached(padded.length);
        let table = self.at(&layout.table).narrow(0, reached.start, reached.len())?;
        let table = self.layer_norm(&table, &layout.norm)?;
        let table = self.dropped(&table, Place::Distances(layer), padded)?; // (reached, hidden)
        let (heads, head_dim) = (self.spec.num_attention_heads, self.spec.head_dim());
        let rows = self
            .linear(&table, &self.layout.layers[layer].wqkv)?
            .reshape((reached.len(), 3, heads, head_dim))?
            .permute((1, 2, 0, 3))?; // (3, heads, reached, head_dim)
        let part = |part: usize| {
            let part = rows.narrow(0, part, 1)?.contiguous()?; // (1, heads, reached, head_dim)
            part.broadcast_as((padded.sequences, heads, reached.len(), head_dim))?.contiguous()
        };
        let shape = (padded.sequences, heads, padded.length, padded.length);
        let places = places.reshape((1, 1, padded.length, padded.length))?;
        let of_queries = self.product_with_transposed(queries, &part(1)?)?.contiguous()?;
        let of_queries =
            of_queries.gather(&places.broadcast_as(shape)?.contiguous()?, D::Minus1)?; // (sequences, heads, queries, keys)
        let of_distances = (part(0)? / self.spec.score_divisor())?;
        let of_keys = self.product_with_transposed(keys, &of_distances)?.contiguous()?;
        let by_key = places.transpose(2, 3)?.broadcast_as(shape)?.contiguous()?;
        let of_keys = of_keys.gather(&by_key, D::Minus1)?; // (sequences, heads, keys, queries)
        (of_queries + of_keys.transpose(2, 3)?).map(Some)
    }
}
