//! The joint model in candle's differentiable operations: for devices that candle runs on, and as the oracle of the CPU path.
//!
//! It has the parameters of [`JointModel`] as variables, one each, in the order of its layout, and reads the same packed batches; attention alone
//! pads sequences to the longest. Nothing here is fused: candle's fused norm, softmax and rotary embedding have no
//! backward and would cut the gradient without a word.

mod padded;
mod relative;
mod rows;

use std::ops::Range;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};

use self::padded::{Block, Padded, Tables, of, turn};
use super::adapter::Adapter;
use super::dropout::Place;
use super::layout::{DenseLayout, EmbeddingLayout, HeadLayout};
use super::{
    Activation, Affine, Batch, BatchError, DenseActivation, EncoderSpec, JointModel, Layout,
    LossOptions, Losses, Mlp, Over, Positions,
};
use crate::base::IGNORE;

/// A joint model whose parameters are candle variables.
#[derive(Debug, Clone)]
pub struct ComposedModel {
    spec: EncoderSpec,
    layout: Layout,
    variables: Vec<Var>,
    device: Device,
    product_dtype: DType,
    tables: Arc<Tables>,
}

/// Losses that are still on the device, scalars.
struct Means {
    /// Without weights.
    of_heads: Vec<Tensor>,
    /// Their weighed sum, with its graph.
    total: Tensor,
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
        let tables = Arc::new(Tables::new(&spec, device)?);
        let (device, product_dtype) = (device.clone(), DType::F32);
        Ok(Self { spec, layout, variables, device, product_dtype, tables })
    }

    /// Computes matrix products in `dtype`, such as bf16, and everything else in f32, like PyTorch's autocast.
    #[must_use]
    pub fn with_products_in(mut self, dtype: DType) -> Self {
        self.product_dtype = dtype;
        self
    }

    /// Another model on the same device, with products in the same type.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn beside(&self, model: &JointModel) -> Result<Self> {
        Ok(Self::new(model, &self.device)?.with_products_in(self.product_dtype))
    }

    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
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
        self.encode_laid_out(&self.pad(batch)?)
    }

    /// The logits of each head, as [`JointModel::forward`].
    ///
    /// # Errors
    /// When candle fails, for example because an id lies outside the vocabulary.
    pub fn forward(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let padded = self.pad(batch)?;
        let hidden = match batch.hidden_states() {
            None => self.encode_laid_out(&padded)?,
            Some(states) => {
                Tensor::from_slice(states, (batch.len(), self.spec.hidden_size), &self.device)?
            }
        }; // (tokens, hidden)
        self.heads(&hidden, &padded)
    }

    /// * `hidden`: `(tokens, hidden)`
    fn heads(&self, hidden: &Tensor, padded: &Padded) -> Result<Vec<Tensor>> {
        let hidden = self.dropped(hidden, Place::Heads, padded)?;
        let classify = |head: &HeadLayout| {
            let rows = match head.spec.over {
                Over::Tokens => hidden.clone(),
                Over::FirstToken => hidden.index_select(&padded.firsts, 0)?,
                Over::Masked => {
                    let masked = padded.masked.as_ref().ok_or_else(|| {
                        let head = head.spec.name.clone();
                        candle_core::Error::wrap(BatchError::NothingMasked { head })
                    })?;
                    hidden.index_select(masked, 0)?
                }
            };
            let rows = match &head.dense {
                None => rows,
                Some(dense) => self.dense(&rows, dense)?,
            };
            self.classify(&rows, head) // (rows, outputs)
        };
        self.layout.heads.iter().map(classify).collect()
    }

    /// The total loss as a scalar to call `backward` on, and the losses that it consists of, as [`JointModel::loss_and_gradients`].
    ///
    /// # Errors
    /// When candle fails, for example because an id or a target is out of range.
    pub fn loss(&self, batch: &Batch, options: &[LossOptions]) -> Result<(Tensor, Losses)> {
        let means = self.means(&self.forward(batch)?, batch, options)?;
        let losses = self.losses(&means, batch, options)?;
        Ok((means.total, losses))
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
        if !recompute_layers || batch.hidden_states().is_some() {
            let means = self.means(&self.forward(batch)?, batch, options)?;
            self.collect(means.total.backward()?, &mut gradients)?;
            return Ok((self.losses(&means, batch, options)?, gradients));
        }
        let padded = self.pad(batch)?;
        let mut inputs = vec![self.embed(&padded)?.detach()];
        for layer in 0..self.layout.layers.len() {
            inputs.push(self.layer(layer, &inputs[layer], &padded)?.detach());
        }
        // A detached stream gets its gradient as a variable of its own; that of what it came from goes on from there.
        let stream = Var::from_tensor(&inputs.pop().expect("the output of the last layer"))?;
        let logits = self.heads(&self.last(&stream)?, &padded)?;
        let means = self.means(&logits, batch, options)?;
        let mut found = means.total.backward()?;
        let mut d_stream = found.remove(&stream);
        self.collect(found, &mut gradients)?;
        let lowest = self.layout.lowest_trained();
        for (layer, input) in inputs.iter().enumerate().skip(lowest.saturating_sub(1)).rev() {
            let Some(d_output) = d_stream.take() else { break };
            let stream = Var::from_tensor(input)?;
            let mut found = (self.layer(layer, &stream, &padded)? * d_output.detach())?
                .sum_all()?
                .backward()?;
            d_stream = found.remove(&stream);
            self.collect(found, &mut gradients)?;
        }
        if let Some(d_embedded) = d_stream.filter(|_| lowest == 0) {
            self.collect(
                (self.embed(&padded)? * d_embedded.detach())?.sum_all()?.backward()?,
                &mut gradients,
            )?;
        }
        Ok((self.losses(&means, batch, options)?, gradients))
    }

    /// Takes the gradients of the variables.
    fn collect(&self, mut found: GradStore, gradients: &mut [Option<Tensor>]) -> Result<()> {
        for (gradient, variable) in gradients.iter_mut().zip(&self.variables) {
            // A gradient keeps the graph that it was computed in unless it is detached.
            if let Some(found) = found.remove(variable) {
                // What several layers read has a part from each of them, where they are computed one by one.
                let found = found.detach();
                *gradient = Some(match gradient.take() {
                    None => found,
                    Some(before) => (before + found)?,
                });
            }
        }
        Ok(())
    }

    /// * `logits`, `options`: for each head
    fn means(&self, logits: &[Tensor], batch: &Batch, options: &[LossOptions]) -> Result<Means> {
        let mut total = Tensor::zeros((), DType::F32, &self.device)?;
        let mut of_heads = Vec::new();
        let heads = self.layout.heads().zip(batch.targets()).zip(options);
        for (((head, targets), options), logits) in heads.zip(logits) {
            let mean = self.mean(logits, targets, batch.shares(head.over), options)?;
            total = (total + (&mean * f64::from(options.weight))?)?;
            of_heads.push(mean.detach());
        }
        Ok(Means { of_heads, total })
    }

    /// Reads the losses back, all at once: each time, the device is waited for. After the backward was launched the device has work meanwhile.
    fn losses(&self, means: &Means, batch: &Batch, options: &[LossOptions]) -> Result<Losses> {
        let all: Vec<&Tensor> = means.of_heads.iter().chain([&means.total]).collect();
        let told = Tensor::stack(&all, 0)?.to_vec1::<f32>()?;
        let mut losses = Losses::default();
        for ((targets, options), mean) in batch.targets().iter().zip(options).zip(&told) {
            losses.push(options, f64::from(*mean), targets);
        }
        losses.total = told.last().map_or(0.0, |total| f64::from(*total));
        Ok(losses)
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
        let counts = |class: u32| class != IGNORE;
        let normaliser = options.normaliser(targets, shares);
        if normaliser == 0.0 || !targets.iter().any(|&class| counts(class)) {
            return Tensor::zeros((), DType::F32, &self.device);
        }
        // A row that does not count has no weight and any class: to leave it out would take two more copies.
        let classes: Vec<u32> =
            targets.iter().map(|&class| if counts(class) { class } else { 0 }).collect();
        let weight = |(row, &class): (usize, &u32)| {
            let weight = || f64::from(options.row_weight(shares, row, class)) / normaliser;
            if counts(class) { weight() as f32 } else { 0.0 }
        };
        let weights = targets.iter().enumerate().map(weight).collect();
        self.cross_entropy(logits, &classes, weights, f64::from(options.focal_gamma))
    }

    /// `(tokens, hidden)`
    fn encode_laid_out(&self, padded: &Padded) -> Result<Tensor> {
        let mut stream = self.embed(padded)?;
        let lowest = self.layout.lowest_trained();
        for layer in 0..self.layout.layers.len() {
            // What is below needs no gradient, and its graph no memory.
            if layer + 1 == lowest {
                stream = stream.detach();
            }
            stream = self.layer(layer, &stream, padded)?;
        }
        self.last(&stream)
    }

    /// What the last layer leaves, normed where no layer does it.
    fn last(&self, stream: &Tensor) -> Result<Tensor> {
        let norm = self.layout.final_norm.as_ref();
        norm.map_or_else(|| Ok(stream.clone()), |norm| self.layer_norm(stream, norm))
    }

    /// `(tokens, hidden)`
    fn embed(&self, padded: &Padded) -> Result<Tensor> {
        let EmbeddingLayout { tokens, positions, types, norm, projection, .. } =
            &self.layout.embeddings;
        let mut rows = self.at(tokens).index_select(&padded.ids, 0)?; // (tokens, width)
        if let Some(types) = types {
            rows = rows.broadcast_add(&self.at(types).narrow(0, 0, 1)?)?;
        }
        if let Some((table, of)) = positions.as_ref().zip(padded.positions.as_ref()) {
            rows = (rows + self.at(table).index_select(of, 0)?)?;
        }
        let normed = self.layer_norm(&rows, norm)?;
        let normed = self.dropped(&normed, Place::Embeddings, padded)?;
        match projection {
            None => Ok(normed),
            Some(projection) => self.linear(&normed, projection), // (tokens, hidden)
        }
    }

    /// * `stream`: `(tokens, hidden)`
    fn layer(&self, layer: usize, stream: &Tensor, padded: &Padded) -> Result<Tensor> {
        let layout = &self.layout.layers[layer];
        let normed = layout
            .input_norm
            .as_ref()
            .map_or_else(|| Ok(stream.clone()), |norm| self.layer_norm(stream, norm))?;
        let attended = self.attention(&self.linear(&normed, &layout.wqkv)?, layer, padded)?; // (tokens, hidden)
        let added = self.linear(&attended, &layout.attn_wo)?;
        let middle = (stream + self.dropped(&added, Place::AttentionOutput(layer), padded)?)?;

        let normed = self.layer_norm(&middle, &layout.middle_norm)?;
        let expanded = self.linear(&normed, &layout.wi)?; // (tokens, expanded)
        let activated = match self.spec.mlp {
            Mlp::Gated(Activation::Gelu) => {
                let halves = expanded.chunk(2, D::Minus1)?;
                (halves[0].gelu_erf()? * &halves[1])?
            }
            Mlp::Plain(Activation::Gelu) => expanded.gelu_erf()?,
        }; // (tokens, intermediate)
        let activated = self.dropped(&activated, Place::Mlp(layer), padded)?;
        let added = self.linear(&activated, &layout.mlp_wo)?;
        let added = self.dropped(&added, Place::MlpOutput(layer), padded)?;
        match &layout.output_norm {
            None => middle + added,
            Some(norm) => self.layer_norm(&(normed + added)?, norm),
        }
    }

    /// Of packed tokens, each of which attends to those of its sequence.
    ///
    /// * `qkv`: `(tokens, 3 * hidden)`
    fn attention(&self, qkv: &Tensor, layer: usize, padded: &Padded) -> Result<Tensor> {
        let dropped = self.dropped_weights(layer, padded)?;
        let (number, layer) = (layer, &self.spec.layers[layer]);
        let (heads, head_dim) = (self.spec.num_attention_heads, self.spec.head_dim());
        let qkv = padded
            .spread(qkv)?
            .reshape((padded.sequences, padded.length, 3, heads, head_dim))?
            .permute((2, 0, 3, 1, 4))?; // (3, sequences, heads, length, head_dim)
        let part = |part: usize| qkv.narrow(0, part, 1)?.squeeze(0)?.contiguous(); // (sequences, heads, length, head_dim)
        let turned = |part: Tensor| match layer.positions {
            Positions::Rotary { theta } => turn(&part, of(&padded.angles, theta)),
            Positions::Embedded | Positions::Relative(_) => Ok(part),
        };
        let queries = (turned(part(0)?)? / self.spec.score_divisor())?;
        let (keys, values) = (turned(part(1)?)?, part(2)?);
        let attended = match layer.window {
            None => {
                let added = self.distance_scores(number, &queries, &keys, padded)?;
                let mask = added.map_or_else(
                    || Ok(padded.mask.clone()),
                    |added| added.broadcast_add(&padded.mask),
                )?;
                self.attend(&queries, &keys, &values, &mask, dropped.as_ref())?
            }
            Some(window) => {
                let rows = |tensor: &Tensor, of: &Range<usize>| {
                    tensor.narrow(2, of.start, of.len())?.contiguous()
                };
                let attend = |block: &Block| {
                    let dropped = dropped.as_ref().map(|dropped| {
                        rows(dropped, &block.queries)?.narrow(3, block.keys.start, block.keys.len())
                    });
                    self.attend(
                        &rows(&queries, &block.queries)?,
                        &rows(&keys, &block.keys)?,
                        &rows(&values, &block.keys)?,
                        &block.mask,
                        dropped.transpose()?.as_ref(),
                    )
                };
                let blocks = of(&padded.blocks, window);
                Tensor::cat(&blocks.iter().map(attend).collect::<Result<Vec<_>>>()?, 2)?
            }
        };
        let rows = (padded.sequences * padded.length, heads * head_dim);
        padded.packed(&attended.transpose(1, 2)?.contiguous()?.reshape(rows)?)
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
        dropped: Option<&Tensor>,
    ) -> Result<Tensor> {
        let scores = self.product_with_transposed(queries, keys)?.broadcast_add(mask)?; // (sequences, heads, queries, keys)
        let weights = softmax(&scores)?;
        let weights = dropped.map_or_else(|| Ok(weights.clone()), |dropped| &weights * dropped)?;
        self.product(&weights, values)
    }

    /// Layer norm over the last dimension.
    fn layer_norm(&self, input: &Tensor, norm: &Affine) -> Result<Tensor> {
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.spec.epsilon())?.sqrt()?;
        let normed = centred.broadcast_div(&deviation)?.broadcast_mul(&self.at(&norm.weight))?;
        self.biased(normed, norm)
    }

    fn linear(&self, input: &Tensor, matrix: &Affine) -> Result<Tensor> {
        let mut output = self.product_with_transposed(input, &self.whole(&matrix.weight)?)?;
        for adapter in self.layout.adapters_of(&matrix.weight) {
            output = (output + self.adapted(input, adapter, &matrix.weight)?)?;
        }
        self.biased(output, matrix)
    }

    /// What an adapter adds to the outputs of the layer whose whole matrix is at `matrix`.
    fn adapted(&self, input: &Tensor, adapter: &Adapter, matrix: &Range<usize>) -> Result<Tensor> {
        let between = input.matmul(&self.at(&adapter.down).t()?)?; // (rows, rank)
        let added = (between.matmul(&self.at(&adapter.up).t()?)? * f64::from(adapter.scale))?;
        let outputs = |floats: usize| floats / adapter.inputs;
        let before = outputs(adapter.matrix.start - matrix.start);
        added.pad_with_zeros(D::Minus1, before, outputs(matrix.end - adapter.matrix.end))
    }

    fn biased(&self, rows: Tensor, affine: &Affine) -> Result<Tensor> {
        match &affine.bias {
            None => Ok(rows),
            Some(bias) => rows.broadcast_add(&self.whole(bias)?),
        }
    }

    fn dense(&self, rows: &Tensor, layout: &DenseLayout) -> Result<Tensor> {
        let rows = self.linear(rows, &layout.matrix)?;
        let rows = match layout.dense.activation {
            DenseActivation::Gelu => rows.gelu_erf()?,
            DenseActivation::Tanh => rows.tanh()?,
            DenseActivation::Relu => rows.relu()?,
        };
        match &layout.norm {
            None => Ok(rows),
            Some(norm) => self.layer_norm(&rows, norm),
        }
    }

    fn classify(&self, input: &Tensor, head: &HeadLayout) -> Result<Tensor> {
        let logits = self.product_with_transposed(input, &self.at(&head.weight))?;
        logits.broadcast_add(&self.at(&head.bias))
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let dtype = self.product_dtype;
        left.to_dtype(dtype)?.matmul(&right.to_dtype(dtype)?)?.to_dtype(DType::F32)
    }

    /// The product with the transpose of `right`, which is rounded as it lies and never copied otherwise.
    fn product_with_transposed(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let dtype = self.product_dtype;
        left.to_dtype(dtype)?.matmul(&right.to_dtype(dtype)?.t()?)?.to_dtype(DType::F32)
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
        let logarithms = log_softmax(logits)?; // (rows, classes)
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

    fn at(&self, range: &Range<usize>) -> Tensor {
        self.tensor(self.index(range))
    }

    /// A parameter. One that is not trained needs no gradient, and its graph no memory.
    fn tensor(&self, index: usize) -> Tensor {
        let tensor = self.variables[index].as_tensor();
        if self.layout.parameters()[index].group.trainable {
            tensor.clone()
        } else {
            tensor.detach()
        }
    }

    /// What may be several parameters, one after the other.
    fn whole(&self, range: &Range<usize>) -> Result<Tensor> {
        let first = self.index(range);
        let parameters = self.layout.parameters()[first..].iter();
        let parts = parameters.take_while(|parameter| parameter.range.end <= range.end).count();
        let parts: Vec<Tensor> = (first..first + parts).map(|index| self.tensor(index)).collect();
        match parts.as_slice() {
            [one] => Ok(one.clone()),
            parts => Tensor::cat(parts, 0),
        }
    }

    fn index(&self, range: &Range<usize>) -> usize {
        let index = self
            .layout
            .parameters()
            .binary_search_by_key(&range.start, |parameter| parameter.range.start);
        index.expect("every range of the layout begins with a parameter")
    }
}

/// Softmax over the last dimension. That of candle has a gradient through the largest score too, which is 0 and takes several operations.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let largest = scores.max_keepdim(D::Minus1)?.detach();
    let exponentials = scores.broadcast_sub(&largest)?.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

/// The logarithm of [`softmax`].
fn log_softmax(scores: &Tensor) -> Result<Tensor> {
    let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    let sum = scores.exp()?.sum_keepdim(D::Minus1)?;
    scores.broadcast_sub(&sum.log()?)
}
