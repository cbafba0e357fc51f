//! `read_corpus`: labelled texts from JSONL files.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use super::fetch_model::NoInputs;
use super::splits::{self, Fractions};
use super::versions;
use crate::artifacts::CorpusFiles;
use crate::data::{Corpus, Example, jsonl, split};
use crate::rng::Rng;
use crate::stage::{
    CodeVersion, Context, Facts, InputFacts, ParameterProblem, SourceFile, Stage, StageError,
};

/// Labelled texts from JSONL files with lines such as `{"text": "...", "entities": [{"start": 0, "end": 5, "label": "NODE"}], "anomaly": 0}`, offsets in characters, half-open. Either one file (`path`) that is split, or a file for each split (`train`, `validation`, `test`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadCorpus {
    /// One file, to be split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
    /// Fractions of the splits of `path`; they sum to 1. Without `by` the split is stratified by `anomaly`. Default: 0.8 train, 0.2 validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Fractions>,
    /// Field whose equal values stay in one split, such as `"event"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// File of the training split, instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub train: Option<PathBuf>,
    /// File of the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub validation: Option<PathBuf>,
    /// File of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub test: Option<PathBuf>,
    /// Seed of the split.
    #[serde(default = "super::default_seed")]
    pub seed: u64,
}

impl ReadCorpus {
    fn files(&self) -> [(&'static str, Option<&PathBuf>); 4] {
        [
            ("path", self.path.as_ref()),
            ("train", self.train.as_ref()),
            ("validation", self.validation.as_ref()),
            ("test", self.test.as_ref()),
        ]
    }
}

impl Stage for ReadCorpus {
    const KIND: &'static str = "read_corpus";
    const CODE: &'static [CodeVersion] = &[versions::JSONL, versions::SPLIT];
    type Inputs = NoInputs;
    type Output = CorpusFiles;

    fn check(&self) -> Vec<ParameterProblem> {
        let problem = |parameter, message: &str, help: &str| ParameterProblem {
            parameter,
            message: message.to_owned(),
            help: Some(help.to_owned()),
        };
        let mut problems: Vec<_> = self.split.iter().flat_map(splits::check).collect();
        let help = "either `path` with `split`, or `train` with `validation` and `test`";
        if self.path.is_none() && self.train.is_none() {
            problems.push(problem("path", "one of `path` and `train` is needed", help));
        }
        if self.path.is_some() {
            for (parameter, file) in self.files().into_iter().skip(1) {
                if file.is_some() {
                    problems.push(problem(
                        parameter,
                        &format!("`path` and `{parameter}` exclude each other"),
                        help,
                    ));
                }
            }
        } else {
            if self.split.is_some() {
                problems.push(problem(
                    "split",
                    "`split` divides the file of `path`, and there is none",
                    help,
                ));
            }
            if self.by.is_some() {
                problems.push(problem(
                    "by",
                    "`by` divides the file of `path`, and there is none",
                    help,
                ));
            }
        }
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        let source = |(parameter, path): (&'static str, Option<&PathBuf>)| {
            Some(SourceFile {
                parameter,
                name: parameter.to_owned(),
                path: path?.clone(),
                inspection: None,
            })
        };
        self.files().into_iter().filter_map(source).collect()
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        match self.path {
            Some(_) => facts::of_fractions(&self.split.unwrap_or_default()),
            None => facts::of_splits(
                self.train.is_none(),
                self.validation.is_none(),
                self.test.is_none(),
            ),
        }
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let optional =
            |path: &Option<PathBuf>| path.as_deref().map_or_else(|| Ok(Vec::new()), read);
        let corpus = match &self.path {
            Some(path) => split(
                read(path)?,
                self.split.unwrap_or_default().into(),
                self.by.as_deref(),
                Rng::new(self.seed),
            )
            .map_err(|error| StageError::new(format!("{}: {error}", path.display())))?,
            None => Corpus {
                train: optional(&self.train)?,
                validation: optional(&self.validation)?,
                test: optional(&self.test)?,
            },
        };
        splits::write(&corpus, None, context)
    }
}

fn read(path: &Path) -> Result<Vec<Example>, StageError> {
    jsonl::read(path).map_err(|error| StageError::new(error.to_string()).with_help(error.help()))
}
