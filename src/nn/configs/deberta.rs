//! The configuration of DeBERTa-v3, which its `config.json` calls `deberta-v2`: BERT's layers, whose attention tells the distances of tokens.
//!
//! A key that is absent has the value that the published v3 have, which all say it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::bert::{NAMES as OF_BERT, dense, masked};
use super::error::{ConfigError, ConfigProblem, problem, share, size};
use crate::base::visible;
use crate::nn::spec::{
    Activation, DenseActivation, Distances, Dropout, Embeddings, EncoderSpec, HeadKind, Initial,
    LayerSpec, Mlp, Names, Norm, Positions,
};

/// What `model_type` of the `config.json` says.
pub(super) const MODEL_TYPE: &str = "deberta-v2";

const SUPPORTED: &str = "of DeBERTa this program has v3: microsoft/deberta-v3-xsmall, -small, -base, -large and microsoft/mdeberta-v3-base";

pub(super) static NAMES: Names = Names {
    family: "DeBERTa-v3",
    prefixes: &["deberta."],
    queries_keys_values: &[
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
    ],
    distance_embedding: "encoder.rel_embeddings",
    distance_norm: "encoder.LayerNorm",
    text_dense: Some(dense("pooler.dense", DenseActivation::Gelu)),
    masked_dense: masked("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
    constants: &["embeddings.position_ids", "embeddings.position_embeddings.weight"],
    pretraining_heads: &["lm_predictions.", "mask_predictions.", "cls."],
    task_heads: &["pooler.", "classifier.", "qa_outputs."],
    ..OF_BERT
};

/// What a file says, as the published v3-base has it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default)]
struct File {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    /// Half of the farthest distance, and 256 at most, where a file does not say it.
    position_buckets: Option<i64>,
    /// `max_position_embeddings` below 1.
    max_relative_positions: i64,
    pad_token_id: Option<u32>,
    layer_norm_eps: f64,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    initializer_range: f64,
}

impl Default for File {
    fn default() -> Self {
        BASE
    }
}

const BASE: File = File {
    vocab_size: 128_100,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3_072,
    max_position_embeddings: 512,
    position_buckets: None,
    max_relative_positions: -1,
    pad_token_id: Some(0),
    layer_norm_eps: 1e-7,
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    initializer_range: 0.02,
};

/// Short names, repositories and sizes of models that are published.
const SIZES: &[(&str, &str, File)] = &[
    (
        "deberta-v3-xsmall",
        "microsoft/deberta-v3-xsmall",
        File { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1_536, ..BASE },
    ),
    ("deberta-v3-small", "microsoft/deberta-v3-small", File { num_hidden_layers: 6, ..BASE }),
    ("deberta-v3-base", "microsoft/deberta-v3-base", BASE),
    (
        "deberta-v3-large",
        "microsoft/deberta-v3-large",
        File {
            hidden_size: 1_024,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            intermediate_size: 4_096,
            ..BASE
        },
    ),
    ("mdeberta-v3-base", "microsoft/mdeberta-v3-base", File { vocab_size: 251_000, ..BASE }),
];

/// Short names and repositories of models whose sizes are known.
pub(super) fn published() -> Vec<(&'static str, &'static str)> {
    SIZES.iter().map(|(short, repo, _)| (*short, *repo)).collect()
}

/// The published model of a short name.
pub(super) fn of_published(short: &str) -> Option<EncoderSpec> {
    Some(SIZES.iter().find(|(name, ..)| *name == short)?.2.spec())
}

/// Reads a `config.json`.
pub(super) fn read(text: &str) -> Result<EncoderSpec, ConfigError> {
    let file: File = serde_json::from_str(text)?;
    let mut problems = refused(&serde_json::from_str(text)?);
    problems.extend(file.problems());
    if problems.is_empty() { Ok(file.spec()) } else { Err(ConfigError::Unsupported(problems)) }
}

/// What the file asks for and this implementation does not do.
fn refused(fields: &Map<String, Value>) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for (key, expected) in [
        ("hidden_act", json!("gelu")),
        ("relative_attention", json!(true)),
        ("share_att_key", json!(true)),
        ("norm_rel_ebd", json!("layer_norm")),
        ("position_biased_input", json!(false)),
        ("type_vocab_size", json!(0)),
        ("conv_kernel_size", json!(0)),
    ] {
        if let Some(found) = fields.get(key).filter(|found| !found.is_null() && **found != expected)
        {
            let found = visible::line(&found.to_string()).into_owned();
            let message = format!("`{key}` is {found}, expected {expected}");
            problems.push(problem(key, message).help(SUPPORTED));
        }
    }
    let terms = fields.get("pos_att_type").filter(|terms| !terms.is_null()).map(|terms| {
        let said: Vec<&str> = match terms {
            Value::String(terms) => terms.split('|').map(str::trim).collect(),
            Value::Array(terms) => terms.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        (said.len() == 2 && said.contains(&"c2p") && said.contains(&"p2c"), terms)
    });
    if let Some((false, found)) = terms {
        let found = visible::line(&found.to_string()).into_owned();
        let message = format!("`pos_att_type` is {found}, expected \"p2c|c2p\"");
        problems.push(problem("pos_att_type", message).help(SUPPORTED));
    }
    let (hidden, width) = (fields.get("hidden_size"), fields.get("embedding_size"));
    if let (Some(hidden), Some(width)) = (hidden, width.filter(|width| !width.is_null()))
        && hidden != width
    {
        let message = format!("`embedding_size` is {width}, expected `hidden_size`, {hidden}");
        problems.push(problem("embedding_size", message).help(SUPPORTED));
    }
    problems
}

impl File {
    fn distances(&self) -> Distances {
        let farthest =
            usize::try_from(self.max_relative_positions).ok().filter(|farthest| *farthest > 0);
        let farthest = farthest.unwrap_or(self.max_position_embeddings);
        let told = self.position_buckets.map(|buckets| usize::try_from(buckets).unwrap_or(0));
        Distances { buckets: told.unwrap_or_else(|| (farthest / 2).clamp(2, 256)), farthest }
    }

    /// Why no model can have these sizes.
    fn problems(&self) -> Vec<ConfigProblem> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        let mut problems: Vec<_> =
            sizes.into_iter().filter_map(|(key, value, most)| size(key, value, most)).collect();
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads > 0 && hidden % heads != 0 {
            let message = format!(
                "`hidden_size` {hidden} is not a multiple of `num_attention_heads` {heads}"
            );
            problems.push(problem("hidden_size", message));
        }
        let Distances { buckets, farthest } = self.distances();
        if !(2..=1 << 16).contains(&buckets) || farthest <= buckets / 2 + 1 {
            let message = format!(
                "`position_buckets` is {buckets} and the farthest distance {farthest}, expected 2 buckets or more, and a distance above half of them"
            );
            problems.push(problem("position_buckets", message).help(SUPPORTED));
        }
        for (key, found) in
            [("layer_norm_eps", self.layer_norm_eps), ("initializer_range", self.initializer_range)]
        {
            if !(found > 0.0 && found.is_finite()) {
                let message = format!("`{key}` is {found}, expected a number above 0");
                problems.push(problem(key, message));
            }
        }
        problems.extend(share("hidden_dropout_prob", self.hidden_dropout_prob));
        problems.extend(share("attention_probs_dropout_prob", self.attention_probs_dropout_prob));
        problems
    }

    fn spec(&self) -> EncoderSpec {
        let layer = LayerSpec {
            window: None,
            positions: Positions::Relative(self.distances()),
            attention_norm: false,
        };
        EncoderSpec {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_attention_heads: self.num_attention_heads,
            max_position_embeddings: self.max_position_embeddings,
            embeddings: Embeddings { width: self.hidden_size, positions: None, token_types: 0 },
            layers: vec![layer; self.num_hidden_layers],
            norm: Norm::After { epsilon: self.layer_norm_eps },
            mlp: Mlp::Plain(Activation::Gelu),
            biases: true,
            head: HeadKind::Linear,
            dropout: Dropout {
                embeddings: self.hidden_dropout_prob,
                attention: self.attention_probs_dropout_prob,
                attention_output: self.hidden_dropout_prob,
                mlp: 0.0,
                mlp_output: self.hidden_dropout_prob,
                distances: self.hidden_dropout_prob,
                heads: self.hidden_dropout_prob,
            },
            initial: Initial {
                deviation: self.initializer_range,
                deviation_into_stream: self.initializer_range,
                cutoff: f64::INFINITY,
            },
            names: &NAMES,
            config: self.to_value(),
        }
    }

    /// The `config.json`, as transformers reads it.
    fn to_value(self) -> Value {
        let mut config = json!(self);
        let rest = json!({
            "architectures": ["DebertaV2Model"],
            "model_type": MODEL_TYPE,
            "hidden_act": "gelu",
            "position_buckets": self.distances().buckets,
            "relative_attention": true,
            "share_att_key": true,
            "pos_att_type": "p2c|c2p",
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": false,
            "type_vocab_size": 0,
            "pooler_hidden_size": self.hidden_size,
            "pooler_hidden_act": "gelu",
            "pooler_dropout": 0.0,
            "torch_dtype": "float32",
        });
        if let (Value::Object(config), Value::Object(rest)) = (&mut config, rest) {
            config.extend(rest);
        }
        config
    }
}
