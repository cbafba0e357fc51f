//! `plot`: pictures of a training and of an evaluation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::versions;
use crate::engine::stage::{Artifact as _, CodeVersion, Context, Stage, StageError};
use crate::stages::artifacts::{
    Checkpoint, CorpusFiles, Evaluation, Figures, LabelConfusion, ReliabilityRow,
};
use crate::tasks::classification::{self, Judged};
use crate::tasks::metrics::{auroc, average_precision, precision_recall_curve, roc_curve};
use crate::tasks::{self, tagging};
use crate::text::{ClassHead, Description, Split};
use crate::training::{Row, RowSplit, epoch_losses};
use crate::view::figures::{
    self, Confusion, EpochRow, HistoryRow, HistorySplit, LabelCount, PlotError, PrecisionRecall,
    Reliability, ReliabilityPoint, Roc, SplitLengths,
};

/// Draws the training's loss and learning rate, and the evaluation's confusion matrices, precision-recall and ROC curves, and where it is wired the corpus's lengths and labels, as PNG files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plot {}

crate::inputs! {
    pub struct PlotInputs {
        /// The trained model whose history to draw.
        history: Checkpoint,
        /// The evaluation to draw.
        evaluation: Evaluation,
        /// The corpus whose lengths and labels to draw.
        corpus: Option<CorpusFiles>,
    }
}

impl Stage for Plot {
    const KIND: &'static str = "plot";
    const CODE: &'static [CodeVersion] = &[versions::PLOTS, versions::METRICS];
    type Inputs = PlotInputs;
    type Output = Figures;

    fn run(&self, inputs: PlotInputs, context: &Context<'_>) -> Result<Figures, StageError> {
        let at = |name: &str| context.output.join(name);
        let history = inputs.history.history()?;
        let rows: Vec<HistoryRow> = history.rows.iter().map(history_row).collect();
        let draw = |figure: &str, draw: &dyn Fn() -> Result<(), PlotError>| {
            drawn(figure, figures::attempt(draw), context)
        };
        let parts: Vec<String> = history.tasks.iter().map(|task| tasks::title(task)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        draw("loss", &|| figures::loss_curves(&rows, &parts, &at("loss.png")))?;
        draw("loss per epoch", &|| {
            figures::epoch_losses(&epochs(&history.rows), &at("loss_per_epoch.png"))
        })?;
        draw("learning rate", &|| figures::learning_rate(&rows, &at("learning_rate.png")))?;
        let reliability = inputs.evaluation.reliability()?;
        for (head, judged) in inputs.evaluation.judged()? {
            // What is scored, where that is not what the model says.
            let counts = inputs.evaluation.class_confusion(&head.name)?;
            let counts = counts.unwrap_or_else(|| judged.confusion(&head).counts);
            draw_classes(&head, &judged, &counts, context)?;
            draw_reliability(&head, &reliability, context)?;
        }
        if let Some(LabelConfusion { labels, counts }) = inputs.evaluation.confusion()? {
            let title = "Token label confusion matrix";
            let (class, noun, labels, counts) = ("label", "tokens", &labels, &counts);
            draw(&format!("{} confusion", tagging::TITLE), &|| {
                let matrix = Confusion { title, class, noun, labels, counts };
                figures::confusion(&matrix, &at(&Figures::confusion(tagging::NAME)))
            })?;
        }
        if let Some(corpus) = &inputs.corpus {
            draw_corpus(corpus, context)?;
        }
        Figures::open(context.output)
    }
}

/// How long the texts are, and how often each label and class stands in them.
fn draw_corpus(corpus: &CorpusFiles, context: &Context<'_>) -> Result<(), StageError> {
    let mut splits: [Description; 3] = Default::default();
    corpus.for_each(|split, example| splits[split as usize].add(&example))?;
    let lengths: Vec<SplitLengths> = Split::ALL
        .into_iter()
        .map(|split| SplitLengths {
            split: split.name(),
            counts: splits[split as usize].words.counts().collect(),
        })
        .filter(|split| !split.counts.is_empty())
        .collect();
    let mut labels: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, split) in splits.iter().enumerate() {
        let entities = split.labels.iter().map(|(label, of)| (label.clone(), of.entities));
        let classes = split.classes.iter().flat_map(|(head, classes)| {
            classes.iter().map(move |(class, count)| (format!("{head}: {class}"), *count))
        });
        for (label, count) in entities.chain(classes) {
            labels.entry(label).or_insert_with(|| vec![0; splits.len()])[at] = count;
        }
    }
    let labels: Vec<LabelCount> =
        labels.into_iter().map(|(label, counts)| LabelCount { label, counts }).collect();
    let at = |name: &str| context.output.join(name);
    let draw = |figure: &str, draw: &dyn Fn() -> Result<(), PlotError>| {
        drawn(figure, figures::attempt(draw), context)
    };
    draw("lengths", &|| figures::length_shares(&lengths, &at("lengths.png")))?;
    draw("labels", &|| {
        figures::label_counts("Labels of entities and classes", &labels, &at("labels.png"))
    })
}

/// The figures of a head over whole texts; curves where it decides between two classes.
fn draw_classes(
    head: &ClassHead,
    judged: &Judged,
    counts: &[u64],
    context: &Context<'_>,
) -> Result<(), StageError> {
    let at = |name: &str| context.output.join(name);
    let Judged { truth, scores, .. } = judged;
    let name = &*classification::title(head);
    let draw = |figure: &str, draw: &dyn Fn() -> Result<(), PlotError>| {
        drawn(figure, figures::attempt(draw), context)
    };
    let labels = classification::titles(head);
    draw(&format!("{} confusion", head.name), &|| {
        let title = &format!("{name} confusion matrix");
        let (class, noun, labels) = ("class", "texts", &labels);
        let matrix = Confusion { title, class, noun, labels, counts };
        figures::confusion(&matrix, &at(&Figures::confusion(&head.name)))
    })?;
    if head.classes.len() != 2 {
        return Ok(());
    }
    let positives = truth.iter().filter(|class| **class == 1).count();
    let precision_recall = PrecisionRecall {
        name,
        points: precision_recall_curve(truth, scores)
            .map(|curve| curve.recall.into_iter().zip(curve.precision).collect())
            .unwrap_or_default(),
        average_precision: average_precision(truth, scores),
        prevalence: (!truth.is_empty()).then(|| positives as f64 / truth.len() as f64),
    };
    let roc = Roc {
        name,
        points: roc_curve(truth, scores)
            .map(|curve| {
                curve.false_positive_rate.into_iter().zip(curve.true_positive_rate).collect()
            })
            .unwrap_or_default(),
        auroc: auroc(truth, scores),
    };
    draw("precision-recall", &|| {
        let file = Figures::curve(&head.name, "precision_recall");
        figures::precision_recall(&precision_recall, &at(&file))
    })?;
    draw("ROC", &|| figures::roc(&roc, &at(&Figures::curve(&head.name, "roc"))))
}

/// How often a head's answers came true, before and after calibration, where that was done.
fn draw_reliability(
    head: &ClassHead,
    rows: &[ReliabilityRow],
    context: &Context<'_>,
) -> Result<(), StageError> {
    let curve = |is_calibrated: bool| -> Vec<ReliabilityPoint> {
        let own = |row: &&ReliabilityRow| row.head == head.name && row.calibrated == is_calibrated;
        let point = |row: &ReliabilityRow| ReliabilityPoint {
            score: row.score,
            share: row.share,
            texts: row.texts,
        };
        rows.iter().filter(own).map(point).collect()
    };
    let (before, after) = (curve(false), curve(true));
    if before.is_empty() && after.is_empty() {
        return Ok(());
    }
    let positive = (head.classes.len() == 2).then(|| classification::titles(head).swap_remove(1));
    let figure = Reliability {
        name: &classification::title(head),
        positive: positive.as_deref(),
        before,
        after,
    };
    let path = context.output.join(Figures::reliability(&head.name));
    let result = figures::attempt(|| figures::reliability(&figure, &path));
    drawn(&format!("{} reliability", head.name), result, context)
}

/// A figure that cannot be drawn is left out, and said; only a disk that takes none is the stage's failure.
fn drawn(
    figure: &str,
    result: Result<(), PlotError>,
    context: &Context<'_>,
) -> Result<(), StageError> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.is_of_the_disk() => Err(StageError::writing(context.output, &error)),
        Err(error) => {
            context.warn(format!("{figure} was not drawn: {error}"));
            Ok(())
        }
    }
}

fn history_row(row: &Row) -> HistoryRow {
    HistoryRow {
        split: match row.split {
            RowSplit::Train => HistorySplit::Train,
            RowSplit::Validation => HistorySplit::Validation,
        },
        step: row.step,
        epoch: row.epoch,
        learning_rate: row.learning_rate.unwrap_or(f64::NAN),
        loss: row.loss,
        parts: row.losses.iter().map(|loss| loss.unwrap_or(f64::NAN)).collect(),
    }
}

/// The mean training loss of each epoch, as the reference recipe reports it, and the last validation loss in it.
fn epochs(history: &[Row]) -> Vec<EpochRow> {
    let row = |(epoch, train)| EpochRow { epoch, train, validation: f64::NAN };
    let mut epochs: Vec<EpochRow> = (1..).zip(epoch_losses(history)).map(row).collect();
    for row in history.iter().filter(|row| row.split == RowSplit::Validation) {
        if let Some(epoch) =
            usize::try_from(row.epoch).ok().and_then(|epoch| epochs.get_mut(epoch.checked_sub(1)?))
        {
            epoch.validation = row.loss;
        }
    }
    epochs
}
