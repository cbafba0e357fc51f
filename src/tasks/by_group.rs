//! Scores of some of the texts of a split, beside those of all.

use std::collections::BTreeMap;

use super::classification::Judged;
use super::metrics::{Evidence, Scores, Tags, span_scores};
use super::{Answers, Predicted, Scored, tagging};
use crate::text::spans::Span;
use crate::text::{ClassHead, CorpusTasks, EncodedSplit, LabelSet};

/// What was said of each text of a split, beside the truth.
pub struct ByText<'a> {
    labels: &'a LabelSet,
    tasks: &'a CorpusTasks,
    truth: Vec<Vec<Span>>,
    /// `None` without a head that tags.
    found: Option<Vec<Vec<Span>>>,
    /// The head, the true classes and what is said of them, of each that there is.
    heads: Vec<(&'a ClassHead, &'a [u32], &'a Answers)>,
}

/// Scores of some texts.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupScores {
    pub texts: usize,
    /// How many entities they have.
    pub entities: usize,
    /// Neither the loss nor what tokens by themselves come to: entities and classes alone.
    pub scores: Scores,
}

impl<'a> ByText<'a> {
    /// * `scored`: what `predicted` came to, for `tasks`
    #[must_use]
    pub fn new(
        split: &'a EncodedSplit,
        predicted: &'a Predicted,
        scored: &Scored,
        labels: &'a LabelSet,
        tasks: &'a CorpusTasks,
    ) -> Self {
        let of_head = |head: &'a ClassHead| {
            let truth = split.classes.get(&head.name)?;
            Some((head, truth.as_slice(), predicted.of(&head.name)?))
        };
        Self {
            labels,
            tasks,
            truth: split.truth.spans(),
            found: predicted.of(tagging::NAME).map(|_| split.of_tagged(&scored.found)),
            heads: tasks.heads.iter().filter_map(of_head).collect(),
        }
    }

    /// The scores of these texts.
    ///
    /// # Panics
    /// When there is no such text.
    #[must_use]
    pub fn of(&self, texts: &[usize]) -> GroupScores {
        let of_texts = |all: &[Vec<Span>]| -> Vec<Vec<Span>> {
            texts.iter().map(|text| all[*text].clone()).collect()
        };
        let truth = of_texts(&self.truth);
        let kind = |span: &Span| self.labels.types()[span.kind as usize].as_str();
        let spans = self.found.as_ref().map(|found| span_scores(&truth, &of_texts(found), kind));
        let tagged = Evidence {
            tags: spans.as_ref().map(|spans| Tags { truth: &[], predicted: &[], spans }),
            ..Evidence::default()
        };
        let judged = |(head, truth, answers): &(&'a ClassHead, &'a [u32], &'a Answers)| {
            let mut judged = Judged::default();
            for &text in texts {
                judged.add(truth[text], answers.classes[text], answers.scores[text]);
            }
            (*head, judged)
        };
        let judged: Vec<(&ClassHead, Judged)> = self.heads.iter().map(judged).collect();
        let classified: BTreeMap<&str, Evidence<'_>> = judged
            .iter()
            .map(|(head, judged)| {
                let classes = Some(judged.classes(head));
                (head.name.as_str(), Evidence { classes, ..Evidence::default() })
            })
            .collect();
        let scores = Scores::of(self.tasks, &|task| match task {
            None => None,
            Some(tagging::NAME) => Some(&tagged),
            Some(head) => classified.get(head),
        });
        let entities = truth.iter().map(Vec::len).sum();
        GroupScores { texts: texts.len(), entities, scores }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::IGNORE;
    use crate::tasks::metrics::Metric;
    use crate::tasks::score;
    use crate::text::Fit;

    /// Texts of one token each: which are entities, are said to be, are anomalies (or nobody knows), and are said to be.
    fn scores_of(texts: &[usize]) -> (GroupScores, Scores) {
        let set = LabelSet::of(["X"]);
        let (begin, outside) = (set.index("B-X").unwrap(), set.outside());
        let label = |is_entity: bool| if is_entity { begin } else { outside };
        let truth = [true, true, false, true];
        let said = [true, false, true, true];
        let mut split = EncodedSplit {
            ids: vec![0; 4],
            bounds: vec![0, 1, 2, 3, 4],
            labels: truth.map(label).to_vec(),
            starts: vec![0; 4],
            ends: vec![3; 4],
            classes: [("anomaly".to_owned(), vec![1, 0, IGNORE, 1])].into(),
            ..EncodedSplit::default()
        };
        for is_entity in truth {
            let span = (Span { start: 0, end: 3, kind: 0 }, Fit::Exact);
            split.truth.push(is_entity.then_some(span));
        }
        let answers = |name: &str, classes: Vec<u32>| Answers {
            name: name.to_owned(),
            classes,
            scores: vec![0.5; 4],
            logits: Vec::new(),
            loss: None,
        };
        let tags = answers("ner", said.map(label).to_vec());
        let predicted =
            Predicted { answers: vec![tags, answers("anomaly", vec![1, 1, 0, 0])], loss: 0.0 };
        let tasks = CorpusTasks::default();
        let scored = score(&split, &predicted, &set, &tasks);
        let some = ByText::new(&split, &predicted, &scored, &set, &tasks).of(texts);
        (some, scored.scores)
    }

    fn value(scores: &Scores, name: &str) -> Option<f64> {
        scores.get(&Metric::named(name).expect("a metric"))
    }

    #[test]
    fn those_of_all_texts_are_those_of_the_split() {
        let (all, of_split) = scores_of(&[0, 1, 2, 3]);
        assert_eq!((all.texts, all.entities), (4, 3));
        for (metric, whole) in of_split.iter().filter(|(metric, _)| !metric.name().contains("loss"))
        {
            if metric.name() != "ner.token_accuracy" {
                assert_eq!(all.scores.get(metric), whole, "{metric:?}");
            }
        }
    }

    #[test]
    fn those_of_some_are_of_nothing_else() {
        let (some, _) = scores_of(&[1, 2]);
        assert_eq!((some.texts, some.entities), (2, 1));
        assert_eq!(value(&some.scores, "ner.span_recall"), Some(0.0));
        assert_eq!(value(&some.scores, "anomaly.accuracy"), Some(0.0));
        assert_eq!(value(&some.scores, "anomaly.recall"), None);
        let (right, _) = scores_of(&[0]);
        assert_eq!(value(&right.scores, "ner.span_f1"), Some(1.0));
        assert_eq!(value(&right.scores, "anomaly.f1"), Some(1.0));
    }
}
