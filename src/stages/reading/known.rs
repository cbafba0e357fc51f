//! The fields that texts have, for who is told of a name that is none of them.

use std::collections::BTreeSet;

use crate::base::diagnostics::{quoted, suggest};
use crate::text::Example;

/// Texts that are asked for their fields: those that come later have hardly others.
const ASKED: usize = 1000;

/// Fields that a message lists.
const SHOWN: usize = 12;

/// The fields that the first texts have.
#[derive(Default)]
pub(super) struct Known {
    fields: BTreeSet<String>,
    asked: usize,
}

impl Known {
    pub(super) fn add(&mut self, example: &Example) {
        if self.asked == ASKED {
            return;
        }
        self.asked += 1;
        let new = |name: &&String| !self.fields.contains(*name);
        let new: Vec<String> = example.fields.keys().filter(new).cloned().collect();
        self.fields.extend(new);
    }

    /// The field that a name stands for that is none.
    pub(super) fn meant(&self, name: &str) -> Option<String> {
        let there = self.fields.iter().map(String::as_str);
        let near = suggest(name, there).filter(|_| !self.fields.contains(name))?;
        Some(format!("did you mean {}?", quoted(near)))
    }

    /// The fields that there are, as a sentence ends with them.
    fn listed(&self) -> Option<String> {
        let mut shown: Vec<String> =
            self.fields.iter().take(SHOWN).map(|name| quoted(name)).collect();
        let more = self.fields.len().saturating_sub(SHOWN);
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        (!shown.is_empty()).then(|| format!("there are {}", shown.join(", ")))
    }

    /// What to do about a name that no text has.
    ///
    /// * `usual`: what else there is to do
    pub(super) fn help(&self, name: &str, usual: &str) -> String {
        self.meant(name).unwrap_or_else(|| self.beside(usual))
    }

    /// The same where nothing was named.
    pub(super) fn beside(&self, usual: &str) -> String {
        match self.listed() {
            Some(listed) => format!("{listed}; {usual}"),
            None => usual.to_owned(),
        }
    }
}
