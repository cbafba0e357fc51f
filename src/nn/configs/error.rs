//! Why a `config.json` makes no model.

use thiserror::Error;

/// Something in a `config.json` with which no model can be made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key of the file that it is about.
    pub key: &'static str,
    pub message: String,
    /// What the user can do about it.
    pub help: String,
}

pub(super) fn problem(key: &'static str, message: impl Into<String>) -> ConfigProblem {
    let help = "choose a model that is made so, or correct the file".to_owned();
    ConfigProblem { key, message: message.into(), help }
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

impl ConfigError {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Unsupported(problems) => {
                problems.first().map(|problem| problem.help.clone()).unwrap_or_default()
            }
            Self::Json { .. } => "take the file again from where the model came".to_owned(),
        }
    }
}

impl From<serde_json::Error> for ConfigError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        Self::Json { message: message.to_owned(), line: error.line(), column: error.column() }
    }
}
