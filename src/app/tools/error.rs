//! Why a tool could not do its work.

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

    pub(super) fn with_help(self, help: Option<&str>) -> Self {
        Self { help: help.map(str::to_owned), ..self }
    }

    /// What the user can do about it, where more is known than that the tool cannot work.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}
