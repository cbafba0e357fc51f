//! What is wrong somewhere, and what to do about it.

use std::borrow::Cow;
use std::fmt;

/// Something wrong at a place.
///
/// A [`Diagnostic`](super::diagnostics::Diagnostic) is one that knows the text in which it stands; this is what those have to say who do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem<Place> {
    pub place: Place,
    /// Lower case, no final period, names in backticks.
    pub message: String,
    pub help: Option<String>,
}

impl<Place> Problem<Place> {
    #[must_use]
    pub fn new(place: impl Into<Place>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), help: None }
    }

    /// The same at another place.
    #[must_use]
    pub fn at<Other>(self, place: Other) -> Problem<Other> {
        Problem { place, message: self.message, help: self.help }
    }

    #[must_use]
    pub fn has_help(&self) -> bool {
        self.help.is_some()
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Of what has no place, such as a command's work.
impl Problem<()> {
    pub fn of(error: impl fmt::Display) -> Self {
        Self::new((), error.to_string())
    }

    /// What another error says, with what helps.
    pub fn helped(error: &impl Help) -> Self {
        Self { help: error.help().map(Cow::into_owned), ..Self::of(error) }
    }
}

impl fmt::Display for Problem<()> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Help for Problem<()> {
    fn help(&self) -> Option<Cow<'_, str>> {
        self.help.as_deref().map(Cow::from)
    }
}

/// An error that knows what a person can do about it.
pub trait Help: fmt::Display {
    /// What helps, where more is known than what is wrong.
    fn help(&self) -> Option<Cow<'_, str>>;
}

/// A place in a text as a person finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// What JSON lacks, without the place that the error's text ends with.
#[must_use]
pub fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
