//! A sheet to draw on: plotters elements in pixels with fractions, and the house style's colours and sizes.

use std::path::Path;

use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};

use super::PlotError;
use super::font::{self, Weight};
use super::raster::{RasterError, UNIT};
use super::sheet::Sheet;

/// Colours that stay apart for every kind of colour vision and in grey (Okabe and Ito, 2008).
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const VERMILION: RGBColor = RGBColor(213, 94, 0);
/// The blue of single values behind their smoothed line.
pub(super) const PALE_BLUE: RGBColor = RGBColor(178, 210, 231);
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const GREY: RGBColor = RGBColor(110, 110, 110);
pub(super) const PALE: RGBColor = RGBColor(230, 230, 230);
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);

/// Sizes of type, in pixels of the em.
pub(super) const TITLE: f64 = 27.0;
pub(super) const LABEL: f64 = 24.0;
pub(super) const TICK: f64 = 21.0;

/// Edges in pixels from the top left corner of the sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Frame {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn center(&self) -> (f64, f64) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }
}

/// How a line of text is drawn, and which of its points is given.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) bold: bool,
    pub(super) horizontal: HPos,
    pub(super) vertical: VPos,
    /// Reads from bottom to top.
    pub(super) upwards: bool,
}

impl Type {
    /// Dark, regular, from the left end of the baseline.
    pub(super) fn new(size: f64) -> Self {
        Self {
            size,
            color: INK,
            bold: false,
            horizontal: HPos::Left,
            vertical: VPos::Bottom,
            upwards: false,
        }
    }

    pub(super) fn at(self, horizontal: HPos, vertical: VPos) -> Self {
        Self { horizontal, vertical, ..self }
    }

    pub(super) fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

/// The width of a line of regular text in pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    f64::from(font::width(text, size as f32, Weight::Regular))
}

/// As much of a line of regular text as fits into `limit` pixels.
pub(super) fn shorten(text: &str, size: f64, limit: f64) -> String {
    font::shorten(text, size as f32, Weight::Regular, limit as f32)
}

/// As much of a title as fits into `limit` pixels.
pub(super) fn shorten_title(text: &str, limit: f64) -> String {
    font::shorten(text, TITLE as f32, Weight::Bold, limit as f32)
}

/// The width of a title in pixels.
pub(super) fn title_width(text: &str) -> f64 {
    f64::from(font::width(text, TITLE as f32, Weight::Bold))
}

/// The sheet of one figure.
pub(super) struct Canvas<'a> {
    area: DrawingArea<Sheet, plotters::coord::Shift>,
    path: &'a Path,
}

fn units(value: f64) -> i32 {
    (value * UNIT).round() as i32
}

fn coordinate((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

fn stroke(color: RGBColor, width: f64) -> ShapeStyle {
    ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: units(width) as u32 }
}

const IN_MEMORY: &str = "drawing into memory does not fail";

impl<'a> Canvas<'a> {
    pub(super) fn new(path: &'a Path, width: f64, height: f64) -> Self {
        Self {
            area: Sheet::new(path, width.ceil() as u32, height.ceil() as u32).into_drawing_area(),
            path,
        }
    }

    /// Writes the picture.
    pub(super) fn finish(self) -> Result<(), PlotError> {
        use plotters::drawing::DrawingAreaErrorKind::BackendError;
        use plotters_backend::DrawingErrorKind::DrawingError;
        self.area.present().map_err(|error| match error {
            BackendError(DrawingError(RasterError::Disk(source))) => {
                PlotError::Write { path: self.path.to_owned(), source }
            }
            other => PlotError::Broken { reason: other.to_string() },
        })
    }

    /// A line with round ends and joins.
    pub(super) fn line(
        &self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: f64,
    ) {
        let mut kept: Vec<(f64, f64)> = Vec::new();
        let mut dropped = None;
        for (x, y) in points {
            // A step too small to see costs as much to draw as any other.
            let near =
                kept.last().is_some_and(|last| (x - last.0).abs().max((y - last.1).abs()) < 0.25);
            dropped = near.then_some((x, y));
            if !near {
                kept.push((x, y));
            }
        }
        let points: Vec<_> = kept.into_iter().chain(dropped).map(coordinate).collect();
        self.area.draw(&PathElement::new(points, stroke(color, width))).expect(IN_MEMORY);
    }

    /// A straight line of dashes.
    pub(super) fn dashes(&self, from: (f64, f64), to: (f64, f64), color: RGBColor, width: f64) {
        let (dash, gap) = (4.0 * width, 4.0 * width);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let at = |distance: f64| (from.0 + dx * distance / length, from.1 + dy * distance / length);
        let mut start = 0.0;
        while start < length {
            self.line([at(start), at((start + dash).min(length))], color, width);
            start += dash + gap;
        }
    }

    /// A horizontal hairline of whole pixels.
    pub(super) fn horizontal(&self, left: f64, right: f64, y: f64, color: RGBColor, width: f64) {
        let top = (y - width / 2.0).round();
        self.rectangle(Frame { left, top, right, bottom: top + width }, color);
    }

    /// A vertical hairline of whole pixels.
    pub(super) fn vertical(&self, x: f64, top: f64, bottom: f64, color: RGBColor, width: f64) {
        let left = (x - width / 2.0).round();
        self.rectangle(Frame { left, top, right: left + width, bottom }, color);
    }

    pub(super) fn rectangle(&self, frame: Frame, color: RGBColor) {
        let corners =
            [coordinate((frame.left, frame.top)), coordinate((frame.right, frame.bottom))];
        self.area.draw(&Rectangle::new(corners, color.filled())).expect(IN_MEMORY);
    }

    pub(super) fn outline(&self, frame: Frame, color: RGBColor, width: f64) {
        let corners =
            [coordinate((frame.left, frame.top)), coordinate((frame.right, frame.bottom))];
        self.area.draw(&Rectangle::new(corners, stroke(color, width))).expect(IN_MEMORY);
    }

    /// A dot with a thin white rim, which keeps it apart from lines and other dots.
    pub(super) fn dot(&self, center: (f64, f64), radius: f64, color: RGBColor) {
        self.area
            .draw(&Circle::new(coordinate(center), units(radius + 1.5), PAPER.filled()))
            .expect(IN_MEMORY);
        self.area
            .draw(&Circle::new(coordinate(center), units(radius), color.filled()))
            .expect(IN_MEMORY);
    }

    pub(super) fn ring(&self, center: (f64, f64), radius: f64, color: RGBColor, width: f64) {
        self.area
            .draw(&Circle::new(coordinate(center), units(radius), stroke(color, width)))
            .expect(IN_MEMORY);
    }

    /// Text over lines, with a white rim that keeps it readable.
    pub(super) fn text_over_lines(&self, text: &str, (x, y): (f64, f64), style: Type) {
        for (dx, dy) in [
            (-3.0, 0.0),
            (3.0, 0.0),
            (0.0, -3.0),
            (0.0, 3.0),
            (-2.0, -2.0),
            (-2.0, 2.0),
            (2.0, -2.0),
            (2.0, 2.0),
        ] {
            self.text(text, (x + dx, y + dy), style.color(PAPER));
        }
        self.text(text, (x, y), style);
    }

    pub(super) fn text(&self, text: &str, at: (f64, f64), style: Type) {
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let turn = if style.upwards { FontTransform::Rotate270 } else { FontTransform::None };
        let font = FontDesc::new(FontFamily::SansSerif, style.size, weight).transform(turn);
        let style = TextStyle::from(font)
            .color(&style.color)
            .pos(Pos::new(style.horizontal, style.vertical));
        self.area.draw(&Text::new(text, coordinate(at), style)).expect(IN_MEMORY);
    }
}
