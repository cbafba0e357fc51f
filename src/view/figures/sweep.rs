//! Figures that compare the trials of a sweep.

use std::path::Path;

use plotters::style::RGBColor;

use super::PlotError;
use super::canvas::{BLUE, Canvas, Frame, GREY, PALE, TICK, VERMILION, text_width};
use super::chart::{AxisText, Entry, MARGIN, Mark, Panel, heading};
use super::grid::{ANNOTATED, Bar, Cell, Grid};
use super::ramp::{self, VIRIDIS};
use super::scale::{Scale, Ticks, extent, is_shown, number, significant, spreads};

/// One point of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// Its values as the experiment file writes them.
    pub label: String,
    /// The metric of each seed; NaN where it is undefined.
    pub metrics: Vec<f64>,
    /// Whether it is the one that the sweep chose.
    pub is_chosen: bool,
    /// Whether the metrics are those of fresh seeds, which had no say in which points came so far.
    pub is_fresh: bool,
}

/// How the numbers of an axis lie beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    Linear,
    Logarithmic,
    /// Logarithmic where they are positive and spread over more than a decade.
    ByValues,
}

/// A sweep over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepGrid {
    pub x_name: String,
    pub y_name: String,
    /// Values of the axes as the experiment file writes them.
    pub x_labels: Vec<String>,
    pub y_labels: Vec<String>,
    /// The metric of each seed, for each pair of values: `y_labels x x_labels`, row by row.
    pub metrics: Vec<Vec<f64>>,
    /// The number of the pair that the sweep chose.
    pub chosen: Option<usize>,
}

/// Mean and standard deviation (of a sample) of what is finite in `values`.
pub(super) fn summary(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let finite: Vec<_> = values.iter().copied().filter(|value| is_shown(*value)).collect();
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n;
    let deviation =
        || (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (!finite.is_empty()).then(|| (mean, (finite.len() > 1).then(deviation)))
}

/// The error of a figure without any number.
pub(super) fn nothing() -> PlotError {
    PlotError::NoData { figure: "sweep", expected: "at least one trial with a finite metric" }
}

/// The colour of a point's mean: where some have fresh seeds, what has none stands behind.
///
/// * `has_fresh`: whether some have
pub(super) fn color_of(point: &SweepPoint, has_fresh: bool) -> RGBColor {
    match point {
        SweepPoint { is_chosen: true, .. } => VERMILION,
        SweepPoint { is_fresh: false, .. } if has_fresh => GREY,
        _ => BLUE,
    }
}

/// What tells the marks of some points apart; nothing where there is nothing to tell.
pub(super) fn legend<'p>(points: impl Iterator<Item = &'p SweepPoint> + Clone) -> Vec<Entry> {
    let shown = |point: &&SweepPoint| summary(&point.metrics).is_some();
    let points = points.filter(shown);
    let has = |is: fn(&SweepPoint) -> bool| points.clone().any(is);
    let is_repeated = has(|point| summary(&point.metrics).is_some_and(|(_, sd)| sd.is_some()));
    let dot = |color, text| Entry::new(Mark::Dots, color, 7.0, text);
    let mut entries = Vec::new();
    if is_repeated {
        entries.push(dot(BLUE, "Mean ± standard deviation over trials"));
        entries.push(Entry::new(Mark::Ring, GREY, 6.0, "Single trials"));
    }
    if has(|point| point.is_chosen) {
        entries.push(dot(VERMILION, "Chosen"));
    }
    if has(|point| point.is_fresh) && has(|point| !point.is_fresh) {
        entries.push(dot(GREY, "Without fresh seeds"));
    }
    entries
}

/// Draws a metric over the numbers of one axis: each trial as a ring, mean and standard deviation over trials as a dot with an error bar.
///
/// * `points`: each with its number on the axis
///
/// # Errors
/// [`PlotError::NoData`] when no metric is a finite number; [`PlotError::Write`].
pub fn sweep_line(
    axis: &str,
    spacing: Spacing,
    metric: &str,
    points: &[(f64, SweepPoint)],
    path: &Path,
) -> Result<(), PlotError> {
    let mut placed: Vec<(f64, &SweepPoint)> =
        points.iter().map(|(x, point)| (*x, point)).filter(|(x, _)| is_shown(*x)).collect();
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let metrics = || placed.iter().flat_map(|(_, point)| point.metrics.iter().copied());
    if extent(metrics()).is_none() {
        return Err(nothing());
    }
    let canvas = Canvas::new(path, WIDTH, HEIGHT);
    let entries = legend(placed.iter().map(|(_, point)| *point));
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, &format!("{metric} by {axis}"), &entries);
    let outer = Frame { left: MARGIN, top, right: WIDTH - 44.0, bottom: HEIGHT - MARGIN };

    let positions: Vec<_> = placed.iter().map(|(x, _)| *x).collect();
    let x_scale = wide(&positions, spacing);
    let ticks = own_ticks(&x_scale, &placed, outer.width() - 130.0);
    let reach = placed.iter().flat_map(|(_, point)| reach(point));
    let y_scale = room(metrics().chain(reach));
    let panel = Panel::draw(
        &canvas,
        outer,
        x_scale,
        y_scale,
        AxisText { ticks, ..AxisText::new(axis) },
        AxisText::new(metric),
    );

    draw_trials(&canvas, &panel, &placed);
    panel.finish(&canvas);
    canvas.finish()
}

/// The ends of a point's error bar.
pub(super) fn reach(point: &SweepPoint) -> [f64; 2] {
    let (mean, deviation) = summary(&point.metrics).unwrap_or((f64::NAN, None));
    [mean - deviation.unwrap_or(0.0), mean + deviation.unwrap_or(0.0)]
}

fn draw_trials(canvas: &Canvas, panel: &Panel, placed: &[(f64, &SweepPoint)]) {
    let has_fresh = placed.iter().any(|(_, point)| point.is_fresh);
    let means: Vec<_> = placed
        .iter()
        .filter_map(|(x, point)| {
            let (mean, sd) = summary(&point.metrics)?;
            Some((*x, mean, sd, color_of(point, has_fresh)))
        })
        .collect();
    // Means of fresh seeds and others make no line.
    if placed.iter().all(|(_, point)| point.is_fresh == has_fresh) {
        canvas.line(means.iter().map(|&(x, mean, ..)| panel.at(x, mean)), BLUE, 2.5);
    }
    for (x, point) in placed {
        let finite: Vec<_> =
            point.metrics.iter().copied().filter(|value| is_shown(*value)).collect();
        if finite.len() > 1 {
            // Beside the mean, so that neither hides the other.
            finite
                .iter()
                .map(|value| panel.at(*x, *value))
                .for_each(|(px, py)| canvas.ring((px + 16.0, py), 6.0, GREY, 2.0));
        }
    }
    for (x, mean, deviation, color) in means {
        if let Some(deviation) = deviation {
            let ((px, low), (_, high)) =
                (panel.at(x, mean - deviation), panel.at(x, mean + deviation));
            canvas.vertical(px, high, low, color, 2.0);
            canvas.horizontal(px - 8.0, px + 8.0, high, color, 2.0);
            canvas.horizontal(px - 8.0, px + 8.0, low, color, 2.0);
        }
        canvas.dot(panel.at(x, mean), 7.0, color);
    }
}

pub(super) const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 660.0;

/// A scale over metrics, which are rarely read against zero.
pub(super) fn room(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = extent(values).unwrap_or((0.0, 1.0));
    if high - low > 1e-9 * low.abs().max(high.abs()) {
        Scale::linear(low - 0.08 * (high - low), high + 0.08 * (high - low))
    } else {
        Scale::fit_linear([low].into_iter())
    }
}

/// A scale over swept values with room for the outermost points.
fn wide(values: &[f64], spacing: Spacing) -> Scale {
    let (low, high) = extent(values.iter().copied()).unwrap_or((0.0, 1.0));
    let is_logarithmic = match spacing {
        Spacing::Linear => false,
        Spacing::Logarithmic => high > low,
        Spacing::ByValues => spreads(values, 10.5),
    };
    if low > 0.0 && is_logarithmic {
        return Scale::log(low, high, 0.08);
    }
    if high > low {
        Scale::linear(low - 0.08 * (high - low), high + 0.08 * (high - low))
    } else {
        Scale::fit_linear([low].into_iter())
    }
}

/// The swept values themselves as marks, while they fit beside each other.
fn own_ticks(scale: &Scale, placed: &[(f64, &SweepPoint)], width: f64) -> Option<Ticks> {
    let at = |value: f64| scale.position(value) * width;
    const LONGEST: f64 = 180.0;
    let is_short = placed.iter().all(|(_, point)| text_width(&point.label, TICK) <= LONGEST);
    let fits = is_short
        && placed.windows(2).all(|pair| {
            let needed = (text_width(&pair[0].1.label, TICK) + text_width(&pair[1].1.label, TICK))
                / 2.0
                + 16.0;
            at(pair[1].0) - at(pair[0].0) >= needed
        });
    fits.then(|| Ticks {
        major: placed.iter().map(|(x, point)| (*x, point.label.clone())).collect(),
        ..Ticks::default()
    })
}

/// Draws a metric over two axes as a map of means, with standard deviations where a point has several trials.
///
/// # Errors
/// [`PlotError::NoData`] when no metric is a finite number; [`PlotError::Shape`] when `metrics` is not `y_labels x x_labels`;
/// [`PlotError::TooManyLabels`]; [`PlotError::Write`].
pub fn sweep_grid(grid: &SweepGrid, metric: &str, path: &Path) -> Result<(), PlotError> {
    const MOST: usize = 200;
    let (width, height) = (grid.x_labels.len(), grid.y_labels.len());
    if width.max(height) > MOST {
        return Err(PlotError::TooManyLabels { found: width.max(height), most: MOST });
    }
    if grid.metrics.len() != width * height {
        return Err(PlotError::Shape {
            figure: "sweep",
            expected: width * height,
            found: grid.metrics.len(),
        });
    }
    let summaries: Vec<_> = grid.metrics.iter().map(|metrics| summary(metrics)).collect();
    let Some((low, high)) = extent(summaries.iter().flatten().map(|(mean, _)| *mean)) else {
        return Err(nothing());
    };
    let scale =
        if high > low { Scale::linear(low, high) } else { Scale::fit_linear([low].into_iter()) };
    let annotated = width.max(height) <= ANNOTATED;
    let cell = |summary: &Option<(f64, Option<f64>)>| match summary {
        None => {
            Cell { color: PALE, text: if annotated { vec!["–".to_owned()] } else { Vec::new() } }
        }
        Some((mean, deviation)) => {
            let mut text = Vec::new();
            if annotated {
                let (mean, deviation) = written(*mean, *deviation);
                text.push(mean);
                text.extend(deviation);
            }
            Cell { color: ramp::color(VIRIDIS, scale.position(*mean)), text }
        }
    };
    let repeated = summaries.iter().flatten().any(|(_, deviation)| deviation.is_some());
    let missing = summaries.iter().any(Option::is_none);
    let mut subtitle =
        if repeated { "Mean ± standard deviation over trials".to_owned() } else { String::new() };
    if missing {
        subtitle += if repeated { "; grey: no value" } else { "Grey: no value" };
    }
    if let Some(chosen) = grid.chosen.filter(|chosen| *chosen < width * height) {
        let (x, y) = (&grid.x_labels[chosen % width], &grid.y_labels[chosen / width]);
        let begin = if subtitle.is_empty() { "Chosen" } else { "; chosen" };
        subtitle += &format!("{begin}: {} = {x}, {} = {y}", grid.x_name, grid.y_name);
    }
    let ticks = scale.ticks(5);
    let power = if ticks.exponent == 0 {
        String::new()
    } else {
        format!(" (×10{})", super::scale::superscript(ticks.exponent))
    };
    // Small values at the bottom, as on any axis.
    let cells = (0..height)
        .rev()
        .flat_map(|row| summaries[row * width..(row + 1) * width].iter().map(cell))
        .collect();
    Grid {
        // The axes say what it is compared over; a longer title would be wider than a small grid.
        title: metric,
        subtitle,
        x_title: &grid.x_name,
        y_title: &grid.y_name,
        columns: grid.x_labels.clone(),
        rows: grid.y_labels.iter().rev().cloned().collect(),
        cells,
        bar: Bar {
            ramp: VIRIDIS,
            label: format!("{metric}{power}"),
            ticks: ticks
                .major
                .into_iter()
                .map(|(value, label)| (scale.position(value), label))
                .collect(),
        },
        diagonal: false,
        separators: Vec::new(),
    }
    .draw(path)
}

/// Mean and deviation with the same decimals, where a plain number is readable.
fn written(mean: f64, deviation: Option<f64>) -> (String, Option<String>) {
    if mean.abs() >= 0.01 && mean.abs() < 1e5 {
        let decimals = (3 - mean.abs().log10().floor() as i32).clamp(0, 4) as usize;
        (
            number(mean, decimals),
            deviation.map(|deviation| format!("± {}", number(deviation, decimals))),
        )
    } else {
        (significant(mean), deviation.map(|deviation| format!("± {}", significant(deviation))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_metrics_are_left_out_of_mean_and_deviation() {
        assert_eq!(summary(&[1.0, f64::NAN, 3.0]), Some((2.0, Some(2f64.sqrt()))));
        assert_eq!(summary(&[5.0]), Some((5.0, None)));
        assert_eq!(summary(&[f64::NAN]), None);
    }
}
