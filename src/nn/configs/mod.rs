//! The families of encoders, one file for each layer that several share: from a `config.json` to an [`EncoderSpec`](super::EncoderSpec).
//!
//! To add one, write a file that reads its keys, says what it cannot do, and gives the spec with the names of its checkpoints; and a line in the
//! table of `families.rs`, which looks at `model_type`. Its fixture in `tests/parity` holds every gradient against transformers'.

mod bert;
mod deberta;
mod error;
mod families;
mod modernbert;

pub use error::{ConfigError, ConfigProblem};
pub use modernbert::{Attention, ModernBertConfig, layer_types};
