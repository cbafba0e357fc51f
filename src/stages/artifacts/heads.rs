//! `heads.json`: what a model's heads are called, what they answer, and how their answers are read. Whatever no stock class of another library
//! would know lies here and not in `config.json`, which describes the encoder alone.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files;
use crate::base::visible;
use crate::engine::stage::StageError;
use crate::nn::HeadKind;
use crate::tasks::{self, Decode, Decoding, Kind, Reading, Tagging, tagging};
use crate::text::{ClassHead, CorpusTasks, LabelSet, Windowing};

/// The heads of a model, and how a text is handed to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    format: u32,
    pub heads: Vec<Head>,
    /// What stands before the matrix of each.
    #[serde(default, skip_serializing_if = "is_linear")]
    pub kind: HeadKind,
    /// Where entities begin and end; what is told is read strictly as IOB2.
    pub decoding: Decode,
    /// Whether that is the most likely of all that IOB2 allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub viterbi: bool,
    /// Tokens of a text that are read at once, special ones included.
    pub max_length: usize,
    /// Tokens that neighbouring pieces of a longer text share; 0 where it is not read in pieces.
    pub overlap: usize,
}

/// One head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub name: String,
    pub task: Task,
    /// In the order of the head's outputs.
    pub labels: Vec<String>,
    /// The score from which an answer counts; `None` takes the most likely one.
    pub threshold: Option<f64>,
    /// What logits are divided by before they become probabilities.
    pub temperature: f64,
}

/// What a head answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A BIO label for each token.
    Tagging,
    /// One label for the text, from its first token.
    Classification,
}

fn is_linear(kind: &HeadKind) -> bool {
    *kind == HeadKind::Linear
}

impl Head {
    fn classes(&self) -> ClassHead {
        ClassHead { name: self.name.clone(), classes: self.labels.clone() }
    }

    /// How its answers are read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading { threshold: self.threshold, temperature: self.temperature }
    }
}

impl Heads {
    pub const FILE: &'static str = "heads.json";
    const FORMAT: u32 = 1;

    /// The heads that a training leaves: those that it trained.
    #[must_use]
    pub fn trained(
        tasks: &[tasks::Task],
        labels: &LabelSet,
        windowing: Windowing,
        kind: HeadKind,
    ) -> Self {
        let head = |trained: &tasks::Task| {
            let (task, labels) = match &trained.kind {
                Kind::Tagging(_) => (Task::Tagging, labels.names()),
                Kind::Classification(classes) => (Task::Classification, &classes[..]),
            };
            let labels = labels.to_vec();
            let Reading { threshold, temperature } = trained.reading;
            Head { name: trained.name.clone(), task, labels, threshold, temperature }
        };
        let Decoding { decode, viterbi } =
            tasks.iter().find_map(tasks::Task::decoding).unwrap_or_default();
        Self {
            format: Self::FORMAT,
            heads: tasks.iter().map(head).collect(),
            kind,
            decoding: decode,
            viterbi,
            max_length: windowing.max_length,
            overlap: windowing.overlap,
        }
    }

    /// How texts are read that the model was trained on, and any others.
    #[must_use]
    pub fn windowing(&self) -> Windowing {
        Windowing { max_length: self.max_length, overlap: self.overlap }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name)
    }

    /// # Errors
    /// When the file is missing, of another format, or says what cannot be.
    pub(super) fn read(folder: &Path) -> Result<Self, StageError> {
        let path = files::require(folder, Self::FILE)?;
        let wrong = |reason: String| StageError::new(format!("`{}`: {reason}", path.display()));
        let value: Value = files::read_json(&path)?;
        let format = &value["format"];
        if format.as_u64() != Some(Self::FORMAT.into()) {
            return Err(wrong(format!("it is of format {format}, expected {}", Self::FORMAT))
                .with_help(
                    "use the version of `pipeline` that trained the model, or train it again",
                ));
        }
        let heads: Self =
            serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        heads.check().map_err(wrong)?;
        Ok(heads)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), StageError> {
        files::write_json(&folder.join(Self::FILE), self)
    }

    fn check(&self) -> Result<(), String> {
        for (index, head) in self.heads.iter().enumerate() {
            let name = &head.name;
            if self.heads[..index].iter().any(|other| other.name == *name) {
                return Err(format!("there are two heads `{}`", visible::line(name)));
            }
            if head.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
                return Err(format!("the threshold of `{name}` is not within 0 and 1"));
            }
            if !(head.temperature > 0.0 && head.temperature.is_finite()) {
                return Err(format!("the temperature of `{name}` is not above 0"));
            }
        }
        if self.overlap >= self.max_length {
            let (overlap, length) = (self.overlap, self.max_length);
            return Err(format!("`overlap` {overlap} leaves nothing of `max_length` {length}"));
        }
        Ok(())
    }

    /// What the weights are for; nothing counts more than anything else.
    #[must_use]
    pub fn tasks(&self) -> Vec<tasks::Task> {
        let task = |head: &Head| match head.task {
            Task::Tagging => {
                let decoding = Decoding { decode: self.decoding, viterbi: self.viterbi };
                tasks::Task::tagging(Tagging { decoding, ..Tagging::of(head.labels.len()) })
            }
            Task::Classification => tasks::Task {
                reading: head.reading(),
                ..tasks::Task::classification(&head.classes())
            },
        };
        self.heads.iter().map(task).collect()
    }

    /// What a corpus is labelled for on which the model can be scored.
    #[must_use]
    pub fn corpus_tasks(&self) -> CorpusTasks {
        tasks::to_corpus(&self.tasks())
    }

    /// The labels of the tags, where the model tags.
    pub(super) fn tags(&self, folder: &Path) -> Result<Option<LabelSet>, StageError> {
        let wrong = |reason: String| {
            StageError::new(format!("`{}`: {reason}", folder.join(Self::FILE).display()))
        };
        let is_other = |head: &&Head| head.task == Task::Tagging && head.name != tagging::NAME;
        if let Some(head) = self.heads.iter().find(is_other) {
            let name = visible::line(&head.name);
            return Err(wrong(format!("the head `{name}` is none that this version knows")));
        }
        self.corpus_tasks().check().map_err(&wrong)?;
        if self.heads.is_empty() {
            return Err(wrong("it has no head".to_owned()));
        }
        let tags = self.get(tagging::NAME).map(|head| LabelSet::from_names(&head.labels));
        tags.transpose().map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Heads {
        let labels = LabelSet::of(["HOST"]);
        Heads::trained(&tasks::joint(labels.len()), &labels, 128.into(), HeadKind::Linear)
    }

    /// What is read after `change` was made to the file.
    fn read(change: impl Fn(&mut Value)) -> Result<Heads, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut value = serde_json::to_value(heads()).expect("plain data");
        change(&mut value);
        files::write_json(&folder.path().join(Heads::FILE), &value).expect("written");
        Heads::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(|_| ()), Ok(heads()));
    }

    #[test]
    fn the_file_is_as_documented() {
        let expected = serde_json::json!({
            "format": 1,
            "heads": [
                {"name": "ner", "task": "tagging", "labels": ["B-HOST", "I-HOST", "O"], "threshold": null, "temperature": 1.0},
                {"name": "anomaly", "task": "classification", "labels": ["normal", "anomaly"], "threshold": null, "temperature": 1.0},
            ],
            "decoding": "tokens",
            "max_length": 128,
            "overlap": 0,
        });
        assert_eq!(serde_json::to_value(heads()).expect("plain data"), expected);
    }

    #[test]
    fn how_tags_are_read_stands_in_the_file() {
        let decoding = Decoding { decode: Decode::Words, viterbi: true };
        let tagging = tasks::Task::tagging(Tagging { decoding, ..Tagging::of(3) });
        let heads = Heads::trained(
            std::slice::from_ref(&tagging),
            &LabelSet::of(["HOST"]),
            128.into(),
            HeadKind::Linear,
        );
        let file = serde_json::to_value(&heads).expect("plain data");
        assert_eq!((&file["decoding"], &file["viterbi"]), (&"words".into(), &true.into()));
        assert_eq!(heads.tasks(), [tagging]);
    }

    #[test]
    fn a_head_that_was_not_trained_is_not_told() {
        let labels = LabelSet::of(["HOST"]);
        let [tagging, classification] = tasks::joint(3).try_into().expect("two tasks");
        let tagger = Heads::trained(&[tagging], &labels, 128.into(), HeadKind::Linear);
        assert!(tagger.get("ner").is_some() && tagger.get("anomaly").is_none());
        let classifier = Heads::trained(
            std::slice::from_ref(&classification),
            &labels,
            128.into(),
            HeadKind::Linear,
        );
        assert_eq!(classifier.tags(Path::new("model")).expect("sound"), None);
        assert_eq!(classifier.tasks(), [classification]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let reason = |change: &dyn Fn(&mut Value)| {
            let message = read(change).expect_err("it is refused");
            message.rsplit("`: ").next().unwrap_or_default().to_owned()
        };
        assert_eq!(reason(&|file| file["format"] = 2.into()), "it is of format 2, expected 1");
        assert_eq!(
            reason(&|file| file["heads"][1]["name"] = "ner".into()),
            "there are two heads `ner`"
        );
        assert_eq!(
            reason(&|file| file["heads"][1]["threshold"] = 1.5.into()),
            "the threshold of `anomaly` is not within 0 and 1"
        );
        assert_eq!(
            reason(&|file| file["heads"][0]["temperature"] = 0.into()),
            "the temperature of `ner` is not above 0"
        );
        assert_eq!(
            reason(&|file| file["overlap"] = 128.into()),
            "`overlap` 128 leaves nothing of `max_length` 128"
        );
        assert!(reason(&|file| file["more"] = 1.into()).starts_with("unknown field `more`"));
    }
}
