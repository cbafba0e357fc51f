//! What works on a trained model or a corpus, without a pipeline.

mod bench;
mod corpus;
mod difference;
mod export;
mod machine;
mod predict;
mod review;
mod service;
mod sketch;
mod tagged_words;
mod trained;

pub use bench::{Measurement, Workload, bench, peak_rss_gib, synthetic_split};
pub use corpus::{Look, Looking, Tokenizing};
pub use difference::{Differences, Replicate};
pub use export::{ExportError, Exported, Exporter};
pub use machine::{INSTRUCTIONS, Instructions, bf16_instructions, gpu};
pub use predict::{FoundEntity, Judgement, Prediction, Predictor};
pub use review::{Judge, Review, TrainedOn, Unlabelled, Written};
pub use service::{Answer, Asker, Full, Limits, Prepared, Service};
pub use sketch::{Asked, DataFiles, Sketch};
pub use tagged_words::tagged_words;
pub use trained::OpenError;

pub use crate::text::ClassHead;
pub use crate::text::readers::{
    Encoding, LogLine, LogLines, Rules, decoded, is_unmarked_utf16, unmarked,
};
