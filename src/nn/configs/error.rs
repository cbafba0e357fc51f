//! Why a `config.json` makes no model.

use std::borrow::Cow;

use thiserror::Error;

use crate::base::problem::{Help, Problem, json_reason};

/// Something in a `config.json` with which no model can be made here, and the key that it is about.
pub type ConfigProblem = Problem<&'static str>;

pub(super) fn problem(key: &'static str, message: impl Into<String>) -> ConfigProblem {
    ConfigProblem::new(key, message).help("choose a model that is made so, or correct the file")
}

/// That a size lies between 1 and `most`, or a problem.
pub(super) fn size(key: &'static str, found: usize, most: usize) -> Option<ConfigProblem> {
    let message = || format!("`{key}` is {found}, expected 1 to {most}");
    (found == 0 || found > most).then(|| problem(key, message()))
}

/// That a share of what is dropped leaves something, or a problem.
pub(super) fn share(key: &'static str, found: f64) -> Option<ConfigProblem> {
    let message = || format!("`{key}` is {found}, expected 0 or more and less than 1");
    (!(0.0..1.0).contains(&found)).then(|| problem(key, message()))
}

fn messages(problems: &[ConfigProblem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.message.as_str()).collect()
}

/// Every reason why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ConfigError {
    #[error(
        "the configuration is not the JSON expected of a `config.json`: {message} at line {line} column {column}"
    )]
    Json { message: String, line: usize, column: usize },
    #[error("unsupported configuration: {}", messages(.0).join("; "))]
    Unsupported(Vec<ConfigProblem>),
}

impl Help for ConfigError {
    fn help(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Unsupported(problems) => problems.first()?.help.as_deref().map(Cow::from),
            Self::Json { .. } => Some("take the file again from where the model came".into()),
        }
    }
}

impl From<serde_json::Error> for ConfigError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { message: json_reason(&error), line: error.line(), column: error.column() }
    }
}
