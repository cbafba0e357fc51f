//! What a model says of a split, and what that comes to: the one way to scores, for `evaluate` as for the metrics that a training watches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::classification::Judged;
use super::metrics::{Evidence, Interval, Scores, SpanScores, Tags, Units, span_scores};
use super::{Reading, Told, classification, tagging};
use crate::base::IGNORE;
use crate::text::spans::Span;
use crate::text::{ClassHead, CorpusTasks, EncodedSplit, LabelSet};

/// What a model says of the sequences of a split, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Of each task that the model has a head for.
    pub answers: Vec<Answers>,
    /// The weighted sum of the tasks' losses.
    pub loss: f64,
}

/// What the head of a task says, row by row: special tokens included.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// That of the task.
    pub name: String,
    /// The most likely class of every row.
    pub classes: Vec<u32>,
    /// As [`Task::read`](super::Task::read) gives it for every row.
    pub scores: Vec<f64>,
    /// What both were read from, of a head over whole texts: `(rows, outputs)`. Empty where there were none, and of tags, which are too many.
    pub logits: Vec<f32>,
    /// The mean loss over the rows that count, in nats, which does not depend on the size of the batches but for rounding. `None` when none counts.
    pub loss: Option<f64>,
}

impl Answers {
    /// The probability of every class in a row; `None` where logits are not kept.
    #[must_use]
    pub fn probabilities(&self, row: usize, reading: Reading) -> Option<Vec<f64>> {
        let outputs = self.logits.len() / self.classes.len().max(1);
        let logits = self.logits.get(row * outputs..)?.get(..outputs.max(1))?;
        Some(classification::probabilities(logits, reading))
    }

    /// What the same logits say where they are read otherwise; nothing else where they are not kept.
    #[must_use]
    pub fn read_as(&self, reading: Reading) -> Self {
        if self.logits.is_empty() {
            return self.clone();
        }
        let outputs = self.logits.len() / self.classes.len();
        let rows = self.logits.chunks_exact(outputs);
        let (classes, scores) = rows.map(|row| classification::read(row, reading)).unzip();
        Self { classes, scores, ..self.clone() }
    }
}

impl Predicted {
    /// The answers of a task, where the model has a head for it.
    #[must_use]
    pub fn of(&self, task: &str) -> Option<&Answers> {
        self.answers.iter().find(|answers| answers.name == task)
    }
}

/// What predictions come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// What was scored.
    tasks: CorpusTasks,
    pub scores: Scores,
    pub spans: SpanScores,
    /// The entities that are predicted in each sequence.
    pub found: Vec<Vec<Span>>,
    /// What each head over whole texts says, where the model has it.
    judged: BTreeMap<String, Judged>,
    /// Of the heads that are not read as they came, by name.
    told: BTreeMap<String, Told>,
}

/// What `metrics.json` says of a task beside its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    Tagging(tagging::Details),
    Classification(classification::Details),
}

impl Scored {
    /// Says beside the scores how these heads were read.
    #[must_use]
    pub fn telling(mut self, told: BTreeMap<String, Told>) -> Self {
        self.told = told;
        self
    }

    /// Of every task that there is, each with its name; also where the model has no head for it.
    #[must_use]
    pub fn details(&self, split: &EncodedSplit, predicted: &Predicted) -> Vec<(String, Details)> {
        let is_tagged = predicted.of(tagging::NAME).is_some();
        let tagged = self.tasks.tagging.then(|| {
            let tagged = tagging::Details::of(split, &self.spans, is_tagged);
            (tagging::NAME.to_owned(), Details::Tagging(tagged))
        });
        let classified = self.tasks.heads.iter().map(|head| {
            let told = self.told.get(&head.name).cloned().unwrap_or_default();
            let classified = classification::Details::of(head, self.judged.get(&head.name), told);
            (head.name.clone(), Details::Classification(classified))
        });
        tagged.into_iter().chain(classified).collect()
    }

    /// Intervals of the scores that are made of counts, by their names.
    ///
    /// * `groups`: the group of each text, where whole groups were held out
    #[must_use]
    pub fn intervals(
        &self,
        split: &EncodedSplit,
        predicted: &Predicted,
        groups: Option<&[u32]>,
    ) -> Vec<(String, Interval)> {
        let mut all = Vec::new();
        if predicted.of(tagging::NAME).is_some() {
            let units = groups.map_or(Units::Texts(split.len()), Units::groups);
            let found = split.of_tagged(&self.found);
            all.extend(tagging::counted(&split.truth.spans(), &found).intervals(&units));
        }
        for head in &self.tasks.heads {
            if let Some(judged) = self.judged.get(&head.name) {
                let labelled = |groups: &[u32]| {
                    let classes = split.classes.get(&head.name).into_iter().flatten();
                    let known = groups.iter().zip(classes).filter(|(_, class)| **class != IGNORE);
                    Units::groups(&known.map(|(group, _)| *group).collect::<Vec<u32>>())
                };
                let units = groups.map_or(Units::Texts(judged.truth.len()), labelled);
                all.extend(judged.counted(head).intervals(&units));
            }
        }
        all
    }

    /// `classification_report.txt`: a part for each task that the model has a head for.
    #[must_use]
    pub fn report(&self, split: &EncodedSplit, predicted: &Predicted, labels: &LabelSet) -> String {
        let judged = |head: &ClassHead| {
            let judged = self.judged.get(&head.name)?;
            let told = self.told.get(&head.name).map(Told::report).unwrap_or_default();
            Some(classification::report(head, judged) + &told)
        };
        let tagging = predicted
            .of(tagging::NAME)
            .map(|answers| tagging::report(split, &answers.classes, labels, &self.spans));
        let classification = self.tasks.heads.iter().filter_map(judged);
        classification.chain(tagging).collect::<Vec<_>>().join("\n\n")
    }
}

/// Scores predictions against what the corpus says: an entity is found when its type and both its ends in characters are right, so that one
/// which no tokens give is missed. A text that is not labelled for a task counts in no score of that.
///
/// * `labels`: as the split numbers them
/// * `tasks`: what there is to score
///
/// # Panics
/// When `predicted` was made for another split.
#[must_use]
pub fn score(
    split: &EncodedSplit,
    predicted: &Predicted,
    labels: &LabelSet,
    tasks: &CorpusTasks,
) -> Scored {
    let tags = predicted.of(tagging::NAME);
    let found = match tags {
        Some(tags) => split.spans(&tags.classes, labels),
        None => vec![Vec::new(); split.len()],
    };
    let kind = |span: &Span| labels.types()[span.kind as usize].as_str();
    let spans = span_scores(&split.truth.spans(), &split.of_tagged(&found), kind);
    let of_head = |head: &ClassHead| {
        let answers = predicted.of(&head.name)?;
        let truth = split.classes.get(&head.name).map_or(&[][..], Vec::as_slice);
        let judged = Judged::of(truth, &answers.classes, &answers.scores);
        Some((head.name.clone(), judged))
    };
    let judged: BTreeMap<String, Judged> = tasks.heads.iter().filter_map(of_head).collect();
    let whole = Evidence {
        loss: Some(predicted.loss).filter(|loss| loss.is_finite()),
        ..Evidence::default()
    };
    let tagged = Evidence {
        tags: tags.map(|tags| Tags {
            truth: &split.labels,
            predicted: &tags.classes,
            spans: &spans,
        }),
        ..Evidence::default()
    };
    let classified: BTreeMap<&str, Evidence<'_>> = tasks
        .heads
        .iter()
        .map(|head| {
            let classes = judged.get(&head.name).map(|judged| judged.classes(head));
            (head.name.as_str(), Evidence { classes, ..Evidence::default() })
        })
        .collect();
    let scores = Scores::of(tasks, &|task| match task {
        None => Some(&whole),
        Some(tagging::NAME) => Some(&tagged),
        Some(head) => classified.get(head),
    });
    let (tasks, told) = (tasks.clone(), BTreeMap::new());
    Scored { tasks, scores, spans, found, judged, told }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::metrics::Metric;
    use crate::text::Fit;

    #[test]
    fn an_entity_that_no_tokens_give_is_missed_although_every_label_is_right() {
        let set = LabelSet::of(["PATH"]);
        let [begin, inside, outside] =
            ["B-PATH", "I-PATH", "O"].map(|name| set.index(name).unwrap());
        let mut split = EncodedSplit {
            ids: vec![0; 5],
            bounds: vec![0, 5],
            labels: vec![IGNORE, outside, begin, inside, IGNORE],
            starts: vec![0, 0, 6, 9, 0],
            ends: vec![0, 6, 9, 12, 0],
            classes: [("anomaly".to_owned(), vec![0])].into(),
            ..EncodedSplit::default()
        };
        // The second begins inside the first token, and truncation took the third.
        let spans = [(6, 12, Fit::Exact), (5, 6, Fit::InsideTokens), (13, 20, Fit::Cut)];
        let truth = spans.map(|(start, end, fit)| (Span { start, end, kind: 0 }, fit));
        let ascending = [truth[1], truth[0], truth[2]];
        split.truth.push(ascending);
        let answers = Answers {
            name: tagging::NAME.to_owned(),
            classes: split.labels.clone(),
            scores: Vec::new(),
            logits: Vec::new(),
            loss: None,
        };
        let predicted = Predicted { answers: vec![answers], loss: 0.0 };
        let Scored { scores, spans, found, .. } =
            score(&split, &predicted, &set, &CorpusTasks::default());
        assert_eq!(found, [vec![truth[0].0]]);
        let details = serde_json::to_value(tagging::Details::of(&split, &spans, true)).unwrap();
        assert_eq!(
            ["entities", "cut", "inside_tokens"].map(|name| details[name].as_u64()),
            [Some(3), Some(1), Some(1)]
        );
        let value = |name| scores.get(&Metric::named(name).expect("a metric"));
        assert_eq!(
            ["ner.token_accuracy", "ner.span_precision", "ner.span_recall"].map(value),
            [Some(1.0), Some(1.0), Some(1.0 / 3.0)]
        );
        assert_eq!(value("anomaly.accuracy"), None);
    }
}
