//! The folder of results, `outputs/<experiment>/`.
//!
//! 1. `publish` decides what has to be put there: what the folder should hold against what lies there;
//! 2. `build` makes it (`tables`, `pictures`; `contents` names it), in a temporary folder;
//! 3. `put` puts it in place, and `swap` what has to change in one step; `ownership` and `strangers` tell a person's files from ours, and
//!    `leftover` brings over those that a killed run left behind.

mod build;
mod contents;
mod error;
mod leftover;
mod ownership;
mod pictures;
mod places;
mod publish;
mod put;
mod record;
mod strangers;
mod swap;
mod tables;

pub use build::{Again, Part};
pub use error::PublishError;
pub use leftover::bring_over;
pub use places::{check_place, earlier, folder_of_trial, model_in, stands_for_others, unpublished};
pub use publish::{Published, Task, publish};
pub use record::{experiment_of, made_by};
