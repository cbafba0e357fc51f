//! What works on a trained model without a pipeline.

mod predict;

pub use predict::{PredictError, Prediction, Predictor};
