//! What works on a trained model without a pipeline.

mod bench;
mod predict;

pub use bench::{Measurement, Workload, bench};
pub use predict::{FoundEntity, Judgement, OpenError, Prediction, Predictor};
