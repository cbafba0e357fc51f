//! Foresees what a training takes, before anything is loaded.

use super::ToolError;
use super::bench::SYNTHETIC_LABELS;
use super::shape::{Shape, encoder};
use crate::training;

pub use crate::training::MemoryNeed;

/// What a training of a model of this shape takes on the CPU, with full batches of the longest texts.
///
/// # Errors
/// When the model's sizes cannot be used.
pub fn memory_need(
    shape: &Shape,
    batch_size: usize,
    max_length: usize,
    activation_checkpointing: bool,
) -> Result<MemoryNeed, ToolError> {
    Ok(training::memory_need(
        &encoder(shape)?,
        SYNTHETIC_LABELS,
        batch_size,
        max_length,
        activation_checkpointing,
    ))
}
