//! The configuration of a ModernBERT encoder: `config.json`, in the spelling of the published checkpoints and in that of transformers 5.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ConfigError, ConfigProblem, problem, share, size};
use crate::base::visible;
use crate::nn::spec::{
    Activation, Dense, DenseActivation, Dropout, Embeddings, EncoderSpec, HeadKind, Initial,
    LayerSpec, Mlp, Names, Norm, Positions,
};

/// What `model_type` of the `config.json` says.
pub(super) const MODEL_TYPE: &str = "modernbert";

/// That of masked-language modelling, which all classes begin from.
const DENSE: Dense = Dense {
    name: "head.dense",
    prefix: "",
    activation: DenseActivation::Gelu,
    activation_key: Some("classifier_activation"),
    norm: Some("head.norm"),
};

pub(super) static NAMES: Names = Names {
    family: "ModernBERT",
    prefixes: &["model."],
    token_embedding: "embeddings.tok_embeddings",
    position_embedding: "",
    type_embedding: "",
    embedding_norm: "embeddings.norm",
    distance_embedding: "",
    distance_norm: "",
    embedding_projection: "",
    layers: "layers",
    attention_norm: "attn_norm",
    queries_keys_values: &["attn.Wqkv"],
    attention_output: "attn.Wo",
    mlp_norm: "mlp_norm",
    mlp_input: "mlp.Wi",
    mlp_output: "mlp.Wo",
    final_norm: "final_norm",
    token_dense: Some(DENSE),
    text_dense: Some(DENSE),
    masked_dense: DENSE,
    masked_bias: "decoder",
    token_classifier: "classifier",
    text_classifier: "classifier",
    first_token: Some(("classifier_pooling", "cls")),
    constants: &[],
    pretraining_heads: &["head.", "decoder."],
    task_heads: &["classifier.", "qa_outputs."],
};

/// Reads a `config.json` of this family.
pub(super) fn read(text: &str) -> Result<EncoderSpec, ConfigError> {
    ModernBertConfig::from_json(text)?.spec()
}

/// Short names and repositories of models whose sizes are known.
pub(super) const PUBLISHED: &[(&str, &str)] = &[
    ("base", "answerdotai/ModernBERT-base"),
    ("large", "answerdotai/ModernBERT-large"),
    ("ettin-17m", "jhu-clsp/ettin-encoder-17m"),
    ("ettin-32m", "jhu-clsp/ettin-encoder-32m"),
    ("ettin-68m", "jhu-clsp/ettin-encoder-68m"),
    ("ettin-150m", "jhu-clsp/ettin-encoder-150m"),
    ("ettin-400m", "jhu-clsp/ettin-encoder-400m"),
    ("ettin-1b", "jhu-clsp/ettin-encoder-1b"),
    ("mmbert-small", "jhu-clsp/mmBERT-small"),
    ("mmbert-base", "jhu-clsp/mmBERT-base"),
];

/// The published model of a short name.
pub(super) fn of_published(short: &str) -> Option<EncoderSpec> {
    let (base, large) = (ModernBertConfig::base(), ModernBertConfig::large());
    let ettin = |hidden, layers, intermediate| base.sized(hidden, layers, intermediate).ettin();
    let config = match short {
        "base" => base,
        "large" => large,
        "ettin-17m" => ettin(256, 7, 384),
        "ettin-32m" => ettin(384, 10, 576),
        "ettin-68m" => ettin(512, 19, 768),
        "ettin-150m" => base.ettin(),
        "ettin-400m" => large.ettin(),
        "ettin-1b" => ettin(1_792, 28, 3_840),
        "mmbert-small" => base.sized(384, 22, 1_152).mmbert(),
        "mmbert-base" => base.mmbert(),
        _ => return None,
    };
    config.spec().ok()
}

/// What a layer's tokens look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Attention {
    /// Every token of the sequence.
    #[serde(rename = "full_attention")]
    Full,
    /// The tokens at most `local_attention / 2` away.
    #[serde(rename = "sliding_attention")]
    Sliding,
}

/// The sizes and constants of an encoder; fields are named as in `config.json`.
///
/// [`ModernBertConfig::spec`] checks them.
#[derive(Debug, Clone, PartialEq)]
pub struct ModernBertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// The longest text that the model is meant for. The rotary positions set no limit of their own.
    pub max_position_embeddings: usize,
    /// What each layer attends to, first layer first.
    pub layer_types: Vec<Attention>,
    /// Width of the sliding window: half of it on either side of a token.
    pub local_attention: usize,
    pub global_rope_theta: f64,
    pub local_rope_theta: f64,
    pub norm_eps: f64,
    /// Of what a token looks at, and of what the attention gives.
    pub attention_dropout: f64,
    pub embedding_dropout: f64,
    /// Behind the activation.
    pub mlp_dropout: f64,
    /// Before the matrix of a head.
    pub classifier_dropout: f64,
    pub initializer_range: f64,
    pub initializer_cutoff_factor: f64,
    pub pad_token_id: Option<u32>,
    pub bos_token_id: Option<u32>,
    pub eos_token_id: Option<u32>,
    pub cls_token_id: Option<u32>,
    pub sep_token_id: Option<u32>,
}

/// How often a layer of a published model looks at the whole text.
const GLOBAL_EVERY: usize = 3;

impl ModernBertConfig {
    /// The sizes of `answerdotai/ModernBERT-base`: 149 M parameters.
    #[must_use]
    pub fn base() -> Self {
        Self {
            vocab_size: 50_368,
            hidden_size: 768,
            intermediate_size: 1_152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            max_position_embeddings: 8_192,
            layer_types: layer_types(22, GLOBAL_EVERY),
            local_attention: 128,
            global_rope_theta: 160_000.0,
            local_rope_theta: 10_000.0,
            norm_eps: 1e-5,
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            mlp_dropout: 0.0,
            classifier_dropout: 0.0,
            initializer_range: 0.02,
            initializer_cutoff_factor: 2.0,
            pad_token_id: Some(50_283),
            bos_token_id: Some(50_281),
            eos_token_id: Some(50_282),
            cls_token_id: Some(50_281),
            sep_token_id: Some(50_282),
        }
    }

    /// The sizes of `answerdotai/ModernBERT-large`: 395 M parameters.
    #[must_use]
    pub fn large() -> Self {
        Self {
            hidden_size: 1_024,
            intermediate_size: 2_624,
            num_hidden_layers: 28,
            num_attention_heads: 16,
            layer_types: layer_types(28, GLOBAL_EVERY),
            ..Self::base()
        }
    }

    /// The same with other sizes, and heads of 64.
    fn sized(&self, hidden_size: usize, layers: usize, intermediate_size: usize) -> Self {
        Self {
            hidden_size,
            intermediate_size,
            num_hidden_layers: layers,
            num_attention_heads: hidden_size / 64,
            layer_types: layer_types(layers, GLOBAL_EVERY),
            ..self.clone()
        }
    }

    /// As Ettin has it.
    fn ettin(&self) -> Self {
        Self { local_rope_theta: 160_000.0, max_position_embeddings: 7_999, ..self.clone() }
    }

    /// As mmBERT has it, with Gemma's tokenizer.
    fn mmbert(&self) -> Self {
        Self {
            vocab_size: 256_000,
            local_rope_theta: 160_000.0,
            pad_token_id: Some(0),
            eos_token_id: Some(1),
            bos_token_id: Some(2),
            cls_token_id: Some(1),
            sep_token_id: Some(1),
            ..self.clone()
        }
    }

    /// Reads a `config.json`. Absent keys have the defaults of transformers' `ModernBertConfig`, except that an absent special token stays
    /// absent; unknown keys are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Json`] when it is not JSON of the right shape; [`ConfigError::Unsupported`], with every reason, when it asks for
    /// something that this implementation would not do as asked: biases, another activation or rotary embedding.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let file: File = serde_json::from_str(text)?;
        let mut problems = file.unsupported();
        let config = file.into_config(&mut problems);
        problems.extend(config.problems());
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Unsupported(problems)) }
    }

    /// The encoder of this configuration.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] with every reason why no model can have these sizes.
    pub fn spec(&self) -> Result<EncoderSpec, ConfigError> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(ConfigError::Unsupported(problems));
        }
        let layer = |(layer, attention): (usize, &Attention)| {
            let (window, theta) = match attention {
                Attention::Full => (None, self.global_rope_theta),
                Attention::Sliding => (Some(self.local_attention / 2), self.local_rope_theta),
            };
            // The first layer follows the norm of the embedding.
            LayerSpec { window, positions: Positions::Rotary { theta }, attention_norm: layer > 0 }
        };
        let deviation = self.initializer_range;
        Ok(EncoderSpec {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_attention_heads: self.num_attention_heads,
            max_position_embeddings: self.max_position_embeddings,
            embeddings: Embeddings { width: self.hidden_size, positions: None, token_types: 0 },
            layers: self.layer_types.iter().enumerate().map(layer).collect(),
            norm: Norm::Before { epsilon: self.norm_eps },
            mlp: Mlp::Gated(Activation::Gelu),
            biases: false,
            head: HeadKind::Linear,
            dropout: Dropout {
                embeddings: self.embedding_dropout,
                attention: self.attention_dropout,
                attention_output: self.attention_dropout,
                mlp: self.mlp_dropout,
                mlp_output: 0.0,
                heads: self.classifier_dropout,
                distances: 0.0,
            },
            // Reference: `ModernBertPreTrainedModel._init_weights`.
            initial: Initial {
                deviation,
                deviation_into_stream: deviation / (2.0 * self.num_hidden_layers as f64).sqrt(),
                cutoff: self.initializer_cutoff_factor,
            },
            names: &NAMES,
            config: self.to_value(),
        })
    }

    /// The `config.json`, in the published spelling, which every version of transformers reads.
    fn to_value(&self) -> Value {
        let mut config = json!({
            "architectures": ["ModernBertModel"],
            "model_type": MODEL_TYPE,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "hidden_activation": "gelu",
            "max_position_embeddings": self.max_position_embeddings,
            "local_attention": self.local_attention,
            "global_rope_theta": self.global_rope_theta,
            "local_rope_theta": self.local_rope_theta,
            "norm_eps": self.norm_eps,
            "layer_norm_eps": self.norm_eps,
            "norm_bias": false,
            "attention_bias": false,
            "mlp_bias": false,
            "attention_dropout": self.attention_dropout,
            "embedding_dropout": self.embedding_dropout,
            "mlp_dropout": self.mlp_dropout,
            "classifier_dropout": self.classifier_dropout,
            "initializer_range": self.initializer_range,
            "initializer_cutoff_factor": self.initializer_cutoff_factor,
            "pad_token_id": self.pad_token_id,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_id,
            "cls_token_id": self.cls_token_id,
            "sep_token_id": self.sep_token_id,
            "torch_dtype": "float32",
        });
        match self.global_attn_every_n_layers() {
            Some(every) => config["global_attn_every_n_layers"] = every.into(),
            None => {
                let names = self.layer_types.iter().map(|attention| match attention {
                    Attention::Full => "full_attention",
                    Attention::Sliding => "sliding_attention",
                });
                config["layer_types"] = names.collect();
            }
        }
        config
    }

    /// `n` if the layers 0, n, 2n, ... and no others see everything, as in the published models.
    fn global_attn_every_n_layers(&self) -> Option<usize> {
        let layers = self.num_hidden_layers;
        std::iter::once(GLOBAL_EVERY)
            .chain(1..=layers)
            .find(|&every| self.layer_types == layer_types(layers, every))
    }

    /// Why no model can have these sizes.
    fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
            ("local_attention", self.local_attention, 1 << 24),
        ];
        problems.extend(sizes.into_iter().filter_map(|(key, found, most)| size(key, found, most)));
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads > 0 && hidden % heads != 0 {
            problems.push(problem(
                "hidden_size",
                format!(
                    "`hidden_size` {hidden} is not a multiple of `num_attention_heads` {heads}"
                ),
            ));
        } else if heads > 0 && (hidden / heads) % 2 != 0 {
            problems.push(problem("hidden_size", format!("`hidden_size` {hidden} over `num_attention_heads` {heads} is odd; rotary embeddings turn pairs")));
        }
        if self.layer_types.len() != self.num_hidden_layers {
            let (found, layers) = (self.layer_types.len(), self.num_hidden_layers);
            problems.push(problem(
                "layer_types",
                format!("`layer_types` names {found} layers, but `num_hidden_layers` is {layers}"),
            ));
        }
        let positive = [
            ("global_rope_theta", self.global_rope_theta),
            ("local_rope_theta", self.local_rope_theta),
            ("norm_eps", self.norm_eps),
            ("initializer_range", self.initializer_range),
            ("initializer_cutoff_factor", self.initializer_cutoff_factor),
        ];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                problems
                    .push(problem(name, format!("`{name}` is {value}, expected a number above 0")));
            }
        }
        let dropouts = [
            ("attention_dropout", self.attention_dropout),
            ("embedding_dropout", self.embedding_dropout),
            ("mlp_dropout", self.mlp_dropout),
            ("classifier_dropout", self.classifier_dropout),
        ];
        problems.extend(dropouts.into_iter().filter_map(|(key, found)| share(key, found)));
        if let Some(id) = self.pad_token_id.filter(|&id| id as usize >= self.vocab_size) {
            problems.push(problem(
                "pad_token_id",
                format!("`pad_token_id` is {id}, but `vocab_size` is {}", self.vocab_size),
            ));
        }
        problems
    }
}

/// Layers 0, `every`, 2 `every`, ... see everything, the others a window: [`ModernBertConfig::layer_types`] of a model.
#[must_use]
pub fn layer_types(layers: usize, every: usize) -> Vec<Attention> {
    (0..layers)
        .map(|layer| if layer.is_multiple_of(every) { Attention::Full } else { Attention::Sliding })
        .collect()
}

/// `config.json` as it may stand in a file: both spellings, everything optional.
#[derive(Debug, Deserialize)]
struct File {
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    max_position_embeddings: Option<usize>,
    global_attn_every_n_layers: Option<usize>,
    layer_types: Option<Vec<Attention>>,
    local_attention: Option<usize>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<Value>,
    norm_eps: Option<f64>,
    initializer_range: Option<f64>,
    initializer_cutoff_factor: Option<f64>,
    pad_token_id: Option<u32>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
    cls_token_id: Option<u32>,
    sep_token_id: Option<u32>,
    hidden_activation: Option<String>,
    attention_dropout: Option<f64>,
    embedding_dropout: Option<f64>,
    mlp_dropout: Option<f64>,
    classifier_dropout: Option<f64>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    norm_bias: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct RopeParameters {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl File {
    /// What the file asks for and this implementation does not do.
    fn unsupported(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if let Some(name) = self.hidden_activation.as_deref().filter(|&name| name != "gelu") {
            problems.push(problem(
                "hidden_activation",
                format!("`hidden_activation` is `{}`, expected `gelu`", visible::line(name)),
            ));
        }
        let biases = [
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
            ("norm_bias", self.norm_bias),
        ];
        for (name, value) in biases {
            if value == Some(true) {
                problems.push(problem(
                    name,
                    format!("`{name}` is true, but the layers here have no bias"),
                ));
            }
        }
        if self.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
            problems.push(problem(
                "rope_scaling",
                "`rope_scaling` is set, but rotary embeddings are not scaled here",
            ));
        }
        for (name, rope) in [
            ("full_attention", self.rope(Attention::Full)),
            ("sliding_attention", self.rope(Attention::Sliding)),
        ] {
            if let Some(kind) =
                rope.and_then(|rope| rope.rope_type.as_deref()).filter(|&kind| kind != "default")
            {
                problems.push(problem(
                    "rope_parameters",
                    format!(
                        "`rope_parameters.{name}.rope_type` is `{}`, expected `default`",
                        visible::line(kind)
                    ),
                ));
            }
        }
        if self.global_attn_every_n_layers == Some(0) {
            problems.push(problem(
                "global_attn_every_n_layers",
                "`global_attn_every_n_layers` is 0, expected 1 or more",
            ));
        }
        problems
    }

    fn rope(&self, attention: Attention) -> Option<&Rope> {
        let ropes = self.rope_parameters.as_ref()?;
        match attention {
            Attention::Full => ropes.full_attention.as_ref(),
            Attention::Sliding => ropes.sliding_attention.as_ref(),
        }
    }

    fn into_config(self, problems: &mut Vec<ConfigProblem>) -> ModernBertConfig {
        let defaults = ModernBertConfig::base();
        let theta = |attention| self.rope(attention).and_then(|rope| rope.rope_theta);
        let global_rope_theta =
            theta(Attention::Full).or(self.global_rope_theta).unwrap_or(defaults.global_rope_theta);
        let local_rope_theta = theta(Attention::Sliding)
            .or(self.local_rope_theta)
            .unwrap_or(defaults.local_rope_theta);
        // A size far out of range must not become a list of that length; `problems` names it afterwards.
        let num_hidden_layers = self.num_hidden_layers.unwrap_or(defaults.num_hidden_layers);
        let every = self.global_attn_every_n_layers.unwrap_or(GLOBAL_EVERY).max(1);
        let regular = layer_types(num_hidden_layers.min(1 << 16), every);
        if let (Some(types), Some(_)) = (&self.layer_types, self.global_attn_every_n_layers)
            && *types != regular
        {
            problems.push(problem(
                "layer_types",
                "`layer_types` and `global_attn_every_n_layers` contradict each other",
            ));
        }
        ModernBertConfig {
            vocab_size: self.vocab_size.unwrap_or(defaults.vocab_size),
            hidden_size: self.hidden_size.unwrap_or(defaults.hidden_size),
            intermediate_size: self.intermediate_size.unwrap_or(defaults.intermediate_size),
            num_hidden_layers,
            num_attention_heads: self.num_attention_heads.unwrap_or(defaults.num_attention_heads),
            max_position_embeddings: self
                .max_position_embeddings
                .unwrap_or(defaults.max_position_embeddings),
            layer_types: self.layer_types.unwrap_or(regular),
            local_attention: self.local_attention.unwrap_or(defaults.local_attention),
            global_rope_theta,
            local_rope_theta,
            norm_eps: self.norm_eps.unwrap_or(defaults.norm_eps),
            attention_dropout: self.attention_dropout.unwrap_or(0.0),
            embedding_dropout: self.embedding_dropout.unwrap_or(0.0),
            mlp_dropout: self.mlp_dropout.unwrap_or(0.0),
            classifier_dropout: self.classifier_dropout.unwrap_or(0.0),
            initializer_range: self.initializer_range.unwrap_or(defaults.initializer_range),
            initializer_cutoff_factor: self
                .initializer_cutoff_factor
                .unwrap_or(defaults.initializer_cutoff_factor),
            pad_token_id: self.pad_token_id,
            bos_token_id: self.bos_token_id,
            eos_token_id: self.eos_token_id.and_then(|ids| match ids {
                OneOrMore::One(id) => Some(id),
                OneOrMore::More(ids) => ids.first().copied(),
            }),
            cls_token_id: self.cls_token_id,
            sep_token_id: self.sep_token_id,
        }
    }
}
