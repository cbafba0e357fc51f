//! A batch as candle's operations take it: padded and masked, with what every layer needs of its positions and of dropout.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

use super::ComposedModel;
use crate::nn::dropout::Place;
use crate::nn::kernels::rotary::Rotary;
use crate::nn::{Batch, LayerSpec, Positions};

/// What a score becomes where attention may not look: far below any score, and finite, so that a row of padding stays finite too.
const MASKED: f32 = -1e30;

/// Queries of a layer with a window that look at their keys together.
const BLOCK: usize = 256;

/// A packed batch, padded, and the way back.
pub(super) struct Padded {
    pub sequences: usize,
    pub length: usize,
    /// `(sequences * length,)`: ids, 0 where there is no token.
    pub ids: Tensor,
    /// `(sequences, 1, 1, length)`: 0 where there is a token, else [`MASKED`].
    pub mask: Tensor,
    /// `(tokens,)`: where the tokens are among `sequences * length` places.
    pub places: Tensor,
    /// `(sequences,)`: where the first tokens are.
    pub firsts: Tensor,
    /// `(masked,)`: where the tokens are that are to be told.
    pub masked: Tensor,
    /// For each window that a layer has, its queries `0..length` in order, with the keys that it shows them.
    pub blocks: Vec<(usize, Vec<Block>)>,
    /// For each base of rotary frequencies that a layer has.
    pub angles: Vec<(f64, Angles)>,
    /// Where each sequence begins in the packed batch.
    pub bounds: Vec<usize>,
    pub noise: Option<u64>,
}

/// Consecutive queries, and the keys that at least one of them sees.
pub(super) struct Block {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
    /// `(sequences, 1, queries, keys)`: 0 where a query sees a key, else [`MASKED`].
    pub mask: Tensor,
}

/// Cosines and sines, `(length, head_dim / 2)` each.
pub(super) struct Angles {
    pub cosines: Tensor,
    pub sines: Tensor,
}

impl ComposedModel {
    pub(super) fn pad(&self, batch: &Batch) -> Result<Padded> {
        let (sequences, length) = (batch.sequences(), batch.longest());
        batch.check_tokens(&self.spec).map_err(candle_core::Error::wrap)?;
        let mut ids = vec![0u32; sequences * length];
        let mut mask = vec![MASKED; sequences * length];
        let mut places = Vec::with_capacity(batch.len());
        for (sequence, bounds) in batch.bounds().windows(2).enumerate() {
            for (position, &id) in batch.ids()[bounds[0]..bounds[1]].iter().enumerate() {
                let place = sequence * length + position;
                (ids[place], mask[place]) = (id, 0.0);
                places.push(place as u32);
            }
        }
        let firsts: Vec<u32> = (0..sequences).map(|sequence| (sequence * length) as u32).collect();
        let masked = batch.masked().iter().map(|token| places[*token as usize]);
        let masked: Vec<u32> = masked.collect();
        let mask = Tensor::from_vec(mask, (sequences, 1, 1, length), &self.device)?;
        let mut blocks: Vec<(usize, Vec<Block>)> = Vec::new();
        let mut angles: Vec<(f64, Angles)> = Vec::new();
        for LayerSpec { window, positions, .. } in &self.spec.layers {
            if let Some(window) = window.filter(|window| blocks.iter().all(|(of, _)| of != window))
            {
                let all = (0..length).step_by(BLOCK);
                let all = all.map(|from| self.block(window, from, length, &mask));
                blocks.push((window, all.collect::<Result<Vec<_>>>()?));
            }
            if let Positions::Rotary { theta } = positions
                && angles.iter().all(|(of, _)| of != theta)
            {
                angles.push((*theta, self.angles(*theta, length)?));
            }
        }
        Ok(Padded {
            sequences,
            length,
            ids: Tensor::from_vec(ids, sequences * length, &self.device)?,
            blocks,
            angles,
            mask,
            places: Tensor::new(places.as_slice(), &self.device)?,
            firsts: Tensor::new(firsts.as_slice(), &self.device)?,
            masked: Tensor::new(masked.as_slice(), &self.device)?,
            bounds: batch.bounds().to_vec(),
            noise: batch.noise(),
        })
    }

    /// The block of queries that begins at `from`. A block does not grow with the length of the text, so neither does what it is scored in.
    ///
    /// * `mask`: `(sequences, 1, 1, length)`
    fn block(&self, window: usize, from: usize, length: usize, mask: &Tensor) -> Result<Block> {
        let queries = from..(from + BLOCK).min(length);
        let keys = from.saturating_sub(window)..(queries.end + window).min(length);
        let sees =
            |query: usize, key: usize| if query.abs_diff(key) <= window { 0.0 } else { MASKED };
        let entries = queries
            .clone()
            .flat_map(|query| keys.clone().map(move |key| sees(query, key)))
            .collect();
        let windows = Tensor::from_vec(entries, (queries.len(), keys.len()), &self.device)?;
        let mask = mask.narrow(3, keys.start, keys.len())?.broadcast_add(&windows)?;
        Ok(Block { queries, keys, mask })
    }

    fn angles(&self, theta: f64, length: usize) -> Result<Angles> {
        let head_dim = self.spec.head_dim();
        let mut rotary = Rotary::new(theta, head_dim);
        rotary.grow(length);
        let tensor =
            |values: &[f32]| Tensor::from_slice(values, (length, head_dim / 2), &self.device);
        Ok(Angles { cosines: tensor(rotary.cosines())?, sines: tensor(rotary.sines())? })
    }

    /// What dropout leaves of features.
    ///
    /// * `rows`: `(sequences * length, features)`
    pub(super) fn dropped(&self, rows: &Tensor, place: Place, padded: &Padded) -> Result<Tensor> {
        let Some(dropout) = self.spec.dropped(place, padded.noise) else {
            return Ok(rows.clone());
        };
        let (count, width) = rows.dims2()?;
        let mut factors = vec![0.0f32; count * width];
        for (sequence, bounds) in padded.bounds.windows(2).enumerate() {
            let from = sequence * padded.length * width;
            let places = (bounds[0] * width) as u32..(bounds[1] * width) as u32;
            let factors = factors[from..].iter_mut().zip(places);
            factors.for_each(|(factor, place)| *factor = dropout.factor(place));
        }
        rows * Tensor::from_vec(factors, (count, width), &self.device)?
    }

    /// What the attention weights of a layer are multiplied by, `(sequences, heads, length, length)`, where some are dropped.
    pub(super) fn dropped_weights(&self, layer: usize, padded: &Padded) -> Result<Option<Tensor>> {
        let Some(dropout) = self.spec.dropped(Place::Attention(layer), padded.noise) else {
            return Ok(None);
        };
        let (heads, length) = (self.spec.num_attention_heads, padded.length);
        let mut factors = vec![0.0f32; padded.sequences * heads * length * length];
        for (number, factors) in factors.chunks_exact_mut(length * length).enumerate() {
            let dropout = dropout.numbered(number as u64);
            let bounds = &padded.bounds[number / heads..];
            let own = bounds[1] - bounds[0];
            for (query, factors) in factors.chunks_exact_mut(length).take(own).enumerate() {
                let places = (query * own) as u32..((query + 1) * own) as u32;
                let factors = factors.iter_mut().zip(places);
                factors.for_each(|(factor, place)| *factor = dropout.factor(place));
            }
        }
        let shape = (padded.sequences, heads, length, length);
        Tensor::from_vec(factors, shape, &self.device).map(Some)
    }
}

/// What belongs to a layer that has this.
pub(super) fn of<K: PartialEq, V>(list: &[(K, V)], key: K) -> &V {
    let found = list.iter().find(|(of, _)| *of == key);
    &found.expect("padding prepares what every layer needs").1
}

/// * `features`: `(sequences, heads, length, head_dim)`
pub(super) fn turn(features: &Tensor, angles: &Angles) -> Result<Tensor> {
    let halves = features.chunk(2, D::Minus1)?; // (sequences, heads, length, head_dim / 2) each
    let (first, second) = (&halves[0], &halves[1]);
    let turned_first =
        (first.broadcast_mul(&angles.cosines)? - second.broadcast_mul(&angles.sines)?)?;
    let turned_second =
        (second.broadcast_mul(&angles.cosines)? + first.broadcast_mul(&angles.sines)?)?;
    Tensor::cat(&[turned_first, turned_second], D::Minus1)
}
