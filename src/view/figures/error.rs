//! Why there is no picture, and that nothing else suffers from it.

use std::path::PathBuf;

use crate::base::disk::regular;

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
