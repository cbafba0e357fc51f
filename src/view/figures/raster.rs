//! A plotters backend with exact anti-aliasing.
//!
//! plotters' bitmap backend draws lines wider than a pixel without anti-aliasing and drops the side bearings of letters. This one computes
//! how much of each pixel a shape covers, which looks better than drawing at three times the size and scaling down, and costs a tenth.
//!
//! Coordinates, widths and radii are in units of 1/[`UNIT`] pixel, because plotters' backend coordinates are integers. Text sizes are pixels.

use std::path::PathBuf;

use plotters::backend::BitMapBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{FontStyle, FontTransform};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
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
    #[error("filled polygons are not supported")]
    Polygon,
}

type Drawn = Result<(), DrawingErrorKind<RasterError>>;

/// An RGB picture in memory that `present` writes as a PNG.
pub(super) struct Raster {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    path: PathBuf,
}

impl Raster {
    /// A white picture.
    pub(super) fn new(path: PathBuf, width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, pixels: vec![255; width * height * 3], path }
    }

    /// Nothing is drawn so near to the edge that part of it may be missing.
    #[cfg(test)]
    fn has_a_white_rim(&self) -> bool {
        let row = |y: usize| &self.pixels[y * self.width * 3..(y + 1) * self.width * 3];
        let white = |pixels: &[u8]| pixels.iter().all(|&value| value == 255);
        white(row(0))
            && white(row(self.height - 1))
            && (0..self.height).all(|y| white(&row(y)[..3]) && white(&row(y)[self.width * 3 - 3..]))
    }

    /// `x` and `y` must be inside.
    fn blend(&mut self, x: usize, y: usize, color: BackendColor, coverage: f32) {
        let alpha = (color.alpha as f32 * coverage).clamp(0.0, 1.0);
        let start = (y * self.width + x) * 3;
        let (red, green, blue) = color.rgb;
        for (old, new) in self.pixels[start..start + 3].iter_mut().zip([red, green, blue]) {
            let below = f32::from(*old);
            *old = (below + (f32::from(new) - below) * alpha + 0.5) as u8;
        }
    }

    /// The whole pixels from `low` to `high`, clipped to `size`.
    fn clip(low: f32, high: f32, size: usize) -> std::ops::Range<usize> {
        // Casts to unsigned saturate, so what lies left of or above the picture becomes 0.
        let (low, high) = (low.floor() as usize, (high.ceil() as usize).min(size));
        low.min(high)..high
    }

    /// A rectangle with edges at fractions of a pixel.
    fn rectangle(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), color: BackendColor) {
        let overlap = |cell: usize, low: f32, high: f32| {
            (high.min(cell as f32 + 1.0) - low.max(cell as f32)).clamp(0.0, 1.0)
        };
        let columns = Self::clip(x0, x1, self.width);
        for y in Self::clip(y0, y1, self.height) {
            let vertical = overlap(y, y0, y1);
            for x in columns.clone() {
                self.blend(x, y, color, vertical * overlap(x, x0, x1));
            }
        }
    }

    /// A line through `points` with round ends and joins, `2 * radius` wide. Where it crosses itself it covers once.
    fn stroke(&mut self, points: &[(f32, f32)], radius: f32, color: BackendColor) {
        let reach = radius + 0.5;
        let bounds = |values: &mut dyn Iterator<Item = f32>| {
            values.fold((f32::MAX, f32::MIN), |(low, high), value| {
                (low.min(value - reach), high.max(value + reach))
            })
        };
        let (left, right) = bounds(&mut points.iter().map(|p| p.0));
        let (top, bottom) = bounds(&mut points.iter().map(|p| p.1));
        let (columns, rows) =
            (Self::clip(left, right, self.width), Self::clip(top, bottom, self.height));
        let stride = columns.len();
        if stride == 0 || rows.is_empty() {
            return;
        }
        let mut mask = vec![0.0f32; stride * rows.len()];
        // A single point is a segment of no length: a dot.
        let last = points[points.len() - 1];
        for (&a, &b) in
            points.iter().zip(points.iter().skip(1).chain((points.len() == 1).then_some(&last)))
        {
            cover_segment(a, b, reach, &mut mask, &columns, &rows);
        }
        for y in rows.clone() {
            for x in columns.clone() {
                let coverage = mask[(y - rows.start) * stride + x - columns.start];
                if coverage > 0.0 {
                    self.blend(x, y, color, coverage);
                }
            }
        }
    }
}

/// Raises `mask` to the coverage of all points nearer than `reach` minus half a pixel to the segment from `a` to `b`.
fn cover_segment(
    a: (f32, f32),
    b: (f32, f32),
    reach: f32,
    mask: &mut [f32],
    columns: &std::ops::Range<usize>,
    rows: &std::ops::Range<usize>,
) {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let squared = dx * dx + dy * dy;
    let length = squared.sqrt();
    let limit = |low: f32, high: f32, range: &std::ops::Range<usize>| {
        let (low, high) = (
            (low - 0.5).ceil().max(range.start as f32) as usize,
            ((high - 0.5).floor() + 1.0).min(range.end as f32) as usize,
        );
        low..high
    };
    for y in limit(a.1.min(b.1) - reach, a.1.max(b.1) + reach, rows) {
        let center_y = y as f32 + 0.5;
        let (mut low, mut high) = (a.0.min(b.0) - reach, a.0.max(b.0) + reach);
        if dy.abs() > 1e-3 * length {
            // Only the part of the row within reach of the infinite line matters: a long diagonal would else cost its whole bounding box.
            let (middle, half) = (a.0 + (center_y - a.1) * dx / dy, reach * length / dy.abs());
            (low, high) = (low.max(middle - half), high.min(middle + half));
        }
        for x in limit(low, high, columns) {
            let (px, py) = (x as f32 + 0.5 - a.0, center_y - a.1);
            let along =
                if squared > 0.0 { ((px * dx + py * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
            let distance = (px - along * dx).hypot(py - along * dy);
            let cell = &mut mask[(y - rows.start) * columns.len() + x - columns.start];
            *cell = cell.max((reach - distance).clamp(0.0, 1.0));
        }
    }
}

fn pixels((x, y): BackendCoord) -> (f32, f32) {
    ((f64::from(x) / UNIT) as f32, (f64::from(y) / UNIT) as f32)
}

fn half_width(style: &impl BackendStyle) -> f32 {
    (f64::from(style.stroke_width()) / UNIT / 2.0) as f32
}

impl DrawingBackend for Raster {
    type ErrorType = RasterError;

    fn get_size(&self) -> (u32, u32) {
        ((self.width as f64 * UNIT) as u32, (self.height as f64 * UNIT) as u32)
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
        let mut file = BitMapBackend::new(&self.path, (self.width as u32, self.height as u32));
        let size = (self.width as u32, self.height as u32);
        let written = file.blit_bitmap((0, 0), size, &self.pixels).and_then(|()| file.present());
        written.map_err(|error| {
            // The encoder keeps the error of the system to itself, but a disk that takes no picture takes its pixels still less.
            DrawingErrorKind::DrawingError(match std::fs::write(&self.path, &self.pixels) {
                Ok(()) => RasterError::Encode(error.to_string()),
                Err(error) => RasterError::Disk(error),
            })
        })
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = pixels(point);
        self.rectangle((x, y), (x + 1.0, y + 1.0), color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.stroke(&[pixels(from), pixels(to)], half_width(style), style.color());
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<_> = path.into_iter().map(pixels).collect();
        if !points.is_empty() {
            self.stroke(&points, half_width(style), style.color());
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let ((x0, y0), (x1, y1)) = (pixels(a), pixels(b));
        if fill {
            self.rectangle((x0, y0), (x1, y1), style.color());
        } else {
            // The frame's line lies half inside and half outside of its edge.
            let (half, color) = (half_width(style), style.color());
            self.rectangle((x0 - half, y0 - half), (x1 + half, y0 + half), color);
            self.rectangle((x0 - half, y1 - half), (x1 + half, y1 + half), color);
            self.rectangle((x0 - half, y0 + half), (x0 + half, y1 - half), color);
            self.rectangle((x1 - half, y0 + half), (x1 + half, y1 - half), color);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let ((x, y), radius) = (pixels(center), (f64::from(radius) / UNIT) as f32);
        if fill {
            self.stroke(&[(x, y)], radius, style.color());
        } else {
            // Sixty-four chords differ from the circle by less than a twentieth of a pixel at the radius of a marker.
            let ring: Vec<_> = (0..=64)
                .map(|i| i as f32 / 32.0 * std::f32::consts::PI)
                .map(|t| (x + radius * t.cos(), y + radius * t.sin()))
                .collect();
            self.stroke(&ring, half_width(style), style.color());
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        _: I,
        _: &S,
    ) -> Drawn {
        Err(DrawingErrorKind::DrawingError(RasterError::Polygon))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        position: BackendCoord,
    ) -> Drawn {
        let (size, color, anchor) = (style.size() as f32, style.color(), style.anchor());
        let weight =
            if matches!(style.style(), FontStyle::Bold) { Weight::Bold } else { Weight::Regular };
        let (x, y) = pixels(position);
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
        // Along and across the line of text. Turned by a quarter counter-clockwise, "along" points up and "across" to the right.
        let upwards = matches!(style.transform(), FontTransform::Rotate270);
        let (along, across) = if upwards { (-y, x) } else { (x, y) };
        let (width, height) = (self.width as i32, self.height as i32);
        // Whole pixels for the baseline keep horizontal strokes crisp.
        font::rasterize(
            text,
            size,
            weight,
            along - back,
            (across + drop).round(),
            |along, across, coverage| {
                let (x, y) = if upwards { (across, -along - 1) } else { (along, across) };
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    self.blend(x as usize, y as usize, color, coverage);
                }
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::{BLACK, ShapeStyle};

    fn darkness(raster: &Raster) -> f64 {
        raster.pixels.iter().map(|&value| 1.0 - f64::from(value) / 255.0).sum::<f64>() / 3.0
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
        assert!(
            (darkness(&raster) - area).abs() < 0.005 * area,
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
        assert!(once.pixels == twice.pixels);
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
