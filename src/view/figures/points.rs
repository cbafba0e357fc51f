//! The figure that compares the points of a sweep which lie on no axis: a row for each.

use std::path::Path;

use plotters::style::text_anchor::{HPos, VPos};

use super::PlotError;
use super::canvas::{Canvas, Frame, GREY, TICK, Type, shorten};
use super::chart::{AxisText, MARGIN, Panel, heading};
use super::scale::{Scale, Ticks, extent, is_shown};
use super::sweep::{SweepPoint, WIDTH, color_of, legend, nothing, reach, room, summary};

/// Rows that are shown; more are no picture any more.
const ROWS: usize = 40;
const ROW: f64 = 38.0;
/// Room for labels; what is longer is cut.
const LABELS: f64 = 440.0;

/// Points of a sweep from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepList {
    /// What the labels of the points are made of, such as `learning_rate · batch_size`.
    pub names: String,
    pub points: Vec<SweepPoint>,
    /// Whether the best come first.
    pub is_ranked: bool,
}

/// Draws a metric of points, the first of many: each trial as a ring, mean and standard deviation over trials as a dot with an error bar.
///
/// # Errors
/// [`PlotError::NoData`] when no metric is a finite number; [`PlotError::Write`].
pub fn sweep_list(list: &SweepList, metric: &str, path: &Path) -> Result<(), PlotError> {
    let shown = &list.points[..list.points.len().min(ROWS)];
    let metrics = || shown.iter().flat_map(|point| point.metrics.iter().copied());
    if extent(metrics()).is_none() {
        return Err(nothing());
    }
    let entries = legend(shown.iter());
    // Title and legend, which breaks behind its third entry, and the axis below.
    let above = 212.0
        + match entries.len() {
            0 => 0.0,
            1..=3 => 46.0,
            _ => 80.0,
        };
    let canvas = Canvas::new(path, WIDTH, above + ROW * shown.len() as f64);
    let top = heading(&canvas, MARGIN, WIDTH - MARGIN, metric, &entries);
    let names = shorten(&names_text(list), TICK, WIDTH - 2.0 * MARGIN);
    let style = Type::new(TICK).color(GREY).at(HPos::Left, VPos::Top);
    canvas.text(&names, (MARGIN, top), style);
    let bottom = above + ROW * shown.len() as f64 - MARGIN;
    let outer = Frame { left: MARGIN, top: top + TICK + 18.0, right: WIDTH - 44.0, bottom };

    let row = |number: usize| (shown.len() - 1 - number) as f64;
    let label =
        |(number, point): (usize, &SweepPoint)| (row(number), shorten(&point.label, TICK, LABELS));
    let major = shown.iter().enumerate().map(label).collect();
    let ticks = Some(Ticks { major, ..Ticks::default() });
    let panel = Panel::draw(
        &canvas,
        outer,
        room(metrics().chain(shown.iter().flat_map(reach))),
        Scale::linear(-0.6, shown.len() as f64 - 0.4),
        AxisText::new(metric),
        AxisText { ticks, ..AxisText::new("") },
    );
    let has_fresh = shown.iter().any(|point| point.is_fresh);
    for (number, point) in shown.iter().enumerate() {
        draw_row(&canvas, &panel, row(number), point, has_fresh);
    }
    panel.finish(&canvas);
    canvas.finish()
}

/// What the labels are, and of which points they are where not all are shown.
fn names_text(SweepList { names, points, is_ranked }: &SweepList) -> String {
    let of = if *is_ranked { "best" } else { "first" };
    match points.len() {
        all if all <= ROWS && *is_ranked => format!("{names}, the best first"),
        all if all <= ROWS => names.clone(),
        all => format!("{names}, the {of} {ROWS} of {all}"),
    }
}

fn draw_row(canvas: &Canvas, panel: &Panel, row: f64, point: &SweepPoint, has_fresh: bool) {
    let Some((mean, deviation)) = summary(&point.metrics) else {
        let (x, y) = panel.at(panel.x.low, row);
        let style = Type::new(TICK).color(GREY).at(HPos::Left, VPos::Center);
        return canvas.text("no value", (x + 12.0, y), style);
    };
    let color = color_of(point, has_fresh);
    let at = panel.at(mean, row);
    if let Some(deviation) = deviation {
        let ((left, y), (right, _)) =
            (panel.at(mean - deviation, row), panel.at(mean + deviation, row));
        canvas.horizontal(left, right, y, color, 2.0);
        canvas.vertical(left, y - 7.0, y + 7.0, color, 2.0);
        canvas.vertical(right, y - 7.0, y + 7.0, color, 2.0);
        // Below the mean, so that neither hides the other.
        let single = point.metrics.iter().filter(|value| is_shown(**value));
        for value in single {
            let (x, y) = panel.at(*value, row);
            canvas.ring((x, y + 11.0), 4.0, GREY, 1.5);
        }
    }
    canvas.dot(at, 7.0, color);
}
