//! What the command lines of several commands have in common.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::app::tools::{INSTRUCTIONS, Instructions};
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

/// Reads a number from 0 to 1.
pub fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Reads an arithmetic of matrix products.
pub fn dtype() -> impl TypedValueParser<Value = Dtype> {
    PossibleValuesParser::new(["f32", "bf16"]).map(|name| match &*name {
        "bf16" => Dtype::Bf16,
        _ => Dtype::F32,
    })
}

/// Reads what computes products in bf16; this machine has to have it.
pub fn instructions() -> impl TypedValueParser<Value = Instructions> {
    PossibleValuesParser::new(INSTRUCTIONS.map(|(name, _)| name)).try_map(|name| {
        let known = INSTRUCTIONS.iter().find(|(known, _)| *known == name);
        let (_, found) = *known.expect("the parser takes no other names");
        found.is_available().then_some(found).ok_or("this machine does not have them")
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

/// How a file of texts is written, as parameters of `read_corpus` say it of a corpus.
#[derive(Debug, Clone, Default, Args)]
pub struct Written {
    /// The field that holds the text [default: text; for `review` also what known tools call it]
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
    /// The rules by which lines of a log become texts, as for `read_corpus`: `syslog`, `application`, `apache` or a file
    #[arg(long, value_name = "RULES", conflicts_with = "field")]
    pub rules: Option<PathBuf>,
    /// How the bytes of the file spell characters, as for `read_corpus`; a byte order mark goes before it [default: utf-8]
    #[arg(long, value_enum, value_name = "ENCODING")]
    pub encoding: Option<Encoding>,
    /// Texts hold marks as `[Ada](PER)`, which are left out
    #[arg(long, conflicts_with = "rules")]
    pub markup: bool,
}

impl Written {
    /// The first of these that was given.
    pub fn given(&self) -> Option<&'static str> {
        let all = [
            ("--field", self.field.is_some()),
            ("--rules", self.rules.is_some()),
            ("--encoding", self.encoding.is_some()),
            ("--markup", self.markup),
        ];
        all.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "latin-1")]
    Latin1,
    #[value(name = "utf-16")]
    Utf16,
}
