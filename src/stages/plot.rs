//! `plot`: pictures of a training and of an evaluation.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::versions;
use crate::engine::stage::{Artifact as _, CodeVersion, Context, Stage, StageError, Usage};
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

/// Draws the training's loss and learning rate, and the evaluation's confusion matrices, precision-recall and ROC curves, and where it is wired the corpus's lengths and labels, as PNG or SVG files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plot {
    /// What every picture is written as: `["png", "svg"]` is both. In SVG, text stays text, and is set in Noto Sans where that is installed.
    #[serde(default = "png", skip_serializing_if = "is_png")]
    #[schemars(length(min = 1), extend("default" = ["png"]))]
    pub formats: Vec<PictureFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    Png,
    Svg,
}

fn png() -> Vec<PictureFormat> {
    vec![PictureFormat::Png]
}

fn is_png(formats: &[PictureFormat]) -> bool {
    formats == [PictureFormat::Png]
}

/// Where pictures are drawn, and as what.
#[derive(Clone, Copy)]
struct Pictures<'a> {
    formats: &'a [PictureFormat],
    context: &'a Context<'a>,
}

impl Pictures<'_> {
    /// Draws a figure. One that cannot be drawn is left out, and said; only a disk that takes none is the stage's failure.
    ///
    /// * `file`: what it is called as a PNG
    fn draw(
        self,
        figure: &str,
        file: &str,
        draw: &dyn Fn(&Path) -> Result<(), PlotError>,
    ) -> Result<(), StageError> {
        let Self { formats, context } = self;
        for format in formats {
            let path = context.output.join(match format {
                PictureFormat::Png => file.to_owned(),
                PictureFormat::Svg => format!("{}.svg", file.trim_end_matches(".png")),
            });
            match figures::attempt(|| draw(&path)) {
                Ok(()) => {}
                Err(error) if error.is_of_the_disk() => {
                    return Err(StageError::writing(context.output, &error));
                }
                Err(error) => {
                    context.warn(format!("{figure} was not drawn: {error}"));
                    // It would not be drawn as anything else either.
                    break;
                }
            }
        }
        Ok(())
    }
}

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
    const USAGE: Usage = Usage {
        when: "When you want pictures as files of their own; `report.html` has its curves without it.",
        snippet: r#"[stage.plot]
history    = "@train"
evaluation = "@evaluate"
formats    = ["png", "svg"]"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::PLOTS, versions::METRICS];
    type Inputs = PlotInputs;
    type Output = Figures;

    fn run(&self, inputs: PlotInputs, context: &Context<'_>) -> Result<Figures, StageError> {
        let pictures = Pictures { formats: &self.formats, context };
        let history = inputs.history.history()?;
        let rows: Vec<HistoryRow> = history.rows.iter().map(history_row).collect();
        let parts: Vec<String> = history.tasks.iter().map(|task| tasks::title(task)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        pictures.draw("loss", "loss.png", &|path| figures::loss_curves(&rows, &parts, path))?;
        pictures.draw("loss per epoch", "loss_per_epoch.png", &|path| {
            figures::epoch_losses(&epochs(&history.rows), path)
        })?;
        pictures.draw("learning rate", "learning_rate.png", &|path| {
            figures::learning_rate(&rows, path)
        })?;
        let reliability = inputs.evaluation.reliability()?;
        for (head, judged) in inputs.evaluation.judged()? {
            // What is scored, where that is not what the model says.
            let counts = inputs.evaluation.class_confusion(&head.name)?;
            let counts = counts.unwrap_or_else(|| judged.confusion(&head).counts);
            pictures.draw_classes(&head, &judged, &counts)?;
            pictures.draw_reliability(&head, &reliability)?;
        }
        if let Some(LabelConfusion { labels, counts }) = inputs.evaluation.confusion()? {
            let title = "Token label confusion matrix";
            let (class, noun, labels, counts) = ("label", "tokens", &labels, &counts);
            let matrix = Confusion { title, class, noun, labels, counts };
            let (figure, file) =
                (format!("{} confusion", tagging::TITLE), Figures::confusion(tagging::NAME));
            pictures.draw(&figure, &file, &|path| figures::confusion(&matrix, path))?;
        }
        if let Some(corpus) = &inputs.corpus {
            pictures.draw_corpus(corpus)?;
        }
        Figures::open(context.output)
    }
}

impl Pictures<'_> {
    /// How long the texts are, and how often each label and class stands in them.
    fn draw_corpus(self, corpus: &CorpusFiles) -> Result<(), StageError> {
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
        self.draw("lengths", "lengths.png", &|path| figures::length_shares(&lengths, path))?;
        self.draw("labels", "labels.png", &|path| {
            figures::label_counts("Labels of entities and classes", &labels, path)
        })
    }

    /// The figures of a head over whole texts; curves where it decides between two classes.
    fn draw_classes(
        self,
        head: &ClassHead,
        judged: &Judged,
        counts: &[u64],
    ) -> Result<(), StageError> {
        let Judged { truth, scores, .. } = judged;
        let name = &*classification::title(head);
        let labels = classification::titles(head);
        let title = &format!("{name} confusion matrix");
        let (class, noun, labels) = ("class", "texts", &labels);
        let matrix = Confusion { title, class, noun, labels, counts };
        let file = Figures::confusion(&head.name);
        self.draw(&format!("{} confusion", head.name), &file, &|path| {
            figures::confusion(&matrix, path)
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
        let file = Figures::curve(&head.name, "precision_recall");
        self.draw("precision-recall", &file, &|path| {
            figures::precision_recall(&precision_recall, path)
        })?;
        self.draw("ROC", &Figures::curve(&head.name, "roc"), &|path| figures::roc(&roc, path))
    }

    /// How often a head's answers came true, before and after calibration, where that was done.
    fn draw_reliability(self, head: &ClassHead, rows: &[ReliabilityRow]) -> Result<(), StageError> {
        let curve = |is_calibrated: bool| -> Vec<ReliabilityPoint> {
            let own =
                |row: &&ReliabilityRow| row.head == head.name && row.calibrated == is_calibrated;
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
        let positive =
            (head.classes.len() == 2).then(|| classification::titles(head).swap_remove(1));
        let figure = Reliability {
            name: &classification::title(head),
            positive: positive.as_deref(),
            before,
            after,
        };
        let file = Figures::reliability(&head.name);
        self.draw(&format!("{} reliability", head.name), &file, &|path| {
            figures::reliability(&figure, path)
        })
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
