//! A trained joint model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Backbone, Head, Heads, Origin, Task, files, history, known, seal};
use crate::engine::stage::{
    Artifact, CardPart, Caveat, Cell, Facts, Plot, Shown, StageError, Table,
};
use crate::nn::{CheckpointError, EncoderSpec, JointModel, Lora, StockModel};
use crate::tasks;
use crate::text::{LabelSet, TextTokenizer};
use crate::training::{History, Threshold};

/// `chosen.json`: what of a model's heads was chosen on texts, which are then no measure of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The texts.
    pub on: Origin,
    /// What the thresholds are to give, by head.
    pub thresholds: BTreeMap<String, Threshold>,
    /// The heads whose temperature was fitted.
    pub temperatures: Vec<String>,
}

/// A joint model in Hugging Face layout, with its history.
///
/// `config.json` is that of the encoder alone, which loads in transformers as a model of its family; the heads lie in the same `model.safetensors`
/// under names of their own, and what they mean in `heads.json`. `digests.json` has the BLAKE3 of each of these files.
pub struct Checkpoint {
    folder: PathBuf,
    pub encoder: EncoderSpec,
    pub heads: Heads,
    /// Those of the head that tags, where there is one.
    pub labels: Option<LabelSet>,
    /// Those of what it was trained on, and what the training itself found.
    pub caveats: Vec<Caveat>,
    /// What was chosen once it was trained, where something was.
    pub chosen: Option<Chosen>,
}

impl Checkpoint {
    const HISTORY: &'static str = "history.csv";
    pub const TIMING: &'static str = "timing.csv";
    const CAVEATS: &'static str = "caveats.json";
    const CHOSEN: &'static str = "chosen.json";
    const TOKENIZER_CONFIG: &'static str = "tokenizer_config.json";
    const ADAPTER: &'static str = "adapter";
    const ADAPTER_CONFIG: &'static str = "adapter/adapter_config.json";
    const ADAPTER_WEIGHTS: &'static str = "adapter/adapter_model.safetensors";
    /// The files that make up the model.
    const MODEL: [&'static str; 5] = [
        Backbone::CONFIG,
        Backbone::WEIGHTS,
        Backbone::TOKENIZER,
        Self::TOKENIZER_CONFIG,
        Heads::FILE,
    ];

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
        heads: &Heads,
    ) -> Result<(), StageError> {
        let weights = |path: &Path| model.save(path);
        let files =
            Files { config: &model.spec.to_json_beside_heads(), weights: &weights, tokenizer };
        files.write(folder, heads.max_length)?;
        heads.write(folder)?;
        seal::write(folder, &Self::MODEL)
    }

    /// Writes adapters as PEFT has them, beside the model that they will be merged into.
    ///
    /// Reference: `LoraConfig` and `save_pretrained` of `peft`. Modules are named in full, because the end of a name can be that of another one, too.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_adapters(
        folder: &Path,
        model: &JointModel,
        lora: &Lora,
    ) -> Result<(), StageError> {
        let path = folder.join(Self::ADAPTER_WEIGHTS);
        let adapter = folder.join(Self::ADAPTER);
        std::fs::create_dir_all(&adapter)
            .map_err(|error| StageError::io("create", &adapter, &error))?;
        model.save_adapters(&path).map_err(|error| match error {
            CheckpointError::Io { .. } => StageError::writing(&path, &error),
            _ => StageError::of(&error),
        })?;
        let config = json!({
            "peft_type": "LORA",
            "base_model_name_or_path": null,
            "task_type": "FEATURE_EXTRACTION",
            "inference_mode": true,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "target_modules": model.adapted_modules(),
        });
        files::write_json(&folder.join(Self::ADAPTER_CONFIG), &config)
    }

    /// Writes one of its heads with the encoder as transformers keeps it: configuration, weights and tokenizer.
    ///
    /// # Errors
    /// When the tokenizer cannot be read, or the disk refuses.
    pub fn write_stock(&self, folder: &Path, stock: &StockModel<'_>) -> Result<(), StageError> {
        let tokenizer = files::read(&self.tokenizer())?;
        let weights = |path: &Path| stock.save(path);
        let files = Files { config: &stock.config(), weights: &weights, tokenizer: &tokenizer };
        files.write(folder, self.heads.max_length)
    }

    /// Whether `folder` looks like a model, whole or not.
    #[must_use]
    pub fn is_one(folder: &Path) -> bool {
        folder.join(Heads::FILE).exists() || folder.join(seal::DIGESTS).exists()
    }

    /// Whether `folder` holds a model of a version before `heads.json`, which kept its labels in `config.json`.
    #[must_use]
    pub fn is_of_earlier_format(folder: &Path) -> bool {
        let config = files::read_json::<Value>(&folder.join(Backbone::CONFIG));
        config.is_ok_and(|config| config.get("anomaly_labels").is_some())
    }

    /// Holds every file of the model against its digest, at the speed of memory on all threads of the current pool.
    ///
    /// # Errors
    /// With the file that is damaged.
    pub fn verify(folder: &Path) -> Result<(), StageError> {
        seal::check(folder, &Self::MODEL)
    }

    /// Writes what every score of the model is to be read with.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_caveats(folder: &Path, caveats: &[Caveat]) -> Result<(), StageError> {
        files::write_json(&folder.join(Self::CAVEATS), &caveats)
    }

    /// Writes what was chosen on texts, where something was.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_chosen(folder: &Path, chosen: Option<&Chosen>) -> Result<(), StageError> {
        chosen.map_or(Ok(()), |chosen| files::write_json(&folder.join(Self::CHOSEN), chosen))
    }

    #[must_use]
    pub fn tokenizer(&self) -> PathBuf {
        self.folder.join(Backbone::TOKENIZER)
    }

    /// What its card says of it: what its heads answer.
    fn card_part(&self) -> CardPart {
        let task = |head: &Head| match head.task {
            Task::Tagging => "token-classification",
            Task::Classification => "text-classification",
        };
        let heads = &self.heads.heads;
        // Hubs give a model one task.
        let tagged = heads.iter().find(|head| head.task == Task::Tagging);
        let first = tagged.or(heads.first()).map(|head| ("pipeline_tag", task(head).to_owned()));
        let tags = std::iter::once(self.encoder.names.family).chain(heads.iter().map(task));
        let fields = first.into_iter().chain(tags.map(|tag| ("tags", tag.to_owned()))).collect();
        let columns = ["head", "task", "labels", "threshold", "temperature"].map(str::to_owned);
        let row = |head: &Head| {
            vec![
                Cell::Text(head.name.clone()),
                Cell::Text(task(head).to_owned()),
                Cell::Text(some_of(&head.labels)),
                head.threshold.map_or(Cell::Nothing, Cell::Score),
                Cell::Score(head.temperature),
            ]
        };
        let rows = heads.iter().map(row).collect();
        let table = Table { title: "What it answers".to_owned(), columns: columns.to_vec(), rows };
        CardPart { fields, table }
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// When the file is not that of a joint model with these labels.
    pub fn model(&self) -> Result<JointModel, StageError> {
        let path = self.folder.join(Backbone::WEIGHTS);
        let heads = tasks::heads(&self.heads.tasks());
        let encoder = self.encoder.clone().with_heads(self.heads.kind);
        JointModel::load_trained(&path, encoder, &heads).map_err(|error| StageError::of(&error))
    }

    /// # Errors
    /// When the file is not what was written.
    pub fn history(&self) -> Result<History, StageError> {
        history::read(&files::require(&self.folder, Self::HISTORY)?)
    }

    /// # Errors
    /// When the disk refuses.
    pub fn write_history(folder: &Path, rows: &History) -> Result<(), StageError> {
        history::write(folder.join(Self::HISTORY), rows)
    }
}

/// Names in a table; `heads.json` has all of them.
fn some_of(names: &[String]) -> String {
    const NAMED: usize = 20;
    match names.len().checked_sub(NAMED) {
        None | Some(0) => names.join(", "),
        Some(others) => format!("{}, and {others} more", names[..NAMED].join(", ")),
    }
}

impl Artifact for Checkpoint {
    const TYPE: &'static str = "checkpoint";
    const FORMAT: u32 = 2;
    const VOLATILE: &'static [&'static str] = &[Self::TIMING];
    const LARGE: &'static [&'static str] = &[
        Backbone::CONFIG,
        Backbone::WEIGHTS,
        Backbone::TOKENIZER,
        Self::TOKENIZER_CONFIG,
        Heads::FILE,
        seal::DIGESTS,
        Self::ADAPTER_CONFIG,
        Self::ADAPTER_WEIGHTS,
    ];
    const CARD: Option<&'static str> = Some("model/README.md");
    const CARD_PARTS: Shown<CardPart> = Shown {
        files: &[Heads::FILE, Backbone::CONFIG],
        read: |folder| Self::open(folder).map(|model| vec![model.card_part()]),
    };
    const CURVES: Shown<Plot> = Shown {
        files: &[Self::HISTORY],
        read: |folder| Ok(history::plots(&history::read(&folder.join(Self::HISTORY))?)),
    };
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        (Backbone::CONFIG, "model/config.json"),
        (Backbone::WEIGHTS, "model/model.safetensors"),
        (Backbone::TOKENIZER, "model/tokenizer.json"),
        (Self::TOKENIZER_CONFIG, "model/tokenizer_config.json"),
        (Heads::FILE, "model/heads.json"),
        (seal::DIGESTS, "model/digests.json"),
        (Self::ADAPTER_CONFIG, Self::ADAPTER_CONFIG),
        (Self::ADAPTER_WEIGHTS, Self::ADAPTER_WEIGHTS),
        (Self::HISTORY, "history.csv"),
        (Self::TIMING, "timing.csv"),
    ];

    fn facts(folder: &Path) -> Facts {
        let text = files::read_text(&folder.join(Backbone::CONFIG));
        let encoder = text.ok().and_then(|text| EncoderSpec::from_json(&text).ok());
        encoder.as_ref().map(known::of_sizes).unwrap_or_default()
    }

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Backbone::WEIGHTS)?;
        files::require(folder, Backbone::TOKENIZER)?;
        let path = files::require(folder, Backbone::CONFIG)?;
        let text = files::read_text(&path)?;
        let wrong = |reason: String| StageError::new(format!("`{}`: {reason}", path.display()));
        let encoder = EncoderSpec::from_json(&text).map_err(|error| wrong(error.to_string()))?;
        let heads = Heads::read(folder)?;
        let labels = heads.tags(folder)?;
        // A published model has none beside it: it has no scores either.
        let path = folder.join(Self::CAVEATS);
        let caveats = if path.is_file() { files::read_json(&path)? } else { Vec::new() };
        let path = folder.join(Self::CHOSEN);
        let chosen = files::present(&path)?.then(|| files::read_json(&path)).transpose()?;
        Ok(Self { folder: folder.to_owned(), encoder, heads, labels, caveats, chosen })
    }
}

/// What transformers reads of a model.
struct Files<'a> {
    config: &'a str,
    weights: &'a dyn Fn(&Path) -> Result<(), CheckpointError>,
    /// The content of its `tokenizer.json`.
    tokenizer: &'a [u8],
}

impl Files<'_> {
    fn write(&self, folder: &Path, max_length: usize) -> Result<(), StageError> {
        let weights = folder.join(Backbone::WEIGHTS);
        (self.weights)(&weights).map_err(|error| match error {
            CheckpointError::Io { .. } => StageError::writing(&weights, &error),
            _ => StageError::of(&error),
        })?;
        let path = folder.join(Backbone::TOKENIZER);
        files::write(&path, self.tokenizer)?;
        files::write_text(&folder.join(Backbone::CONFIG), self.config)?;
        files::write_json(
            &folder.join(Checkpoint::TOKENIZER_CONFIG),
            &tokenizer_config(self.tokenizer, &path, max_length)?,
        )
    }
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
    for (role, names) in [
        ("cls_token", ["[CLS]", "<s>", "<bos>"]),
        ("sep_token", ["[SEP]", "</s>", "<eos>"]),
        ("pad_token", ["[PAD]", "<pad>", "<pad>"]),
        ("mask_token", ["[MASK]", "<mask>", "<mask>"]),
        ("unk_token", ["[UNK]", "<unk>", "<unk>"]),
    ] {
        if let Some(token) = names.into_iter().find(|name| tokenizer.id(name).is_some()) {
            map.insert(role.to_owned(), json!(token));
        }
    }
    Ok(map)
}
