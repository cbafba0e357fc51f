//! Tags texts with a trained model.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::ToolError;
use crate::artifacts::{Artifact as _, Checkpoint, StageError};
use crate::data::{
    EncodedSplit, Entity, IGNORE, LabelSet, TextTokenizer, TokenizedText, TokenizerError, spans,
};
use crate::training::{self, CpuEngine, Objective};

/// Few texts have longer tokens on average.
const BYTES_PER_TOKEN: usize = 64;

/// A trained model ready to tag texts.
pub struct Predictor {
    engine: CpuEngine,
    tokenizer: TextTokenizer,
    labels: LabelSet,
    max_length: usize,
}

/// What the model says of one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    pub text: String,
    /// Offsets in characters, half-open.
    pub entities: Vec<Entity>,
    /// 0 is normal, 1 an anomaly; `None` for a blank text, in which there is nothing to judge.
    pub anomaly: Option<u32>,
    /// Probability of an anomaly.
    pub anomaly_score: Option<f64>,
    /// True when the end of the text was beyond what the model was trained to read, and was not looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Why a model could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    #[error("there is no folder `{}`", folder.display())]
    Missing { folder: PathBuf },
    #[error("`{}` is a file, not a model's folder", path.display())]
    File { path: PathBuf },
    #[error("the model in `{}` was trained by an earlier version of this program", folder.display())]
    Earlier { folder: PathBuf },
    #[error("`{}` holds no trained model: there is no `heads.json` in it", folder.display())]
    NoModel { folder: PathBuf },
    #[error("{reason}")]
    Unusable { reason: String, help: Option<String> },
}

impl Predictor {
    /// Opens a model's folder, or a results folder with a `model` in it. Every file is held against its digest; on all threads of the current
    /// pool.
    ///
    /// # Errors
    /// When there is no trained model in it, or one that is damaged.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(OpenError::File { path: folder.to_owned() }),
            Err(_) => return Err(OpenError::Missing { folder: folder.to_owned() }),
        }
        let inner = folder.join("model");
        let folder = if inner.is_dir() { &inner } else { folder };
        if !Checkpoint::is_one(folder) {
            let folder = folder.to_owned();
            return Err(match Checkpoint::is_of_earlier_format(&folder) {
                true => OpenError::Earlier { folder },
                false => OpenError::NoModel { folder },
            });
        }
        let wrong = |error: StageError| OpenError::Unusable {
            reason: error.to_string(),
            help: error.help().map(str::to_owned),
        };
        Checkpoint::verify(folder).map_err(wrong)?;
        let checkpoint = Checkpoint::open(folder).map_err(wrong)?;
        let other = |error: &dyn std::fmt::Display| wrong(StageError::new(error.to_string()));
        let tokenizer =
            TextTokenizer::load(&checkpoint.tokenizer()).map_err(|error| other(&error))?;
        let model = checkpoint.model().map_err(wrong)?;
        let engine = CpuEngine::try_new(model).map_err(|error| other(&error))?;
        Ok(Self {
            engine,
            tokenizer,
            labels: checkpoint.labels,
            max_length: checkpoint.heads.max_length,
        })
    }

    /// Predicts texts in batches of `batch_size`, in order. Blank ones are answered without the model.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn predict(
        &mut self,
        texts: &[String],
        batch_size: usize,
    ) -> Result<Vec<Prediction>, ToolError> {
        let is_blank = |text: &&String| text.trim().is_empty();
        let told: Vec<&String> = texts.iter().filter(|text| !is_blank(text)).collect();
        let mut predictions = self.tag(&told, batch_size)?.into_iter();
        let blank = |text: &String| Prediction {
            text: text.clone(),
            entities: Vec::new(),
            anomaly: None,
            anomaly_score: None,
            truncated: false,
        };
        let answer = |text| {
            if is_blank(&text) {
                blank(text)
            } else {
                predictions.next().expect("one for each text")
            }
        };
        Ok(texts.iter().map(answer).collect())
    }

    /// Tokenizes no more of a text than the model reads: the rest of a line of megabytes would cost seconds and gigabytes. The last word of what
    /// is looked at may have become another by the cut, so the tokens count only where they end before it.
    fn encode(&self, text: &str) -> Result<TokenizedText, TokenizerError> {
        let head = &text[..text.floor_char_boundary(BYTES_PER_TOKEN * self.max_length)];
        if head.len() < text.len() {
            let tokens = self.tokenizer.encode(head, self.max_length)?;
            let safe = head[..last_word(head)].chars().count();
            if tokens.truncated && tokens.ends.iter().all(|end| (*end as usize) < safe) {
                return Ok(tokens);
            }
        }
        self.tokenizer.encode(text, self.max_length)
    }

    fn tag(&mut self, texts: &[&String], batch_size: usize) -> Result<Vec<Prediction>, ToolError> {
        let encoded: Vec<TokenizedText> = texts
            .par_iter()
            .map(|text| self.encode(text))
            .collect::<Result<_, _>>()
            .map_err(ToolError::of)?;
        let split = unlabelled(&encoded);
        let predicted =
            training::predict(&mut self.engine, &split, batch_size, &Objective::default(), &|| {
                false
            })
            .map_err(ToolError::of)?
            .expect("nothing asks it to stop");
        let read = |(row, (text, tokens)): (usize, (&&String, &TokenizedText))| {
            let found = predicted.labels[split.range(row)].iter().zip(&tokens.special);
            let labels: Vec<u32> =
                found.map(|(label, special)| if *special { IGNORE } else { *label }).collect();
            Prediction {
                text: (*text).clone(),
                entities: spans::read(&labels, &tokens.starts, &tokens.ends, &self.labels)
                    .into_iter()
                    .map(|span| span.entity(&self.labels))
                    .collect(),
                anomaly: Some(predicted.anomaly[row]),
                anomaly_score: Some(predicted.anomaly_score[row]),
                truncated: tokens.truncated,
            }
        };
        Ok(texts.iter().zip(&encoded).enumerate().map(read).collect())
    }
}

/// Where the last word of a text begins with the white space before it, in bytes.
fn last_word(text: &str) -> usize {
    let text = text.trim_end();
    text.rfind(char::is_whitespace).map_or(0, |space| text[..space].trim_end().len())
}

/// Tokens without a truth.
fn unlabelled(texts: &[TokenizedText]) -> EncodedSplit {
    let mut split = EncodedSplit::default();
    for text in texts {
        split.ids.extend(&text.ids);
        split.labels.resize(split.ids.len(), IGNORE);
        split.starts.extend(&text.starts);
        split.ends.extend(&text.ends);
        split.anomaly.push(0);
        split.bounds.push(
            u32::try_from(split.ids.len()).expect("a chunk of texts is far below 2^32 tokens"),
        );
    }
    split
}
