//! How a model's heads are read on the texts that are scored: at its thresholds and calibrated, but as they came on those that chose it.

use std::collections::BTreeMap;

use crate::engine::stage::{Caveat, Context, StageError};
use crate::stages::artifacts::{Checkpoint, Chosen, Evaluation, Origin};
use crate::tasks::classification::Judged;
use crate::tasks::metrics::Reliability;
use crate::tasks::{Answers, Budget, Predicted, Read, Reading, Told};
use crate::text::{EncodedSplit, Example, days};

/// What is not read as it came, beside what is scored.
#[derive(Default)]
pub(super) struct Operating {
    /// What the model says, of the heads that are scored otherwise.
    said: BTreeMap<String, Answers>,
    pub told: BTreeMap<String, Told>,
    /// Before and after calibration, of the heads that are calibrated.
    reliability: Vec<(String, [Reliability; 2])>,
}

/// The texts that are scored.
pub(super) struct Texts<'a> {
    pub tokens: &'a EncodedSplit,
    pub examples: &'a [Example],
    /// The field by which the corpus was split in an order.
    pub order: Option<&'a str>,
    pub origin: &'a Origin,
}

impl Texts<'_> {
    fn days(&self) -> Option<f64> {
        days_of(self.examples, self.order)
    }
}

/// How many days some texts span, where their order is one of times.
pub(super) fn days_of<'e>(
    texts: impl IntoIterator<Item = &'e Example, IntoIter: Clone>,
    order: Option<&str>,
) -> Option<f64> {
    let field = order?;
    days(texts.into_iter().map(|text| text.fields.get(field).map_or("", String::as_str)))
}

impl Operating {
    /// Leaves in `predicted` what is scored: of heads whose reading these texts chose, the answers as they came.
    ///
    /// * `predicted`: read as the model says
    pub(super) fn apply(
        model: &Checkpoint,
        texts: &Texts<'_>,
        predicted: &mut Predicted,
        caveats: &mut Vec<Caveat>,
        context: &Context<'_>,
    ) -> Self {
        let (mut operating, mut own_choices) = (Self::default(), Vec::new());
        let own = model.chosen.as_ref().filter(|chosen| chosen.on.has_the_texts_of(texts.origin));
        let corpus_tasks = model.heads.corpus_tasks();
        for head in &corpus_tasks.heads {
            let reading = model.heads.get(&head.name).map(|head| head.reading());
            let reading = reading.unwrap_or_default();
            let rate = model.chosen.as_ref().and_then(|chosen| {
                chosen.thresholds.get(&head.name).and_then(|it| it.alerts_per_day())
            });
            let Some(answers) =
                predicted.answers.iter_mut().find(|answers| answers.name == head.name)
            else {
                continue;
            };
            if reading == Reading::default() && rate.is_none() {
                continue;
            }
            let came = answers.read_as(Reading::default());
            let truth = texts.tokens.classes.get(&head.name).map_or(&[][..], Vec::as_slice);
            let judged = |answers: &Answers| Judged::of(truth, &answers.classes, &answers.scores);
            let chosen = own.map_or(Reading::default(), |own| chosen(own, &head.name, reading));
            let is_own = chosen != Reading::default();
            let (raw, as_read) = (judged(&came), judged(answers));
            let budget = rate.map(|rate| Budget::of(rate, texts.days()));
            let read = Read { head, raw: &raw, read: &as_read, reading, is_own, budget };
            operating.told.insert(head.name.clone(), read.told());
            if reading.temperature != 1.0 {
                operating.reliability.push((head.name.clone(), read.reliabilities()));
            }
            if is_own {
                own_choices.push(OwnChoice { head: &head.name, chosen, reading });
                operating.said.insert(head.name.clone(), std::mem::replace(answers, came));
            } else if let Some(threshold) = reading.threshold {
                let note =
                    format!("`{}` is scored at the model's threshold {threshold}", head.name);
                context.note(note);
            }
        }
        if !own_choices.is_empty() {
            let message = of_own_choices(&own_choices);
            context.caveat(caveats, Caveat::new("chosen_on_these", texts.examples.len(), message));
        }
        operating
    }

    /// What the model says of a task.
    pub(super) fn of<'a>(&'a self, predicted: &'a Predicted, task: &str) -> Option<&'a Answers> {
        self.said.get(task).or_else(|| predicted.of(task))
    }

    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(&self, evaluation: &Evaluation) -> Result<(), StageError> {
        evaluation.write_reliability(&self.reliability)
    }
}

/// What of how a head is read was chosen; the rest as it is without a choice.
fn chosen(chosen: &Chosen, head: &str, reading: Reading) -> Reading {
    let by_default = Reading::default();
    let is_calibrated = chosen.temperatures.iter().any(|other| other == head);
    Reading {
        threshold: reading.threshold.filter(|_| chosen.thresholds.contains_key(head)),
        temperature: if is_calibrated { reading.temperature } else { by_default.temperature },
    }
}

/// A head that texts are no measure of, since they chose how it is read.
struct OwnChoice<'a> {
    head: &'a str,
    /// What they chose of it.
    chosen: Reading,
    /// As the model says.
    reading: Reading,
}

fn of_own_choices(choices: &[OwnChoice<'_>]) -> String {
    let one =
        |OwnChoice { head, chosen: Reading { threshold, temperature }, .. }: &OwnChoice<'_>| {
            let threshold = threshold.map(|threshold| format!("the threshold {threshold}"));
            let temperature =
                (*temperature != 1.0).then(|| format!("the temperature {temperature:.4}"));
            let what: Vec<String> = threshold.into_iter().chain(temperature).collect();
            format!("{} of `{head}`", what.join(" and "))
        };
    let all: Vec<String> = choices.iter().map(one).collect();
    let scores = if choices.len() == 1 { "its scores" } else { "their scores" };
    let has_threshold = choices.iter().any(|choice| choice.reading.threshold.is_some());
    let at = if has_threshold { "at 0.5, and " } else { "" };
    format!(
        "these texts chose {}, so that {scores} here are those {at}of the model as it came (`predictions.csv` says what the model says); \
         a split that chose nothing shows what it comes to",
        all.join(", ")
    )
}
