//! What a figure is drawn on: pixels, or SVG where its file is called so.

use std::path::Path;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::raster::{Raster, RasterError};
use super::svg::Svg;

type Drawn = Result<(), DrawingErrorKind<RasterError>>;

pub(super) enum Sheet {
    Pixels(Raster),
    Vectors(Svg),
}

impl Sheet {
    pub(super) fn new(path: &Path, width: u32, height: u32) -> Self {
        if path.extension().is_some_and(|extension| extension == "svg") {
            Self::Vectors(Svg::new(path.to_owned(), width, height))
        } else {
            Self::Pixels(Raster::new(path.to_owned(), width, height))
        }
    }
}

/// Hands a call on to what is drawn on.
macro_rules! on {
    ($sheet:expr, $method:ident ( $($argument:expr),* )) => {
        match $sheet {
            Self::Pixels(raster) => raster.$method($($argument),*),
            Self::Vectors(svg) => svg.$method($($argument),*),
        }
    };
}

impl DrawingBackend for Sheet {
    type ErrorType = RasterError;

    fn get_size(&self) -> (u32, u32) {
        on!(self, get_size())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        on!(self, ensure_prepared())
    }

    fn present(&mut self) -> Drawn {
        on!(self, present())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        on!(self, draw_pixel(at, color))
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        on!(self, draw_line(from, to, style))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        on!(self, draw_path(path, style))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        on!(self, draw_rect(from, to, style, fill))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        on!(self, draw_circle(center, radius, style, fill))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        on!(self, fill_polygon(corners, style))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        on!(self, draw_text(text, style, at))
    }
}
