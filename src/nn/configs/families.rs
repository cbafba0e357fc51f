//! The table of families, and the one place that looks at `model_type`.

use serde::Deserialize;

use super::error::{ConfigError, ConfigProblem};
use super::modernbert;
use crate::base::visible;
use crate::nn::EncoderSpec;

/// A family of encoders.
struct Family {
    /// What `model_type` of its `config.json` says.
    model_type: &'static str,
    /// What people call it.
    name: &'static str,
    read: fn(&str) -> Result<EncoderSpec, ConfigError>,
    /// A published model whose sizes are known without its `config.json`, by its repository on the hub or its short name.
    published: fn(&str) -> Option<EncoderSpec>,
}

/// The first is that of a file without a `model_type`.
const FAMILIES: &[Family] = &[Family {
    model_type: modernbert::MODEL_TYPE,
    name: modernbert::NAMES.family,
    read: modernbert::read,
    published: modernbert::published,
}];

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
        let asked = model_type.as_deref().unwrap_or(FAMILIES[0].model_type);
        let Some(family) = FAMILIES.iter().find(|family| family.model_type == asked) else {
            let known = list(|family| format!("`{}`", family.model_type));
            let message = format!("`model_type` is `{}`, expected {known}", visible::line(asked));
            let problem = ConfigProblem::new("model_type", message).help(known_families());
            return Err(ConfigError::Unsupported(vec![problem]));
        };
        (family.read)(text)
    }

    /// A published model whose sizes are known without its `config.json`, by its repository on the hub or the short name that `bench` has for
    /// it.
    #[must_use]
    pub fn published(name: &str) -> Option<Self> {
        FAMILIES.iter().find_map(|family| (family.published)(name))
    }
}

/// What an encoder must be.
fn known_families() -> String {
    format!("the encoder must be a {}", list(|family| family.name.to_owned()))
}

fn list(said: impl Fn(&Family) -> String) -> String {
    FAMILIES.iter().map(said).collect::<Vec<_>>().join(" or ")
}
