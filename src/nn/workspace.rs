//! Every buffer of a step that grows with model and batch, besides parameters and gradients, kept from step to step.

use super::buffers::{reserve, room_for};
use super::kernels::layer_norm::{Moments, partial_length};
use super::kernels::rotary::Rotary;
use super::layout::Layout;
use super::linear::Operands;
use super::{Batch, Dropout, EncoderSpec, Instructions, NoMemory, Norm, Over, Positions, Profile};

/// What the memory is for.
const WHAT: &str = "its activations";

/// Activations and temporaries. They grow to the largest batch seen and stay, so that a step allocates no more than the
/// blocks of scores that its tasks of attention work on.
///
/// One workspace serves any model and any batch, one at a time.
#[derive(Debug, Default)]
pub struct Workspace {
    recompute_layers: bool,
    pub(super) rotary: Rotaries,
    /// `(tokens,)`: of the norm of the embedding.
    pub(super) embedding_moments: Vec<Moments>,
    /// The input of every layer, and of the final norm, `(tokens, hidden)` each. Without a backward, two that take turns.
    pub(super) inputs: Vec<Vec<f32>>,
    /// What each layer keeps for its backward. Without a backward, or if layers are computed anew, one that all use.
    pub(super) layers: Vec<LayerState>,
    /// `(tokens,)`: of the final norm.
    pub(super) final_moments: Vec<Moments>,
    /// `(tokens, hidden)`: the last hidden states.
    pub(super) hidden: Vec<f32>,
    pub(super) heads: HeadState,
    pub(super) scratch: Scratch,
}

/// What a layer keeps of its forward.
#[derive(Debug, Default)]
pub(super) struct LayerState {
    /// `(tokens,)`; unused in a layer without a norm before the attention.
    pub input_moments: Vec<Moments>,
    /// `(tokens * 3 * hidden,)`: turned queries and keys, and values, head by head; and, in its stead, their bits where attention is in bf16.
    pub rotated: Vec<f32>,
    pub rotated_bits: Vec<u16>,
    /// `(tokens * heads,)`
    pub log_sums: Vec<f32>,
    /// `(reached, 3 * hidden)`: what the layer's matrix makes of the table of distances; unused without one.
    pub distances: Vec<f32>,
    /// `(tokens, hidden)`: before the matrix into the stream.
    pub attended: Vec<f32>,
    /// `(tokens, hidden)`: the stream between attention and MLP.
    pub middle: Vec<f32>,
    /// `(tokens,)`
    pub middle_moments: Vec<Moments>,
    /// `(tokens, expanded)`: before the activation.
    pub expanded: Vec<f32>,
    /// `(tokens, hidden)`: the stream before the norm behind the MLP, and what that one needs, `(tokens,)`; unused without one.
    pub sum: Vec<f32>,
    pub output_moments: Vec<Moments>,
}

/// What the heads read and write.
#[derive(Debug, Default)]
pub(super) struct HeadState {
    /// For each head, `(rows, outputs)`: logits, then their gradient.
    pub logits: Vec<Vec<f32>>,
    /// `(sequences, hidden)`: the hidden states of the first tokens, then their gradient.
    pub first: Vec<f32>,
    /// `(masked, hidden)`: those of the tokens that are to be told, then their gradient.
    pub masked: Vec<f32>,
    /// For each head, unused without a dense layer.
    pub dense: Vec<DenseState>,
}

/// What a dense layer before a head's matrix leaves, `(rows, hidden)` each.
#[derive(Debug, Default)]
pub(super) struct DenseState {
    /// Before the activation, then the gradient there.
    pub before: Vec<f32>,
    pub activated: Vec<f32>,
    /// What the head's matrix reads, then its gradient.
    pub output: Vec<f32>,
    /// `(rows,)`
    pub moments: Vec<Moments>,
    /// The gradient of what is activated.
    pub d_activated: Vec<f32>,
}

/// What layers that tell distances read and write, `(reached, hidden)` each where nothing else is said: at most as large as the table.
#[derive(Debug, Default)]
pub(super) struct DistanceState {
    /// Where each distance within the longest text lies, as [`Distances::places`](super::Distances::places).
    pub places: Vec<u32>,
    /// The table behind its norm.
    pub normed: Vec<f32>,
    /// `(reached,)`
    pub moments: Vec<Moments>,
    /// What dropout leaves a layer of it, or a gradient.
    pub dropped: Vec<f32>,
    /// `(reached, 3 * hidden)`: the gradient of what a layer's matrix made of it.
    pub d_rows: Vec<f32>,
    /// The gradient of the table behind its norm, to which each layer adds.
    pub d_normed: Vec<f32>,
}

/// Temporaries of a single layer.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `(tokens, hidden)`: the output of a norm, or its gradient.
    pub normed: Vec<f32>,
    /// `(tokens, width)`: what a matrix brings to the width of the hidden states; unused without one.
    pub embedded: Vec<f32>,
    /// `(tokens, 3 * hidden)`
    pub qkv: Vec<f32>,
    /// `(tokens, intermediate)`
    pub activated: Vec<f32>,
    /// `(tokens, hidden)`: what is added to the stream, or its gradient, where some of it is dropped.
    pub dropped: Vec<f32>,
    /// `(tokens, hidden)`: the gradient that flows along the residual stream.
    pub d_stream: Vec<f32>,
    /// `(tokens, hidden)`
    pub d_normed: Vec<f32>,
    /// The gradients of a norm's weight, per chunk of rows.
    pub partial: Vec<f32>,
    pub distances: DistanceState,
    pub operands: Operands,
    /// The most tokens that there was room for in `operands`.
    pub operand_tokens: usize,
    pub profile: Profile,
}

/// The angles that the layers turn by, one for each base of frequencies.
#[derive(Debug, Default)]
pub(super) struct Rotaries(Vec<Rotary>);

impl Workspace {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to keep only the input of each layer and compute the layer anew in the backward: about a fifth of the memory for a
    /// third more time. The results are the same to the bit.
    #[must_use]
    pub fn recompute_layers(mut self, recompute_layers: bool) -> Self {
        self.recompute_layers = recompute_layers;
        self
    }

    /// Where the time goes; [`Profile::start`] begins to count.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.scratch.profile
    }

    pub(crate) fn profile_mut(&mut self) -> &mut Profile {
        &mut self.scratch.profile
    }

    #[must_use]
    pub fn recomputes_layers(&self) -> bool {
        self.recompute_layers
    }

    /// Makes room for all that is large in a batch, so that nothing large is allocated after it.
    ///
    /// * `backward`: whether there will be one
    /// * `instructions`: of products in bf16
    ///
    /// # Errors
    /// [`NoMemory`]
    pub(super) fn make_room(
        &mut self,
        spec: &EncoderSpec,
        layout: &Layout,
        batch: &Batch,
        backward: bool,
        instructions: Option<Instructions>,
    ) -> Result<(), NoMemory> {
        let hidden = spec.hidden_size;
        let tokens = batch.len();
        let (size, layers) = (tokens * hidden, spec.layers.len());
        fill_up(&mut self.inputs, if backward { layers + 1 } else { 2 });
        fill_up(&mut self.layers, if backward && !self.recompute_layers { layers } else { 1 });
        self.inputs.iter_mut().try_for_each(|input| reserve(input, size, WHAT))?;
        [&mut self.embedding_moments, &mut self.final_moments]
            .into_iter()
            .try_for_each(|moments| reserve(moments, tokens, WHAT))?;
        let norms_after = matches!(spec.norm, Norm::After { .. });
        for LayerState {
            input_moments,
            rotated,
            rotated_bits,
            log_sums,
            distances: _,
            attended,
            middle,
            middle_moments,
            expanded,
            sum,
            output_moments,
        } in &mut self.layers
        {
            [input_moments, middle_moments]
                .into_iter()
                .try_for_each(|moments| reserve(moments, tokens, WHAT))?;
            if norms_after {
                reserve(sum, size, WHAT)?;
                reserve(output_moments, tokens, WHAT)?;
            }
            match instructions.filter(|_| spec.distances().is_none()) {
                None => reserve(rotated, 3 * size, WHAT)?,
                Some(_) => reserve(rotated_bits, 3 * size, WHAT)?,
            }
            reserve(log_sums, tokens * spec.num_attention_heads, WHAT)?;
            reserve(attended, size, WHAT)?;
            reserve(middle, size, WHAT)?;
            reserve(expanded, tokens * spec.expanded_size(), WHAT)?;
        }
        reserve(&mut self.hidden, size, WHAT)?;
        // What another model has left of a head that this one has not goes.
        self.heads.logits.resize_with(layout.heads.len(), Vec::new);
        self.heads.dense.resize_with(layout.heads.len(), DenseState::default);
        for (head, logits) in layout.heads().zip(&mut self.heads.logits) {
            reserve(logits, batch.rows(head.over) * head.outputs, WHAT)?;
            match head.over {
                Over::Tokens => {}
                Over::FirstToken => {
                    reserve(&mut self.heads.first, batch.sequences() * hidden, WHAT)?;
                }
                Over::Masked => {
                    reserve(&mut self.heads.masked, batch.masked().len() * hidden, WHAT)?;
                }
            }
        }
        let Scratch { operand_tokens, .. } = &mut self.scratch;
        if let Some(instructions) = instructions
            && tokens > *operand_tokens
        {
            room_for(Operands::floats(spec, tokens, instructions), WHAT)?;
            *operand_tokens = tokens;
        }
        let drops = batch.noise().is_some() && spec.dropout != Dropout::default();
        self.scratch.make_room(spec, layout, tokens, backward, drops)
    }
}

impl Scratch {
    fn make_room(
        &mut self,
        spec: &EncoderSpec,
        layout: &Layout,
        tokens: usize,
        backward: bool,
        drops: bool,
    ) -> Result<(), NoMemory> {
        let (hidden, size) = (spec.hidden_size, tokens * spec.hidden_size);
        let Scratch {
            normed, embedded, qkv, activated, dropped, d_stream, d_normed, partial, ..
        } = self;
        if drops {
            reserve(dropped, size, WHAT)?;
        }
        let embedding = tokens * spec.embeddings.width;
        reserve(normed, size.max(embedding), WHAT)?;
        if layout.embeddings.projection.is_some() {
            reserve(embedded, embedding, WHAT)?;
        }
        reserve(qkv, 3 * size, WHAT)?;
        reserve(activated, tokens * spec.intermediate_size, WHAT)?;
        if backward {
            reserve(d_stream, size, WHAT)?;
            reserve(d_normed, size.max(embedding), WHAT)?;
            let widest = if spec.biases { spec.expanded_size().max(3 * hidden) } else { hidden };
            let widest = widest.max(spec.embeddings.width);
            reserve(partial, partial_length(tokens, widest), WHAT)?;
        }
        Ok(())
    }
}

impl Rotaries {
    /// Makes sure that the angles of all layers are there, up to `length`.
    pub fn prepare(&mut self, spec: &EncoderSpec, length: usize) {
        let head_dim = spec.head_dim();
        self.0.retain(|rotary| rotary.head_dim() == head_dim);
        for layer in &spec.layers {
            let Positions::Rotary { theta } = layer.positions else { continue };
            if !self.0.iter().any(|rotary| rotary.theta() == theta) {
                self.0.push(Rotary::new(theta, head_dim));
            }
        }
        self.0.iter_mut().for_each(|rotary| rotary.grow(length));
    }

    /// # Panics
    /// Before [`Rotaries::prepare`].
    pub fn of(&self, theta: f64) -> &Rotary {
        let rotary = self.0.iter().find(|rotary| rotary.theta() == theta);
        rotary.expect("the forward prepares the angles before any layer runs")
    }
}

/// Makes `list` at least `count` long.
pub(super) fn fill_up<T: Default>(list: &mut Vec<T>, count: usize) {
    if list.len() < count {
        list.resize_with(count, T::default);
    }
}
