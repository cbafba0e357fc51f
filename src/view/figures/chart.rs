//! The parts that all figures with two axes share: the frame with grid, ticks and labels, and the legend above it.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{
    Canvas, Frame, GREY, INK, LABEL, PALE, TICK, TITLE, Type, shorten, shorten_title, text_width,
};
use super::scale::{Kind, Scale, Ticks, superscript};

/// Space around everything.
pub(super) const MARGIN: f64 = 26.0;
/// Length of a tick and its distance to the label.
const TICK_LENGTH: f64 = 7.0;
const TICK_GAP: f64 = 8.0;
/// Room for an axis label across its direction, its distance to the tick labels included.
const AXIS_LABEL: f64 = LABEL + 16.0;

/// A set of axes on a canvas.
pub(super) struct Panel {
    pub(super) frame: Frame,
    pub(super) x: Scale,
    pub(super) y: Scale,
    x_ticks: Ticks,
    y_ticks: Ticks,
}

/// What a panel says about one of its axes.
pub(super) struct AxisText<'a> {
    pub(super) label: &'a str,
    /// Marks to use in place of computed ones.
    pub(super) ticks: Option<Ticks>,
    /// Marks at whole numbers only.
    pub(super) whole: bool,
}

impl<'a> AxisText<'a> {
    pub(super) fn new(label: &'a str) -> Self {
        Self { label, ticks: None, whole: false }
    }

    pub(super) fn whole(label: &'a str) -> Self {
        Self { whole: true, ..Self::new(label) }
    }
}

impl Panel {
    /// Fits axes with their labels into `outer`, and draws the grid below everything that follows.
    pub(super) fn draw(
        canvas: &Canvas,
        outer: Frame,
        x: Scale,
        y: Scale,
        x_text: AxisText,
        y_text: AxisText,
    ) -> Self {
        let bottom = outer.bottom - AXIS_LABEL - TICK - TICK_GAP - TICK_LENGTH;
        let rows = ((bottom - outer.top) / 68.0).max(2.0) as usize;
        let y_ticks = y_text
            .ticks
            .unwrap_or_else(|| if y_text.whole { y.whole_ticks(rows) } else { y.ticks(rows) });
        let widest =
            y_ticks.major.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
        let left = (outer.left + AXIS_LABEL + widest + TICK_GAP + TICK_LENGTH).round();
        let frame = Frame {
            left,
            top: outer.top.round(),
            right: outer.right.round(),
            bottom: bottom.round(),
        };
        let x_ticks = x_text.ticks.unwrap_or_else(|| spaced_ticks(&x, x_text.whole, frame.width()));
        let panel = Self { frame, x, y, x_ticks, y_ticks };
        panel.draw_grid(canvas);
        panel.draw_labels(canvas, outer, x_text.label, y_text.label);
        panel
    }

    /// Where a pair of values lies on the sheet.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let Frame { left, bottom, .. } = self.frame;
        (
            left + self.x.position(x) * self.frame.width(),
            bottom - self.y.position(y) * self.frame.height(),
        )
    }

    fn draw_grid(&self, canvas: &Canvas) {
        let Frame { left, top, right, bottom } = self.frame;
        for (value, _) in &self.y_ticks.major {
            canvas.horizontal(left, right, self.at(self.x.low, *value).1, PALE, 1.0);
        }
        for (value, _) in &self.x_ticks.major {
            canvas.vertical(self.at(*value, self.y.low).0, top, bottom, PALE, 1.0);
        }
    }

    fn draw_labels(&self, canvas: &Canvas, outer: Frame, x_label: &str, y_label: &str) {
        let Frame { left, bottom, .. } = self.frame;
        for (value, label) in &self.x_ticks.major {
            let x = self.at(*value, self.y.low).0;
            canvas.vertical(x, bottom, bottom + TICK_LENGTH, INK, 2.0);
            canvas.text(
                label,
                (x, bottom + TICK_LENGTH + TICK_GAP),
                Type::new(TICK).at(HPos::Center, VPos::Top),
            );
        }
        for (value, label) in &self.y_ticks.major {
            let y = self.at(self.x.low, *value).1;
            canvas.horizontal(left - TICK_LENGTH, left, y, INK, 2.0);
            canvas.text(
                label,
                (left - TICK_LENGTH - TICK_GAP, y),
                Type::new(TICK).at(HPos::Right, VPos::Center),
            );
        }
        for value in &self.x_ticks.minor {
            canvas.vertical(
                self.at(*value, self.y.low).0,
                bottom,
                bottom + TICK_LENGTH / 2.0,
                GREY,
                1.0,
            );
        }
        for value in &self.y_ticks.minor {
            canvas.horizontal(
                left - TICK_LENGTH / 2.0,
                left,
                self.at(self.x.low, *value).1,
                GREY,
                1.0,
            );
        }
        let with_power = |label: &str, ticks: &Ticks, limit: f64| match ticks.exponent {
            0 => shorten(label, LABEL, limit),
            power => format!("{} (×10{})", shorten(label, LABEL, limit - 90.0), superscript(power)),
        };
        let (x, y) = self.frame.center();
        let style = Type::new(LABEL);
        canvas.text(
            &with_power(x_label, &self.x_ticks, self.frame.width()),
            (x, outer.bottom - 4.0),
            style.at(HPos::Center, VPos::Bottom),
        );
        canvas.text(
            &with_power(y_label, &self.y_ticks, outer.height()),
            (outer.left, y),
            style.at(HPos::Center, VPos::Top).upwards(),
        );
    }

    /// Draws the two axis lines, above the data.
    pub(super) fn finish(&self, canvas: &Canvas) {
        let Frame { left, top, right, bottom } = self.frame;
        canvas.vertical(left, top, bottom + 1.0, INK, 2.0);
        canvas.horizontal(left - 1.0, right, bottom, INK, 2.0);
    }

    /// A line in grey in the middle of the axes, where there is nothing else to see.
    pub(super) fn note(&self, canvas: &Canvas, text: &str) {
        canvas.text(
            text,
            self.frame.center(),
            Type::new(LABEL).color(GREY).at(HPos::Center, VPos::Center),
        );
    }
}

/// As many marks as fit beside each other.
fn spaced_ticks(scale: &Scale, whole: bool, width: f64) -> Ticks {
    let fits = |ticks: &Ticks| {
        ticks.major.windows(2).all(|pair| {
            let apart = (scale.position(pair[1].0) - scale.position(pair[0].0)) * width;
            apart >= (text_width(&pair[0].1, TICK) + text_width(&pair[1].1, TICK)) / 2.0 + 18.0
        })
    };
    let ticks = |wanted| if whole { scale.whole_ticks(wanted) } else { scale.ticks(wanted) };
    let most = (width / 90.0).max(2.0) as usize;
    (2..=most).rev().map(ticks).find(|ticks| fits(ticks)).unwrap_or_else(|| {
        let mut few = ticks(1);
        // Labels longer than half of the axis: the first one alone.
        few.major.truncate(if scale.kind == Kind::Linear { 1 } else { 2 });
        few
    })
}

/// How a legend shows an entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    Line,
    Dashes,
    Dots,
    LineWithDots,
    Ring,
}

pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) color: RGBColor,
    pub(super) width: f64,
    pub(super) text: String,
}

impl Entry {
    pub(super) fn new(mark: Mark, color: RGBColor, width: f64, text: impl Into<String>) -> Self {
        Self { mark, color, width, text: text.into() }
    }
}

const SAMPLE: f64 = 40.0;
const ROW: f64 = 34.0;

/// Draws title and legend from the top left corner, wrapping the legend at `right`; returns where the axes may begin.
pub(super) fn heading(
    canvas: &Canvas,
    left: f64,
    right: f64,
    title: &str,
    entries: &[Entry],
) -> f64 {
    let title = shorten_title(title, right - left);
    canvas.text(&title, (left, MARGIN), Type::new(TITLE).bold().at(HPos::Left, VPos::Top));
    let mut y = MARGIN + TITLE + 16.0;
    if entries.is_empty() {
        return y;
    }
    let mut x = left;
    for entry in entries {
        let width = SAMPLE + 10.0 + text_width(&entry.text, TICK);
        if x > left && x + width > right {
            (x, y) = (left, y + ROW);
        }
        draw_entry(canvas, (x, y + ROW / 2.0), entry);
        x += width + 30.0;
    }
    y + ROW + 12.0
}

fn draw_entry(canvas: &Canvas, (x, y): (f64, f64), entry: &Entry) {
    let (ends, middle) = ([(x, y), (x + SAMPLE, y)], (x + SAMPLE / 2.0, y));
    match entry.mark {
        Mark::Line => canvas.line(ends, entry.color, entry.width),
        Mark::Dashes => canvas.dashes(ends[0], ends[1], entry.color, entry.width),
        Mark::Dots => canvas.dot(middle, entry.width, entry.color),
        Mark::LineWithDots => {
            canvas.line(ends, entry.color, 3.0);
            canvas.dot(middle, entry.width, entry.color);
        }
        Mark::Ring => canvas.ring(middle, entry.width, entry.color, 2.0),
    }
    canvas.text(&entry.text, (x + SAMPLE + 10.0, y), Type::new(TICK).at(HPos::Left, VPos::Center));
}
