//! What a person says of files, beside where they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classes::Heads;
use super::rules::Rules;
use super::source::Encoding;
use super::tags::Scheme;
use crate::base::visible;
use crate::text::Offsets;

/// What is asked of a reader, whatever the format; each takes what concerns it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub encoding: Encoding,
    pub offsets: Offsets,
    pub fields: Fields,
    pub heads: Heads,
    /// What labels are called instead.
    pub labels: BTreeMap<String, String>,
    /// The names of tags that are numbers.
    pub label_names: Vec<String>,
    pub nested: Nested,
    /// Whether texts hold their entities as `[Ada](PER)`.
    pub markup: bool,
    pub columns: Columns,
    /// `None` is guessed.
    pub scheme: Option<Scheme>,
    /// What stands between two words; `None` is a space.
    pub join: Option<String>,
    /// What of raw lines is what.
    pub rules: Option<Rules>,
    /// Whether the text is the key of a second file.
    pub is_lookup: bool,
    /// Whether a line with an `id` needs no text, unless it has entities.
    pub by_id: bool,
}

impl Options {
    /// The help where the text is missing.
    ///
    /// * `there`: the names that are there
    pub(super) fn which_text(&self, there: &[&str]) -> String {
        let says = if self.is_lookup {
            "`key` of `lookup` names a field of the texts that the second file has as well"
        } else {
            "`fields = { text = \"...\" }` says which field the text is"
        };
        if there.is_empty() {
            return says.to_owned();
        }
        format!("{says}; there are `{}`", visible::line(&there.join("`, `")))
    }

    pub(super) fn join(&self) -> &str {
        self.join.as_deref().unwrap_or(" ")
    }
}

/// What the fields of a file are called that have a meaning of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fields {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entities: Option<String>,
    /// What identifies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its words, as a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<String>,
    /// The tags of its words, as a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    /// The classes of a head, where their field is called otherwise than it.
    #[serde(flatten)]
    pub heads: BTreeMap<String, String>,
}

impl Fields {
    /// The head whose classes a field would say.
    pub(super) fn head<'n>(&'n self, field: &'n str) -> Option<&'n str> {
        match self.heads.iter().find(|(_, from)| *from == field) {
            Some((head, _)) => Some(head),
            // Another field says them.
            None => Some(field).filter(|field| !self.heads.contains_key(*field)),
        }
    }

    /// What a field that has no meaning of its own here is called from now on.
    pub(super) fn name<'n>(&self, field: &'n str) -> Cow<'n, str> {
        match field {
            _ if self.id.as_deref() == Some(field) => "id".into(),
            // Where a text is stored, these are what it says itself.
            "text" | "entities" => format!("input_{field}").into(),
            _ if self.heads.contains_key(field) => format!("input_{field}").into(),
            _ => field.into(),
        }
    }
}

/// Where a line has what, from 0; negative from the last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The word.
    #[serde(default)]
    pub token: i32,
    /// Its tag.
    #[serde(default = "last")]
    pub tag: i32,
}

fn last() -> i32 {
    -1
}

impl Default for Columns {
    fn default() -> Self {
        Self { token: 0, tag: -1 }
    }
}

/// What becomes of entities that overlap: a token has one label.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Nested {
    /// They are a mistake.
    #[default]
    Refuse,
    /// One that lies in another is left out; of two that cross, the second.
    Outermost,
    /// The longest of those that overlap stays; of equally long ones, the first.
    Longest,
}

impl Nested {
    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Outermost => "outermost",
            Self::Longest => "longest",
        }
    }
}
