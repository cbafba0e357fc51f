//! Why a tool could not do its work.

use std::borrow::Cow;

use crate::base::problem::Help;

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

    /// What another error says, with what helps.
    pub(super) fn helped(error: &impl Help) -> Self {
        let help = error.help().map(Cow::into_owned);
        Self { help, ..Self::of(error) }
    }

    pub(super) fn with_help(self, help: &str) -> Self {
        Self { help: Some(help.to_owned()), ..self }
    }
}

impl Help for ToolError {
    fn help(&self) -> Option<Cow<'_, str>> {
        self.help.as_deref().map(Cow::from)
    }
}
