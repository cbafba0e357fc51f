//! What a person gets of a run: lines while it runs, and `outputs/<experiment>/` when it is done.
//!
//! 1. [`Console`] listens to a run's events and prints them, live on a terminal and plainly elsewhere;
//! 2. [`publish`] makes the results folder from the entries of a finished run, and swaps it in;
//! 3. a sweep's folder holds tables and pictures over its trials instead.
//!
//! Metrics arrive here as named numbers; nothing here knows what they mean.

mod console;
pub mod format;
mod publish;
mod results;
mod status;
mod swap;
mod sweep;

pub use console::Console;
pub use publish::{
    PublishError, Published, Record, check_place, earlier, experiment_of, is_published, publish,
};
pub use results::{Metrics, caveat_lines, caveats, scores_of};
pub use status::Status;
