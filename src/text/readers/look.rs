//! What tags of words look like, which is seen before anything is read of them.

use super::brackets;
use super::tags::{Scheme, Tag};

/// What tags look like, whatever they say of where entities begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// `B-X`
    Prefixed,
    /// `X`
    Plain,
    /// `(X*`
    Brackets,
}

impl Look {
    pub(super) fn of_scheme(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Iob1 | Scheme::Iob2 | Scheme::Iobes => Self::Prefixed,
            Scheme::Plain => Self::Plain,
            Scheme::Brackets => Self::Brackets,
        }
    }

    /// What the tags of a sentence look like; `None` where none of them says it, since all are outside of entities.
    pub(super) fn of_tags(tags: &[String]) -> Option<Self> {
        if tags.iter().any(|tag| brackets::is_one(tag)) {
            return Some(Self::Brackets);
        }
        let named = |tag: &&String| !Tag::plain(tag).is_outside();
        let first = tags.iter().find(named)?;
        Some(if Tag::prefixed(first).is_some() { Self::Prefixed } else { Self::Plain })
    }
}
