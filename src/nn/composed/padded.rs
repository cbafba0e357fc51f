//! A batch as candle's operations take it. Tokens stay packed; attention alone sees sequences, padded to the longest and masked. With what every layer
//! needs of positions and of dropout.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{D, Device, Result, Tensor};

use super::ComposedModel;
use super::rows::Moved;
use crate::nn::dropout::Place;
use crate::nn::kernels::rotary::Rotary;
use crate::nn::{Batch, EncoderSpec, LayerSpec, Positions};

/// What a score becomes where attention may not look: far below any score, and finite, so that a row of padding stays finite too.
const MASKED: f32 = -1e30;

/// Queries of a layer with a window that look at their keys together.
const BLOCK: usize = 256;

/// A packed batch, and where its tokens stand in a padded one.
pub(super) struct Padded {
    pub sequences: usize,
    pub length: usize,
    /// `(tokens,)`
    pub ids: Tensor,
    /// `(tokens,)`: the row of each token's position in a table of positions, where the model has one.
    pub positions: Option<Tensor>,
    /// `(sequences, 1, 1, length)`: 0 where there is a token, else [`MASKED`].
    pub mask: Tensor,
    /// The way to `sequences * length` places and back; `None` where all sequences are of one length.
    pub way: Option<Way>,
    /// `(sequences,)`: where the first tokens are.
    pub firsts: Tensor,
    /// `(masked,)`: where the tokens are that are to be told, if there are any: some GPUs refuse a tensor without elements.
    pub masked: Option<Tensor>,
    /// For each window that a layer has, its queries `0..length` in order, with the keys that it shows them.
    pub blocks: Vec<(usize, Vec<Block>)>,
    /// For each base of rotary frequencies that a layer has.
    pub angles: Vec<(f64, Angles)>,
    /// `(length, length)`: for each query and key the place of their distance among the rows of the table that are reached, where layers tell distances.
    pub distances: Option<Tensor>,
    /// Where each sequence begins in the packed batch.
    pub bounds: Vec<usize>,
    pub noise: Option<u64>,
}

/// From tokens to places of a padded batch, and back.
pub(super) struct Way {
    /// Where there is no token the first of its sequence stands, which no query sees there: all of a token's gradient is that of its own place.
    to_places: Moved,
    to_tokens: Moved,
}

/// Consecutive queries, and the keys that at least one of them sees.
pub(super) struct Block {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
    /// `(sequences, 1, queries, keys)`: 0 where a query sees a key, else [`MASKED`].
    pub mask: Tensor,
}

/// Cosines and sines, `(length, head_dim / 2)` each.
#[derive(Debug, Clone)]
pub(super) struct Angles {
    pub cosines: Tensor,
    pub sines: Tensor,
}

impl Angles {
    fn new(theta: f64, head_dim: usize, length: usize, device: &Device) -> Result<Self> {
        let mut rotary = Rotary::new(theta, head_dim);
        rotary.grow(length);
        let tensor = |values: &[f32]| Tensor::from_slice(values, (length, head_dim / 2), device);
        Ok(Self { cosines: tensor(rotary.cosines())?, sines: tensor(rotary.sines())? })
    }

    fn length(&self) -> usize {
        self.cosines.dims()[0]
    }

    fn narrow(&self, length: usize) -> Result<Self> {
        let first = |table: &Tensor| table.narrow(0, 0, length);
        Ok(Self { cosines: first(&self.cosines)?, sines: first(&self.sines)? })
    }
}

/// What depends on no batch and stays on the device.
#[derive(Debug)]
pub(super) struct Tables {
    /// For each window that a layer has, `(BLOCK, BLOCK + 2 * window)`: 0 where a query of a block sees a key, else [`MASKED`]; the first key lies
    /// `window` before the first query.
    windows: Vec<(usize, Tensor)>,
    /// For each base of rotary frequencies that a layer has, as far as the longest text so far.
    angles: Mutex<Vec<(f64, Angles)>>,
}

impl Tables {
    pub(super) fn new(spec: &EncoderSpec, device: &Device) -> Result<Self> {
        let mut windows: Vec<(usize, Tensor)> = Vec::new();
        let mut angles: Vec<(f64, Angles)> = Vec::new();
        for LayerSpec { window, positions, .. } in &spec.layers {
            if let Some(window) = window.filter(|window| windows.iter().all(|(of, _)| of != window))
            {
                let sees = |query: usize, key: usize| {
                    if (query + window).abs_diff(key) <= window { 0.0 } else { MASKED }
                };
                let keys = BLOCK + 2 * window;
                let entries =
                    (0..BLOCK).flat_map(|query| (0..keys).map(move |key| sees(query, key)));
                windows.push((window, Tensor::from_vec(entries.collect(), (BLOCK, keys), device)?));
            }
            if let Positions::Rotary { theta } = positions
                && angles.iter().all(|(of, _)| of != theta)
            {
                angles.push((*theta, Angles::new(*theta, spec.head_dim(), BLOCK, device)?));
            }
        }
        Ok(Self { windows, angles: Mutex::new(angles) })
    }

    fn angles(
        &self,
        length: usize,
        head_dim: usize,
        device: &Device,
    ) -> Result<Vec<(f64, Angles)>> {
        let mut known = self.angles.lock().unwrap_or_else(PoisonError::into_inner);
        let narrowed = |(theta, table): &mut (f64, Angles)| {
            if table.length() < length {
                *table = Angles::new(*theta, head_dim, length.next_power_of_two(), device)?;
            }
            Ok((*theta, table.narrow(length)?))
        };
        known.iter_mut().map(narrowed).collect()
    }
}

impl ComposedModel {
    pub(super) fn pad(&self, batch: &Batch) -> Result<Padded> {
        let (sequences, length) = (batch.sequences(), batch.longest());
        batch.check_tokens(&self.spec).map_err(candle_core::Error::wrap)?;
        let bounds = batch.bounds();
        let mut is_token = vec![0.0f32; sequences * length];
        let mut tokens = Vec::with_capacity(is_token.len());
        let mut places = Vec::with_capacity(batch.len());
        for (sequence, bounds) in bounds.windows(2).enumerate() {
            let (own, first) = (bounds[1] - bounds[0], sequence * length);
            is_token[first..first + own].fill(1.0);
            places.extend((first..first + own).map(|place| place as u32));
            tokens.extend((bounds[0]..bounds[1]).map(|token| token as u32));
            tokens.resize(first + length, bounds[0] as u32);
        }
        let tensor = |values: &[u32]| Tensor::from_slice(values, values.len(), &self.device);
        let is_token = Tensor::from_vec(is_token, (sequences * length, 1), &self.device)?;
        let way = match batch.len() == tokens.len() {
            true => None,
            false => {
                let (tokens, places) = (tensor(&tokens)?, tensor(&places)?);
                let (taken, back) = (tokens.clone(), places.clone());
                Some(Way {
                    to_places: Moved { taken, back, has_gradient: None },
                    to_tokens: Moved {
                        taken: places,
                        back: tokens,
                        has_gradient: Some(is_token.clone()),
                    },
                })
            }
        };
        let positions = self.spec.embeddings.positions.map(|table| {
            let rows = bounds.windows(2).flat_map(|bounds| 0..bounds[1] - bounds[0]);
            let rows: Vec<u32> = rows.map(|position| (table.first + position) as u32).collect();
            tensor(&rows)
        });
        let firsts: Vec<u32> = bounds[..sequences].iter().map(|first| *first as u32).collect();
        let far_below = f64::from(MASKED);
        let mask = is_token.affine(-far_below, far_below)?.reshape((sequences, 1, 1, length))?;
        let blocks = |(window, seen): &(usize, Tensor)| {
            let all = (0..length).step_by(BLOCK);
            let all = all.map(|from| block(*window, from, length, &mask, seen));
            Ok((*window, all.collect::<Result<Vec<_>>>()?))
        };
        Ok(Padded {
            sequences,
            length,
            ids: tensor(batch.ids())?,
            positions: positions.transpose()?,
            blocks: self.tables.windows.iter().map(blocks).collect::<Result<_>>()?,
            angles: self.tables.angles(length, self.spec.head_dim(), &self.device)?,
            distances: self.distances_of(length)?,
            mask,
            way,
            firsts: tensor(&firsts)?,
            masked: (!batch.masked().is_empty()).then(|| tensor(batch.masked())).transpose()?,
            bounds: bounds.to_vec(),
            noise: batch.noise(),
        })
    }

    /// What dropout leaves of features.
    ///
    /// * `rows`: `(tokens, features)`
    pub(super) fn dropped(&self, rows: &Tensor, place: Place, padded: &Padded) -> Result<Tensor> {
        let Some(dropout) = self.spec.dropped(place, padded.noise) else {
            return Ok(rows.clone());
        };
        let (count, width) = rows.dims2()?;
        let factors = (0..(count * width) as u32).map(|place| dropout.factor(place)).collect();
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

impl Padded {
    /// * `rows`: `(tokens, features)`
    ///
    /// Returns `(sequences * length, features)`.
    pub(super) fn spread(&self, rows: &Tensor) -> Result<Tensor> {
        self.way.as_ref().map_or_else(|| Ok(rows.clone()), |way| way.to_places.of(rows))
    }

    /// * `rows`: `(sequences * length, features)`
    ///
    /// Returns `(tokens, features)`.
    pub(super) fn packed(&self, rows: &Tensor) -> Result<Tensor> {
        self.way.as_ref().map_or_else(|| Ok(rows.clone()), |way| way.to_tokens.of(rows))
    }
}

/// The block of queries that begins at `from`. A block does not grow with the length of the text, so neither does what it is scored in.
///
/// * `mask`: `(sequences, 1, 1, length)`
/// * `seen`: as [`Tables`] has it
fn block(window: usize, from: usize, length: usize, mask: &Tensor, seen: &Tensor) -> Result<Block> {
    let queries = from..(from + BLOCK).min(length);
    let keys = from.saturating_sub(window)..(queries.end + window).min(length);
    let before = window - (from - keys.start);
    let seen = seen.narrow(0, 0, queries.len())?.narrow(1, before, keys.len())?;
    let mask = mask.narrow(3, keys.start, keys.len())?.broadcast_add(&seen)?;
    Ok(Block { queries, keys, mask })
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
