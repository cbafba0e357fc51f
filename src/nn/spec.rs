//! What differs between encoders, as values: what forward, backward and the candle path read, beside the places in [`Layout`](super::Layout).
//!
//! A family of models reads its `config.json` into this, in a file of its own in [`configs`](super::configs), and is named nowhere else. Whatever
//! is the same for all families is no part of it. What only some have is a variant of an enum here, which every path matches once for each layer or
//! step and never within a kernel: a family that needs another one adds it, and the compiler names the places that have to learn it.

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
    /// The longest text that the model is meant for.
    pub max_position_embeddings: usize,
    /// What differs from layer to layer, first layer first.
    pub layers: Vec<LayerSpec>,
    /// Of all layers and around them.
    pub norm: Norm,
    pub mlp: Mlp,
    pub initial: Initial,
    pub names: &'static Names,
    /// What its `config.json` says, for [`EncoderSpec::to_json`].
    pub(super) config: Value,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerSpec {
    /// How far a token sees on either side, or `None` if it sees the whole text.
    pub window: Option<usize>,
    pub positions: Positions,
    /// Whether a norm stands before the attention; none does where another stands directly before the layer.
    pub attention_norm: bool,
}

/// How a token's position enters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Queries and keys are turned by angles that grow with the position; `theta` is the base of their frequencies.
    Rotary { theta: f64 },
}

/// Layer norm without bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// On the way into attention and MLP, and once more after the last layer.
    Before { epsilon: f64 },
}

/// The MLP, between the matrices into it and out of it, which have no bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mlp {
    /// The activation of the first half of the features times the second half.
    Gated(Activation),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// With the exact error function.
    Gelu,
}

/// The normal distributions, about 0, of new weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Initial {
    pub deviation: f64,
    /// Of the matrices whose products are added to the residual stream.
    pub deviation_into_stream: f64,
    /// Deviations after which a distribution is cut off on either side.
    pub cutoff: f64,
}

/// What a family and its parameters are called in checkpoints.
#[derive(Debug, PartialEq)]
pub struct Names {
    /// As people write it.
    pub family: &'static str,
    /// What may stand before every name: the encoder's place in a model with a head.
    pub prefix: &'static str,
    pub token_embedding: &'static str,
    pub embedding_norm: &'static str,
    /// Of layer 3 is everything called `layers.3.`, where this is `layers`.
    pub layers: &'static str,
    pub attention_norm: &'static str,
    /// A third of the rows each.
    pub queries_keys_values: &'static str,
    pub attention_output: &'static str,
    pub mlp_norm: &'static str,
    pub mlp_input: &'static str,
    pub mlp_output: &'static str,
    pub final_norm: &'static str,
    /// How the names of the head begin that every published encoder of the family was pretrained with.
    pub pretraining_heads: &'static [&'static str],
    /// How those of heads for other tasks begin.
    pub task_heads: &'static [&'static str],
}

impl EncoderSpec {
    /// The `config.json` that a model of this is written with.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(&self.config).expect("a JSON value always has a text");
        text.push('\n');
        text
    }

    /// The same encoder with another number of tokens.
    #[must_use]
    pub fn with_vocab_size(mut self, vocab_size: usize) -> Self {
        self.vocab_size = vocab_size;
        self.config["vocab_size"] = vocab_size.into();
        self
    }

    /// The width of one attention head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The width of the MLP before its activation.
    #[must_use]
    pub fn expanded_size(&self) -> usize {
        match self.mlp {
            Mlp::Gated(_) => 2 * self.intermediate_size,
        }
    }
}

impl Names {
    /// A name without what may stand before all of them.
    #[must_use]
    pub fn strip<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(self.prefix).unwrap_or(name)
    }

    /// Whether the tensor of this name belongs to the head that the encoder was pretrained with.
    #[must_use]
    pub fn is_of_pretraining(&self, name: &str) -> bool {
        self.pretraining_heads.iter().any(|head| name.starts_with(head))
    }

    /// Whether the tensor of this name belongs to a head that others put on such an encoder.
    #[must_use]
    pub fn is_of_other_head(&self, name: &str) -> bool {
        self.is_of_pretraining(name) || self.task_heads.iter().any(|head| name.starts_with(head))
    }
}
