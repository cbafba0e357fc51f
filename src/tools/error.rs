//! Why a tool could not do its work.

use crate::stage::StageError;

/// What went wrong, in a sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    message: String,
    help: Option<String>,
}

impl ToolError {
    pub(super) fn of(error: impl std::fmt::Display) -> Self {
        Self { message: error.to_string(), help: None }
    }

    /// What the user can do about it, where more is known than that the tool cannot work.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl From<StageError> for ToolError {
    fn from(error: StageError) -> Self {
        let message = error.to_string();
        let help = if let StageError::Failed { help, .. } = error { help } else { None };
        Self { message, help }
    }
}
