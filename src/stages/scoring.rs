//! What becomes of predictions, whoever made them: scores, a report, and a row for each text.

use super::beside::Beside;
use super::groups::{self, Group};
use super::operating::Operating;
use crate::engine::stage::{Caveat, Context, StageError};
use crate::stages::artifacts::{
    Evaluation, GroupRow, LabelConfusion, Metrics, Origin, PredictedClass, Prediction, Predictions,
    caveats_about,
};
use crate::tasks::metrics::ConfusionMatrix;
use crate::tasks::{self, Answers, ByText, Predicted, tagging};
use crate::text::{self, CorpusTasks, EncodedSplit, Example, LabelSet};

/// Predictions, and what they are about.
pub(super) struct Answered<'a> {
    pub tokens: &'a EncodedSplit,
    /// The same texts, as the corpus has them.
    pub examples: &'a [Example],
    pub predicted: &'a Predicted,
    /// How the model's heads are read.
    pub operating: &'a Operating,
    pub labels: &'a LabelSet,
    /// What the texts are labelled for.
    pub tasks: &'a CorpusTasks,
    /// What there are answers to.
    pub said: &'a CorpusTasks,
    pub caveats: Vec<Caveat>,
    /// What is shown beside.
    pub beside: &'a Beside,
    /// The field of which the split has whole values, where it was divided so.
    pub grouped_by: Option<&'a str>,
    /// Texts that are scored by themselves, too.
    pub groups: &'a [Group],
    /// Of what is scored.
    pub origin: Origin,
    /// Whether the texts are written, too.
    pub texts: bool,
}

impl Answered<'_> {
    /// Writes an evaluation.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(mut self, context: &Context<'_>) -> Result<Evaluation, StageError> {
        let Self { tokens, predicted, labels, said, operating, .. } = self;
        let scored_tasks = self.tasks.and(said);
        let scored =
            tasks::score(tokens, predicted, labels, &scored_tasks).telling(operating.told.clone());
        let drawn = self.grouped_by.map(|field| groups::numbers(self.examples, field));
        let comparison = self.beside.compare(&scored.scores, said);
        for caveat in comparison.caveats() {
            context.caveat(&mut self.caveats, caveat);
        }
        let tags = predicted.of(tagging::NAME);
        let classes: Vec<&Answers> =
            said.heads.iter().filter_map(|head| operating.of(predicted, &head.name)).collect();
        let names = labels.names();
        let confusion = tags.map(|tags| LabelConfusion {
            labels: names.to_vec(),
            counts: ConfusionMatrix::of(&tokens.labels, &tags.classes, names.len()).counts,
        });
        let row = |row: usize| Prediction {
            classes: classes
                .iter()
                .map(|answers| PredictedClass {
                    class: answers.classes[row],
                    score: answers.scores[row],
                })
                .collect(),
            entities: tags
                .map(|_| scored.found[row].iter().map(|span| span.entity(labels)).collect()),
        };
        let evaluation = Evaluation::write(
            context.output,
            &Metrics {
                scores: &scored.scores,
                details: &scored.details(tokens, predicted),
                intervals: &scored.intervals(tokens, predicted, drawn.as_deref()),
                drawn: self.grouped_by,
                baselines: comparison.to_json().as_ref(),
                caveats: &self.caveats,
            },
            &self.report(&comparison.table(), &scored.report(tokens, predicted, labels)),
            &Predictions {
                examples: self.examples,
                tasks: said,
                predicted: &row,
                texts: self.texts,
            },
            confusion.as_ref(),
        )?;
        if !self.groups.is_empty() {
            let by_text = ByText::new(tokens, predicted, &scored, labels, &scored_tasks);
            let row = |group: &Group| GroupRow {
                field: group.field.clone(),
                value: group.value.clone(),
                scores: by_text.of(&group.texts),
            };
            evaluation.write_groups(&scored_tasks, self.groups.iter().map(row))?;
        }
        evaluation.write_origin(&self.origin)?;
        operating.write(&evaluation)?;
        Ok(evaluation)
    }

    /// `classification_report.txt`: what the scores are to be read with, what stands beside them, and the reports of the tasks.
    fn report(&self, beside: &str, tasks: &str) -> String {
        let notes = self.caveats.iter().map(|caveat| format!("Note: {}.\n", caveat.message));
        let parts = [notes.collect::<String>(), beside.to_owned()];
        let before = parts.into_iter().filter(|part| !part.is_empty());
        before.map(|part| part + "\n\n").collect::<String>() + tasks
    }
}

/// The caveats that a score on `split` is to be read with: those about what was trained on, and about what is scored.
pub(super) fn shown_with(split: text::Split, model: &[Caveat], data: &[Caveat]) -> Vec<Caveat> {
    let trained_on = caveats_about(&[text::Split::Train], model);
    let mut shown: Vec<Caveat> = Vec::new();
    for caveat in trained_on.into_iter().chain(caveats_about(&[split], data)) {
        if !shown.contains(&caveat) {
            shown.push(caveat);
        }
    }
    shown
}
