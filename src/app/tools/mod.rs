//! What works on a trained model without a pipeline.

mod bench;
mod error;
mod predict;

pub use bench::{Measurement, SYNTHETIC_LENGTH, Workload, bench};
pub use error::ToolError;
pub use predict::{FoundEntity, Judgement, OpenError, Prediction, Predictor};
