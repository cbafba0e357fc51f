//! `plot`: pictures of a training and of an evaluation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::versions;
use crate::engine::stage::{Artifact as _, CodeVersion, Context, Stage, StageError};
use crate::stages::artifacts::{Checkpoint, Evaluation, Figures, LabelConfusion};
use crate::tasks::metrics::{Scores, precision_recall_curve, roc_curve};
use crate::training::{Row, RowSplit, epoch_losses};
use crate::view::figures::{
    self, EpochRow, HistoryRow, HistorySplit, PlotError, PrecisionRecall, Roc,
};

/// Draws the training's loss and learning rate, and the evaluation's confusion matrices, precision-recall and ROC curves, as PNG files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plot {}

crate::inputs! {
    pub struct PlotInputs {
        /// The trained model whose history to draw.
        history: Checkpoint,
        /// The evaluation to draw.
        evaluation: Evaluation,
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
        let rows: Vec<HistoryRow> = history.iter().map(history_row).collect();
        let scores = inputs.evaluation.scores()?;
        let draw = |figure: &str, draw: &dyn Fn() -> Result<(), PlotError>| {
            drawn(figure, figures::attempt(draw), context)
        };
        draw("loss", &|| figures::loss_curves(&rows, &at("loss.png")))?;
        draw("loss per epoch", &|| {
            figures::epoch_losses(&epochs(&history), &at("loss_per_epoch.png"))
        })?;
        draw("learning rate", &|| figures::learning_rate(&rows, &at("learning_rate.png")))?;
        if let Some(confusion) = scores.anomaly.confusion {
            draw_anomaly(confusion, &scores, &inputs.evaluation, context)?;
        }
        if let Some(LabelConfusion { labels, counts }) = inputs.evaluation.confusion()? {
            draw("NER confusion", &|| {
                figures::ner_confusion(&labels, &counts, &at("ner_confusion.png"))
            })?;
        }
        Figures::open(context.output)
    }
}

/// The figures of the head over whole texts.
fn draw_anomaly(
    confusion: [[u64; 2]; 2],
    scores: &Scores,
    evaluation: &Evaluation,
    context: &Context<'_>,
) -> Result<(), StageError> {
    let at = |name: &str| context.output.join(name);
    let (truth, probability): (Vec<u32>, Vec<f64>) =
        evaluation.classes()?.iter().map(|row| (row.anomaly, row.anomaly_score)).unzip();
    let positives = truth.iter().filter(|anomaly| **anomaly == 1).count();
    let prevalence = (!truth.is_empty()).then(|| positives as f64 / truth.len() as f64);
    let precision_recall = PrecisionRecall {
        points: precision_recall_curve(&truth, &probability)
            .map(|curve| curve.recall.into_iter().zip(curve.precision).collect())
            .unwrap_or_default(),
        average_precision: scores.anomaly.average_precision,
        prevalence,
    };
    let roc = Roc {
        points: roc_curve(&truth, &probability)
            .map(|curve| {
                curve.false_positive_rate.into_iter().zip(curve.true_positive_rate).collect()
            })
            .unwrap_or_default(),
        auroc: scores.anomaly.auroc,
    };
    let draw = |figure: &str, draw: &dyn Fn() -> Result<(), PlotError>| {
        drawn(figure, figures::attempt(draw), context)
    };
    draw("anomaly confusion", &|| {
        figures::anomaly_confusion(confusion, &at("anomaly_confusion.png"))
    })?;
    draw("precision-recall", &|| {
        figures::precision_recall(&precision_recall, &at("precision_recall.png"))
    })?;
    draw("ROC", &|| figures::roc(&roc, &at("roc.png")))
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
        ner_loss: row.ner_loss.unwrap_or(f64::NAN),
        anomaly_loss: row.anomaly_loss.unwrap_or(f64::NAN),
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
