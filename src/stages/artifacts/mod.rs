//! The on-disk form of what flows between stages.
//!
//! An artifact is a folder. Opening one reads its small parts and checks that the large ones are there; reading those is a method, so a stage
//! that needs only the labels does not read the tokens. Writing goes straight into the folder that the engine hands to the stage.
//!
//! Nothing written here holds a clock, a host or a path, except files that the type declares volatile.

mod about;
mod any_files;
mod backbone;
mod checkpoint;
mod corpus;
mod encoded;
mod evaluation;
mod figures;
pub mod files;
mod foreign_scores;
mod heads;
mod history;
pub mod known;
mod origin;
mod per_text;
mod seal;

pub use about::caveats_about;
pub use any_files::Files;
pub use backbone::Backbone;
pub use checkpoint::{Checkpoint, Chosen};
pub use corpus::{CorpusFiles, CorpusWriter};
pub use encoded::{Encoded, EncodedWriter};
pub use evaluation::{
    Evaluation, GroupRow, LabelConfusion, Metrics, PredictedClass, Prediction, Predictions,
    ReliabilityRow,
};
pub use figures::Figures;
pub use foreign_scores::ForeignScores;
pub use heads::{Head, Heads, Task};
pub use history::loss_column;
pub use origin::Origin;
pub use per_text::PerText;

/// What opens each of them, and why it could not.
pub use crate::engine::stage::{Artifact, StageError};
