//! A trained joint model.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Backbone, files};
use crate::data::{LabelSet, TextTokenizer};
use crate::models::{CheckpointError, JointModel, ModernBertConfig};
use crate::stage::{Artifact, Caveat, StageError};
use crate::training::Row;

/// A joint model in Hugging Face layout, with its history.
///
/// The encoder loads in transformers as `ModernBertModel`; the two heads lie in the same file under names of their own, and the labels
/// in `config.json` as `id2label`.
pub struct Checkpoint {
    folder: PathBuf,
    pub config: ModernBertConfig,
    pub labels: LabelSet,
    pub max_length: usize,
    /// Those of what it was trained on, and what the training itself found.
    pub caveats: Vec<Caveat>,
}

impl Checkpoint {
    pub const HISTORY: &'static str = "history.csv";
    pub const TIMING: &'static str = "timing.csv";
    const CAVEATS: &'static str = "caveats.json";
    const TOKENIZER_CONFIG: &'static str = "tokenizer_config.json";

    /// Writes configuration, weights and tokenizer; the histories are the trainer's to write.
    ///
    /// * `tokenizer`: the content of its `tokenizer.json`: its file may be gone by the end of a training
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_model(
        folder: &Path,
        model: &JointModel,
        tokenizer: &[u8],
        labels: &LabelSet,
        max_length: usize,
    ) -> Result<(), StageError> {
        let weights = folder.join(Backbone::WEIGHTS);
        model.save(&weights).map_err(|error| match error {
            CheckpointError::Io { .. } => StageError::writing(&weights, &error),
            _ => StageError::new(error.to_string()).with_help(error.help()),
        })?;
        let path = folder.join(Backbone::TOKENIZER);
        files::write(&path, tokenizer)?;
        files::write_json(
            &folder.join(Backbone::CONFIG),
            &config_with_labels(&model.config, labels)?,
        )?;
        files::write_json(
            &folder.join(Self::TOKENIZER_CONFIG),
            &tokenizer_config(tokenizer, &path, max_length)?,
        )
    }

    /// Writes what every score of the model is to be read with.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_caveats(folder: &Path, caveats: &[Caveat]) -> Result<(), StageError> {
        files::write_json(&folder.join(Self::CAVEATS), &caveats)
    }

    #[must_use]
    pub fn tokenizer(&self) -> PathBuf {
        self.folder.join(Backbone::TOKENIZER)
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// When the file is not that of a joint model with these labels.
    pub fn model(&self) -> Result<JointModel, StageError> {
        let path = self.folder.join(Backbone::WEIGHTS);
        JointModel::load_trained(&path, self.config.clone(), self.labels.len())
            .map_err(|error| StageError::new(error.to_string()).with_help(error.help()))
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn history(&self) -> Result<Vec<Row>, StageError> {
        files::read_csv(&files::require(&self.folder, Self::HISTORY)?)
    }
}

impl Artifact for Checkpoint {
    const TYPE: &'static str = "checkpoint";
    const FORMAT: u32 = 2;
    const VOLATILE: &'static [&'static str] = &[Self::TIMING];
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        (Backbone::CONFIG, "model/config.json"),
        (Backbone::WEIGHTS, "model/model.safetensors"),
        (Backbone::TOKENIZER, "model/tokenizer.json"),
        (Self::TOKENIZER_CONFIG, "model/tokenizer_config.json"),
        (Self::HISTORY, "history.csv"),
        (Self::TIMING, "timing.csv"),
    ];

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Backbone::WEIGHTS)?;
        files::require(folder, Backbone::TOKENIZER)?;
        let path = files::require(folder, Backbone::CONFIG)?;
        let text = files::read_text(&path)?;
        let wrong = |reason: String| StageError::new(format!("`{}`: {reason}", path.display()));
        let config =
            ModernBertConfig::from_json(&text).map_err(|error| wrong(error.to_string()))?;
        let labels = read_labels(&text).map_err(wrong)?;
        let settings: Value = files::read_json(&files::require(folder, Self::TOKENIZER_CONFIG)?)?;
        let max_length = settings["model_max_length"]
            .as_u64()
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(config.max_position_embeddings);
        // A published model has none beside it: it has no scores either.
        let path = folder.join(Self::CAVEATS);
        let caveats = if path.is_file() { files::read_json(&path)? } else { Vec::new() };
        Ok(Self { folder: folder.to_owned(), config, labels, max_length, caveats })
    }
}

/// The encoder's configuration with the labels as transformers spells them.
fn config_with_labels(
    config: &ModernBertConfig,
    labels: &LabelSet,
) -> Result<Map<String, Value>, StageError> {
    let mut map: Map<String, Value> = serde_json::from_str(&config.to_json())
        .map_err(|error| StageError::new(error.to_string()))?;
    let names = || labels.names().iter().enumerate();
    map.insert(
        "id2label".to_owned(),
        names().map(|(id, name)| (id.to_string(), json!(name))).collect::<Map<_, _>>().into(),
    );
    map.insert(
        "label2id".to_owned(),
        names().map(|(id, name)| (name.clone(), json!(id))).collect::<Map<_, _>>().into(),
    );
    map.insert("anomaly_labels".to_owned(), json!(["normal", "anomaly"]));
    Ok(map)
}

fn read_labels(config: &str) -> Result<LabelSet, String> {
    let config: Value = serde_json::from_str(config).map_err(|error| error.to_string())?;
    let Some(map) = config["id2label"].as_object() else {
        return Err(
            "it has no `id2label`, so it is not that of a model trained by `train`".to_owned()
        );
    };
    let names: Option<Vec<String>> =
        (0..map.len()).map(|id| Some(map.get(&id.to_string())?.as_str()?.to_owned())).collect();
    let names = names.ok_or("`id2label` does not number its labels from 0")?;
    LabelSet::from_names(&names).map_err(|error| error.to_string())
}

/// What transformers' `AutoTokenizer` needs besides `tokenizer.json`.
fn tokenizer_config(
    tokenizer: &[u8],
    path: &Path,
    max_length: usize,
) -> Result<Map<String, Value>, StageError> {
    let tokenizer = TextTokenizer::from_bytes(tokenizer, path)
        .map_err(|error| StageError::new(error.to_string()))?;
    let mut map = Map::new();
    map.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
    map.insert("model_max_length".to_owned(), json!(max_length));
    map.insert("model_input_names".to_owned(), json!(["input_ids", "attention_mask"]));
    for (role, token) in [
        ("cls_token", "[CLS]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("mask_token", "[MASK]"),
        ("unk_token", "[UNK]"),
    ] {
        if tokenizer.id(token).is_some() {
            map.insert(role.to_owned(), json!(token));
        }
    }
    Ok(map)
}
