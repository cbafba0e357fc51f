//! What is in a corpus: how long its texts are, and how often each label stands in it.

use std::path::Path;

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::PlotError;
use super::canvas::{
    BLUE, Canvas, Frame, GREY, INK, PALE_BLUE, TICK, Type, VERMILION, shorten, text_width,
};
use super::chart::{AxisText, Entry, MARGIN, Mark, Panel, heading};
use super::scale::{Scale, count};

/// The lengths of a split's texts.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitLengths {
    pub split: &'static str,
    /// Lengths that occur, ascending, each with how many texts have it.
    pub counts: Vec<(usize, usize)>,
}

/// How often a label stands in each split.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCount {
    pub label: String,
    /// In the order of the splits.
    pub counts: Vec<usize>,
}

const COLORS: [RGBColor; 3] = [BLUE, VERMILION, GREY];
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 680.0;

/// Draws the share of texts that are up to so many words long, a line for each split.
///
/// # Errors
/// [`PlotError::NoData`] without texts; [`PlotError::Write`].
pub fn length_shares(splits: &[SplitLengths], path: &Path) -> Result<(), PlotError> {
    let longest = splits.iter().filter_map(|split| split.counts.last()).map(|(it, _)| *it).max();
    let Some(longest) = longest else {
        return Err(PlotError::NoData { figure: "lengths", expected: "at least one text" });
    };
    let entries: Vec<Entry> = splits
        .iter()
        .zip(COLORS)
        .map(|(split, color)| Entry::new(Mark::Line, color, 3.5, split.split))
        .collect();
    let canvas = Canvas::new(path, WIDTH, HEIGHT);
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, "Length of texts", &entries);
    let outer = Frame { left: MARGIN, top, right: WIDTH - 40.0, bottom: HEIGHT - MARGIN };
    let panel = Panel::draw(
        &canvas,
        outer,
        Scale::linear(0.0, longest.max(1) as f64),
        Scale::linear(0.0, 1.02),
        AxisText::whole("Words"),
        AxisText::new("Share of texts up to this length"),
    );
    for (split, color) in splits.iter().zip(COLORS) {
        let total: usize = split.counts.iter().map(|(_, texts)| texts).sum();
        let (mut below, mut points) = (0, vec![(0.0, 0.0)]);
        for (length, texts) in &split.counts {
            points.push((*length as f64, below as f64 / total as f64));
            below += texts;
            points.push((*length as f64, below as f64 / total as f64));
        }
        points.push((longest as f64, 1.0));
        canvas.line(points.iter().map(|(x, y)| panel.at(*x, *y)), color, 3.5);
    }
    panel.finish(&canvas);
    canvas.finish()
}

/// The most labels that are drawn; of more, the rarest are left out, which the title says.
const MOST_LABELS: usize = 60;
const BAR: f64 = 26.0;

/// Draws a bar for each label: all splits together, with the number beside it, and in it the part of the first split.
///
/// # Errors
/// [`PlotError::NoData`] without labels; [`PlotError::Write`].
pub fn label_counts(title: &str, labels: &[LabelCount], path: &Path) -> Result<(), PlotError> {
    let total = |label: &LabelCount| label.counts.iter().sum::<usize>();
    let mut sorted: Vec<&LabelCount> = labels.iter().collect();
    sorted.sort_by_key(|label| std::cmp::Reverse(total(label)));
    let most = sorted.first().map_or(0, |label| total(label));
    if most == 0 {
        return Err(PlotError::NoData { figure: "labels", expected: "at least one label" });
    }
    let left_out = sorted.len().saturating_sub(MOST_LABELS);
    sorted.truncate(MOST_LABELS);
    let more =
        if left_out > 0 { format!(" ({left_out} rarer ones left out)") } else { String::new() };
    let entries = [
        Entry::new(Mark::Line, BLUE, 12.0, "train"),
        Entry::new(Mark::Line, PALE_BLUE, 12.0, "others"),
    ];
    let room = sorted.len() as f64 * (BAR + 12.0);
    let widest = sorted.iter().map(|label| text_width(&label.label, TICK)).fold(0.0, f64::max);
    let names = widest.min(320.0);
    let numbers = text_width(&count(most as u64), TICK) + 16.0;
    let height = room + 160.0;
    let canvas = Canvas::new(path, WIDTH, height);
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, &format!("{title}{more}"), &entries) + 12.0;
    let left = MARGIN + names + 14.0;
    let width = WIDTH - MARGIN - numbers - left;
    for (row, label) in sorted.iter().enumerate() {
        let y = top + row as f64 * (BAR + 12.0);
        let end = |counted: usize| left + width * counted as f64 / most as f64;
        let middle = y + BAR / 2.0;
        let first = label.counts.first().copied().unwrap_or(0);
        let bar = |right: f64| Frame { left, top: y, right, bottom: y + BAR };
        canvas.rectangle(bar(end(total(label)).max(left + 1.0)), PALE_BLUE);
        if first > 0 {
            canvas.rectangle(bar(end(first).max(left + 1.0)), BLUE);
        }
        canvas.text(
            &shorten(&label.label, TICK, names),
            (left - 14.0, middle),
            Type::new(TICK).color(INK).at(HPos::Right, VPos::Center),
        );
        canvas.text(
            &count(total(label) as u64),
            (end(total(label)) + 10.0, middle),
            Type::new(TICK).color(INK).at(HPos::Left, VPos::Center),
        );
    }
    canvas.vertical(left, top - 6.0, top + room - 6.0, INK, 2.0);
    canvas.finish()
}
