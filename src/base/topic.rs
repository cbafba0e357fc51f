//! What a parameter of a stage is about, for whoever lists many of them.

use serde::{Deserialize, Serialize};

/// What a parameter is about. Help lists parameters by topic, in this order. A kind with many parameters gives each of them one, as
/// `#[schemars(extend("x-topic" = ..))]` of its field; a kind with few gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    Basics,
    /// Of a corpus: which texts train, and which are scored on.
    Splits,
    /// Of a corpus: which fields have a meaning, and what becomes of labels.
    Labels,
    /// Of a corpus: words with tags.
    TaggedWords,
    /// Of a corpus: how lines become texts.
    LogLines,
    /// Of a corpus: what is mended or left out.
    Repairs,
    /// How long is trained, and at which learning rates.
    Schedule,
    Optimizer,
    /// Which weights are trained.
    Model,
    Loss,
    /// When is looked at the validation split, and which weights are kept.
    Selection,
    /// How a model's scores become answers.
    Answers,
    /// What of the machine is used.
    Resources,
}

impl Topic {
    /// The key of a parameter's schema that holds it.
    pub const KEY: &str = "x-topic";

    /// What people read above its parameters.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Basics => "basics",
            Self::Splits => "splits",
            Self::Labels => "fields and labels",
            Self::TaggedWords => "tagged words",
            Self::LogLines => "lines of a log",
            Self::Repairs => "repairs",
            Self::Schedule => "schedule",
            Self::Optimizer => "optimizer",
            Self::Model => "what is trained",
            Self::Loss => "loss",
            Self::Selection => "selection",
            Self::Answers => "answers",
            Self::Resources => "resources",
        }
    }
}
