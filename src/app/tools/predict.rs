//! Tags texts with a trained model.

use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Value;

use super::trained::{self, OpenError};
use crate::base::IGNORE;
use crate::base::problem::Problem;
use crate::nn::{JointModel, Workspace};
use crate::stages::artifacts::{Head, Heads, StageError, Task};
use crate::tasks::{Decode, classification, tagging};
use crate::text::{
    ClassHead, CorpusTasks, EncodedSplit, Entity, LabelSet, TextTokenizer, TokenizedText,
    TokenizerError, Window, Windowing, spans,
};
use crate::training::{self, BatchLimit, CpuForward, Dtype};

/// A trained model ready to tag texts.
pub struct Predictor {
    model: JointModel,
    tokenizer: TextTokenizer,
    /// Those of the head that tags, where there is one.
    labels: Option<LabelSet>,
    heads: Heads,
    /// What they answer.
    tasks: CorpusTasks,
    vocabulary: usize,
}

/// What the model says of one text. What a head would say is left out where the model has not that head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<Vec<FoundEntity>>,
    /// Of each head over whole texts.
    #[serde(flatten, serialize_with = "as_members")]
    pub classes: Vec<Judgement>,
    /// True when the end of the text was beyond what the model was trained to read, and was not looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Prediction {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let of_entity = |found: &FoundEntity| size_of::<FoundEntity>() + found.entity.label.len();
        let of_class = |said: &Judgement| size_of::<Judgement>() + 3 * said.head.len();
        let entities: usize = self.entities.iter().flatten().map(of_entity).sum();
        size_of::<Self>() + entities + self.classes.iter().map(of_class).sum::<usize>()
    }
}

/// What a head over whole texts says of one; nothing of a blank text, in which there is nothing to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub head: String,
    /// As files write it.
    pub class: Option<Value>,
    /// As people call it: `normal`, where files write 0.
    pub name: Option<String>,
    /// Of two classes the probability of the second; of more that of the class.
    pub score: Option<f64>,
    /// Of every class; empty of a blank text.
    pub probabilities: Vec<f64>,
}

/// Two members for each head: `X` and `X_score`.
fn as_members<S: Serializer>(classes: &[Judgement], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for Judgement { head, class, score, .. } in classes {
        map.serialize_entry(head, class)?;
        map.serialize_entry(&format!("{head}_score"), score)?;
    }
    map.end()
}

/// An entity that the model found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundEntity {
    /// Offsets in characters, half-open.
    #[serde(flatten)]
    pub entity: Entity,
    /// The mean, over its tokens, of the probability of the label that each of them got, as transformers computes it with
    /// `aggregation_strategy="simple"`.
    pub score: f64,
}

impl Predictor {
    /// Opens a model's folder, for matrix products in `dtype`. Every file is held against its digest; on all threads of the current
    /// pool.
    ///
    /// # Errors
    /// When there is no trained model in it, or one that is damaged.
    pub fn open(folder: &Path, dtype: Dtype) -> Result<Self, OpenError> {
        let wrong = |error: StageError| OpenError::of(&error);
        let checkpoint = trained::open(folder)?;
        let other = |error: &dyn std::fmt::Display| wrong(StageError::new(error.to_string()));
        let tokenizer =
            TextTokenizer::load(&checkpoint.tokenizer()).map_err(|error| other(&error))?;
        let model = checkpoint.model().map_err(wrong)?;
        let model = model.with_products_in(dtype.into()).map_err(|error| other(&error))?;
        Ok(Self {
            vocabulary: checkpoint.encoder.vocab_size,
            model,
            tokenizer,
            labels: checkpoint.labels,
            tasks: checkpoint.heads.corpus_tasks(),
            heads: checkpoint.heads,
        })
    }

    /// The names of the model's heads, and whether a threshold decides what each says: of more than two classes none is looked for.
    pub fn heads(&self) -> impl Iterator<Item = (&str, bool)> {
        let takes_threshold = |head: &Head| head.task == Task::Tagging || head.labels.len() == 2;
        self.heads.heads.iter().map(move |head| (head.name.as_str(), takes_threshold(head)))
    }

    /// Whether it looks for entities.
    pub fn tags(&self) -> bool {
        self.heads.get(tagging::NAME).is_some()
    }

    /// Whether the head of this name looks for entities.
    pub fn is_tagging(&self, head: &str) -> bool {
        head == tagging::NAME && self.tags()
    }

    /// The heads over whole texts, in the order in which they answer.
    pub fn class_heads(&self) -> &[ClassHead] {
        &self.tasks.heads
    }

    /// Sets the score from which answers of a head count: a text has the second of two classes whose probability of it is as large, and an entity whose
    /// score is smaller is left out. A name that is no head's is passed over.
    pub fn set_threshold(&mut self, head: &str, threshold: f64) {
        let heads = self.heads.heads.iter_mut().filter(|other| other.name == head);
        heads.for_each(|head| head.threshold = Some(threshold));
    }

    /// What is said of a text in which there is nothing to judge.
    pub fn of_blank(&self) -> Prediction {
        Prediction {
            entities: self.heads.get(tagging::NAME).map(|_| Vec::new()),
            classes: self.tasks.heads.iter().map(|head| judgement(head, None)).collect(),
            truncated: false,
        }
    }

    /// Takes a text apart into tokens.
    ///
    /// # Errors
    /// When the tokenizer cannot read it, or the model does not know its tokens.
    pub fn read(&self, text: &str) -> Result<TokenizedText, Problem<()>> {
        let tokens =
            self.tokenizer.encode(text, self.heads.windowing()).map_err(|error| match error {
                TokenizerError::Text { reason, .. } => {
                    Problem::of(format!("it cannot be tokenized: {reason}"))
                }
                _ => Problem::of(error),
            })?;
        match tokens.ids.iter().find(|id| **id as usize >= self.vocabulary) {
            Some(id) => Err(Problem::of(format!(
                "the tokenizer gives token {id}, but the model knows only {}",
                self.vocabulary
            ))),
            None => Ok(tokens),
        }
    }

    /// What the model says of texts, each by itself: one that it cannot read keeps no other from being tagged. On the threads of the current pool.
    ///
    /// * `texts`: with what [`read`](Self::read) makes of them
    /// * `batch_tokens`: how many tokens are read at once
    pub fn answer(
        &self,
        texts: &[(&str, &TokenizedText)],
        batch_tokens: usize,
        workspace: &mut Workspace,
    ) -> Vec<Result<Prediction, Problem<()>>> {
        match self.tag(texts, batch_tokens, workspace) {
            Ok(predictions) => predictions.into_iter().map(Ok).collect(),
            Err(error) if texts.len() == 1 => vec![Err(error)],
            // One of them is to blame, and the others are not.
            Err(_) => {
                let alone = |text| self.answer(std::slice::from_ref(text), batch_tokens, workspace);
                texts.iter().flat_map(alone).collect()
            }
        }
    }

    fn tag(
        &self,
        texts: &[(&str, &TokenizedText)],
        batch_tokens: usize,
        workspace: &mut Workspace,
    ) -> Result<Vec<Prediction>, Problem<()>> {
        let tokens = texts.iter().map(|(_, tokens)| *tokens);
        let mut split = unlabelled(&self.tokenizer, self.heads.windowing(), tokens);
        if self.heads.decoding == Decode::Words {
            split.find_words(texts.iter().map(|(text, _)| *text));
        }
        let tasks = self.heads.tasks();
        let mut model = CpuForward { model: &self.model, workspace };
        let batches = BatchLimit::Tokens(batch_tokens);
        let predicted = training::predict(&mut model, &split, batches, &tasks, &|| false)
            .map_err(Problem::of)?
            .expect("nothing asks it to stop");
        let least_of_entity = self.heads.get(tagging::NAME).and_then(|head| head.threshold);
        let tags = predicted.of(tagging::NAME).zip(self.labels.as_ref());
        let read = |(row, (_, tokens)): (usize, &(&str, &TokenizedText))| {
            let entities = tags.map(|(answers, names)| {
                let range = split.range(row);
                let scores = &answers.scores[range.clone()];
                entities(tokens, &answers.classes[range], scores, names)
                    .filter(|found| least_of_entity.is_none_or(|least| found.score >= least))
                    .collect()
            });
            let judged = |head: &ClassHead| {
                let found = predicted.of(&head.name)?;
                let reading = self.heads.get(&head.name)?.reading();
                let probabilities = found.probabilities(row, reading).unwrap_or_default();
                let said = Some((found.classes[row], found.scores[row]));
                Some(Judgement { probabilities, ..judgement(head, said) })
            };
            Prediction {
                entities,
                classes: self.tasks.heads.iter().filter_map(judged).collect(),
                truncated: tokens.truncated,
            }
        };
        Ok(texts.iter().enumerate().map(read).collect())
    }
}

/// Tokens without a truth, in windows as a model was trained on.
pub(super) fn unlabelled<'t>(
    tokenizer: &TextTokenizer,
    windowing: Windowing,
    texts: impl Iterator<Item = &'t TokenizedText>,
) -> EncodedSplit {
    let mut split = tokenizer.split(windowing);
    for text in texts {
        split.ids.extend(&text.ids);
        split.labels.resize(split.ids.len(), IGNORE);
        split.starts.extend(&text.starts);
        split.ends.extend(&text.ends);
        split.bounds.push(
            u32::try_from(split.ids.len()).expect("a chunk of texts is far below 2^32 tokens"),
        );
        if let Some(windows) = &mut split.windows {
            let of_text = tokenizer.windows(text, windowing);
            windows.push(of_text.into_iter().map(|tokens| Window { tokens, cut: (0, 0) }));
        }
    }
    split
}

/// * `said`: a class and its score; `None` of a blank text
fn judgement(head: &ClassHead, said: Option<(u32, f64)>) -> Judgement {
    Judgement {
        head: head.name.clone(),
        class: said.map(|(class, _)| classification::written(head, class)),
        name: said.and_then(|(class, _)| head.classes.get(class as usize).cloned()),
        score: said.map(|(_, score)| score),
        probabilities: Vec::new(),
    }
}

/// The entities of a text, each with its score.
///
/// * `labels`, `scores`: `(tokens,)`
fn entities(
    tokens: &TokenizedText,
    labels: &[u32],
    scores: &[f64],
    names: &LabelSet,
) -> impl Iterator<Item = FoundEntity> {
    let of_text = |(label, special): (&u32, &bool)| if *special { IGNORE } else { *label };
    let labels: Vec<u32> = labels.iter().zip(&tokens.special).map(of_text).collect();
    spans::read(&labels, &tokens.starts, &tokens.ends, names).into_iter().map(|span| {
        let is_inside = |token: &usize| {
            !tokens.special[*token]
                && span.start <= tokens.starts[*token]
                && tokens.ends[*token] <= span.end
        };
        let inside: Vec<f64> =
            (0..scores.len()).filter(is_inside).map(|token| scores[token]).collect();
        let score = inside.iter().sum::<f64>() / inside.len() as f64;
        FoundEntity { entity: span.entity(names), score }
    })
}
