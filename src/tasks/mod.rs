//! What a model is trained for: one file for each kind of task.
//!
//! A [`Task`] says what its head looks at, what the head should say of a batch, how that is weighed, and how the answers are read.
//! [`batch`] packs sequences with the targets of all tasks, [`score`] holds a model's answers against what the corpus says.

pub mod baselines;
mod by_group;
pub mod classification;
mod contents;
mod decoding;
mod logits;
pub mod metrics;
mod operating;
mod predicted;
mod reading;
pub mod tagging;
mod task;

pub use by_group::{ByText, GroupScores};
pub use contents::Contents;
pub use decoding::{Decode, Decoding};
pub use logits::cross_entropy;
pub use operating::Read;
pub use predicted::{Answers, Details, Predicted, Scored, score};
pub use reading::{Budget, Reading, Told};
pub use tagging::Tagging;
pub use task::{
    Kind, Task, batch, has, heads, joint, loss_options, names, of_corpus, title, to_corpus, total,
};
