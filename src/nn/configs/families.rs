//! The table of families, and the one place that looks at `model_type`.

use serde::Deserialize;

use super::bert::{self, Kin};
use super::error::{ConfigError, ConfigProblem};
use super::{deberta, modernbert};
use crate::base::visible;
use crate::nn::EncoderSpec;

/// A family of encoders, or several that one file reads.
enum Family {
    ModernBert,
    /// Of those with BERT's layers.
    Bert(&'static Kin),
    Deberta,
}

/// The first is that of a file without a `model_type`.
const FAMILIES: &[Family] = &[
    Family::ModernBert,
    Family::Bert(&bert::BERT),
    Family::Bert(&bert::ROBERTA),
    Family::Bert(&bert::XLM_ROBERTA),
    Family::Bert(&bert::CAMEMBERT),
    Family::Bert(&bert::DISTILBERT),
    Family::Bert(&bert::ELECTRA),
    Family::Deberta,
];

impl Family {
    /// What `model_type` of its `config.json` says.
    const fn model_type(&self) -> &'static str {
        match self {
            Self::ModernBert => modernbert::MODEL_TYPE,
            Self::Bert(kin) => kin.model_type,
            Self::Deberta => deberta::MODEL_TYPE,
        }
    }

    /// What people call it.
    fn name(&self) -> &'static str {
        match self {
            Self::ModernBert => modernbert::NAMES.family,
            Self::Bert(kin) => kin.names.family,
            Self::Deberta => deberta::NAMES.family,
        }
    }

    fn read(&self, text: &str) -> Result<EncoderSpec, ConfigError> {
        match self {
            Self::ModernBert => modernbert::read(text),
            Self::Bert(kin) => kin.read(text),
            Self::Deberta => deberta::read(text),
        }
    }

    /// See [`EncoderSpec::counts_from_padding`].
    fn counts_from_padding(&self) -> bool {
        match self {
            Self::ModernBert | Self::Deberta => false,
            Self::Bert(kin) => kin.counts_from_padding,
        }
    }

    /// See [`EncoderSpec::has_windows`].
    fn has_windows(&self) -> bool {
        match self {
            Self::ModernBert => true,
            Self::Bert(_) | Self::Deberta => false,
        }
    }

    /// See [`EncoderSpec::turns_pairs`].
    fn turns_pairs(&self) -> bool {
        match self {
            Self::ModernBert => true,
            Self::Bert(_) | Self::Deberta => false,
        }
    }

    /// That of this `model_type`.
    fn of_type(model_type: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.model_type() == model_type)
    }

    /// Models whose sizes are known: the short name of each, and its repository on the hub.
    fn published(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::ModernBert => modernbert::PUBLISHED.to_vec(),
            Self::Bert(kin) => kin.published().collect(),
            Self::Deberta => deberta::published(),
        }
    }

    fn of_published(&self, short: &str) -> Option<EncoderSpec> {
        match self {
            Self::ModernBert => modernbert::of_published(short),
            Self::Bert(kin) => kin.of_published(short),
            Self::Deberta => deberta::of_published(short),
        }
    }
}

#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
}

impl EncoderSpec {
    /// Reads a `config.json` of any family. Absent keys have the defaults of transformers; unknown keys are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Json`] when it is not JSON of the right shape; [`ConfigError::Unsupported`], with every reason, when it asks for
    /// something that this implementation would not do as asked.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let File { model_type } = serde_json::from_str(text)?;
        let asked = model_type.as_deref().unwrap_or(FAMILIES[0].model_type());
        let Some(family) = Family::of_type(asked) else {
            let known = list(|family| format!("`{}`", family.model_type()));
            let message = format!("`model_type` is `{}`, expected {known}", visible::line(asked));
            let problem = ConfigProblem::new("model_type", message).help(known_families());
            return Err(ConfigError::Unsupported(vec![problem]));
        };
        family.read(text)
    }

    /// A published model whose sizes are known without its `config.json`, by its repository on the hub or the short name that `bench` has for
    /// it.
    #[must_use]
    pub fn published(name: &str) -> Option<Self> {
        FAMILIES.iter().find_map(|family| {
            let named = |(short, repo): &(&str, &str)| *short == name || *repo == name;
            family.of_published(family.published().into_iter().find(named)?.0)
        })
    }

    /// The short names of [`published`](Self::published) models.
    #[must_use]
    pub fn published_names() -> Vec<&'static str> {
        FAMILIES.iter().flat_map(|family| family.published()).map(|(short, _)| short).collect()
    }

    /// Whether the positions of a family begin behind the padding's number.
    #[must_use]
    pub fn counts_from_padding(model_type: &str) -> bool {
        Family::of_type(model_type).is_some_and(Family::counts_from_padding)
    }

    /// Whether some layers of a family see a window of the text, and not all of it.
    #[must_use]
    pub fn has_windows(model_type: &str) -> bool {
        Family::of_type(model_type).is_some_and(Family::has_windows)
    }

    /// Whether a family tells positions by turning pairs of numbers, so that the width of its attention heads is even.
    #[must_use]
    pub fn turns_pairs(model_type: &str) -> bool {
        Family::of_type(model_type).is_some_and(Family::turns_pairs)
    }

    /// What `model_type` may be.
    #[must_use]
    pub fn model_types() -> Vec<&'static str> {
        FAMILIES.iter().map(Family::model_type).collect()
    }
}

/// What an encoder must be.
fn known_families() -> String {
    format!("the encoder must be a {}", list(|family| family.name().to_owned()))
}

fn list(said: impl Fn(&Family) -> String) -> String {
    let mut all: Vec<String> = FAMILIES.iter().map(said).collect();
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last } else { format!("{} or {last}", all.join(", ")) }
}
