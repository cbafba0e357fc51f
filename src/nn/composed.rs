//! The joint model in candle's differentiable operations: for devices that candle runs on, and as the oracle of the CPU path.
//!
//! It has the parameters of [`JointModel`] as variables, one each, in the order of its layout, and reads the same packed batches; inside,
//! sequences are padded to the longest and masked. Nothing here is fused: candle's fused norm, softmax and rotary embedding have no
//! backward and would cut the gradient without a word.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops::{log_softmax, softmax};

use super::kernels::rotary::Rotary;
use super::layout::HeadLayout;
use super::{
    Activation, Batch, EncoderSpec, JointModel, LayerSpec, Layout, LossOptions, Losses, Mlp, Norm,
    Over, Positions,
};
use crate::base::IGNORE;

/// What a score becomes where attention may not look: far below any score, and finite, so that a row of padding stays finite too.
const MASKED: f32 = -1e30;

/// Queries of a layer with a window that look at their keys together.
const BLOCK: usize = 256;

/// A joint model whose parameters are candle variables.
#[derive(Debug, Clone)]
pub struct ComposedModel {
    spec: EncoderSpec,
    layout: Layout,
    variables: Vec<Var>,
    device: Device,
    product_dtype: DType,
}

/// A packed batch, padded, and the way back.
struct Padded {
    sequences: usize,
    length: usize,
    /// `(sequences * length,)`: ids, 0 where there is no token.
    ids: Tensor,
    /// `(sequences, 1, 1, length)`: 0 where there is a token, else [`MASKED`].
    mask: Tensor,
    /// `(tokens,)`: where the tokens are among `sequences * length` places.
    places: Tensor,
    /// `(sequences,)`: where the first tokens are.
    firsts: Tensor,
    /// For each window that a layer has, its queries `0..length` in order, with the keys that it shows them.
    blocks: Vec<(usize, Vec<Block>)>,
    /// For each base of rotary frequencies that a layer has.
    angles: Vec<(f64, Angles)>,
}

/// Consecutive queries, and the keys that at least one of them sees.
struct Block {
    queries: Range<usize>,
    keys: Range<usize>,
    /// `(sequences, 1, queries, keys)`: 0 where a query sees a key, else [`MASKED`].
    mask: Tensor,
}

/// Cosines and sines, `(length, head_dim / 2)` each.
struct Angles {
    cosines: Tensor,
    sines: Tensor,
}

impl ComposedModel {
    /// A copy of `model` on `device`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(model: &JointModel, device: &Device) -> Result<Self> {
        let variable = |parameter: &super::Parameter| {
            Var::from_slice(
                &model.parameters[parameter.range.clone()],
                parameter.shape.as_slice(),
                device,
            )
        };
        let variables = model.layout.parameters().iter().map(variable).collect::<Result<_>>()?;
        let (spec, layout) = (model.spec.clone(), model.layout.clone());
        Ok(Self { spec, layout, variables, device: device.clone(), product_dtype: DType::F32 })
    }

    /// Computes matrix products in `dtype`, such as bf16, and everything else in f32, like PyTorch's autocast.
    #[must_use]
    pub fn with_products_in(mut self, dtype: DType) -> Self {
        self.product_dtype = dtype;
        self
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The parameters, in the order of [`Layout::parameters`].
    #[must_use]
    pub fn variables(&self) -> &[Var] {
        &self.variables
    }

    /// Copies the parameters back into the flat buffer of a model with the same layout, to be evaluated or saved.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read_back(&self, model: &mut JointModel) -> Result<()> {
        for (parameter, variable) in self.layout.parameters().iter().zip(&self.variables) {
            let values = variable.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            model.parameters[parameter.range.clone()].copy_from_slice(&values);
        }
        Ok(())
    }

    /// The last hidden states, `(tokens, hidden)`, as [`JointModel::encode`].
    ///
    /// # Errors
    /// When candle fails, for example because an id lies outside the vocabulary.
    pub fn encode(&self, batch: &Batch) -> Result<Tensor> {
        let padded = self.pad(batch)?;
        self.encode_padded(&padded)?.index_select(&padded.places, 0)
    }

    /// The logits of each head, as [`JointModel::forward`].
    ///
    /// # Errors
    /// When candle fails, for example because an id lies outside the vocabulary.
    pub fn forward(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let padded = self.pad(batch)?;
        self.heads(&self.encode_padded(&padded)?, &padded)
    }

    /// * `hidden`: `(sequences * length, hidden)`
    fn heads(&self, hidden: &Tensor, padded: &Padded) -> Result<Vec<Tensor>> {
        let classify = |head: &HeadLayout| {
            let rows = match head.spec.over {
                Over::Tokens => &padded.places,
                Over::FirstToken => &padded.firsts,
            };
            self.classify(&hidden.index_select(rows, 0)?, head) // (rows, outputs)
        };
        self.layout.heads.iter().map(classify).collect()
    }

    /// The total loss as a scalar to call `backward` on, and the losses that it consists of, as [`JointModel::loss_and_gradients`].
    ///
    /// # Errors
    /// When candle fails, for example because an id or a target is out of range.
    pub fn loss(&self, batch: &Batch, options: &[LossOptions]) -> Result<(Tensor, Losses)> {
        self.losses(&self.forward(batch)?, batch, options)
    }

    /// The losses, and the gradient of the total with respect to each of [`variables`](Self::variables) that it depends on.
    ///
    /// * `recompute_layers`: whether to keep only the input of each layer and compute the layer anew in the backward, so that the graph of one
    ///   layer at a time is in memory
    ///
    /// # Errors
    /// When candle fails, for example because an id or a target is out of range.
    pub fn loss_and_gradients(
        &self,
        batch: &Batch,
        options: &[LossOptions],
        recompute_layers: bool,
    ) -> Result<(Losses, Vec<Option<Tensor>>)> {
        let mut gradients = vec![None; self.variables.len()];
        if !recompute_layers {
            let (total, losses) = self.loss(batch, options)?;
            self.collect(total.backward()?, &mut gradients);
            return Ok((losses, gradients));
        }
        let padded = self.pad(batch)?;
        let mut inputs = vec![self.embed(&padded)?.detach()];
        for layer in 0..self.layout.layers.len() {
            inputs.push(self.layer(layer, &inputs[layer], &padded)?.detach());
        }
        // A detached stream gets its gradient as a variable of its own; that of what it came from goes on from there.
        let stream = Var::from_tensor(&inputs.pop().expect("the output of the last layer"))?;
        let logits = self.heads(&self.layer_norm(&stream, &self.layout.final_norm)?, &padded)?;
        let (total, losses) = self.losses(&logits, batch, options)?;
        let mut found = total.backward()?;
        let mut d_stream = found.remove(&stream);
        self.collect(found, &mut gradients);
        for (layer, input) in inputs.iter().enumerate().rev() {
            let Some(d_output) = d_stream.take() else { break };
            let stream = Var::from_tensor(input)?;
            let mut found = (self.layer(layer, &stream, &padded)? * d_output.detach())?
                .sum_all()?
                .backward()?;
            d_stream = found.remove(&stream);
            self.collect(found, &mut gradients);
        }
        if let Some(d_embedded) = d_stream {
            self.collect(
                (self.embed(&padded)? * d_embedded.detach())?.sum_all()?.backward()?,
                &mut gradients,
            );
        }
        Ok((losses, gradients))
    }

    /// Takes the gradients of the variables.
    fn collect(&self, mut found: GradStore, gradients: &mut [Option<Tensor>]) {
        for (gradient, variable) in gradients.iter_mut().zip(&self.variables) {
            // A gradient keeps the graph that it was computed in unless it is detached.
            if let Some(found) = found.remove(variable) {
                *gradient = Some(found.detach());
            }
        }
    }

    /// * `logits`, `options`: for each head
    fn losses(
        &self,
        logits: &[Tensor],
        batch: &Batch,
        options: &[LossOptions],
    ) -> Result<(Tensor, Losses)> {
        let mut losses = Losses::default();
        let mut total = Tensor::zeros((), DType::F32, &self.device)?;
        let heads = self.layout.heads().zip(logits);
        for ((head, logits), (targets, options)) in heads.zip(batch.targets().iter().zip(options)) {
            let mean = self.mean(logits, targets, batch.shares(head.over), options)?;
            total = (total + (&mean * f64::from(options.weight))?)?;
            losses.push(options, f64::from(mean.to_scalar::<f32>()?), targets);
        }
        losses.total = f64::from(total.to_scalar::<f32>()?);
        Ok((total, losses))
    }

    /// The loss of a head, a scalar; 0 where no target counts.
    ///
    /// * `logits`: `(rows, outputs)`; `targets`: `(rows,)`; `shares`: as [`Batch::shares`]
    fn mean(
        &self,
        logits: &Tensor,
        targets: &[u32],
        shares: &[u32],
        options: &LossOptions,
    ) -> Result<Tensor> {
        let counted = (0..).zip(targets).filter(|&(_, &target)| target != IGNORE);
        let (rows, classes): (Vec<u32>, Vec<u32>) = counted.unzip();
        let normaliser = options.normaliser(targets, shares);
        if rows.is_empty() || normaliser == 0.0 {
            return Tensor::zeros((), DType::F32, &self.device);
        }
        let weight = |(&row, &class): (&u32, &u32)| {
            (f64::from(options.row_weight(shares, row as usize, class)) / normaliser) as f32
        };
        let weights = rows.iter().zip(&classes).map(weight).collect();
        let rows = Tensor::new(rows.as_slice(), &self.device)?;
        let gamma = f64::from(options.focal_gamma);
        self.cross_entropy(&logits.index_select(&rows, 0)?, &classes, weights, gamma)
    }

    /// `(sequences * length, hidden)`
    fn encode_padded(&self, padded: &Padded) -> Result<Tensor> {
        let mut stream = self.embed(padded)?;
        for layer in 0..self.layout.layers.len() {
            stream = self.layer(layer, &stream, padded)?;
        }
        self.layer_norm(&stream, &self.layout.final_norm)
    }

    /// `(sequences * length, hidden)`
    fn embed(&self, padded: &Padded) -> Result<Tensor> {
        self.layer_norm(
            &self.at(&self.layout.embedding).index_select(&padded.ids, 0)?,
            &self.layout.embedding_norm,
        )
    }

    /// * `stream`: `(sequences * length, hidden)`
    fn layer(&self, layer: usize, stream: &Tensor, padded: &Padded) -> Result<Tensor> {
        let layout = &self.layout.layers[layer];
        let normed = layout
            .attn_norm
            .as_ref()
            .map_or_else(|| Ok(stream.clone()), |norm| self.layer_norm(stream, norm))?;
        let attended =
            self.attention(&self.linear(&normed, &layout.wqkv)?, &self.spec.layers[layer], padded)?; // (sequences * length, hidden)
        let stream = (stream + self.linear(&attended, &layout.attn_wo)?)?;

        let expanded = self.linear(&self.layer_norm(&stream, &layout.mlp_norm)?, &layout.wi)?; // (sequences * length, expanded)
        let activated = match self.spec.mlp {
            Mlp::Gated(Activation::Gelu) => {
                let halves = expanded.chunk(2, D::Minus1)?;
                (halves[0].gelu_erf()? * &halves[1])?
            }
        }; // (sequences * length, intermediate)
        stream + self.linear(&activated, &layout.mlp_wo)?
    }

    /// * `qkv`: `(sequences * length, 3 * hidden)`
    fn attention(&self, qkv: &Tensor, layer: &LayerSpec, padded: &Padded) -> Result<Tensor> {
        let (heads, head_dim) = (self.spec.num_attention_heads, self.spec.head_dim());
        let Positions::Rotary { theta } = layer.positions;
        let angles = of(&padded.angles, theta);
        let qkv = qkv
            .reshape((padded.sequences, padded.length, 3, heads, head_dim))?
            .permute((2, 0, 3, 1, 4))?; // (3, sequences, heads, length, head_dim)
        let part = |part: usize| qkv.narrow(0, part, 1)?.squeeze(0)?.contiguous(); // (sequences, heads, length, head_dim)
        let queries = (turn(&part(0)?, angles)? / (head_dim as f64).sqrt())?;
        let (keys, values) = (turn(&part(1)?, angles)?, part(2)?);
        let attended = match layer.window {
            None => self.attend(&queries, &keys, &values, &padded.mask)?,
            Some(window) => {
                let rows = |tensor: &Tensor, of: &Range<usize>| {
                    tensor.narrow(2, of.start, of.len())?.contiguous()
                };
                let attend = |block: &Block| {
                    self.attend(
                        &rows(&queries, &block.queries)?,
                        &rows(&keys, &block.keys)?,
                        &rows(&values, &block.keys)?,
                        &block.mask,
                    )
                };
                let blocks = of(&padded.blocks, window);
                Tensor::cat(&blocks.iter().map(attend).collect::<Result<Vec<_>>>()?, 2)?
            }
        };
        attended
            .transpose(1, 2)?
            .contiguous()?
            .reshape((padded.sequences * padded.length, heads * head_dim))
    }

    /// What the queries take from the values: `(sequences, heads, queries, head_dim)`.
    ///
    /// * `keys`, `values`: `(sequences, heads, keys, head_dim)`; `mask` broadcasts to `(sequences, heads, queries, keys)`
    fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        mask: &Tensor,
    ) -> Result<Tensor> {
        let scores = self.product(queries, &keys.t()?.contiguous()?)?.broadcast_add(mask)?; // (sequences, heads, queries, keys)
        self.product(&softmax(&scores, D::Minus1)?, values)
    }

    /// Layer norm without bias over the last dimension.
    fn layer_norm(&self, input: &Tensor, weight: &Range<usize>) -> Result<Tensor> {
        let Norm::Before { epsilon } = self.spec.norm;
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?.broadcast_mul(self.at(weight))
    }

    fn linear(&self, input: &Tensor, weight: &Range<usize>) -> Result<Tensor> {
        self.product(input, &self.at(weight).t()?)
    }

    fn classify(&self, input: &Tensor, head: &HeadLayout) -> Result<Tensor> {
        self.linear(input, &head.weight)?.broadcast_add(self.at(&head.bias))
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        match self.product_dtype {
            DType::F32 => left.matmul(right),
            dtype => left.to_dtype(dtype)?.matmul(&right.to_dtype(dtype)?)?.to_dtype(DType::F32),
        }
    }

    /// `sum(weights * -log softmax(logits)[labels])`, a scalar, each row times `(1 - p)^gamma` as the kernel's
    /// [`Focus`](super::kernels::cross_entropy::Focus) has it.
    ///
    /// * `logits`: `(rows, classes)`; `labels`, `weights`: `(rows,)`
    fn cross_entropy(
        &self,
        logits: &Tensor,
        labels: &[u32],
        weights: Vec<f32>,
        gamma: f64,
    ) -> Result<Tensor> {
        let logarithms = log_softmax(logits, D::Minus1)?; // (rows, classes)
        let labels = Tensor::new(labels, &self.device)?.unsqueeze(1)?; // (rows, 1)
        let losses = logarithms.contiguous()?.gather(&labels, D::Minus1)?.squeeze(1)?.neg()?; // (rows,)
        let losses = if gamma == 0.0 {
            losses
        } else {
            // Above 0, where a power of a small gamma has no finite slope.
            let rest = (losses.neg()?.exp()?.affine(-1.0, 1.0)?.relu()? + 1e-12)?; // 1 - p
            (losses * rest.powf(gamma)?)?
        };
        let rows = weights.len();
        (losses * Tensor::from_vec(weights, rows, &self.device)?)?.sum_all()
    }

    fn at(&self, range: &Range<usize>) -> &Tensor {
        let index = self
            .layout
            .parameters()
            .binary_search_by_key(&range.start, |parameter| parameter.range.start);
        &self.variables[index.expect("every range of the layout is a parameter's")]
    }

    fn pad(&self, batch: &Batch) -> Result<Padded> {
        let (sequences, length) = (batch.sequences(), batch.longest());
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
        let mask = Tensor::from_vec(mask, (sequences, 1, 1, length), &self.device)?;
        let mut blocks: Vec<(usize, Vec<Block>)> = Vec::new();
        let mut angles: Vec<(f64, Angles)> = Vec::new();
        for LayerSpec { window, positions: Positions::Rotary { theta }, .. } in &self.spec.layers {
            if let Some(window) = window.filter(|window| blocks.iter().all(|(of, _)| of != window))
            {
                let all = (0..length).step_by(BLOCK);
                let all = all.map(|from| self.block(window, from, length, &mask));
                blocks.push((window, all.collect::<Result<Vec<_>>>()?));
            }
            if angles.iter().all(|(of, _)| of != theta) {
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
}

/// What belongs to a layer that has this.
fn of<K: PartialEq, V>(list: &[(K, V)], key: K) -> &V {
    let found = list.iter().find(|(of, _)| *of == key);
    &found.expect("padding prepares what every layer needs").1
}

/// * `features`: `(sequences, heads, length, head_dim)`
fn turn(features: &Tensor, angles: &Angles) -> Result<Tensor> {
    let halves = features.chunk(2, D::Minus1)?; // (sequences, heads, length, head_dim / 2) each
    let (first, second) = (&halves[0], &halves[1]);
    let turned_first =
        (first.broadcast_mul(&angles.cosines)? - second.broadcast_mul(&angles.sines)?)?;
    let turned_second =
        (second.broadcast_mul(&angles.cosines)? + first.broadcast_mul(&angles.sines)?)?;
    Tensor::cat(&[turned_first, turned_second], D::Minus1)
}
