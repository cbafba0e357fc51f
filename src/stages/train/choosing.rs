//! What is chosen on the validation split once a model is trained: from which score on answers count, and how sure they are.

use std::collections::BTreeMap;

use crate::base::IGNORE;
use crate::engine::stage::{Caveat, Context, InputFacts, ParameterProblem, StageError};
use crate::stages::artifacts::{Chosen, Encoded, Origin, known};
use crate::stages::corpus_caveats::ORDERED_AS_TEXT;
use crate::stages::operating::days_of;
use crate::stages::{facts, watched};
use crate::tasks::metrics::{Aim, Metric, precision_recall_curve, temperature, threshold};
use crate::tasks::{Answers, Budget, Contents, Reading, Task};
use crate::text::{EncodedSplit, Example, Split};
use crate::training::{self, AtPrecision, BatchLimit, Engine, Recipe, Threshold};

/// The validation split, as choices need it.
pub(super) struct Validation<'a> {
    pub tokens: &'a EncodedSplit,
    pub examples: &'a [Example],
    /// The field by which the corpus was split in an order.
    pub order: Option<&'a str>,
}

/// What nothing can be chosen by, in view of what is known of the texts before anything runs.
pub(super) fn unchoosable(recipe: &Recipe, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
    let mut problems = Vec::new();
    if known::is_unordered(inputs, "data") {
        problems.extend(budgets(recipe).map(|(head, _)| unordered(head)));
    }
    if let Some(validation) = facts::contents_of_class(inputs, "data") {
        problems.extend(without_positives(recipe, &validation));
    }
    problems
}

/// The same of the texts of the validation split themselves, before the first step.
///
/// * `is_mixed`: whether the order of all splits is none of times, whatever this one has
///
/// # Errors
/// With what nothing can be chosen by.
pub(super) fn refuse_unchoosable(
    recipe: &Recipe,
    contents: &Contents,
    texts: &[Example],
    order: Option<&str>,
    is_mixed: bool,
) -> Result<(), StageError> {
    let empty = recipe.choosing().into_iter().filter(|_| texts.is_empty());
    let mut problems: Vec<ParameterProblem> = empty.map(watched::without_validation).collect();
    if problems.is_empty() {
        problems.extend(without_positives(recipe, contents));
        problems.extend(without_days(recipe, texts, order));
        if problems.is_empty() && is_mixed {
            problems.extend(budgets(recipe).map(|(head, _)| mixed(head)));
        }
        if recipe.calibrate && recipe.trained(&contents.tasks).heads.is_empty() {
            let message = "`calibrate` is for heads over whole texts, and the model has none";
            problems.push(ParameterProblem::new(["calibrate"], message).help("leave it out"));
        }
    }
    watched::refuse(&problems)
}

/// The texts of the validation split where something is to be chosen by them, and can be; none where nothing is.
///
/// # Errors
/// With what nothing can be chosen by, and when the texts cannot be read.
pub(super) fn examples(recipe: &Recipe, data: &Encoded) -> Result<Vec<Example>, StageError> {
    if recipe.choosing().is_empty() {
        return Ok(Vec::new());
    }
    let examples = data.examples(Split::Validation)?;
    let contents = Contents::of(&examples, &data.tasks);
    let is_mixed = data.caveats.iter().any(|caveat| caveat.code == ORDERED_AS_TEXT);
    refuse_unchoosable(recipe, &contents, &examples, data.order.as_deref(), is_mixed)?;
    Ok(examples)
}

/// The heads with a budget of alerts.
fn budgets(recipe: &Recipe) -> impl Iterator<Item = (&String, f64)> {
    let rate = |(head, threshold): (_, &Threshold)| Some((head, threshold.alerts_per_day()?));
    recipe.thresholds.iter().filter_map(rate)
}

fn unordered(head: &str) -> ParameterProblem {
    let message = format!(
        "`alerts_per_day` in `thresholds` for `{head}` needs a corpus that is split by `order`, and this one is not"
    );
    let help = "`order = \"timestamp\"` of `read_corpus` names a field of times, by which the future validates; a corpus that an earlier version has read is read anew by `run --rerun STAGE`, and a program of `command` copies `order.json` from its input to `{out}`";
    ParameterProblem::new(["thresholds"], message).help(help)
}

fn mixed(head: &str) -> ParameterProblem {
    let message = format!(
        "`alerts_per_day` in `thresholds` for `{head}` needs an order of times, and other splits have values that are none, so that the corpus is ordered as text"
    );
    let help = "mend these values, or leave their lines out: then the past trains and the future validates";
    ParameterProblem::new(["thresholds"], message).help(help)
}

/// Heads in which nothing can be found.
fn without_positives(recipe: &Recipe, validation: &Contents) -> Vec<ParameterProblem> {
    let is_sought =
        |threshold: &Threshold| !threshold.is_given() && threshold.alerts_per_day().is_none();
    let problem = |(head, _): (&String, _)| {
        let lack = validation.lacks(&Metric::named(&format!("{head}.f1"))?)?;
        let message =
            format!("`thresholds` can choose none for `{head}` in the validation split: it {lack}");
        let help = "give the validation split such texts, or give a number";
        Some(ParameterProblem::new(["thresholds"], message).help(help))
    };
    let sought = recipe.thresholds.iter().filter(|(_, threshold)| is_sought(threshold));
    sought.filter_map(problem).collect()
}

/// Budgets of texts that say no days, or too few.
fn without_days(recipe: &Recipe, texts: &[Example], order: Option<&str>) -> Vec<ParameterProblem> {
    let problem = |(head, rate): (&String, f64)| {
        let Some(field) = order else { return Some(unordered(head)) };
        let wrong = |message: String, help: &str| {
            Some(ParameterProblem::new(["thresholds"], message).help(help))
        };
        let Some(days) = days_of(texts, order) else {
            let first = texts.first().and_then(|text| text.fields.get(field));
            let message = format!(
                "`alerts_per_day` in `thresholds` for `{head}` needs days, and the field `{field}`, by which the corpus is split, holds no times{}",
                first
                    .map(|value| format!(", such as `{}`", crate::base::visible::line(value)))
                    .unwrap_or_default()
            );
            return wrong(
                message,
                "times are of ISO 8601, or seconds (or thousandths, ...) since 1970",
            );
        };
        if Budget::of(rate, Some(days)).alerts.is_some_and(|alerts| alerts > 0) {
            return None;
        }
        let message = format!(
            "`alerts_per_day` = {rate} in `thresholds` for `{head}` leaves no alert: the validation split spans {days:.3} days"
        );
        wrong(message, "a larger number, or a validation split of more time")
    };
    budgets(recipe).filter_map(problem).collect()
}

/// Chooses how the heads of `tasks` are read, and says it; what was chosen on texts is returned.
///
/// # Errors
/// [`StageError::Cancelled`], and when the model cannot be run.
pub(super) fn choose(
    recipe: &Recipe,
    engine: &mut dyn Engine,
    validation: &Validation<'_>,
    tasks: &mut [Task],
    caveats: &mut Vec<Caveat>,
    context: &Context<'_>,
) -> Result<Option<Chosen>, StageError> {
    for task in tasks.iter_mut() {
        if let Some(Threshold::Given(threshold)) = recipe.thresholds.get(&task.name) {
            task.reading.threshold = Some(*threshold);
        }
    }
    if recipe.choosing().is_empty() {
        return Ok(None);
    }
    let is_cancelled = || context.is_cancelled();
    let tokens = validation.tokens;
    // What was given decides nothing of what is chosen: logits are the same, and scores are read anew.
    let batches = BatchLimit::of(tokens, recipe.batch_size);
    let predicted = training::predict(engine, tokens, batches, tasks, &is_cancelled)
        .map_err(|error| StageError::new(error.to_string()))?
        .ok_or(StageError::Cancelled)?;
    let mut chosen = Chosen {
        on: Origin::of("model", Split::Validation, validation.examples),
        thresholds: BTreeMap::new(),
        temperatures: Vec::new(),
    };
    let days = days_of(validation.examples, validation.order);
    for task in tasks.iter_mut() {
        let Some(classes) = task.classes().map(<[String]>::len) else { continue };
        let (Some(answers), Some(truth)) =
            (predicted.of(&task.name), tokens.classes.get(&task.name))
        else {
            continue;
        };
        let labelled = Labelled::of(answers, truth, classes);
        let mut told = Vec::new();
        if recipe.calibrate {
            match temperature(&labelled.logits, classes, &labelled.truth) {
                Some(fitted) => {
                    task.reading.temperature = fitted;
                    chosen.temperatures.push(task.name.clone());
                    told.push(format!("temperature {fitted:.4}"));
                }
                None => context.caveat(caveats, not_calibrated(&task.name, &labelled)),
            }
        }
        let asked = recipe.thresholds.get(&task.name).filter(|threshold| !threshold.is_given());
        if let Some(asked) = asked {
            let scores = labelled.scores(task.reading);
            task.reading.threshold = threshold(aim(*asked, days), &labelled.truth, &scores);
            chosen.thresholds.insert(task.name.clone(), *asked);
            let budget = asked.alerts_per_day().map(|rate| Budget::of(rate, days));
            match task.reading.threshold {
                Some(threshold) => told.push(at(threshold, budget)),
                None => {
                    let message = unreached(&task.name, *asked, &labelled.truth, &scores);
                    let count = labelled.truth.len();
                    context.caveat(caveats, Caveat::new("threshold_not_reached", count, message));
                }
            }
            let texts = labelled.truth.len();
            if let Some(caveat) = budget.and_then(|it| doubtful(&task.name, it, texts)) {
                context.caveat(caveats, caveat);
            }
        }
        if !told.is_empty() {
            let what = told.join(", ");
            context.note(format!("`{}`: {what}, chosen on the validation split", task.name));
        }
    }
    Ok(Some(chosen))
}

/// What a head says of the texts that are labelled for it.
struct Labelled {
    truth: Vec<u32>,
    /// `(texts, classes)`
    logits: Vec<f32>,
    classes: usize,
}

impl Labelled {
    fn of(answers: &Answers, truth: &[u32], classes: usize) -> Self {
        let rows = answers.logits.chunks_exact(classes).zip(truth);
        let (logits, truth): (Vec<&[f32]>, Vec<u32>) =
            rows.filter(|(_, truth)| **truth != IGNORE).map(|(row, truth)| (row, *truth)).unzip();
        Self { truth, logits: logits.concat(), classes }
    }

    fn read(&self, reading: Reading) -> impl Iterator<Item = (u32, f64)> {
        let rows = self.logits.chunks_exact(self.classes);
        rows.map(move |row| crate::tasks::classification::read(row, reading))
    }

    fn scores(&self, reading: Reading) -> Vec<f64> {
        self.read(reading).map(|(_, score)| score).collect()
    }

    fn are_all_right(&self) -> bool {
        self.read(Reading::default()).zip(&self.truth).all(|((class, _), truth)| class == *truth)
    }
}

fn aim(asked: Threshold, days: Option<f64>) -> Aim {
    match asked {
        Threshold::Precision(AtPrecision { precision }) => Aim::Precision(precision),
        Threshold::Alerts(rate) => {
            Aim::Alerts(Budget::of(rate.alerts_per_day, days).alerts.unwrap_or(0))
        }
        Threshold::Best(_) | Threshold::Given(_) => Aim::F1,
    }
}

/// A threshold that was chosen, as notes have it.
fn at(threshold: f64, budget: Option<Budget>) -> String {
    match budget {
        Some(Budget { alerts: Some(alerts), days: Some(days), .. }) => {
            format!("threshold {threshold} for {alerts} alerts in {days:.2} days")
        }
        _ => format!("threshold {threshold}"),
    }
}

/// What is to be known of a budget that the texts which chose by it hardly bound.
///
/// * `texts`: that are labelled for the head
fn doubtful(head: &str, budget: Budget, texts: usize) -> Option<Caveat> {
    let Budget { alerts_per_day, days, alerts } = budget;
    let (days, alerts) = days.zip(alerts)?;
    if alerts >= texts {
        let message = format!(
            "`{head}` takes every text for an alert: {alerts_per_day} a day are {alerts} in the {days:.2} days of the validation split, which has {texts} texts; a smaller `alerts_per_day` chooses among them"
        );
        return Some(Caveat::new("budget_beyond_texts", texts, message));
    }
    let message = format!(
        "the validation split, which chose the threshold of `{head}` for {alerts_per_day} alerts a day, spans {days:.2} days: what other hours bring is not known from it"
    );
    (days < 1.0).then(|| Caveat::new("budget_of_less_than_a_day", texts, message))
}

fn not_calibrated(head: &str, labelled: &Labelled) -> Caveat {
    let texts = labelled.truth.len();
    let why = match texts {
        0 => "no text of the validation split is labelled for it",
        _ if labelled.are_all_right() => {
            "all its answers on the validation split are right, and say nothing of how often one so sure is wrong"
        }
        _ => {
            "on the validation split its answers are no better than guesses, or its logits hardly differ"
        }
    };
    let message = format!("`{head}` keeps the probabilities that it came with: {why}");
    Caveat::new("not_calibrated", texts, message)
}

/// Why there is no threshold.
fn unreached(head: &str, asked: Threshold, truth: &[u32], scores: &[f64]) -> String {
    let why = match asked {
        Threshold::Precision(AtPrecision { precision }) => {
            // The curve ends at a precision of 1 that no text has.
            let curve = precision_recall_curve(truth, scores).map(|curve| curve.precision);
            let reached = curve.iter().flat_map(|curve| &curve[..curve.len() - 1]);
            let most = reached.copied().fold(0.0, f64::max);
            format!(
                "no threshold has a precision of {precision} on the validation split: the highest is {most:.4}"
            )
        }
        Threshold::Alerts(rate) => format!(
            "more texts of the validation split share the highest score than {} alerts a day allow",
            rate.alerts_per_day
        ),
        Threshold::Best(_) | Threshold::Given(_) => {
            "no threshold finds anything in the validation split".to_owned()
        }
    };
    format!("`{head}` has no threshold, and its most likely class is its answer: {why}")
}
