//! What a stage says when it cannot do its work.

use std::io::ErrorKind;

/// A failure of one stage.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StageError {
    /// The work failed; `help` says what the user can do about it.
    #[error("{message}")]
    Failed { message: String, help: Option<String> },
    /// The context asked to stop, and what is needed to go on is saved.
    #[error("interrupted")]
    Cancelled,
}

impl StageError {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), help: None }
    }

    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Failed { message, .. } => Self::Failed { message, help: Some(help.into()) },
            Self::Cancelled => Self::Cancelled,
        }
    }

    /// An input or output error on `path`, said with the path.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let failure = Self::new(format!("cannot {doing} `{}`: {error}", path.display()));
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                failure.with_help("free some space, then run the same command: what is complete is kept")
            }
            ErrorKind::NotFound if doing != "read" => {
                failure.with_help("something removed its folder during the run; run the same command again")
            }
            _ => failure,
        }
    }
}
