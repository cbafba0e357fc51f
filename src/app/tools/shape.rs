//! The sizes of a model, from wherever they are known.

use std::path::PathBuf;

use super::ToolError;
use crate::nn::{ModernBertConfig, layer_types};
use crate::stages::artifacts::{Backbone, files};

/// Which model to look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Base,
    Large,
    /// A folder with a `config.json`.
    Folder(PathBuf),
    /// The parameters of an `init_model` stage, by name.
    Sizes(serde_json::Value),
}

pub(super) fn config(shape: &Shape) -> Result<ModernBertConfig, ToolError> {
    match shape {
        Shape::Base => Ok(ModernBertConfig::base()),
        Shape::Large => Ok(ModernBertConfig::large()),
        Shape::Folder(folder) => {
            let text = files::read_text(&folder.join(Backbone::CONFIG)).map_err(ToolError::of)?;
            ModernBertConfig::from_json(&text).map_err(ToolError::of)
        }
        Shape::Sizes(sizes) => {
            let size = |name: &str| {
                let found = sizes[name].as_u64().and_then(|size| usize::try_from(size).ok());
                found.ok_or_else(|| ToolError::of(format!("the model's `{name}` is not known")))
            };
            let layers = size("num_hidden_layers")?;
            let config = ModernBertConfig {
                vocab_size: size("vocab_size")?,
                hidden_size: size("hidden_size")?,
                intermediate_size: size("intermediate_size")?,
                num_hidden_layers: layers,
                num_attention_heads: size("num_attention_heads")?,
                local_attention: size("local_attention")?,
                layer_types: layer_types(layers, size("global_attn_every_n_layers")?),
                pad_token_id: None,
                bos_token_id: None,
                eos_token_id: None,
                cls_token_id: None,
                sep_token_id: None,
                ..ModernBertConfig::base()
            };
            config.validate().map(|()| config).map_err(ToolError::of)
        }
    }
}
