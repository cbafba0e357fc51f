//! What a person gets of a run: lines while it runs, and `outputs/<experiment>/` when it is done.
//!
//! 1. [`Console`] listens to a run's events and prints them, live on a terminal and plainly elsewhere;
//!    [`TensorBoard`] writes them down for a viewer, and [`Watched`] shows them to who looks from elsewhere;
//! 2. [`publish`] makes the results folder from the [`Results`](crate::engine::runs::Results) of a run, and swaps it in;
//! 3. a sweep's folder holds tables and pictures over its trials instead.
//!
//! Scores arrive here as named numbers; nothing here knows what they mean.

mod console;
mod difference;
pub mod figures;
pub mod format;
pub mod listing;
mod marked;
mod mlflow;
mod pairs;
mod report;
mod results;
mod rows;
mod standings;
mod status;
mod table;
mod tally;
mod tensorboard;
mod watch;
mod words;

pub use console::Console;
pub use difference::{Compare, Comparison, Difference, Over};
pub use marked::{Mark, marked};
pub use mlflow::{ExportError, Exported, MlflowStore};
pub use pairs::{SIGNIFICANT, pairs_for, too_few};
pub use report::{Background, Searched, Setting};
pub use results::{
    Again, Part, PublishError, Published, Task, bring_over, check_place, earlier, experiment_of,
    folder_of_trial, made_by, model_in, publish, stands_for_others, unpublished,
};
pub use rows::{Moments, best_trials};
pub use standings::Standings;
pub use status::Status;
pub use table::{
    caveat_lines, columns_text, file_table, scores_text, sweep_table, trials_scores_text,
    trials_table,
};
pub use tensorboard::TensorBoard;
pub use watch::{Left, Lines, Watched, on_screen};
