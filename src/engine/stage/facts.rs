//! What is known of artifacts that need not be there yet.

use serde_json::{Map, Value};

/// What kinds know of an output before anything runs, by names that they agree upon. What is not known is not there.
pub type Facts = Map<String, Value>;

/// What is known of the inputs of a stage, by port.
#[derive(Debug, Clone, Copy)]
pub struct InputFacts<'a>(pub &'a [(&'a str, &'a Facts)]);

impl<'a> InputFacts<'a> {
    /// A fact of what is wired to `port`.
    #[must_use]
    pub fn get(self, port: &str, fact: &str) -> Option<&'a Value> {
        self.0.iter().find(|(name, _)| *name == port).and_then(|(_, facts)| facts.get(fact))
    }
}
