//! How a command ends.

use std::process::ExitCode;

use crate::base::diagnostics::Diagnostics;
use crate::base::problem::Help;
use crate::base::visible;
use crate::engine::exec::RunError;
use crate::engine::runs::Unreadable;
use crate::engine::store::StoreError;

/// How a command that did what it was asked ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A stage failed, or an entry of the store is damaged.
    Failed,
    /// Bad file or usage: nothing ran.
    Refused,
    /// `plan --check` found work to do.
    Pending,
    /// `diff` found a difference, or a requirement that is not met.
    Differs,
    /// A selector matched nothing.
    NotFound,
    Interrupted,
}

impl Outcome {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Pending | Self::Differs => 3,
            Self::NotFound => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(outcome.code())
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Mistakes in an experiment file, with their places.
    Diagnostics(Diagnostics),
    Message {
        message: String,
        help: Vec<String>,
        outcome: Outcome,
        /// Whether the breaks in `message` are its own; else one is in a name that somebody typed.
        has_lines: bool,
    },
}

impl Failure {
    fn of(message: String, outcome: Outcome) -> Self {
        Self::Message { message, help: Vec::new(), outcome, has_lines: outcome == Outcome::Failed }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(message.into(), Outcome::Refused)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::of(message.into(), Outcome::NotFound)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::of(message.into(), Outcome::Failed)
    }

    /// What another error says, as wrong usage.
    pub fn usage_of(error: &impl Help) -> Self {
        Self::usage(error.to_string()).with_help_of(error.help())
    }

    /// What another error says, as a failure.
    pub fn failed_of(error: &impl Help) -> Self {
        Self::failed(error.to_string()).with_help_of(error.help())
    }

    /// The same, of a message that is a list with a line for each of its items.
    #[must_use]
    pub fn with_lines(mut self) -> Self {
        if let Self::Message { has_lines, .. } = &mut self {
            *has_lines = true;
        }
        self
    }

    #[must_use]
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        if let Self::Message { help, .. } = &mut self {
            help.push(text.into());
        }
        self
    }

    #[must_use]
    pub fn with_help_of(self, help: Option<impl Into<String>>) -> Self {
        help.into_iter().fold(self, Self::with_help)
    }

    /// What is wrong, without a place or a remedy.
    #[cfg(feature = "serve")]
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Diagnostics(_) => self.render(false),
            Self::Message { message, .. } => message.clone(),
        }
    }

    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Diagnostics(_) => Outcome::Refused,
            Self::Message { outcome, .. } => *outcome,
        }
    }

    /// The same, of a command that ends in a certain way whatever went wrong beside.
    #[must_use]
    pub fn ending(mut self, with: Outcome) -> Self {
        if let Self::Message { outcome, .. } = &mut self {
            *outcome = with;
        }
        self
    }

    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Diagnostics(diagnostics) => diagnostics.to_json(),
            Self::Message { message, help, .. } => {
                let help: Vec<_> = help.iter().map(|help| visible::cut(help)).collect();
                serde_json::json!([{"message": visible::cut(message), "help": help}])
            }
        }
    }

    /// The same among what went wrong in a run.
    #[must_use]
    pub fn to_run_error(&self) -> RunError {
        let (message, help) = match self {
            Self::Diagnostics(diagnostics) => (diagnostics.to_string(), Vec::new()),
            Self::Message { message, help, .. } => (message.clone(), help.clone()),
        };
        RunError { name: None, message, help }
    }

    /// The text for standard error, in which nothing foreign acts on a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Diagnostics(diagnostics) => diagnostics.render(color),
            Self::Message { message, help, has_lines, .. } => {
                let (red, cyan, bold, reset) = if color {
                    ("\x1b[1;31m", "\x1b[1;36m", "\x1b[1m", "\x1b[0m")
                } else {
                    ("", "", "", "")
                };
                let mut message = visible::message(message);
                if !has_lines {
                    message = message.replace('\n', "\\u000a").into();
                }
                let mut text = format!("{red}error{reset}{bold}: {message}{reset}\n");
                for line in help {
                    text += &format!("{cyan}help{reset}: {}\n", visible::message(line));
                }
                text
            }
        }
    }
}

impl From<Unreadable> for Failure {
    fn from(Unreadable { key, error }: Unreadable) -> Self {
        Self::failed(format!("the scores of {} cannot be read: {error}", key.short()))
            .with_help("`pipeline verify` lists damaged entries; `run` rebuilds them")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed_of(&error)
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}
