//! What a model is trained for, and how it is scored.

pub mod metrics;
