//! A pretrained or freshly drawn encoder with its tokenizer.

use std::path::{Path, PathBuf};

use super::{files, known};
use crate::engine::stage::{Artifact, Facts, StageError};
use crate::nn::EncoderSpec;

/// An encoder in Hugging Face layout: `config.json`, `model.safetensors`, `tokenizer.json`.
pub struct Backbone {
    pub encoder: EncoderSpec,
    pub weights: PathBuf,
    pub tokenizer: PathBuf,
}

impl Backbone {
    pub const CONFIG: &'static str = "config.json";
    pub const WEIGHTS: &'static str = "model.safetensors";
    pub const TOKENIZER: &'static str = "tokenizer.json";
}

impl Artifact for Backbone {
    const TYPE: &'static str = "backbone";
    const FORMAT: u32 = 1;

    fn facts(folder: &Path) -> Facts {
        let text = files::read_text(&folder.join(Self::CONFIG));
        let encoder = text.ok().and_then(|text| EncoderSpec::from_json(&text).ok());
        encoder.as_ref().map(known::of_encoder).unwrap_or_default()
    }

    fn open(folder: &Path) -> Result<Self, StageError> {
        let path = files::require(folder, Self::CONFIG)?;
        let encoder = EncoderSpec::from_json(&files::read_text(&path)?).map_err(|error| {
            StageError::of(&error).saying(format!("`{}`: {error}", path.display()))
        })?;
        Ok(Self {
            encoder,
            weights: files::require(folder, Self::WEIGHTS)?,
            tokenizer: files::require(folder, Self::TOKENIZER)?,
        })
    }
}
