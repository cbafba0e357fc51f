//! Training: the loop, the optimiser, and what survives an interruption.
//!
//! The life of a training, as [`train`] runs it:
//!
//! 1. a [`Recipe`] says how; [`Data`] says on what; an [`Engine`] holds the model, its gradient and the optimiser's state;
//! 2. the newest usable saved state of the same training is loaded, else the finished state of one with fewer epochs;
//! 3. each step gathers its sequences in the epoch's own order ([`order`]), adds up their gradient, clips it and makes one pass of AdamW
//!    ([`adamw`]) with the learning rate of that step ([`schedule`]);
//! 4. evaluations look at the validation split, with the average of the weights where the recipe keeps one ([`predict`], [`score`](crate::tasks::score)), keep the best weights and may stop the training;
//! 5. saved states are written as often as their cost allows ([`Cadence`]), and when the [`Observer`] asks to stop;
//! 6. [`Trained`] has the history; the engine has the weights.
//!
//! The same model, data and recipe give the same bits on the same machine, whatever the number of threads and wherever the training was
//! interrupted. Clocks decide when a saved state is written, and nothing else.
//!
//! There is no stage, key or store here, and no gradient is worked out: the models do that.

mod cadence;
mod candle;
mod class_weights;
mod coverage;
mod cpu;
mod device;
mod engine;
mod error;
mod fixed;
mod goal;
mod history;
mod identity;
mod inputs;
mod masking;
mod merge;
mod observer;
pub mod order;
mod predict;
mod recipe;
mod saved;
pub mod schedule;
mod session;
mod state;
mod thresholds;
mod train;

pub use crate::nn::kernels::adamw;
pub use cadence::Cadence;
pub use candle::CandleEngine;
pub use class_weights::{Balanced, ClassWeights, Weights};
pub use cpu::{CpuEngine, CpuForward};
pub use device::ModelEngine;
pub use engine::{Engine, EngineError, Forward, StateVector};
pub use error::{TrainError, some_of};
pub use goal::masked_head;
pub use history::{History, Row, RowSplit, Timing, epoch_losses};
pub use inputs::{Data, Storage};
pub use masking::Masking;
pub use observer::{Notice, Observer, Progress};
pub use predict::{BatchLimit, predict};
pub use recipe::{
    CheckpointEvery, Dtype, EarlyStopping, OnNonfinite, Optimizer, Recipe, Undecayed,
};
pub use saved::{SaveError, SavedStates, VerifiedState};
pub use schedule::{Schedule, Warmup};
pub use state::{Best, State};
pub use thresholds::{AtPrecision, AtRate, Best as BestThreshold, Threshold};
pub use train::{Trained, pretrain, train};
