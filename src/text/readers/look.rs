//! What tags of words look like, which is seen before anything is read of them.

use super::brackets;
use super::tags::{Scheme, Tag};

/// What tags look like, whatever they say of where entities begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// `B-X`
    Prefixed,
    /// `X-B`
    Suffixed,
    /// `X`
    Plain,
    /// `(X*`
    Brackets,
}

impl Look {
    /// What the tags of a sentence look like; `None` where none of them says it, since all are outside of entities.
    ///
    /// * `asked`: the scheme that somebody said
    pub(super) fn of_tags(tags: &[String], asked: Option<Scheme>) -> Option<Self> {
        match asked {
            Some(Scheme::Plain) => return Some(Self::Plain),
            Some(Scheme::Brackets) => return Some(Self::Brackets),
            None if tags.iter().any(|tag| brackets::is_one(tag)) => return Some(Self::Brackets),
            Some(Scheme::Iob1 | Scheme::Iob2 | Scheme::Iobes) | None => {}
        }
        let mut named = tags.iter().filter(|tag| !Tag::plain(tag).is_outside()).peekable();
        let first = named.peek()?;
        Some(if Tag::prefixed(first).is_some() {
            Self::Prefixed
        } else if named.all(|tag| Tag::suffixed(tag).is_some()) {
            Self::Suffixed
        } else if asked.is_some() {
            Self::Prefixed
        } else {
            Self::Plain
        })
    }
}
