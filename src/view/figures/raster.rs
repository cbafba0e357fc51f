//! A plotters backend on tiny-skia.
//!
//! plotters' bitmap backend draws lines wider than a pixel without anti-aliasing and drops the side bearings of letters. Here all is a path,
//! letters too, that is filled or stroked in one colour.
//!
//! Coordinates, widths and radii are in units of 1/[`UNIT`] pixel, because plotters' backend coordinates are integers. Text sizes are pixels.

use std::path::PathBuf;

use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{FontStyle, FontTransform};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use super::font::{self, Weight};

/// Units in a pixel.
pub(super) const UNIT: f64 = 16.0;

#[derive(Debug, thiserror::Error)]
pub(super) enum RasterError {
    #[error("{0}")]
    Encode(String),
    #[error("{0}")]
    Disk(std::io::Error),
}

type Drawn = Result<(), DrawingErrorKind<RasterError>>;

/// A picture in memory that `present` writes as a PNG.
pub(super) struct Raster {
    pixels: Pixmap,
    path: PathBuf,
}

impl Raster {
    /// A white picture.
    pub(super) fn new(path: PathBuf, width: u32, height: u32) -> Self {
        let mut pixels =
            Pixmap::new(width, height).expect("a figure has an area, and not too large");
        pixels.fill(tiny_skia::Color::WHITE);
        Self { pixels, path }
    }

    /// Nothing is drawn so near to the edge that part of it may be missing.
    #[cfg(test)]
    fn has_a_white_rim(&self) -> bool {
        let (width, height) = (self.pixels.width() as usize, self.pixels.height() as usize);
        let is_white = |pixels: &[u8]| pixels.iter().all(|part| *part == u8::MAX);
        // The pixels within are passed over: there are millions of them.
        self.pixels.data().chunks_exact(4 * width).enumerate().all(|(y, row)| {
            let inside = (1..height - 1).contains(&y);
            if inside {
                is_white(&row[..4]) && is_white(&row[4 * (width - 1)..])
            } else {
                is_white(row)
            }
        })
    }

    fn fill(&mut self, path: Option<Path>, color: BackendColor) {
        if let Some(path) = path {
            let rule = FillRule::Winding;
            self.pixels.fill_path(&path, &paint(color), rule, Transform::identity(), None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, line_join: LineJoin, style: &impl BackendStyle) {
        if let Some(path) = path {
            let (width, line_cap) = (pixels(style.stroke_width() as i32), LineCap::Round);
            let stroke = Stroke { width, line_cap, line_join, ..Stroke::default() };
            let paint = paint(style.color());
            self.pixels.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        }
    }
}

fn paint(color: BackendColor) -> Paint<'static> {
    let ((red, green, blue), mut paint) = (color.rgb, Paint::default());
    paint.set_color_rgba8(red, green, blue, (color.alpha * 255.0).round() as u8);
    paint
}

fn pixels(units: i32) -> f32 {
    (f64::from(units) / UNIT) as f32
}

impl DrawingBackend for Raster {
    type ErrorType = RasterError;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: u32| (f64::from(pixels) * UNIT) as u32;
        (units(self.pixels.width()), units(self.pixels.height()))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        #[cfg(test)]
        assert!(
            self.has_a_white_rim(),
            "something is cut off at the edge of `{}`",
            self.path.display()
        );
        let failed = DrawingErrorKind::DrawingError;
        let png = self.pixels.encode_png();
        let png = png.map_err(|error| failed(RasterError::Encode(error.to_string())))?;
        std::fs::write(&self.path, png).map_err(|error| failed(RasterError::Disk(error)))
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        let one = UNIT as i32;
        self.draw_rect((x, y), (x + one, y + one), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        self.stroke(polygon(points), LineJoin::Round, style);
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let rect = Rect::from_ltrb(pixels(x0), pixels(y0), pixels(x1), pixels(y1));
        let path = rect.map(PathBuilder::from_rect);
        if fill {
            self.fill(path, style.color())
        } else {
            self.stroke(path, LineJoin::Miter, style)
        };
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let path = PathBuilder::from_circle(pixels(x), pixels(y), pixels(radius as i32));
        if fill {
            self.fill(path, style.color())
        } else {
            self.stroke(path, LineJoin::Round, style)
        };
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        self.fill(polygon(points), style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let Baseline { start: (x, y), size, weight, upwards } = baseline(text, style, at);
        let place = if upwards {
            // A quarter counter-clockwise: along the line is up, below it is to the right.
            Transform::from_row(0.0, -1.0, 1.0, 0.0, x, y)
        } else {
            Transform::from_translate(x, y)
        };
        let outline = font::outline(text, size, weight).and_then(|path| path.transform(place));
        self.fill(outline, style.color());
        Ok(())
    }
}

/// Where a line of text stands.
pub(super) struct Baseline {
    /// In pixels.
    pub(super) start: (f32, f32),
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) upwards: bool,
}

/// * `at`: where the point of the text lies that the style says
pub(super) fn baseline(
    text: &str,
    style: &impl BackendTextStyle,
    (x, y): BackendCoord,
) -> Baseline {
    let (size, anchor) = (style.size() as f32, style.anchor());
    let weight =
        if matches!(style.style(), FontStyle::Bold) { Weight::Bold } else { Weight::Regular };
    let back = match anchor.h_pos {
        HPos::Left => 0.0,
        HPos::Center => font::width(text, size, weight) / 2.0,
        HPos::Right => font::width(text, size, weight),
    };
    let drop = match anchor.v_pos {
        VPos::Top => size * font::CAP_HEIGHT,
        VPos::Center => size * font::CAP_HEIGHT / 2.0,
        VPos::Bottom => 0.0,
    };
    let (x, y) = (pixels(x), pixels(y));
    let upwards = matches!(style.transform(), FontTransform::Rotate270);
    // Whole pixels for the baseline keep horizontal strokes crisp.
    let start =
        if upwards { ((x + drop).round(), y + back) } else { (x - back, (y + drop).round()) };
    Baseline { start, size, weight, upwards }
}

fn polygon(points: impl IntoIterator<Item = BackendCoord>) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (x, y) in points {
        if path.is_empty() {
            path.move_to(pixels(x), pixels(y));
        }
        path.line_to(pixels(x), pixels(y));
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::{BLACK, ShapeStyle};

    fn darkness(raster: &Raster) -> f64 {
        raster
            .pixels
            .data()
            .chunks_exact(4)
            .flat_map(|pixel| &pixel[..3])
            .map(|&value| 1.0 - f64::from(value) / 255.0)
            .sum::<f64>()
            / 3.0
    }

    fn blank() -> Raster {
        Raster::new(PathBuf::new(), 100, 100)
    }

    fn style(width: f64) -> ShapeStyle {
        ShapeStyle { color: BLACK.into(), filled: false, stroke_width: (width * UNIT) as u32 }
    }

    fn unit(value: f64) -> i32 {
        (value * UNIT) as i32
    }

    #[test]
    fn a_disc_covers_its_area() {
        let mut raster = blank();
        raster
            .draw_circle((unit(50.3), unit(49.6)), unit(20.0) as u32, &style(1.0), true)
            .expect("a disc is drawn");
        let area = std::f64::consts::PI * 400.0;
        // tiny-skia samples each pixel of an edge 4 x 4 times.
        assert!(
            (darkness(&raster) - area).abs() < 0.01 * area,
            "{} instead of {area}",
            darkness(&raster)
        );
    }

    #[test]
    fn a_diagonal_line_covers_its_length_times_its_width() {
        let mut raster = blank();
        raster
            .draw_line((unit(20.0), unit(20.0)), (unit(80.0), unit(63.0)), &style(3.0))
            .expect("a line is drawn");
        let area = 60f64.hypot(43.0) * 3.0 + std::f64::consts::PI * 1.5 * 1.5;
        assert!(
            (darkness(&raster) - area).abs() < 0.02 * area,
            "{} instead of {area}",
            darkness(&raster)
        );
    }

    #[test]
    fn a_line_back_over_itself_covers_once() {
        let (mut once, mut twice) = (blank(), blank());
        let (a, b) = ((unit(20.0), unit(31.0)), (unit(80.0), unit(70.0)));
        once.draw_path([a, b], &style(2.0)).expect("a line is drawn");
        twice.draw_path([a, b, a], &style(2.0)).expect("a line is drawn");
        assert!(once.pixels.data() == twice.pixels.data());
    }

    #[test]
    fn an_edge_at_a_quarter_of_a_pixel_covers_three_quarters() {
        let mut raster = blank();
        raster
            .draw_rect((unit(10.25), unit(10.0)), (unit(20.0), unit(11.0)), &style(1.0), true)
            .expect("a rectangle is drawn");
        assert!((darkness(&raster) - 9.75).abs() < 0.01);
    }

    #[test]
    fn shapes_outside_of_the_picture_draw_nothing() {
        let mut raster = blank();
        for (x, y) in [(-1e4, 50.0), (1e4, 50.0), (50.0, -1e4), (50.0, 1e4)] {
            raster
                .draw_circle((unit(x), unit(y)), 100, &style(1.0), true)
                .expect("a disc is drawn");
            raster
                .draw_rect((unit(x), unit(y)), (unit(x + 9.0), unit(y + 9.0)), &style(1.0), true)
                .expect("a rectangle is drawn");
        }
        assert_eq!(darkness(&raster), 0.0);
    }
}
