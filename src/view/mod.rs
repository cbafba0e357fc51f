//! What a person gets of a run: lines while it runs, and `outputs/<experiment>/` when it is done.
//!
//! 1. [`Console`] listens to a run's events and prints them, live on a terminal and plainly elsewhere;
//! 2. [`publish`] makes the results folder from the [`Results`](crate::engine::runs::Results) of a run, and swaps it in;
//! 3. a sweep's folder holds tables and pictures over its trials instead.
//!
//! Scores arrive here as named numbers; nothing here knows what they mean.

mod build;
mod console;
mod contents;
mod error;
pub mod figures;
pub mod format;
mod leftover;
mod mounts;
mod origin;
mod ownership;
mod pictures;
mod places;
mod publish;
mod put;
mod record;
mod rows;
mod status;
mod strangers;
mod swap;
mod table;
mod tables;
mod tally;

pub use build::without_best;
pub use console::Console;
pub use error::PublishError;
pub use leftover::bring_over;
pub use origin::{Origin, Part};
pub use places::{check_place, earlier, unpublished};
pub use publish::{Published, Task, publish};
pub use record::{experiment_of, made_by};
pub use status::Status;
pub use table::{caveat_lines, scores_text, sweep_table, trials_table};
