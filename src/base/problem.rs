//! What is wrong somewhere, and what to do about it.

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

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
