//! How often answers came true, by their probability: before and after calibration.

use std::path::Path;

use plotters::style::RGBColor;

use super::PlotError;
use super::canvas::{BLUE, Canvas, GREY, VERMILION};
use super::chart::{Entry, Mark, Panel};
use super::curves::{LINE, rates, unit_square};

/// A reliability diagram.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability<'a> {
    /// Whose answers they are.
    pub name: &'a str,
    /// Of two classes, the one that the probability is of; else it is that of the answer.
    pub positive: Option<&'a str>,
    /// In the order of the scores.
    pub before: Vec<ReliabilityPoint>,
    pub after: Vec<ReliabilityPoint>,
}

/// Texts of about one probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityPoint {
    /// Their mean probability.
    pub score: f64,
    /// The share of them for which it came true.
    pub share: f64,
    pub texts: usize,
}

const SMALLEST: f64 = 3.5;
const LARGEST: f64 = 11.0;

/// Draws the share that came true over the probability, against the diagonal of probabilities that always do. The area of a dot is the number of texts.
///
/// # Errors
/// [`PlotError::Write`]. Curves without points become a picture that says so.
pub fn reliability(figure: &Reliability<'_>, path: &Path) -> Result<(), PlotError> {
    let entries = [
        Entry::new(Mark::LineWithDots, VERMILION, 6.0, named("Before", &figure.before)),
        Entry::new(Mark::LineWithDots, BLUE, 6.0, named("After", &figure.after)),
        Entry::new(Mark::Dashes, GREY, 2.0, "Perfectly calibrated"),
    ];
    let title = format!("{} reliability before and after calibration", figure.name);
    let (x, y) = match figure.positive {
        Some(class) => (format!("Mean probability of {class}"), format!("Share that is {class}")),
        None => ("Mean probability of the answer".to_owned(), "Share that is right".to_owned()),
    };
    let (canvas, panel) = unit_square(path, &title, &x, &y, &entries);
    canvas.dashes(panel.at(0.0, 0.0), panel.at(1.0, 1.0), GREY, 2.0);
    if figure.before.is_empty() && figure.after.is_empty() {
        panel.note(&canvas, "Undefined without labelled texts");
    }
    let all = figure.before.iter().chain(&figure.after);
    let most = all.map(|point| point.texts).max().unwrap_or(1) as f64;
    for (points, color) in [(&figure.before, VERMILION), (&figure.after, BLUE)] {
        draw(&canvas, &panel, points, most, color);
    }
    panel.finish(&canvas);
    canvas.finish()
}

fn draw(canvas: &Canvas, panel: &Panel, points: &[ReliabilityPoint], most: f64, color: RGBColor) {
    let places: Vec<(f64, f64)> = points.iter().map(|point| (point.score, point.share)).collect();
    canvas.line(rates(&places).into_iter().map(|(x, y)| panel.at(x, y)), color, LINE);
    for (point, place) in points.iter().zip(&places) {
        if let [(x, y)] = rates(&[*place])[..] {
            let radius = LARGEST * (point.texts as f64 / most).sqrt();
            canvas.dot(panel.at(x, y), radius.max(SMALLEST), color);
        }
    }
}

/// With the distance that is to become small.
fn named(when: &str, points: &[ReliabilityPoint]) -> String {
    let total: usize = points.iter().map(|point| point.texts).sum();
    let distance = |point: &ReliabilityPoint| {
        point.texts as f64 * (point.score - point.share).abs() / total as f64
    };
    match total {
        0 => when.to_owned(),
        _ => format!("{when} (ECE {:.4})", points.iter().map(distance).sum::<f64>()),
    }
}
