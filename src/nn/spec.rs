//! What differs between encoders and their heads, as values: what forward, backward and the candle path read, beside the places in [`Layout`](super::Layout).
//!
//! A family of models reads its `config.json` into this, in a file of its own in [`configs`](super::configs), and is named nowhere else. Whatever
//! is the same for all families is no part of it. What only some have is a variant of an enum here, which every path matches once for each layer or
//! step and never within a kernel: a family that needs another one adds it, and the compiler names the places that have to learn it.

use std::borrow::Cow;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An encoder: sizes, arithmetic, and the names of its parameters. Sizes are called as in most families' `config.json`.
///
/// One that was made by [`EncoderSpec::from_json`] can be computed with.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderSpec {
    pub vocab_size: usize,
    pub hidden_size: usize,
    /// The width of the MLP after its activation.
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    /// The longest text that the model is meant for, or that it has positions for.
    pub max_position_embeddings: usize,
    pub embeddings: Embeddings,
    /// What differs from layer to layer, first layer first.
    pub layers: Vec<LayerSpec>,
    /// Of all layers and around them.
    pub norm: Norm,
    pub mlp: Mlp,
    /// Whether norms and matrices have one.
    pub biases: bool,
    pub dropout: Dropout,
    /// Of a model with heads; no `config.json` says it.
    pub head: HeadKind,
    pub initial: Initial,
    pub names: &'static Names,
    /// What its `config.json` says, for [`EncoderSpec::to_json`].
    pub(super) config: Value,
}

/// A classifier on top of the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadSpec {
    /// In checkpoints it is followed by `_classifier`, and by `_dense` and `_norm` where it has such layers.
    pub name: String,
    /// How many classes it tells apart.
    pub outputs: usize,
    pub over: Over,
}

/// What a head looks at, and answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Every token, by its last hidden state.
    Tokens,
    /// The whole sequence, by the last hidden state of its first token.
    FirstToken,
    /// The tokens that the batch [hides](super::Batch::with_masked), by their last hidden states: which tokens they are. Its matrix is the embedding.
    Masked,
}

/// What the first layer reads, before and after its norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embeddings {
    /// The width of a token's row; where it is not the hidden states', a matrix behind the norm makes it so.
    pub width: usize,
    /// The table of which each token's row has one added by its position.
    pub positions: Option<PositionTable>,
    /// Rows of the table of which each token's row has the first one added: all texts here are of one part. None at 0.
    pub token_types: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionTable {
    pub rows: usize,
    /// The row of a text's first token.
    pub first: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerSpec {
    /// How far a token sees on either side, or `None` if it sees the whole text.
    pub window: Option<usize>,
    pub positions: Positions,
    /// Whether a norm stands before the attention, where norms stand before: none does where another stands directly before the layer.
    pub attention_norm: bool,
}

/// How a token's position enters a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Queries and keys are turned by angles that grow with the position; `theta` is the base of their frequencies.
    Rotary { theta: f64 },
    /// With the hidden states, which have it from a [`PositionTable`].
    Embedded,
    /// By how far a query is from a key: to the score of the two comes that of the query with a key of the distance, and that of the key with a query of
    /// the distance. These are what the layer's matrix makes of a row of a table that all layers share.
    Relative(Distances),
}

/// Distances between tokens that are told apart: one by one up to half of `buckets`, then ever more coarsely up to `farthest`, and none beyond.
///
/// Reference: transformers' `make_log_bucket_position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distances {
    /// On either side.
    pub buckets: usize,
    pub farthest: usize,
}

impl Distances {
    /// A score is that of query and key, of query and distance, and of key and distance.
    pub const SCORES: usize = 3;

    /// Rows of the table.
    #[must_use]
    pub fn rows(self) -> usize {
        2 * self.buckets
    }

    /// The row of a distance from a key on to a query.
    #[must_use]
    pub fn row(self, distance: i64) -> usize {
        let (middle, buckets) = (self.buckets / 2, self.buckets as i64);
        let bucket = if distance.unsigned_abs() as usize <= middle {
            distance
        } else {
            let times = |distance: f64| (distance / middle as f64).ln();
            let share = times(distance.abs() as f64) / times((self.farthest - 1) as f64);
            ((share * (middle - 1) as f64).ceil() as i64 + middle as i64) * distance.signum()
        };
        (bucket + buckets).clamp(0, 2 * buckets - 1) as usize
    }

    /// The rows of all distances within texts of up to `length` tokens.
    #[must_use]
    pub fn reached(self, length: usize) -> Range<usize> {
        let farthest = length.saturating_sub(1) as i64;
        self.row(-farthest)..self.row(farthest) + 1
    }

    /// The place among the [reached](Self::reached) rows of each distance, from `1 - length` to `length - 1`.
    #[must_use]
    pub fn places(self, length: usize) -> Vec<u32> {
        let (first, farthest) = (self.reached(length).start, length.saturating_sub(1) as i64);
        (-farthest..=farthest).map(|distance| (self.row(distance) - first) as u32).collect()
    }
}

/// Layer norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// On the way into attention and MLP, and once more after the last layer.
    Before { epsilon: f64 },
    /// Of the stream, once the attention is added to it and once the MLP is.
    After { epsilon: f64 },
}

/// The MLP, between the matrix into it and the one out of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mlp {
    /// The activation of the first half of the features times the second half.
    Gated(Activation),
    /// The activation of every feature.
    Plain(Activation),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// With the exact error function.
    Gelu,
}

/// The share of features that a training sets to 0 by chance, and by how much it raises the others, place by place: 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dropout {
    /// Of what the first layer reads.
    pub embeddings: f64,
    /// Of what a token looks at.
    pub attention: f64,
    /// Of what the attention adds to the stream.
    pub attention_output: f64,
    /// Of what the MLP's activation leaves.
    pub mlp: f64,
    /// Of what the MLP adds to the stream.
    pub mlp_output: f64,
    /// Of the table of distances, as each layer reads it.
    pub distances: f64,
    /// Of what a head reads.
    pub heads: f64,
}

/// What stands between the hidden states and the matrix of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// nothing
    #[default]
    Linear,
    /// what the family's own class for such a task has there: a dense layer with an activation, and a norm in ModernBERT's
    Prediction,
}

/// A dense layer before the matrix of a head, as wide as the hidden states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dense {
    /// What checkpoints call it that have one.
    pub name: &'static str,
    /// What stands before that name in the family's own class.
    pub prefix: &'static str,
    pub activation: DenseActivation,
    /// What `config.json` calls the activation, where it may say another.
    pub activation_key: Option<&'static str>,
    /// What they call the norm behind the activation.
    pub norm: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenseActivation {
    Gelu,
    Tanh,
    Relu,
}

/// The normal distributions, about 0, of new weights. New biases are 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Initial {
    pub deviation: f64,
    /// Of the matrices whose products are added to the residual stream.
    pub deviation_into_stream: f64,
    /// Deviations after which a distribution is cut off on either side.
    pub cutoff: f64,
}

/// What a family and its parameters are called in checkpoints. A matrix or norm is named without the `.weight` or `.bias` that follows.
#[derive(Debug, PartialEq)]
pub struct Names {
    /// As people write it.
    pub family: &'static str,
    /// What may stand before every name: the encoder's place in a model with a head.
    pub prefixes: &'static [&'static str],
    pub token_embedding: &'static str,
    /// Of the tables beside it, where the family has them.
    pub position_embedding: &'static str,
    pub type_embedding: &'static str,
    pub embedding_norm: &'static str,
    /// The table of distances that all layers share, and its norm, where the family has them.
    pub distance_embedding: &'static str,
    pub distance_norm: &'static str,
    /// The matrix from an embedding of another width, where the family can have one.
    pub embedding_projection: &'static str,
    /// Of layer 3 is everything called `layers.3.`, where this is `layers`.
    pub layers: &'static str,
    pub attention_norm: &'static str,
    /// One matrix with a third of the rows each, or three.
    pub queries_keys_values: &'static [&'static str],
    pub attention_output: &'static str,
    pub mlp_norm: &'static str,
    pub mlp_input: &'static str,
    pub mlp_output: &'static str,
    pub final_norm: &'static str,
    /// What [`HeadKind::Prediction`] is over tokens, where that is anything.
    pub token_dense: Option<Dense>,
    /// The same over whole texts.
    pub text_dense: Option<Dense>,
    /// What stands between the hidden states and the rows of the embedding in the head that tells masked tokens.
    pub masked_dense: Dense,
    /// What the bias of that head is called, without the `.bias` that follows.
    pub masked_bias: &'static str,
    /// The matrix of the family's own class for tokens, and that of the one for whole texts.
    pub token_classifier: &'static str,
    pub text_classifier: &'static str,
    /// What `config.json` says for the class for whole texts to look at the first token, where it may look at others: a key and its value.
    pub first_token: Option<(&'static str, &'static str)>,
    /// Tensors that hold nothing that was learned.
    pub constants: &'static [&'static str],
    /// How the names of the head begin that every published encoder of the family was pretrained with.
    pub pretraining_heads: &'static [&'static str],
    /// How those of heads for other tasks begin.
    pub task_heads: &'static [&'static str],
}

impl EncoderSpec {
    /// The `config.json` that a model of this is written with.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.config)
    }

    /// The same for a folder that has heads of ours beside the encoder. It says that there are no labels, so that a class of transformers, whose own head would
    /// be drawn by chance, answers nothing.
    #[must_use]
    pub fn to_json_beside_heads(&self) -> String {
        let mut config = self.config.clone();
        config["num_labels"] = 0.into();
        format!("{config:#}\n")
    }

    /// The same encoder with another number of tokens.
    #[must_use]
    pub fn with_vocab_size(mut self, vocab_size: usize) -> Self {
        self.vocab_size = vocab_size;
        self.config["vocab_size"] = vocab_size.into();
        self
    }

    /// The same encoder for heads of another kind.
    #[must_use]
    pub fn with_heads(self, head: HeadKind) -> Self {
        Self { head, ..self }
    }

    /// The dense layer of a head that looks at this.
    #[must_use]
    pub fn dense(&self, over: Over) -> Option<Dense> {
        match (self.head, over) {
            (HeadKind::Linear, Over::Tokens | Over::FirstToken) => None,
            _ => self.names.dense(over),
        }
    }

    /// The width of one attention head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// What attention divides its scores by: the root of how many products of two numbers each of them is the sum of.
    #[must_use]
    pub fn score_divisor(&self) -> f64 {
        let scores = if self.distances().is_some() { Distances::SCORES } else { 1 };
        ((scores * self.head_dim()) as f64).sqrt()
    }

    /// The distances that its layers tell apart.
    #[must_use]
    pub fn distances(&self) -> Option<Distances> {
        self.layers.iter().find_map(|layer| match layer.positions {
            Positions::Relative(distances) => Some(distances),
            Positions::Rotary { .. } | Positions::Embedded => None,
        })
    }

    /// What is added to a variance before its root.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        match self.norm {
            Norm::Before { epsilon } | Norm::After { epsilon } => epsilon,
        }
    }

    /// The width of the MLP before its activation.
    #[must_use]
    pub fn expanded_size(&self) -> usize {
        match self.mlp {
            Mlp::Gated(_) => 2 * self.intermediate_size,
            Mlp::Plain(_) => self.intermediate_size,
        }
    }
}

impl Names {
    /// The dense layer that the family's own class for such a task has before its matrix.
    #[must_use]
    pub fn dense(&self, over: Over) -> Option<Dense> {
        match over {
            Over::Tokens => self.token_dense,
            Over::FirstToken => self.text_dense,
            Over::Masked => Some(self.masked_dense),
        }
    }

    /// The name by which the layout knows a tensor of a checkpoint: without what may stand before all of them, and in today's spelling.
    #[must_use]
    pub fn of<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let name =
            self.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        // Checkpoints of the time before PyTorch, as those of the first BERTs still are, call the parts of a norm so.
        match name.rsplit_once('.') {
            Some((norm, "gamma")) => Cow::Owned(format!("{norm}.weight")),
            Some((norm, "beta")) => Cow::Owned(format!("{norm}.bias")),
            _ => Cow::Borrowed(name),
        }
    }

    /// Whether the tensor of this name belongs to the head that the encoder was pretrained with.
    #[must_use]
    pub fn is_of_pretraining(&self, full_name: &str) -> bool {
        self.begins_with(full_name, self.pretraining_heads)
    }

    /// Whether the tensor of this name belongs to a head that others put on such an encoder.
    #[must_use]
    pub fn is_of_other_head(&self, full_name: &str) -> bool {
        self.is_of_pretraining(full_name) || self.begins_with(full_name, self.task_heads)
    }

    fn begins_with(&self, full_name: &str, heads: &[&str]) -> bool {
        let name = self.of(full_name);
        heads.iter().any(|head| full_name.starts_with(head) || name.starts_with(head))
    }

    /// Whether the tensor of this name holds nothing that was learned.
    #[must_use]
    pub fn is_constant(&self, name: &str) -> bool {
        self.constants.contains(&name)
    }
}
