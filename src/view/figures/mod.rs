//! Figures: plain rows in, a PNG out.
//!
//! One function for each figure, each writing one file in one go:
//!
//! 1. the rows are checked and refused with a [`PlotError`] where there is nothing to show;
//! 2. ranges, ticks and label sizes decide the layout, so nothing overlaps and nothing is cut;
//! 3. the figure is drawn with plotters on a backend of our own that anti-aliases, in a compiled-in typeface;
//! 4. the picture is encoded.
//!
//! The same rows give the same bytes on every machine: no system font, no clock, no random number. A file is not replaced atomically; callers
//! give a folder that nobody else sees. There is no interactive output and no theme.

mod canvas;
mod chart;
mod confusion;
mod curves;
mod font;
mod grid;
mod history;
mod ramp;
mod raster;
mod scale;
mod smooth;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::base::disk::regular;

pub use confusion::{Confusion, confusion};
pub use curves::{PrecisionRecall, Roc, precision_recall, roc};
pub use history::{EpochRow, HistoryRow, HistorySplit, epoch_losses, learning_rate, loss_curves};
pub use sweep::{SweepGrid, SweepPoint, sweep_grid, sweep_line};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error("nothing to show in the figure `{figure}`: expected {expected}")]
    NoData { figure: &'static str, expected: &'static str },
    #[error("the figure `{figure}` expects {expected} cells, found {found}")]
    Shape { figure: &'static str, expected: usize, found: usize },
    #[error("a table of {found} labels is too large to draw: at most {most}")]
    TooManyLabels { found: usize, most: usize },
    #[error("cannot write `{}`: {}", path.display(), regular::reason(source))]
    Write { path: PathBuf, source: std::io::Error },
    #[error("drawing it went wrong, which is a mistake in the program: {reason}")]
    Broken { reason: String },
}

impl PlotError {
    /// Whether there is no picture because the disk took none; all else lies in what was to be drawn, and costs that picture only.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Write { .. })
    }
}

/// Draws a picture. Whatever goes wrong in it is an error, a panic too: results do not depend on pictures.
///
/// # Errors
/// What `draw` returns, and [`PlotError::Broken`] where it panicked.
pub fn attempt(draw: impl FnOnce() -> Result<(), PlotError>) -> Result<(), PlotError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(draw)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(PlotError::Broken { reason: reason.to_owned() })
    })
}
