//! What a stage says when it cannot do its work.

use std::borrow::Cow;
use std::io::ErrorKind;

use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular::TO_READ;
use crate::base::problem::{Help, Problem};

/// A failure of one stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The work failed; the place is the parameter that is the mistake, or that names the file in which it is.
    #[error("{}", .0.message)]
    Failed(Problem<Option<&'static str>>),
    /// The same for a reason of the machine or of the moment, such as a full disk: another time the work may succeed.
    #[error("{}", .0.message)]
    Hindered(Problem<Option<&'static str>>),
    /// The context asked to stop, and what is needed to go on is saved.
    #[error("interrupted")]
    Cancelled,
}

impl StageError {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(Problem { place: None, message: message.into(), help: None })
    }

    /// What another error says, with what helps where that is known.
    pub fn of(error: &impl Help) -> Self {
        let help = error.help().map(Cow::into_owned);
        Self::Failed(Problem { place: None, message: error.to_string(), help })
    }

    /// The same in other words.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        if let Some(problem) = self.problem_mut() {
            problem.message = message.into();
        }
        self
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        if let Some(problem) = self.problem_mut() {
            problem.help = Some(help.into());
        }
        self
    }

    /// The same, about a parameter, or about a file that it names.
    #[must_use]
    pub fn in_file_of(mut self, parameter: &'static str) -> Self {
        if let Some(problem) = self.problem_mut() {
            problem.place = Some(parameter);
        }
        self
    }

    /// The same for a reason that is none of the work's own.
    #[must_use]
    pub fn hindered(self) -> Self {
        match self {
            Self::Failed(problem) => Self::Hindered(problem),
            other => other,
        }
    }

    fn problem(&self) -> Option<&Problem<Option<&'static str>>> {
        match self {
            Self::Failed(problem) | Self::Hindered(problem) => Some(problem),
            Self::Cancelled => None,
        }
    }

    fn problem_mut(&mut self) -> Option<&mut Problem<Option<&'static str>>> {
        match self {
            Self::Failed(problem) | Self::Hindered(problem) => Some(problem),
            Self::Cancelled => None,
        }
    }

    /// The parameter that is the mistake, or that names the file in which it is, where there is one.
    #[must_use]
    pub fn parameter(&self) -> Option<&'static str> {
        self.problem()?.place
    }

    /// The error of who was to write `path`, in its own words unless the disk takes no more.
    pub fn writing(path: &std::path::Path, error: &(dyn std::error::Error + 'static)) -> Self {
        match NoRoom::behind(error, path) {
            Some(why) => Self::new(why.message(path)).with_help(why.help()).hindered(),
            None => Self::new(error.to_string()),
        }
    }

    /// An input or output error on `path`, said with the path.
    ///
    /// * `doing`: what cannot be done with it, such as `write`
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let gone = "something removed its folder during the run; run the same command again";
        let help = (error.kind() == ErrorKind::NotFound).then_some(gone);
        Self::on_disk(doing, path, error, help)
    }

    /// The same of what cannot be read.
    pub fn reading(path: &std::path::Path, error: &std::io::Error) -> Self {
        let gone = "something removed it during the run; run the same command again";
        let help = match error.kind() {
            ErrorKind::PermissionDenied => Some(TO_READ),
            ErrorKind::NotFound => Some(gone),
            _ => None,
        };
        Self::on_disk("read", path, error, help)
    }

    fn on_disk(
        doing: &str,
        path: &std::path::Path,
        error: &std::io::Error,
        help: Option<&'static str>,
    ) -> Self {
        if let Some(why) = NoRoom::of(error, path) {
            return Self::new(why.message(path)).with_help(why.help()).hindered();
        }
        // The system's number says nothing to a person.
        let mut reason = error.to_string();
        if let Some(number) = error.raw_os_error() {
            let plain = reason.strip_suffix(&format!(" (os error {number})"));
            reason = plain.unwrap_or(&reason).to_owned();
        }
        let failure =
            Self::new(format!("cannot {doing} `{}`: {reason}", path.display())).hindered();
        match help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

impl Help for StageError {
    fn help(&self) -> Option<Cow<'_, str>> {
        self.problem()?.help.as_deref().map(Cow::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_disk_is_said_without_its_number_and_with_what_to_do() {
        let denied = std::io::Error::from_raw_os_error(13);
        let error = StageError::reading(std::path::Path::new("x"), &denied);
        assert_eq!(error.to_string(), "cannot read `x`: Permission denied");
        assert_eq!(error.help().as_deref(), Some(TO_READ));
    }
}
