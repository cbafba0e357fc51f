//! Figures: plain rows in, a picture out: a PNG, or an SVG where the file is called so.
//!
//! One function for each figure, each writing one file in one go:
//!
//! 1. the rows are checked and refused with a [`PlotError`] where there is nothing to show;
//! 2. ranges, ticks and label sizes decide the layout, so nothing overlaps and nothing is cut;
//! 3. the figure is drawn with plotters, in a compiled-in typeface, on a backend over tiny-skia or one that writes SVG;
//! 4. the picture is encoded.
//!
//! The same rows give the same bytes on every machine: no system font, no clock, no random number. A file is not replaced atomically; callers
//! give a folder that nobody else sees. There is no interactive output and no theme.

mod canvas;
mod chart;
mod confusion;
mod corpus;
mod curves;
mod error;
mod font;
mod grid;
mod history;
mod points;
mod ramp;
mod raster;
mod reliability;
mod scale;
mod sheet;
mod smooth;
mod svg;
mod sweep;
#[cfg(test)]
mod tests;

pub use confusion::{Confusion, confusion};
pub use corpus::{LabelCount, SplitLengths, label_counts, length_shares};
pub use curves::{PrecisionRecall, Roc, precision_recall, roc};
pub use error::{PlotError, attempt};
pub use history::{EpochRow, HistoryRow, HistorySplit, epoch_losses, learning_rate, loss_curves};
pub use points::{SweepList, sweep_list};
pub use reliability::{Reliability, ReliabilityPoint, reliability};
pub use sweep::{Spacing, SweepGrid, SweepPoint, sweep_grid, sweep_line};
