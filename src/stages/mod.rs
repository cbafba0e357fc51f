//! The stage kinds: one file each, and one line each in the table [`ALL`].
//!
//! A kind reads its typed inputs, calls the machine-learning side, and writes its artifact. It never uses another kind.

pub mod artifacts;
mod augment;
mod baseline;
mod beside;
mod command;
mod corpus_caveats;
mod corrections;
mod engine;
mod evaluate;
mod facts;
mod fetch_model;
mod generate_corpus;
mod groups;
mod init_model;
mod operating;
mod plot;
mod pretrain;
mod read_corpus;
mod reading;
mod scoring;
mod seed;
mod shared;
mod splits;
mod telling;
mod tokenize;
pub mod train;
pub mod versions;
mod watched;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

pub use self::read_corpus::{Files, RulesOf};
use crate::engine::stage::StageKind;
use crate::training::Recipe;

/// Every kind, in the order in which `pipeline kinds` lists them.
pub static ALL: &[StageKind] = &[
    StageKind::of::<fetch_model::FetchModel>(),
    StageKind::of::<init_model::InitModel>(),
    StageKind::of::<generate_corpus::GenerateCorpus>(),
    StageKind::of::<read_corpus::ReadCorpus>(),
    StageKind::of::<command::Command>(),
    StageKind::of::<augment::Augment>(),
    StageKind::of::<tokenize::Tokenize>(),
    StageKind::of::<pretrain::Pretrain>(),
    StageKind::of::<Recipe>(),
    StageKind::of::<evaluate::Evaluate>(),
    StageKind::of::<baseline::Baseline>(),
    StageKind::of::<plot::Plot>(),
];

/// What is remembered of the speed of this machine, for the costs that kinds foresee.
///
/// * `cache`: the folder of rebuildable files
#[must_use]
pub fn speeds(cache: &Path) -> Arc<dyn Any + Send + Sync> {
    Arc::new(train::Speeds::read(cache))
}
