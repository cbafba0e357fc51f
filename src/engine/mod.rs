//! From the text of an experiment to artifacts in a store. Knows no tensor, tokenizer, metric, kind or model.

pub mod exec;
pub mod plan;
pub mod runs;
pub mod search;
pub mod spec;
pub mod stage;
pub mod store;
