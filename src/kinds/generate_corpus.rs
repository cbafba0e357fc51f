//! `generate_corpus`: sentences from templates with `{placeholders}`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fetch_model::NoInputs;
use super::splits::{self, Fractions};
use super::versions;
use crate::artifacts::CorpusFiles;
use crate::data::{Templates, split};
use crate::rng::Rng;
use crate::stage::{CodeVersion, Context, ParameterProblem, SourceFile, Stage, StageError};

/// Synthetic labelled sentences from a file of templates: each placeholder is filled with one of its values and becomes an entity. Sentences of anomalous templates are anomalies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateCorpus {
    /// File of templates and of the values of their placeholders.
    #[schemars(extend("format" = "path"))]
    pub templates: PathBuf,
    /// Sentences to generate.
    #[serde(default = "samples")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub samples: usize,
    /// Fraction of anomalies.
    #[serde(default = "anomaly_ratio")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub anomaly_ratio: f64,
    /// Fractions of the splits; they sum to 1.
    #[serde(default)]
    pub split: Fractions,
    /// Field whose equal values stay in one split; `"template"` measures generalisation to sentences never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Seed of the sentences and of the split.
    #[serde(default = "super::default_seed")]
    pub seed: u64,
}

fn samples() -> usize {
    5000
}
fn anomaly_ratio() -> f64 {
    0.3
}

impl Stage for GenerateCorpus {
    const KIND: &'static str = "generate_corpus";
    const CODE: &'static [CodeVersion] = &[versions::TEMPLATES, versions::SPLIT];
    type Inputs = NoInputs;
    type Output = CorpusFiles;

    fn check(&self) -> Vec<ParameterProblem> {
        splits::check(&self.split)
    }

    fn sources(&self) -> Vec<SourceFile> {
        vec![SourceFile { parameter: "templates", name: "templates".to_owned(), path: self.templates.clone() }]
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let templates = Templates::read(&self.templates).map_err(|error| {
            StageError::new(error.to_string()).with_help(
                "a file of templates has `[templates]` with lists `normal` and `anomaly`, and for each `{x}` in them `[entities.x]` with `label` \
                 and `values`; `pipeline init` writes one",
            )
        })?;
        let rng = Rng::new(self.seed);
        let examples = templates.generate(self.samples, self.anomaly_ratio, rng).map_err(|error| StageError::new(error.to_string()))?;
        context.check_cancelled()?;
        let corpus = split(examples, self.split.into(), self.by.as_deref(), rng).map_err(splits::failed)?;
        splits::write(&corpus, Some(("template", "templates")), context)
    }
}
