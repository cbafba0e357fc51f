//! BERT and what has its layers: RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT and ELECTRA. They differ in names, in where positions begin, and in
//! the width of their embedding.

mod kin;

use serde_json::{Map, Value, json};

use self::kin::{KEYS, Sizes};
use super::error::{ConfigError, ConfigProblem, problem, share, size};
use crate::base::visible;
use crate::nn::spec::{
    Activation, Dropout, Embeddings, EncoderSpec, HeadKind, Initial, LayerSpec, Mlp, Norm,
    PositionTable, Positions,
};

pub(super) use kin::{
    BERT, CAMEMBERT, DISTILBERT, ELECTRA, Kin, NAMES, ROBERTA, XLM_ROBERTA, dense, masked,
};

impl Kin {
    /// Reads a `config.json` of this family. A size may also have the name that it has in BERT's.
    pub fn read(&self, text: &str) -> Result<EncoderSpec, ConfigError> {
        let fields: Map<String, Value> = serde_json::from_str(text)?;
        let mut file = File { kin: self, fields, problems: Vec::new() };
        file.refuse();
        let (sizes, rest) = (file.sizes(), file.rest());
        let mut problems = file.problems;
        if problems.is_empty() {
            problems.extend(sizes.problems(self));
        }
        if problems.is_empty() {
            Ok(self.spec(&sizes, rest))
        } else {
            Err(ConfigError::Unsupported(problems))
        }
    }

    /// Short names and repositories of models whose sizes are known.
    pub fn published(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.published.iter().map(|(short, repo, _)| (*short, *repo))
    }

    /// The published model of a short name.
    pub fn of_published(&self, short: &str) -> Option<EncoderSpec> {
        let (.., sizes) = self.published.iter().find(|(name, ..)| *name == short)?;
        Some(self.spec(sizes, Rest::default()))
    }

    fn first_position(&self, pad_token_id: u32) -> usize {
        if self.counts_from_padding { pad_token_id as usize + 1 } else { 0 }
    }

    fn spec(&self, sizes: &Sizes, rest: Rest) -> EncoderSpec {
        let first = self.first_position(sizes.pad_token_id);
        let layer =
            LayerSpec { window: None, positions: Positions::Embedded, attention_norm: false };
        EncoderSpec {
            vocab_size: sizes.vocab_size,
            hidden_size: sizes.hidden_size,
            intermediate_size: sizes.intermediate_size,
            num_attention_heads: sizes.num_attention_heads,
            max_position_embeddings: sizes.max_position_embeddings - first,
            embeddings: Embeddings {
                width: sizes.embedding_size.unwrap_or(sizes.hidden_size),
                positions: Some(PositionTable { rows: sizes.max_position_embeddings, first }),
                token_types: sizes.type_vocab_size,
            },
            layers: vec![layer; sizes.num_hidden_layers],
            norm: Norm::After { epsilon: sizes.layer_norm_eps },
            mlp: Mlp::Plain(Activation::Gelu),
            biases: true,
            head: HeadKind::Linear,
            dropout: Dropout {
                embeddings: rest.hidden_dropout,
                attention: rest.attention_dropout,
                attention_output: rest.hidden_dropout,
                mlp: 0.0,
                mlp_output: rest.hidden_dropout,
                distances: 0.0,
                heads: rest.hidden_dropout,
            },
            initial: Initial {
                deviation: rest.initializer_range,
                deviation_into_stream: rest.initializer_range,
                cutoff: f64::INFINITY,
            },
            names: self.names,
            config: self.to_value(sizes, rest),
        }
    }

    /// The `config.json`, as transformers reads it.
    fn to_value(&self, sizes: &Sizes, rest: Rest) -> Value {
        let keys = self.keys;
        let mut config = json!({
            "architectures": [self.class],
            "model_type": self.model_type,
            "vocab_size": sizes.vocab_size,
            keys.hidden_size: sizes.hidden_size,
            keys.num_hidden_layers: sizes.num_hidden_layers,
            keys.num_attention_heads: sizes.num_attention_heads,
            keys.intermediate_size: sizes.intermediate_size,
            keys.hidden_act: "gelu",
            keys.hidden_dropout: rest.hidden_dropout,
            keys.attention_dropout: rest.attention_dropout,
            "max_position_embeddings": sizes.max_position_embeddings,
            "initializer_range": rest.initializer_range,
            "pad_token_id": sizes.pad_token_id,
            "torch_dtype": "float32",
        });
        if sizes.type_vocab_size > 0 {
            config["type_vocab_size"] = sizes.type_vocab_size.into();
            config["layer_norm_eps"] = sizes.layer_norm_eps.into();
        }
        if let Some(width) = sizes.embedding_size {
            config["embedding_size"] = width.into();
        }
        config
    }
}

/// What a file says beside sizes.
#[derive(Clone, Copy)]
struct Rest {
    hidden_dropout: f64,
    attention_dropout: f64,
    initializer_range: f64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { hidden_dropout: 0.1, attention_dropout: 0.1, initializer_range: 0.02 }
    }
}

/// A `config.json`, and what is wrong with it so far.
struct File<'k> {
    kin: &'k Kin,
    fields: Map<String, Value>,
    problems: Vec<ConfigProblem>,
}

impl File<'_> {
    /// What a key has: by the name that the family has for it, or else BERT's.
    fn get(&self, key: &'static str, of_bert: &'static str) -> Option<&Value> {
        let value = self.fields.get(key).or_else(|| self.fields.get(of_bert));
        value.filter(|value| !value.is_null())
    }

    fn count(&mut self, key: &'static str, of_bert: &'static str, default: usize) -> usize {
        let Some(value) = self.get(key, of_bert).cloned() else { return default };
        let found = value.as_u64().and_then(|value| usize::try_from(value).ok());
        found.unwrap_or_else(|| {
            let message = format!("`{key}` is {value}, expected a whole number");
            self.problems.push(problem(key, message));
            default
        })
    }

    fn number(&mut self, key: &'static str, of_bert: &'static str, default: f64) -> f64 {
        let Some(value) = self.get(key, of_bert).cloned() else { return default };
        value.as_f64().unwrap_or_else(|| {
            let message = format!("`{key}` is {value}, expected a number");
            self.problems.push(problem(key, message));
            default
        })
    }

    fn sizes(&mut self) -> Sizes {
        let (keys, defaults) = (self.kin.keys, self.kin.defaults);
        let mut count = |key, of_bert, default| self.count(key, of_bert, default);
        let mut sizes = Sizes {
            vocab_size: count("vocab_size", "vocab_size", defaults.vocab_size),
            hidden_size: count(keys.hidden_size, KEYS.hidden_size, defaults.hidden_size),
            num_hidden_layers: count(
                keys.num_hidden_layers,
                KEYS.num_hidden_layers,
                defaults.num_hidden_layers,
            ),
            num_attention_heads: count(
                keys.num_attention_heads,
                KEYS.num_attention_heads,
                defaults.num_attention_heads,
            ),
            intermediate_size: count(
                keys.intermediate_size,
                KEYS.intermediate_size,
                defaults.intermediate_size,
            ),
            max_position_embeddings: count(
                "max_position_embeddings",
                "max_position_embeddings",
                defaults.max_position_embeddings,
            ),
            pad_token_id: count("pad_token_id", "pad_token_id", defaults.pad_token_id as usize)
                .try_into()
                .unwrap_or(u32::MAX),
            ..defaults
        };
        if let Some(width) = defaults.embedding_size {
            sizes.embedding_size = Some(count("embedding_size", "embedding_size", width));
        }
        if defaults.type_vocab_size > 0 {
            let default = defaults.type_vocab_size;
            sizes.type_vocab_size = count("type_vocab_size", "type_vocab_size", default);
            let default = defaults.layer_norm_eps;
            sizes.layer_norm_eps = self.number("layer_norm_eps", "layer_norm_eps", default);
        }
        sizes
    }

    fn rest(&mut self) -> Rest {
        let (keys, defaults) = (self.kin.keys, Rest::default());
        let rest = Rest {
            hidden_dropout: self.number(
                keys.hidden_dropout,
                KEYS.hidden_dropout,
                defaults.hidden_dropout,
            ),
            attention_dropout: self.number(
                keys.attention_dropout,
                KEYS.attention_dropout,
                defaults.attention_dropout,
            ),
            initializer_range: self.number(
                "initializer_range",
                "initializer_range",
                defaults.initializer_range,
            ),
        };
        self.problems.extend(share(keys.hidden_dropout, rest.hidden_dropout));
        self.problems.extend(share(keys.attention_dropout, rest.attention_dropout));
        if !(rest.initializer_range > 0.0 && rest.initializer_range.is_finite()) {
            let range = rest.initializer_range;
            let message = format!("`initializer_range` is {range}, expected a number above 0");
            self.problems.push(problem("initializer_range", message));
        }
        rest
    }

    /// What the file asks for and this implementation does not do.
    fn refuse(&mut self) {
        let act = self.kin.keys.hidden_act;
        let texts = [
            (act, self.get(act, KEYS.hidden_act).cloned(), "gelu"),
            (
                "position_embedding_type",
                self.fields.get("position_embedding_type").cloned(),
                "absolute",
            ),
        ];
        for (key, found, expected) in texts {
            if let Some(found) = found.filter(|found| *found != expected && !found.is_null()) {
                let found = found.as_str().map_or_else(|| found.to_string().into(), visible::line);
                let message = format!("`{key}` is `{found}`, expected `{expected}`");
                self.problems.push(problem(key, message));
            }
        }
        for key in ["is_decoder", "add_cross_attention"] {
            if self.fields.get(key) == Some(&Value::Bool(true)) {
                let message = format!("`{key}` is true, but a token here sees the whole text");
                self.problems.push(problem(key, message));
            }
        }
    }
}

impl Sizes {
    /// Why no model can have these sizes.
    fn problems(&self, kin: &Kin) -> Vec<ConfigProblem> {
        let keys = kin.keys;
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("embedding_size", self.embedding_size.unwrap_or(1), 1 << 16),
            (keys.hidden_size, self.hidden_size, 1 << 16),
            (keys.intermediate_size, self.intermediate_size, 1 << 18),
            (keys.num_hidden_layers, self.num_hidden_layers, 1 << 10),
            (keys.num_attention_heads, self.num_attention_heads, 1 << 10),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        let mut problems: Vec<_> =
            sizes.into_iter().filter_map(|(key, value, most)| size(key, value, most)).collect();
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads > 0 && hidden % heads != 0 {
            let (of_hidden, of_heads) = (keys.hidden_size, keys.num_attention_heads);
            let message =
                format!("`{of_hidden}` {hidden} is not a multiple of `{of_heads}` {heads}");
            problems.push(problem(of_hidden, message));
        }
        if self.type_vocab_size > 1 << 16 {
            let found = self.type_vocab_size;
            let message = format!("`type_vocab_size` is {found}, expected 1 to {}", 1 << 16);
            problems.push(problem("type_vocab_size", message));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            let found = self.layer_norm_eps;
            let message = format!("`layer_norm_eps` is {found}, expected a number above 0");
            problems.push(problem("layer_norm_eps", message));
        }
        let (pad, vocabulary) = (self.pad_token_id, self.vocab_size);
        if pad as usize >= vocabulary {
            let message = format!("`pad_token_id` is {pad}, but `vocab_size` is {vocabulary}");
            problems.push(problem("pad_token_id", message));
        }
        let first = kin.first_position(pad);
        if self.max_position_embeddings <= first {
            let rows = self.max_position_embeddings;
            let message = format!(
                "`max_position_embeddings` is {rows}, but a text's first token has position {first}"
            );
            problems.push(problem("max_position_embeddings", message));
        }
        problems
    }
}
