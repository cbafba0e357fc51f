//! What the command lines of several commands have in common.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::stages::train::Dtype;

/// Reads a whole number from 1 to `MOST`, in words that say what is wanted.
pub fn count<const MOST: u32>(text: &str) -> Result<u32, String> {
    between::<1, MOST>(text)
}

pub fn between<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (LEAST..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {LEAST} to {MOST}")),
    }
}

/// Reads an arithmetic of matrix products.
pub fn dtype() -> impl TypedValueParser<Value = Dtype> {
    PossibleValuesParser::new(["f32", "bf16"]).map(|name| match &*name {
        "bf16" => Dtype::Bf16,
        _ => Dtype::F32,
    })
}

/// Changes to the file from the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Changes {
    /// Set a value, such as `stage.train.epochs=1`, `params.max_length=64` or `seed=7`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Sweep over values, such as `train.learning_rate=1e-5,2e-5`
    #[arg(long, value_name = "AXIS=VALUES")]
    pub sweep: Vec<String>,
    /// Train every point with this many seeds
    #[arg(long, value_name = "N")]
    pub seeds: Option<String>,
    /// Choose a sweep's best point by this metric, such as `max evaluate.ner.span_f1`
    #[arg(long, value_name = "OBJECTIVE")]
    pub objective: Option<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
            && self.sweep.is_empty()
            && self.seeds.is_none()
            && self.objective.is_none()
    }
}

/// Where the project begins.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The folder that holds `outputs/` [default: that of the nearest `pipeline.toml`, else the experiment's]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}
