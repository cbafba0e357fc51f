//! Where the examples of a corpus go.

use std::fmt;

use super::groups::GroupCounts;
use crate::text::Split;

/// Where the examples of a corpus go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// In the order of the items; `None` for a text that was dropped.
    pub parts: Vec<Option<Split>>,
    /// Of each of [`By::fields`] that was used.
    pub groups: Vec<GroupCounts>,
    /// Whether some texts could not go their own way because others are equal.
    pub is_tied: bool,
    /// Where the texts were ordered by a field.
    pub ordered: Option<Ordered>,
    /// Among the texts of which one was to stay.
    pub contradictions: Contradictions,
}

/// Equal texts with different labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contradictions {
    /// Examples whose equals have other labels.
    pub examples: usize,
    /// Distinct texts among them.
    pub texts: usize,
    /// Two examples with the first of these texts, as positions of items.
    pub first: Option<[usize; 2]>,
}

impl Membership {
    /// How many examples a part has.
    #[must_use]
    pub fn size(&self, split: Split) -> usize {
        self.parts.iter().filter(|part| **part == Some(split)).count()
    }

    #[must_use]
    pub fn dropped(&self) -> usize {
        self.parts.iter().filter(|part| part.is_none()).count()
    }
}

/// How a field came to order the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    pub scale: Scale,
    /// The first value and the last of each part that has any.
    pub spans: Vec<(Split, String, String)>,
    /// Of text, the first value that is neither a time nor a number, or not what the first of all is.
    pub odd: Option<String>,
    /// The items whose value lies before that of the item before them.
    pub back: Vec<usize>,
}

/// What the values of a field are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Times,
    Numbers,
    Text,
}

impl fmt::Display for Scale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Times => "times",
            Self::Numbers => "numbers",
            Self::Text => "text in natural order",
        })
    }
}
