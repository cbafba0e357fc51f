//! What a person says of files, beside where they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classes::Heads;
use super::names::{ENTITIES, TEXTS};
use super::rules::Rules;
use super::source::Encoding;
use super::tags::Scheme;
use super::years::Period;
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
    pub purpose: Purpose,
    /// When the lines of the file before this one were written, where their times say no year.
    pub period_before: Option<Period>,
}

/// What a file is read for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Its texts.
    #[default]
    Texts,
    /// Its rows, whose text is the key by which they are found.
    Lookup,
    /// What it says of texts that are elsewhere, where fields may be called as these say. A line with an `id` needs no text, unless it has entities.
    Corrections(Fields),
    /// Its texts alone, whatever it says of them; who names it stands at a command line.
    Unlabelled,
    /// What its fields are, whichever of them is the text.
    Names,
}

impl Options {
    /// The help where the text is missing.
    ///
    /// * `there`: the names that are there
    pub(super) fn which_text(&self, there: &[&str]) -> String {
        let says = match self.purpose {
            Purpose::Lookup => {
                "`key` of `lookup` names a field of the texts that the second file has as well"
            }
            Purpose::Unlabelled => "`--field NAME` says which field the text is",
            _ => "`fields = { text = \"...\" }` says which field the text is",
        };
        if there.is_empty() {
            return says.to_owned();
        }
        format!("{says}; there are `{}`", visible::line(&there.join("`, `")))
    }

    /// Whether what is said of texts counts.
    pub(super) fn wants_labels(&self) -> bool {
        self.purpose != Purpose::Unlabelled
    }

    /// Whether there is nothing without a text.
    ///
    /// * `has_id`: whether there is an `id`
    pub(super) fn needs_text(&self, has_id: bool) -> bool {
        match self.purpose {
            Purpose::Texts | Purpose::Lookup | Purpose::Unlabelled => true,
            Purpose::Corrections(_) => !has_id,
            Purpose::Names => false,
        }
    }

    /// What the field of the text may be called, the most likely first.
    pub(super) fn texts(&self) -> Vec<&str> {
        names(self.fields.text.as_deref(), &TEXTS, self.own().and_then(|own| own.text.as_deref()))
    }

    /// The same of its entities.
    pub(super) fn entities(&self) -> Vec<&str> {
        let own = self.own().and_then(|own| own.entities.as_deref());
        names(self.fields.entities.as_deref(), &ENTITIES, own)
    }

    /// What the files are called like that a correction is about.
    fn own(&self) -> Option<&Fields> {
        match &self.purpose {
            Purpose::Corrections(own) => Some(own),
            _ => None,
        }
    }

    /// The head whose classes a field would say.
    pub(super) fn head<'n>(&'n self, field: &'n str) -> Option<&'n str> {
        if !self.wants_labels() {
            return None;
        }
        let own = self.own().and_then(|own| own.named(field));
        own.or_else(|| self.fields.head(field)).filter(|head| self.heads.has(head))
    }

    /// What a field that has no meaning of its own here is called from now on.
    pub(super) fn name<'n>(&self, field: &'n str) -> Cow<'n, str> {
        match self.own() {
            Some(own) if own.id.as_deref() == Some(field) => "id".into(),
            _ => self.fields.name(field),
        }
    }

    pub(super) fn join(&self) -> &str {
        self.join.as_deref().unwrap_or(" ")
    }
}

/// What is asked for, or else all that is known.
fn names<'n>(asked: Option<&'n str>, known: &[&'n str], own: Option<&'n str>) -> Vec<&'n str> {
    match asked {
        Some(asked) => vec![asked],
        None => known.iter().copied().chain(own).collect(),
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
    /// The head whose classes this field was said to hold.
    fn named(&self, field: &str) -> Option<&str> {
        self.heads.iter().find(|(_, from)| *from == field).map(|(head, _)| head.as_str())
    }

    fn head<'n>(&'n self, field: &'n str) -> Option<&'n str> {
        match self.named(field) {
            Some(head) => Some(head),
            // Another field says them.
            None => Some(field).filter(|field| !self.heads.contains_key(*field)),
        }
    }

    fn name<'n>(&self, field: &'n str) -> Cow<'n, str> {
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
