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

use serde::Deserialize as _;
use serde_json::Value;

use self::generate_corpus::GenerateCorpus;
use self::read_corpus::ReadCorpus;
pub use self::read_corpus::{Files, RulesOf};
pub use self::splits::{Passed, TakeTexts};
use crate::engine::stage::{Stage as _, StageError, StageKind};
use crate::training::Recipe;

/// Every kind, in the order in which `pipeline kinds` lists them.
pub static ALL: &[StageKind] = &[
    StageKind::of::<fetch_model::FetchModel>(),
    StageKind::of::<init_model::InitModel>(),
    StageKind::of::<GenerateCorpus>(),
    StageKind::of::<ReadCorpus>(),
    StageKind::of::<command::Command>(),
    StageKind::of::<augment::Augment>(),
    StageKind::of::<tokenize::Tokenize>(),
    StageKind::of::<pretrain::Pretrain>(),
    StageKind::of::<Recipe>(),
    StageKind::of::<evaluate::Evaluate>(),
    StageKind::of::<baseline::Baseline>(),
    StageKind::of::<plot::Plot>(),
];

/// Hands on the texts of a corpus that a kind makes of its parameters alone, some at a time: nothing is written. `None` for a kind that makes none, or
/// needs another stage for it.
///
/// * `parameters`: of the stage, after defaults
///
/// # Errors
/// What `run` would fail with; those of `take`.
pub fn pass(
    kind: &StageKind,
    parameters: &Value,
    take: TakeTexts<'_>,
) -> Option<Result<Passed, StageError>> {
    const PLAIN: &str = "parameters are plain data";

    match kind.name {
        ReadCorpus::KIND => Some(ReadCorpus::deserialize(parameters).expect(PLAIN).pass(take)),
        GenerateCorpus::KIND => {
            Some(GenerateCorpus::deserialize(parameters).expect(PLAIN).pass(take))
        }
        _ => None,
    }
}

/// What is remembered of the speed of this machine, for the costs that kinds foresee.
///
/// * `cache`: the folder of rebuildable files
#[must_use]
pub fn speeds(cache: &Path) -> Arc<dyn Any + Send + Sync> {
    Arc::new(train::Speeds::read(cache))
}
