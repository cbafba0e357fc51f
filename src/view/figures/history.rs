//! Figures of one training: loss, learning rate, average loss per epoch.

use std::path::Path;

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::PlotError;
use super::canvas::{BLUE, Canvas, Frame, GREY, PALE_BLUE, TICK, Type, VERMILION, text_width};
use super::chart::{AxisText, Entry, MARGIN, Mark, Panel, heading};
use super::scale::{Kind, Scale, extent, is_shown, significant, spreads};
use super::smooth::{thin, trend};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistorySplit {
    Train,
    Validation,
}

/// One measurement during training. What was not measured is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    pub split: HistorySplit,
    /// Optimiser steps done.
    pub step: u64,
    /// Counted from 1.
    pub epoch: u64,
    pub learning_rate: f64,
    /// Total loss, in nats.
    pub loss: f64,
    /// The losses that it is the sum of, in nats, in the order of [`loss_curves`]' names.
    pub parts: Vec<f64>,
}

/// The mean losses of one epoch. What was not measured is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochRow {
    /// Counted from 1.
    pub epoch: u64,
    pub train: f64,
    pub validation: f64,
}

/// Values that spread over more than this factor are shown on a logarithmic axis.
const LOG_SPREAD: f64 = 20.0;
const HEIGHT: f64 = 660.0;
/// Room above the axes for the epochs.
const EPOCHS: f64 = TICK + 12.0;

/// From the top of a line of panels to that of the next.
const LINE: f64 = 600.0;

/// How many panels stand beside each other: three at most, and as many in each line as can be.
fn columns(panels: usize) -> usize {
    panels.div_ceil(panels.div_ceil(3))
}

/// Draws the total loss and its parts beside each other, or in several lines where they are many, over steps with the epochs marked: every training step pale, their moving average, and
/// validation as points.
///
/// * `parts`: the names of the losses that each row has beside the total
///
/// # Errors
/// [`PlotError::NoData`] when no loss in `rows` is a finite number; [`PlotError::Write`].
pub fn loss_curves(rows: &[HistoryRow], parts: &[&str], path: &Path) -> Result<(), PlotError> {
    let losses =
        |part: Option<usize>| move |row: &HistoryRow| part.map_or(row.loss, |part| row.parts[part]);
    let names = std::iter::once("Total").chain(parts.iter().copied());
    let all = names.zip(std::iter::once(None).chain((0..).map(Some)));
    let all = all.map(|(name, part)| (format!("{name} loss (nats)"), losses(part)));
    let shown: Vec<_> =
        all.filter(|(_, loss)| rows.iter().any(|row| is_shown(loss(row)))).collect();
    if shown.is_empty() {
        return Err(PlotError::NoData {
            figure: "loss curves",
            expected: "at least one finite loss",
        });
    }
    let panel_width = if shown.len() == 1 { 1000.0 } else { 640.0 };
    let columns = columns(shown.len());
    let width = MARGIN + panel_width * columns as f64;
    let lines = shown.len().div_ceil(columns);
    let canvas = Canvas::new(path, width, HEIGHT + LINE * (lines - 1) as f64);

    let measured = |split| {
        rows.iter()
            .filter(|row| row.split == split)
            .any(|row| shown.iter().any(|(_, loss)| is_shown(loss(row))))
    };
    let smoothed = rows.iter().filter(|row| row.split == HistorySplit::Train).count() > SMOOTH_FROM;
    let entries =
        entries(measured(HistorySplit::Train), smoothed, measured(HistorySplit::Validation));
    let top = heading(&canvas, MARGIN, width - MARGIN, "Loss during training", &entries) + EPOCHS;

    for (index, (label, loss)) in shown.iter().enumerate() {
        let left = MARGIN + panel_width * (index % columns) as f64;
        let down = LINE * (index / columns) as f64;
        let (right, bottom) = (left + panel_width - 40.0, HEIGHT - MARGIN + down);
        let outer = Frame { left, top: top + down, right, bottom };
        let points = |split| -> Vec<(f64, f64)> {
            rows.iter()
                .filter(|row| row.split == split)
                .map(|row| (row.step as f64, loss(row)))
                .collect()
        };
        let (training, validation) =
            (points(HistorySplit::Train), points(HistorySplit::Validation));
        let means = if smoothed { trend(&heights(&training)) } else { heights(&training) };
        let scale = loss_scale(&heights(&training), &means, &heights(&validation));
        let panel = Panel::draw(
            &canvas,
            outer,
            step_scale(rows),
            scale,
            AxisText::whole("Step"),
            AxisText::new(label),
        );
        mark_epochs(&canvas, &panel, rows);
        if smoothed {
            draw_curve(&canvas, &panel, &training, PALE_BLUE, 2.0);
            let trend: Vec<_> =
                training.iter().zip(means).map(|(point, mean)| (point.0, mean)).collect();
            draw_curve(&canvas, &panel, &trend, BLUE, 3.5);
        } else {
            draw_curve(&canvas, &panel, &training, BLUE, 3.0);
            draw_dots(&canvas, &panel, &training, BLUE, 5.0);
        }
        draw_curve(&canvas, &panel, &validation, VERMILION, 3.0);
        if validation.len() <= 60 {
            draw_dots(&canvas, &panel, &validation, VERMILION, 5.5);
        }
        panel.finish(&canvas);
    }
    canvas.finish()
}

/// * `smoothed`: whether training has a moving average
fn entries(training: bool, smoothed: bool, validation: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    if training && smoothed {
        entries.push(Entry::new(Mark::Line, PALE_BLUE, 3.0, "Training, single steps"));
        entries.push(Entry::new(Mark::Line, BLUE, 3.5, "Training, moving average"));
    } else if training {
        entries.push(Entry::new(Mark::LineWithDots, BLUE, 5.0, "Training"));
    }
    if validation {
        entries.push(Entry::new(Mark::LineWithDots, VERMILION, 5.5, "Validation"));
    }
    entries
}

fn heights(points: &[(f64, f64)]) -> Vec<f64> {
    points.iter().map(|point| point.1).collect()
}

/// The axis of a loss. The trend decides whether it is logarithmic, because single steps dip by decades where a batch happens to be easy; for the
/// same reason only their lowest fiftieth may leave a logarithmic axis at its lower end.
fn loss_scale(training: &[f64], means: &[f64], validation: &[f64]) -> Scale {
    let trends: Vec<_> = means.iter().chain(validation).copied().collect();
    let mut singles: Vec<_> = training.iter().copied().filter(|value| is_shown(*value)).collect();
    if !spreads(&trends, LOG_SPREAD) {
        return Scale::fit_linear(singles.into_iter().chain(trends));
    }
    singles.sort_unstable_by(f64::total_cmp);
    let cut = singles.len() / 50;
    Scale::fit_log(singles.into_iter().skip(cut).chain(trends))
}

/// With at most this many training rows, the rows themselves are the trend.
const SMOOTH_FROM: usize = 30;

/// Draws the learning rate over steps, with the epochs marked.
///
/// # Errors
/// [`PlotError::NoData`] when no learning rate in `rows` is a finite number; [`PlotError::Write`].
pub fn learning_rate(rows: &[HistoryRow], path: &Path) -> Result<(), PlotError> {
    let points: Vec<_> = rows
        .iter()
        .filter(|row| row.split == HistorySplit::Train)
        .map(|row| (row.step as f64, row.learning_rate))
        .collect();
    let Some((_, highest)) = extent(points.iter().map(|point| point.1)) else {
        return Err(PlotError::NoData {
            figure: "learning rate",
            expected: "at least one finite learning rate of a training step",
        });
    };
    let canvas = Canvas::new(path, 1000.0, HEIGHT);
    let top = heading(&canvas, MARGIN, 1000.0 - MARGIN, "Learning rate schedule", &[]) + EPOCHS;
    let outer = Frame { left: MARGIN, top, right: 1000.0 - 40.0, bottom: HEIGHT - MARGIN };
    // A schedule is read against zero, also where it is constant.
    let y = if highest > 0.0 {
        Scale::linear(0.0, highest * 1.06)
    } else {
        Scale::fit_linear(points.iter().map(|point| point.1))
    };
    let panel = Panel::draw(
        &canvas,
        outer,
        step_scale(rows),
        y,
        AxisText::whole("Step"),
        AxisText::new("Learning rate"),
    );
    mark_epochs(&canvas, &panel, rows);
    draw_curve(&canvas, &panel, &points, BLUE, 3.5);
    if points.len() <= SMOOTH_FROM {
        draw_dots(&canvas, &panel, &points, BLUE, 5.0);
    }
    panel.finish(&canvas);
    canvas.finish()
}

/// Draws the average loss of each epoch, with the values written beside the points while there is room.
///
/// # Errors
/// [`PlotError::NoData`] when no loss in `rows` is a finite number; [`PlotError::Write`].
pub fn epoch_losses(rows: &[EpochRow], path: &Path) -> Result<(), PlotError> {
    let values: Vec<_> = rows.iter().flat_map(|row| [row.train, row.validation]).collect();
    let epochs = extent(rows.iter().map(|row| row.epoch as f64));
    let (Some((first, last)), Some(_)) = (epochs, extent(values.iter().copied())) else {
        return Err(PlotError::NoData {
            figure: "average loss per epoch",
            expected: "at least one finite loss",
        });
    };
    let series = [
        (
            "Training",
            BLUE,
            rows.iter().map(|row| (row.epoch as f64, row.train)).collect::<Vec<_>>(),
        ),
        (
            "Validation",
            VERMILION,
            rows.iter().map(|row| (row.epoch as f64, row.validation)).collect(),
        ),
    ];
    let shown: Vec<_> = series
        .into_iter()
        .filter(|(_, _, points)| points.iter().any(|point| is_shown(point.1)))
        .collect();
    let canvas = Canvas::new(path, 1000.0, HEIGHT);
    let entries: Vec<_> = shown
        .iter()
        .map(|(name, color, _)| Entry::new(Mark::LineWithDots, *color, 6.0, *name))
        .collect();
    let top = heading(&canvas, MARGIN, 1000.0 - MARGIN, "Average loss per epoch", &entries) + 8.0;
    let outer = Frame { left: MARGIN, top, right: 1000.0 - 40.0, bottom: HEIGHT - MARGIN };
    let room = (0.06 * (last - first)).max(0.35);
    let x = Scale::linear(first - room, last + room);
    let mut y = Scale::fit(&values, LOG_SPREAD);
    // The values stand above or below their points.
    match y.kind {
        Kind::Linear => {
            let room = 0.06 * (y.high - y.low);
            (y.low, y.high) =
                (if y.low > 0.0 { (y.low - 1.5 * room).max(0.0) } else { y.low }, y.high + room);
        }
        Kind::Log => y = Scale::log(y.low, y.high, 0.08),
    }
    let ticks = Some(Scale::linear(first, last).whole_ticks(10));
    let panel = Panel::draw(
        &canvas,
        outer,
        x,
        y,
        AxisText { ticks, ..AxisText::new("Epoch") },
        AxisText::new("Average loss (nats)"),
    );
    for (_, color, points) in &shown {
        draw_curve(&canvas, &panel, points, *color, 3.0);
    }
    for (_, color, points) in &shown {
        draw_dots(&canvas, &panel, points, *color, 6.0);
    }
    if rows.len() <= 8 {
        write_values(&canvas, &panel, rows);
    }
    panel.finish(&canvas);
    canvas.finish()
}

/// Writes each value beside its point: the larger one of an epoch above, the smaller one below.
fn write_values(canvas: &Canvas, panel: &Panel, rows: &[EpochRow]) {
    for row in rows {
        let validation_above = row.validation > row.train;
        for (value, color, above) in
            [(row.train, BLUE, !validation_above), (row.validation, VERMILION, validation_above)]
        {
            if is_shown(value) {
                let (x, y) = panel.at(row.epoch as f64, value);
                // Below the lowest point there may be no room left above the axis.
                let below = !above && y + 14.0 + TICK < panel.frame.bottom;
                let (y, vertical) =
                    if below { (y + 14.0, VPos::Top) } else { (y - 14.0, VPos::Bottom) };
                canvas.text_over_lines(
                    &significant(value),
                    (x, y),
                    Type::new(TICK).color(color).at(HPos::Center, vertical),
                );
            }
        }
    }
}

fn step_scale(rows: &[HistoryRow]) -> Scale {
    let (first, last) = extent(rows.iter().map(|row| row.step as f64)).unwrap_or((0.0, 1.0));
    // Training starts at the origin, though the first row is of step 1 or later.
    let first = if first <= 0.3 * last { 0.0 } else { first };
    if last > first {
        Scale::linear(first, last + 0.01 * (last - first))
    } else {
        Scale::linear(last - 1.0, last + 1.0)
    }
}

/// Marks where epochs end and writes their numbers above the axes.
fn mark_epochs(canvas: &Canvas, panel: &Panel, rows: &[HistoryRow]) {
    // Where the epochs end, in the order of the training rows.
    let mut ends: Vec<(u64, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.split == HistorySplit::Train) {
        match ends.last_mut() {
            Some((epoch, end)) if *epoch == row.epoch => *end = end.max(row.step as f64),
            _ => ends.push((row.epoch, row.step as f64)),
        }
    }
    let Frame { left, top, bottom, .. } = panel.frame;
    let ends: Vec<_> =
        ends.into_iter().map(|(epoch, step)| (epoch, panel.at(step, panel.y.low).0)).collect();
    let starts = std::iter::once(left).chain(ends.iter().map(|(_, end)| *end));
    let style = Type::new(TICK).color(GREY).at(HPos::Center, VPos::Bottom);
    let name = |epoch: &u64| format!("Epoch {epoch}");
    if ends
        .iter()
        .zip(starts.clone())
        .all(|((epoch, end), start)| text_width(&name(epoch), TICK) + 14.0 <= end - start)
    {
        for (index, ((epoch, end), start)) in ends.iter().zip(starts).enumerate() {
            if index + 1 < ends.len() {
                canvas.dashes((*end, top), (*end, bottom), BOUNDARY, 1.5);
            }
            canvas.text(&name(epoch), (f64::midpoint(start, *end), top - 10.0), style);
        }
        return;
    }
    // Epochs too short for their names: some of them, numbered where they end.
    canvas.text("Epoch", (left, top - 10.0), Type { horizontal: HPos::Left, ..style });
    let mut free_from = left + text_width("Epoch", TICK) + 14.0;
    let stride = epoch_stride(ends.len(), panel.frame.width());
    for (epoch, end) in ends.iter().filter(|(epoch, _)| epoch % stride == 0) {
        let (text, half) = (epoch.to_string(), text_width(&epoch.to_string(), TICK) / 2.0);
        canvas.dashes((*end, top), (*end, bottom), BOUNDARY, 1.5);
        let center = end.min(panel.frame.right + 30.0 - half);
        if center - half >= free_from {
            canvas.text(&text, (center, top - 10.0), style);
            free_from = center + half + 14.0;
        }
    }
}

const BOUNDARY: RGBColor = RGBColor(190, 190, 190);

/// Every which epoch is numbered so that neighbours stay about 60 pixels apart.
fn epoch_stride(epochs: usize, width: f64) -> u64 {
    let raw = epochs as f64 * 60.0 / width;
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        .into_iter()
        .find(|&stride| stride as f64 >= raw)
        .unwrap_or(10_000)
}

/// Draws the runs of finite values as lines. A value between two gaps is a dot.
fn draw_curve(canvas: &Canvas, panel: &Panel, points: &[(f64, f64)], color: RGBColor, width: f64) {
    for run in points.split(|point| !is_shown(point.1)).filter(|run| !run.is_empty()) {
        let bin = |x: f64| (panel.x.position(x) * panel.frame.width()).floor() as i64;
        let pixels: Vec<_> = thin(run, bin).into_iter().map(|(x, y)| panel.at(x, y)).collect();
        canvas.line(pixels, color, width);
    }
}

fn draw_dots(canvas: &Canvas, panel: &Panel, points: &[(f64, f64)], color: RGBColor, radius: f64) {
    for (x, y) in points.iter().filter(|point| is_shown(point.1)) {
        canvas.dot(panel.at(*x, *y), radius, color);
    }
}
