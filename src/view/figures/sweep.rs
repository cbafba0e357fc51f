//! Figures that compare the trials of a sweep.

use std::path::Path;

use super::PlotError;
use super::canvas::{BLUE, Canvas, Frame, GREY, PALE, TICK, shorten, text_width};
use super::chart::{AxisText, Entry, MARGIN, Mark, Panel, heading};
use super::grid::{ANNOTATED, Bar, Cell, Grid};
use super::ramp::{self, VIRIDIS};
use super::scale::{Scale, Ticks, extent, is_shown, number, significant, spreads};

/// One point of a sweep over one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// The swept value as the experiment file writes it.
    pub label: String,
    /// The swept value where it is a number.
    pub value: Option<f64>,
    /// The metric of each seed; NaN where it is undefined.
    pub metrics: Vec<f64>,
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
}

/// Mean and standard deviation (of a sample) of what is finite in `values`.
fn summary(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let finite: Vec<_> = values.iter().copied().filter(|value| is_shown(*value)).collect();
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n;
    let deviation =
        || (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (!finite.is_empty()).then(|| (mean, (finite.len() > 1).then(deviation)))
}

/// Draws a metric over the values of one axis: each trial as a ring, mean and standard deviation over trials as a dot with an error bar.
///
/// Numbers lie on a linear axis, or on a logarithmic one where they spread over more than a decade; anything else in the order given.
///
/// # Errors
/// [`PlotError::NoData`] when no metric is a finite number; [`PlotError::Write`].
pub fn sweep_line(
    axis: &str,
    metric: &str,
    points: &[SweepPoint],
    path: &Path,
) -> Result<(), PlotError> {
    if extent(points.iter().flat_map(|point| point.metrics.iter().copied())).is_none() {
        return Err(PlotError::NoData {
            figure: "sweep",
            expected: "at least one trial with a finite metric",
        });
    }
    let numbers: Option<Vec<f64>> =
        points.iter().map(|point| point.value.filter(|value| is_shown(*value))).collect();
    let mut placed: Vec<(f64, &SweepPoint)> = match &numbers {
        Some(numbers) => numbers.iter().copied().zip(points).collect(),
        None => points.iter().enumerate().map(|(index, point)| (index as f64, point)).collect(),
    };
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));

    let canvas = Canvas::new(path, WIDTH, HEIGHT);
    let repeated = points
        .iter()
        .any(|point| point.metrics.iter().filter(|value| is_shown(**value)).count() > 1);
    let mark = if numbers.is_some() { Mark::LineWithDots } else { Mark::Dots };
    let entries = [
        Entry::new(mark, BLUE, 7.0, "Mean ± standard deviation over trials"),
        Entry::new(Mark::Ring, GREY, 6.0, "Single trials"),
    ];
    // With one trial for each value there is nothing to tell apart.
    let entries = if repeated { &entries[..] } else { &[] };
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, &format!("{metric} by {axis}"), entries);
    let outer = Frame { left: MARGIN, top, right: WIDTH - 44.0, bottom: HEIGHT - MARGIN };

    let positions: Vec<_> = placed.iter().map(|(x, _)| *x).collect();
    let x_scale = if numbers.is_some() {
        wide(&positions)
    } else {
        Scale::linear(-0.5, points.len() as f64 - 0.5)
    };
    let ticks = own_ticks(&x_scale, &placed, outer.width() - 130.0, numbers.is_none());
    let reach = |point: &SweepPoint| {
        let (mean, deviation) = summary(&point.metrics).unwrap_or((f64::NAN, None));
        [mean - deviation.unwrap_or(0.0), mean + deviation.unwrap_or(0.0)]
    };
    let y_scale =
        room(points.iter().flat_map(|point| point.metrics.iter().copied().chain(reach(point))));
    let panel = Panel::draw(
        &canvas,
        outer,
        x_scale,
        y_scale,
        AxisText { ticks, ..AxisText::new(axis) },
        AxisText::new(metric),
    );

    draw_trials(&canvas, &panel, &placed, numbers.is_some());
    panel.finish(&canvas);
    canvas.finish()
}

/// * `has_line`: values follow each other as numbers
fn draw_trials(canvas: &Canvas, panel: &Panel, placed: &[(f64, &SweepPoint)], has_line: bool) {
    let means: Vec<_> = placed
        .iter()
        .filter_map(|(x, point)| summary(&point.metrics).map(|(mean, sd)| (*x, mean, sd)))
        .collect();
    if has_line {
        canvas.line(means.iter().map(|&(x, mean, _)| panel.at(x, mean)), BLUE, 2.5);
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
    for (x, mean, deviation) in means {
        if let Some(deviation) = deviation {
            let ((px, low), (_, high)) =
                (panel.at(x, mean - deviation), panel.at(x, mean + deviation));
            canvas.vertical(px, high, low, BLUE, 2.0);
            canvas.horizontal(px - 8.0, px + 8.0, high, BLUE, 2.0);
            canvas.horizontal(px - 8.0, px + 8.0, low, BLUE, 2.0);
        }
        canvas.dot(panel.at(x, mean), 7.0, BLUE);
    }
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 660.0;

/// A scale over metrics, which are rarely read against zero.
fn room(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = extent(values).unwrap_or((0.0, 1.0));
    if high - low > 1e-9 * low.abs().max(high.abs()) {
        Scale::linear(low - 0.08 * (high - low), high + 0.08 * (high - low))
    } else {
        Scale::fit_linear([low].into_iter())
    }
}

/// A scale over swept values with room for the outermost points.
fn wide(values: &[f64]) -> Scale {
    let (low, high) = extent(values.iter().copied()).unwrap_or((0.0, 1.0));
    if low > 0.0 && spreads(values, 10.5) {
        return Scale::log(low, high, 0.08);
    }
    if high > low {
        Scale::linear(low - 0.08 * (high - low), high + 0.08 * (high - low))
    } else {
        Scale::fit_linear([low].into_iter())
    }
}

/// The swept values themselves as marks, while they fit beside each other. Names always are marks, cut to their
/// room.
fn own_ticks(
    scale: &Scale,
    placed: &[(f64, &SweepPoint)],
    width: f64,
    named: bool,
) -> Option<Ticks> {
    let at = |value: f64| scale.position(value) * width;
    if named {
        // Of more names than have room, some.
        let stride = (60.0 * placed.len() as f64 / width).ceil().max(1.0) as usize;
        let room = width * stride as f64 / placed.len() as f64 - 10.0;
        let major = placed
            .iter()
            .step_by(stride)
            .map(|(x, point)| (*x, shorten(&point.label, TICK, room)))
            .collect();
        return Some(Ticks { major, ..Ticks::default() });
    }
    let fits = placed.windows(2).all(|pair| {
        let needed =
            (text_width(&pair[0].1.label, TICK) + text_width(&pair[1].1.label, TICK)) / 2.0 + 16.0;
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
        return Err(PlotError::NoData {
            figure: "sweep",
            expected: "at least one trial with a finite metric",
        });
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
