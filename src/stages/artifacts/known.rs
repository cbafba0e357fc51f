//! What is known of artifacts before they are there, or of their small parts once they are, by names that kinds agree upon: what a training will take
//! is told from it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::stage::{Facts, InputFacts};
use crate::nn::{EncoderSpec, Layout, Norm};
use crate::tasks;
use crate::text::CorpusTasks;

/// A model's `config.json`.
const CONFIG: &str = "config";
const SIZES: &str = "sizes";

/// The sizes of a model on which it depends what a training of it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// With a head over [`LABELS`](Self::LABELS).
    pub parameters: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub expanded_size: usize,
    pub attention_heads: usize,
    pub layers: usize,
    /// Whether norms stand after attention and MLP, which then keep what they are of.
    pub norms_after: bool,
}

impl Sizes {
    /// Token labels of the reference recipe: nobody knows them before there are texts, and they are few beside all else.
    pub const LABELS: usize = 93;

    #[must_use]
    pub fn of(encoder: &EncoderSpec) -> Self {
        Self {
            parameters: Layout::new(encoder, &tasks::heads(&tasks::joint(Self::LABELS))).len(),
            hidden_size: encoder.hidden_size,
            intermediate_size: encoder.intermediate_size,
            expanded_size: encoder.expanded_size(),
            attention_heads: encoder.num_attention_heads,
            layers: encoder.layers.len(),
            norms_after: matches!(encoder.norm, Norm::After { .. }),
        }
    }
}

/// What is known of a model whose configuration is.
#[must_use]
pub fn of_encoder(encoder: &EncoderSpec) -> Facts {
    let config: serde_json::Value = serde_json::from_str(&encoder.to_json()).unwrap_or_default();
    let facts = [(CONFIG, config), (SIZES, json!(Sizes::of(encoder)))];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into_iter().collect()
}

/// How large a model is whose configuration is known.
#[must_use]
pub fn of_sizes(encoder: &EncoderSpec) -> Facts {
    Facts::from_iter([(SIZES.to_owned(), json!(Sizes::of(encoder)))])
}

/// The model at `port`, where its configuration is known.
#[must_use]
pub fn encoder(inputs: InputFacts<'_>, port: &str) -> Option<EncoderSpec> {
    EncoderSpec::from_json(&inputs.get(port, CONFIG)?.to_string()).ok()
}

#[must_use]
pub fn sizes(inputs: InputFacts<'_>, port: &str) -> Option<Sizes> {
    get(inputs, port, SIZES)
}

/// How many texts there are to train on and to validate with; once they are tokenized, how many sequences a model reads: texts, or windows of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    pub train: usize,
    pub validation: usize,
    /// `None` before they are tokenized.
    pub tokens_per_text: Option<f64>,
}

/// What texts are labelled for, or a model is trained for.
pub const TASKS: &str = "tasks";

#[must_use]
pub fn of_tasks(tasks: &CorpusTasks) -> Facts {
    Facts::from_iter([(TASKS.to_owned(), json!(tasks))])
}

#[must_use]
pub fn tasks(inputs: InputFacts<'_>, port: &str) -> Option<CorpusTasks> {
    get(inputs, port, TASKS)
}

/// What texts are labelled for at most, before anybody has read them. A head without classes has those that will be found.
pub const POSSIBLE: &str = "possible_tasks";

#[must_use]
pub fn of_possible(tasks: &CorpusTasks) -> Facts {
    Facts::from_iter([(POSSIBLE.to_owned(), json!(tasks))])
}

#[must_use]
pub fn possible(inputs: InputFacts<'_>, port: &str) -> Option<CorpusTasks> {
    get(inputs, port, POSSIBLE)
}

/// The types of entities that texts have at most.
pub const TYPES: &str = "entity_types";

pub fn of_types<'t>(types: impl Iterator<Item = &'t str>) -> Facts {
    Facts::from_iter([(TYPES.to_owned(), types.collect::<Vec<_>>().into())])
}

#[must_use]
pub fn types(inputs: InputFacts<'_>, port: &str) -> Option<Vec<String>> {
    get(inputs, port, TYPES)
}

/// The field by which texts are split in an order; null where they are in none.
pub const ORDER: &str = "order";

#[must_use]
pub fn of_order(field: Option<&str>) -> Facts {
    Facts::from_iter([(ORDER.to_owned(), field.into())])
}

/// Whether texts are known to be split in no order.
#[must_use]
pub fn is_unordered(inputs: InputFacts<'_>, port: &str) -> bool {
    inputs.get(port, ORDER).is_some_and(serde_json::Value::is_null)
}

pub const TEXTS: &str = "texts";

#[must_use]
pub fn of_texts(texts: Texts) -> Facts {
    Facts::from_iter([(TEXTS.to_owned(), json!(texts))])
}

#[must_use]
pub fn texts(inputs: InputFacts<'_>, port: &str) -> Option<Texts> {
    get(inputs, port, TEXTS)
}

/// How many tokens a text has at most.
const MAX_LENGTH: &str = "max_length";

#[must_use]
pub fn of_max_length(max_length: usize) -> Facts {
    Facts::from_iter([(MAX_LENGTH.to_owned(), max_length.into())])
}

#[must_use]
pub fn max_length(inputs: InputFacts<'_>, port: &str) -> Option<usize> {
    get(inputs, port, MAX_LENGTH)
}

fn get<T: DeserializeOwned>(inputs: InputFacts<'_>, port: &str, fact: &str) -> Option<T> {
    T::deserialize(inputs.get(port, fact)?).ok()
}
