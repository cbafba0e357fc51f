//! The families with BERT's layers: what each calls things, and the models that are published of it.

use crate::nn::spec::{Dense, DenseActivation, Names};

/// A family whose layers are BERT's.
pub struct Kin {
    /// What `model_type` of its `config.json` says.
    pub model_type: &'static str,
    /// What transformers calls the encoder.
    pub(super) class: &'static str,
    pub names: &'static Names,
    pub(super) keys: &'static Keys,
    /// What transformers takes where a file says nothing.
    pub(super) defaults: Sizes,
    /// Whether the rows of positions begin behind that of the padding, as fairseq has them.
    pub counts_from_padding: bool,
    pub(super) published: &'static [(&'static str, &'static str, Sizes)],
}

/// What a family's `config.json` calls things.
pub(super) struct Keys {
    pub(super) hidden_size: &'static str,
    pub(super) num_hidden_layers: &'static str,
    pub(super) num_attention_heads: &'static str,
    pub(super) intermediate_size: &'static str,
    pub(super) hidden_act: &'static str,
    pub(super) hidden_dropout: &'static str,
    pub(super) attention_dropout: &'static str,
}

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) vocab_size: usize,
    /// The width of the embedding, where the family lets it be another than `hidden_size`.
    pub(super) embedding_size: Option<usize>,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    /// Rows of the table.
    pub(super) max_position_embeddings: usize,
    /// None where the family has no such table.
    pub(super) type_vocab_size: usize,
    pub(super) pad_token_id: u32,
    pub(super) layer_norm_eps: f64,
}

pub(super) const KEYS: Keys = Keys {
    hidden_size: "hidden_size",
    num_hidden_layers: "num_hidden_layers",
    num_attention_heads: "num_attention_heads",
    intermediate_size: "intermediate_size",
    hidden_act: "hidden_act",
    hidden_dropout: "hidden_dropout_prob",
    attention_dropout: "attention_probs_dropout_prob",
};

const DISTIL_KEYS: Keys = Keys {
    hidden_size: "dim",
    num_hidden_layers: "n_layers",
    num_attention_heads: "n_heads",
    intermediate_size: "hidden_dim",
    hidden_act: "activation",
    hidden_dropout: "dropout",
    attention_dropout: "attention_dropout",
};

/// What most of them have, and DeBERTa too.
pub(in crate::nn::configs) const NAMES: Names = Names {
    family: "BERT",
    prefixes: &["bert."],
    token_embedding: "embeddings.word_embeddings",
    position_embedding: "embeddings.position_embeddings",
    type_embedding: "embeddings.token_type_embeddings",
    embedding_norm: "embeddings.LayerNorm",
    distance_embedding: "",
    distance_norm: "",
    embedding_projection: "embeddings_project",
    layers: "encoder.layer",
    attention_norm: "attention.output.LayerNorm",
    queries_keys_values: &["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_output: "attention.output.dense",
    mlp_norm: "output.LayerNorm",
    mlp_input: "intermediate.dense",
    mlp_output: "output.dense",
    final_norm: "",
    token_dense: None,
    text_dense: Some(Dense { prefix: "bert.", ..dense("pooler.dense", DenseActivation::Tanh) }),
    token_classifier: "classifier",
    text_classifier: "classifier",
    first_token: None,
    masked_dense: masked("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
    masked_bias: "cls.predictions",
    constants: &["embeddings.position_ids", "embeddings.token_type_ids"],
    pretraining_heads: &["pooler.", "cls."],
    task_heads: &["classifier.", "qa_outputs."],
};

static BERT_NAMES: Names = NAMES;
static ROBERTA_NAMES: Names = of_roberta("RoBERTa");
static XLM_ROBERTA_NAMES: Names = of_roberta("XLM-RoBERTa");
static CAMEMBERT_NAMES: Names = of_roberta("CamemBERT");
static ELECTRA_NAMES: Names = Names {
    family: "ELECTRA",
    text_dense: Some(dense("classifier.dense", DenseActivation::Gelu)),
    text_classifier: "classifier.out_proj",
    prefixes: &["electra."],
    masked_dense: masked("generator_predictions.dense", "generator_predictions.LayerNorm"),
    masked_bias: "generator_lm_head",
    pretraining_heads: &[
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
    ],
    ..NAMES
};
static DISTILBERT_NAMES: Names = Names {
    family: "DistilBERT",
    text_dense: Some(dense("pre_classifier", DenseActivation::Relu)),
    prefixes: &["distilbert."],
    layers: "transformer.layer",
    attention_norm: "sa_layer_norm",
    queries_keys_values: &["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_output: "attention.out_lin",
    mlp_norm: "output_layer_norm",
    mlp_input: "ffn.lin1",
    mlp_output: "ffn.lin2",
    masked_dense: masked("vocab_transform", "vocab_layer_norm"),
    masked_bias: "vocab_projector",
    pretraining_heads: &["vocab_transform.", "vocab_layer_norm.", "vocab_projector."],
    task_heads: &["pre_classifier.", "classifier.", "qa_outputs."],
    ..NAMES
};

/// What stands before the rows of the embedding where masked tokens are told.
pub(in crate::nn::configs) const fn masked(name: &'static str, norm: &'static str) -> Dense {
    Dense { norm: Some(norm), ..dense(name, DenseActivation::Gelu) }
}

pub(in crate::nn::configs) const fn dense(
    name: &'static str,
    activation: DenseActivation,
) -> Dense {
    Dense { name, prefix: "", activation, activation_key: None, norm: None }
}

const fn of_roberta(family: &'static str) -> Names {
    Names {
        family,
        prefixes: &["roberta."],
        masked_dense: masked("lm_head.dense", "lm_head.layer_norm"),
        masked_bias: "lm_head",
        text_dense: Some(dense("classifier.dense", DenseActivation::Tanh)),
        text_classifier: "classifier.out_proj",
        pretraining_heads: &["lm_head.", "pooler."],
        ..NAMES
    }
}

const BASE: Sizes = Sizes {
    vocab_size: 30_522,
    embedding_size: None,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3_072,
    max_position_embeddings: 512,
    type_vocab_size: 2,
    pad_token_id: 0,
    layer_norm_eps: 1e-12,
};

const LARGE: Sizes = Sizes {
    hidden_size: 1_024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4_096,
    ..BASE
};

/// Of MiniLM and the small BGE and E5.
const MINI: Sizes =
    Sizes { hidden_size: 384, num_attention_heads: 12, intermediate_size: 1_536, ..BASE };

const FAIRSEQ: Sizes = Sizes {
    vocab_size: 50_265,
    max_position_embeddings: 514,
    type_vocab_size: 1,
    pad_token_id: 1,
    layer_norm_eps: 1e-5,
    ..BASE
};

const FAIRSEQ_LARGE: Sizes = Sizes {
    hidden_size: 1_024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4_096,
    ..FAIRSEQ
};

const ELECTRA_BASE: Sizes = Sizes { embedding_size: Some(768), ..BASE };

/// What transformers' `RobertaConfig` says of itself, which no published model does.
const ROBERTA_DEFAULTS: Sizes =
    Sizes { max_position_embeddings: 512, type_vocab_size: 2, layer_norm_eps: 1e-12, ..FAIRSEQ };

pub(in crate::nn::configs) static BERT: Kin = Kin {
    model_type: "bert",
    class: "BertModel",
    names: &BERT_NAMES,
    keys: &KEYS,
    defaults: BASE,
    counts_from_padding: false,
    published: &[
        ("bert-base", "google-bert/bert-base-uncased", BASE),
        ("bert-large", "google-bert/bert-large-uncased", LARGE),
        (
            "minilm-l6",
            "sentence-transformers/all-MiniLM-L6-v2",
            Sizes { num_hidden_layers: 6, ..MINI },
        ),
        ("minilm-l12", "sentence-transformers/all-MiniLM-L12-v2", MINI),
        ("bge-small", "BAAI/bge-small-en-v1.5", MINI),
        ("bge-base", "BAAI/bge-base-en-v1.5", BASE),
        ("bge-large", "BAAI/bge-large-en-v1.5", LARGE),
        ("e5-small", "intfloat/e5-small-v2", MINI),
        ("e5-base", "intfloat/e5-base-v2", BASE),
        ("e5-large", "intfloat/e5-large-v2", LARGE),
    ],
};

pub(in crate::nn::configs) static ROBERTA: Kin = Kin {
    model_type: "roberta",
    class: "RobertaModel",
    names: &ROBERTA_NAMES,
    keys: &KEYS,
    defaults: ROBERTA_DEFAULTS,
    counts_from_padding: true,
    published: &[
        ("roberta-base", "FacebookAI/roberta-base", FAIRSEQ),
        ("roberta-large", "FacebookAI/roberta-large", FAIRSEQ_LARGE),
    ],
};

pub(in crate::nn::configs) static XLM_ROBERTA: Kin = Kin {
    model_type: "xlm-roberta",
    class: "XLMRobertaModel",
    names: &XLM_ROBERTA_NAMES,
    keys: &KEYS,
    defaults: Sizes { vocab_size: 30_522, ..ROBERTA_DEFAULTS },
    counts_from_padding: true,
    published: &[
        (
            "xlm-roberta-base",
            "FacebookAI/xlm-roberta-base",
            Sizes { vocab_size: 250_002, ..FAIRSEQ },
        ),
        (
            "xlm-roberta-large",
            "FacebookAI/xlm-roberta-large",
            Sizes { vocab_size: 250_002, ..FAIRSEQ_LARGE },
        ),
    ],
};

pub(in crate::nn::configs) static CAMEMBERT: Kin = Kin {
    model_type: "camembert",
    class: "CamembertModel",
    names: &CAMEMBERT_NAMES,
    keys: &KEYS,
    defaults: Sizes { vocab_size: 30_522, ..ROBERTA_DEFAULTS },
    counts_from_padding: true,
    published: &[(
        "camembert-base",
        "almanach/camembert-base",
        Sizes { vocab_size: 32_005, ..FAIRSEQ },
    )],
};

pub(in crate::nn::configs) static DISTILBERT: Kin = Kin {
    model_type: "distilbert",
    class: "DistilBertModel",
    names: &DISTILBERT_NAMES,
    keys: &DISTIL_KEYS,
    defaults: Sizes { num_hidden_layers: 6, type_vocab_size: 0, ..BASE },
    counts_from_padding: false,
    published: &[(
        "distilbert-base",
        "distilbert/distilbert-base-uncased",
        Sizes { num_hidden_layers: 6, type_vocab_size: 0, ..BASE },
    )],
};

pub(in crate::nn::configs) static ELECTRA: Kin = Kin {
    model_type: "electra",
    class: "ElectraModel",
    names: &ELECTRA_NAMES,
    keys: &KEYS,
    defaults: ELECTRA_SMALL,
    counts_from_padding: false,
    published: &[
        ("electra-small", "google/electra-small-discriminator", ELECTRA_SMALL),
        ("electra-base", "google/electra-base-discriminator", ELECTRA_BASE),
        (
            "electra-large",
            "google/electra-large-discriminator",
            Sizes { embedding_size: Some(1_024), ..LARGE },
        ),
    ],
};

const ELECTRA_SMALL: Sizes = Sizes {
    embedding_size: Some(128),
    hidden_size: 256,
    num_attention_heads: 4,
    intermediate_size: 1_024,
    ..BASE
};
