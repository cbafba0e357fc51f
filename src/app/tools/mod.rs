//! What works on a trained model or a corpus, without a pipeline.

mod bench;
mod corpus;
mod difference;
mod predict;
mod review;
mod sketch;

pub use bench::{Measurement, Workload, bench};
pub use corpus::{Look, Tokenizing};
pub use difference::{Difference, Differences, Over, Replicate};
pub use predict::{FoundEntity, Judgement, OpenError, Prediction, Predictor};
pub use review::{Judge, Review, TrainedOn, Unlabelled};
pub use sketch::Sketch;
