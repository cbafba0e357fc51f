//! The mistakes found so far.

use std::sync::Arc;

use crate::base::diagnostics::{Diagnostic, Diagnostics, Sources, suggest};

/// Beyond this many mistakes the rest is counted only: a hostile file of megabytes can hold one in every byte.
const KEPT: usize = 10_000;
/// Beyond this many, nobody reads the suggestions, whose cost grows with the number of names in the file.
const SUGGESTED: usize = 200;

/// Collects what is wrong, so that everybody can go on looking.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Diagnostic>,
    omitted: usize,
}

impl Problems {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < KEPT {
            self.list.push(diagnostic);
        } else {
            self.omitted += 1;
        }
    }

    pub fn extend(&mut self, later: Self) {
        self.omitted += later.omitted;
        later.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True if what was read has the form of TOML, but not a value that we take.
    pub fn only_about_values(&self) -> bool {
        self.list.iter().all(|diagnostic| diagnostic.code != "syntax")
    }

    /// Adds `did you mean` where one of the candidates is near to `word`.
    pub fn with_suggestion<'a>(
        &self,
        diagnostic: Diagnostic,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Diagnostic {
        diagnostic
            .help_of(self.near(word, candidates).map(|near| format!("did you mean `{near}`?")))
    }

    pub fn near<'a>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.suggesting() { suggest(word, candidates) } else { None }
    }

    pub fn suggesting(&self) -> bool {
        self.list.len() < SUGGESTED
    }

    pub fn finish(self, sources: Arc<Sources>) -> Diagnostics {
        Diagnostics::new(sources, self.list).omitting(self.omitted)
    }
}
