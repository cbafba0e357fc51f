//! What works on a trained model without a pipeline.

mod bench;
mod error;
mod memory;
mod predict;

pub use bench::{Measurement, Shape, Workload, bench};
pub use error::ToolError;
pub use memory::{MemoryNeed, memory_need};
pub use predict::{Prediction, Predictor};
