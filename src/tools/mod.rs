//! What works on a trained model without a pipeline.

mod bench;
mod predict;

pub use bench::{Measurement, Shape, Workload, bench};
pub use predict::{PredictError, Prediction, Predictor};
