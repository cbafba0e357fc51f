//! Precision-recall and ROC curve of a score.

use std::path::Path;

use super::PlotError;
use super::canvas::{BLUE, Canvas, Frame, GREY};
use super::chart::{AxisText, Entry, MARGIN, Mark, Panel, heading};
use super::scale::Scale;

/// A precision-recall curve.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall<'a> {
    /// What is found.
    pub name: &'a str,
    /// Recall and precision at each threshold, in the order of the thresholds, rising or falling. Empty where they are undefined.
    pub points: Vec<(f64, f64)>,
    pub average_precision: Option<f64>,
    /// Share of the positive class: the precision of guessing.
    pub prevalence: Option<f64>,
}

/// A receiver operating characteristic.
#[derive(Debug, Clone, PartialEq)]
pub struct Roc<'a> {
    /// What is found.
    pub name: &'a str,
    /// False and true positive rate at each threshold, in the order of the thresholds, rising or falling. Empty where they are undefined.
    pub points: Vec<(f64, f64)>,
    pub auroc: Option<f64>,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 850.0;
pub(super) const LINE: f64 = 3.5;

/// Draws precision over recall as steps (no interpolation, as in scikit-learn), against the share of positives.
///
/// # Errors
/// [`PlotError::Write`]. A curve without points becomes a picture that says so.
pub fn precision_recall(curve: &PrecisionRecall<'_>, path: &Path) -> Result<(), PlotError> {
    let name = match curve.average_precision {
        Some(value) => format!("Model (average precision {value:.4})"),
        None => "Model (average precision undefined)".to_owned(),
    };
    let mut entries = vec![Entry::new(Mark::Line, BLUE, LINE, name)];
    let prevalence =
        curve.prevalence.filter(|&prevalence| is_rate(prevalence) && !curve.points.is_empty());
    if let Some(prevalence) = prevalence {
        entries.push(Entry::new(Mark::Dashes, GREY, 2.0, format!("Baseline ({prevalence:.3})")));
    }
    let title = format!("{} precision–recall curve", curve.name);
    let (canvas, panel) = unit_square(path, &title, "Recall", "Precision", &entries);
    if let Some(prevalence) = prevalence {
        canvas.dashes(panel.at(0.0, prevalence), panel.at(1.0, prevalence), GREY, 2.0);
    }
    let mut points = rates(&curve.points);
    if points.first().map(|p| p.0) < points.last().map(|p| p.0) {
        points.reverse();
    }
    // Between two thresholds, recall falls first and precision changes when it arrives.
    let mut steps = Vec::with_capacity(2 * points.len());
    for (index, &(recall, precision)) in points.iter().enumerate() {
        if index > 0 {
            steps.push((recall, points[index - 1].1));
        }
        steps.push((recall, precision));
    }
    finish(canvas, &panel, &steps)
}

/// Draws true over false positive rate, against the diagonal of guessing.
///
/// # Errors
/// [`PlotError::Write`]. A curve without points becomes a picture that says so.
pub fn roc(curve: &Roc<'_>, path: &Path) -> Result<(), PlotError> {
    let name = match curve.auroc {
        Some(value) => format!("Model (AUROC {value:.4})"),
        None => "Model (AUROC undefined)".to_owned(),
    };
    let mut entries = vec![Entry::new(Mark::Line, BLUE, LINE, name)];
    if !curve.points.is_empty() {
        entries.push(Entry::new(Mark::Dashes, GREY, 2.0, "Chance (0.5)"));
    }
    let title = format!("{} ROC curve", curve.name);
    let (canvas, panel) =
        unit_square(path, &title, "False positive rate", "True positive rate", &entries);
    if !curve.points.is_empty() {
        canvas.dashes(panel.at(0.0, 0.0), panel.at(1.0, 1.0), GREY, 2.0);
    }
    finish(canvas, &panel, &rates(&curve.points))
}

/// The points whose coordinates are rates.
pub(super) fn rates(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().filter(|(x, y)| is_rate(*x) && is_rate(*y)).collect()
}

fn is_rate(value: f64) -> bool {
    (-1e-9..=1.0 + 1e-9).contains(&value)
}

/// A square for two rates.
pub(super) fn unit_square<'a>(
    path: &'a Path,
    title: &str,
    x: &str,
    y: &str,
    entries: &[Entry],
) -> (Canvas<'a>, Panel) {
    let canvas = Canvas::new(path, WIDTH, HEIGHT);
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, title, entries);
    let outer = Frame { left: MARGIN, top, right: WIDTH - 36.0, bottom: HEIGHT - MARGIN };
    // A little room, so that a perfect curve does not hide under the axes.
    let unit = || Scale::linear(-0.02, 1.02);
    let panel = Panel::draw(&canvas, outer, unit(), unit(), AxisText::new(x), AxisText::new(y));
    (canvas, panel)
}

fn finish(canvas: Canvas, panel: &Panel, points: &[(f64, f64)]) -> Result<(), PlotError> {
    if points.is_empty() {
        panel.note(&canvas, "Undefined without examples of both classes");
    } else {
        canvas.line(points.iter().map(|&(x, y)| panel.at(x, y)), BLUE, LINE);
    }
    panel.finish(&canvas);
    canvas.finish()
}
