//! A plotters backend that writes SVG.
//!
//! Text stays text, to be searched and edited: in the compiled-in typeface where the viewer has it, else in its own sans serif, and in either as wide
//! as the figure was laid out for.

use std::fmt::Write as _;
use std::path::PathBuf;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::font::{self, Weight};
use super::raster::{RasterError, UNIT, baseline};

type Drawn = Result<(), DrawingErrorKind<RasterError>>;

/// A picture that `present` writes.
pub(super) struct Svg {
    /// In pixels.
    size: (u32, u32),
    elements: String,
    path: PathBuf,
}

/// Units as pixels, in as few digits as say all that is to be seen.
fn pixels(units: i32) -> String {
    number(f64::from(units) / UNIT)
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `attribute="#rrggbb"`, and its opacity where one sees through it.
fn painted(attribute: &str, color: BackendColor) -> String {
    let (red, green, blue) = color.rgb;
    let mut text = format!("{attribute}=\"#{red:02x}{green:02x}{blue:02x}\"");
    if color.alpha < 1.0 {
        write!(text, " {attribute}-opacity=\"{}\"", number(color.alpha)).expect("a string");
    }
    text
}

/// How a shape is filled, or its outline drawn.
fn shaped(style: &impl BackendStyle, fill: bool) -> String {
    if fill {
        return painted("fill", style.color());
    }
    let width = pixels(style.stroke_width() as i32);
    format!("fill=\"none\" {} stroke-width=\"{width}\"", painted("stroke", style.color()))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            // XML has no other form of them either.
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                safe.push(' ');
            }
            character => safe.push(character),
        }
    }
    safe
}

fn points(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let points = points.into_iter().map(|(x, y)| format!("{},{}", pixels(x), pixels(y)));
    points.collect::<Vec<_>>().join(" ")
}

impl Svg {
    pub(super) fn new(path: PathBuf, width: u32, height: u32) -> Self {
        Self { size: (width, height), elements: String::new(), path }
    }

    fn add(&mut self, element: &str) {
        self.elements += element;
        self.elements.push('\n');
    }

    fn text(&self) -> String {
        let ((width, height), elements) = (self.size, &self.elements);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"'Noto Sans', sans-serif\" xml:space=\"preserve\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{elements}</svg>\n"
        )
    }
}

impl DrawingBackend for Svg {
    type ErrorType = RasterError;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: u32| (f64::from(pixels) * UNIT) as u32;
        (units(self.size.0), units(self.size.1))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        std::fs::write(&self.path, self.text())
            .map_err(|error| DrawingErrorKind::DrawingError(RasterError::Disk(error)))
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
        path: I,
        style: &S,
    ) -> Drawn {
        let (points, style) = (points(path), shaped(style, false));
        self.add(&format!(
            "<polyline points=\"{points}\" {style} stroke-linecap=\"round\" stroke-linejoin=\"round\"/>"
        ));
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let [x, y] = [x0.min(x1), y0.min(y1)].map(pixels);
        let [width, height] = [x0.abs_diff(x1), y0.abs_diff(y1)].map(|it| pixels(it as i32));
        let style = shaped(style, fill);
        self.add(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {style}/>"
        ));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let [x, y, radius] = [x, y, radius as i32].map(pixels);
        let style = shaped(style, fill);
        self.add(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {style}/>"));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        let (points, style) = (points(corners), shaped(style, true));
        self.add(&format!("<polygon points=\"{points}\" {style}/>"));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let line = baseline(text, style, at);
        let width = font::width(text, line.size, line.weight);
        if width <= 0.0 {
            return Ok(());
        }
        let [x, y, size, width] =
            [line.start.0, line.start.1, line.size, width].map(|it| number(it.into()));
        let weight =
            if line.weight == Weight::Bold { " font-weight=\"bold\"" } else { Default::default() };
        let turn = match line.upwards {
            true => format!(" transform=\"rotate(-90 {x} {y})\""),
            false => String::new(),
        };
        let (color, text) = (painted("fill", style.color()), escaped(text));
        self.add(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" \
             {color}{weight}{turn}>{text}</text>"
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::{BLACK, Color as _, RGBColor, ShapeStyle};

    fn drawn(draw: impl Fn(&mut Svg) -> Drawn) -> String {
        let mut svg = Svg::new(PathBuf::new(), 100, 50);
        draw(&mut svg).expect("drawn");
        svg.elements
    }

    #[test]
    fn shapes_are_given_in_pixels() {
        let style = ShapeStyle { color: BLACK.into(), filled: false, stroke_width: 24 };
        assert_eq!(
            drawn(|svg| svg.draw_rect((16, 32), (4, 40), &style, true)),
            "<rect x=\"0.25\" y=\"2\" width=\"0.75\" height=\"0.5\" fill=\"#000000\"/>\n"
        );
        assert_eq!(
            drawn(|svg| svg.draw_circle((16, 16), 8, &style, false)),
            "<circle cx=\"1\" cy=\"1\" r=\"0.5\" fill=\"none\" stroke=\"#000000\" stroke-width=\"1.5\"/>\n"
        );
        let glass = RGBColor(1, 2, 255).mix(0.25).filled();
        assert_eq!(
            drawn(|svg| svg.fill_polygon([(0, 0), (16, 0), (0, 8)], &glass)),
            "<polygon points=\"0,0 1,0 0,0.5\" fill=\"#0102ff\" fill-opacity=\"0.25\"/>\n"
        );
    }

    #[test]
    fn a_text_is_no_markup() {
        assert_eq!(escaped("</text><script>&\u{0}\u{1b}"), "&lt;/text&gt;&lt;script&gt;&amp;  ");
    }
}
