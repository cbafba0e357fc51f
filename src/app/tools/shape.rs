//! The sizes of a model, from wherever they are known.

use std::path::PathBuf;

use super::ToolError;
use crate::nn::EncoderSpec;
use crate::stages::artifacts::{Backbone, files};

/// Which model to look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A published model, whose sizes are known without its files.
    Published(EncoderSpec),
    /// A folder with a `config.json`.
    Folder(PathBuf),
    /// The parameters of an `init_model` stage, by name.
    Sizes(serde_json::Value),
}

impl Shape {
    /// That of a published model, by its repository on the hub or its short name, if its sizes are known.
    #[must_use]
    pub fn published(name: &str) -> Option<Self> {
        EncoderSpec::published(name).map(Self::Published)
    }
}

pub(super) fn encoder(shape: &Shape) -> Result<EncoderSpec, ToolError> {
    match shape {
        Shape::Published(encoder) => Ok(encoder.clone()),
        Shape::Folder(folder) => {
            let text = files::read_text(&folder.join(Backbone::CONFIG)).map_err(ToolError::of)?;
            EncoderSpec::from_json(&text).map_err(ToolError::of)
        }
        Shape::Sizes(sizes) => {
            const NAMES: [&str; 7] = [
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "local_attention",
                "global_attn_every_n_layers",
            ];
            if let Some(name) = NAMES.iter().find(|name| sizes[**name].as_u64().is_none()) {
                return Err(ToolError::of(format!("the model's `{name}` is not known")));
            }
            EncoderSpec::from_json(&sizes.to_string()).map_err(ToolError::of)
        }
    }
}
