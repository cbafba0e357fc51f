//! How a corpus is to be divided, and what of an example decides where it goes.

use super::{Fractions, SplitError};
use crate::text::{Example, Split, Unit, anomaly};

/// The fields whose equal values stay in one part. `text` is the text itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum By {
    #[default]
    Nothing,
    /// For all parts.
    Field(String),
    /// For these parts only, test before validation; the rest is divided as without.
    Parts { validation: Option<String>, test: Option<String> },
}

impl By {
    /// The fields, each with the part for which alone it counts.
    #[must_use]
    pub fn fields(&self) -> Vec<(Option<Split>, &str)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Field(field) => vec![(None, field)],
            Self::Parts { validation, test } => {
                [(Split::Test, test), (Split::Validation, validation)]
                    .into_iter()
                    .filter_map(|(split, field)| Some((Some(split), field.as_deref()?)))
                    .collect()
            }
        }
    }
}

/// What becomes of equal texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EqualTexts {
    /// They stay in one part; under `by`, those of one group do.
    #[default]
    Together,
    /// One of them stays: the first with the labels of most; on a tie, of the first.
    Drop,
    /// Each goes its own way.
    Keep,
}

/// How to divide.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Division {
    pub fractions: Fractions,
    pub by: By,
    /// The field whose values order the texts; then neither `by` nor a fold, and equal texts go where their values lie.
    pub order: Option<String>,
    /// What validates, where the fractions of train and validation do not say it.
    pub fold: Option<Fold>,
    pub equal_texts: EqualTexts,
    pub seed: u64,
}

/// One of several equal parts of the texts outside of test: the one that validates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// From 0.
    pub index: usize,
    /// How many there are, at least two.
    pub of: usize,
}

/// What of an example decides where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub(super) text: u128,
    /// Hash of seed and identity.
    pub(super) rank: u64,
    /// The same for texts of the same classes; larger for an anomaly than for a normal text.
    pub(super) class: u64,
    /// A digest of classes and entities.
    pub(super) labels: u64,
    /// Hashes of seed and values, in the order of [`By::fields`].
    pub(super) groups: [u64; 2],
    /// The value of the field that orders the texts.
    pub(super) order: Option<Box<str>>,
}

impl Division {
    /// * `purpose`: hashes of one thing say nothing about those of another
    fn hash(&self, purpose: &str, value: &str) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key("pipeline 2026-11 split");
        hasher.update(&self.seed.to_le_bytes()).update(purpose.as_bytes()).update(&[0]);
        hasher.update(value.as_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// # Errors
    /// [`SplitError::MissingField`] when the example lacks a field that `by` names.
    pub fn item(&self, example: &Example) -> Result<Item, SplitError> {
        let value = |field: &str, ordered: bool| match field {
            "text" => Ok(&example.text),
            field => example.fields.get(field).ok_or_else(|| SplitError::MissingField {
                field: field.to_owned(),
                unit: Unit::Line,
                line: example.line,
                fields: example.fields.keys().cloned().collect(),
                ordered,
            }),
        };
        let mut groups = [0; 2];
        for (group, (_, field)) in groups.iter_mut().zip(self.by.fields()) {
            *group = self.hash("group", value(field, false)?);
        }
        let order = self.order.as_deref().map(|field| value(field, true)).transpose()?;
        let order = order.map(|value| value.as_str().into());
        let rank = match example.fields.get("id") {
            Some(id) => self.hash("id", id),
            None => self.hash("text", &example.text),
        };
        let text = digest(&[example.text.as_bytes()]);
        let class = class_of(example);
        let entities = example.entities_written();
        let labels = digest(&[&class.to_le_bytes(), entities.as_bytes()]) as u64;
        Ok(Item { text, rank, class, labels, groups, order })
    }
}

/// What texts of the same classes share, and others have not.
fn class_of(example: &Example) -> u64 {
    match &example.classes {
        classes if classes.is_empty() || *classes == anomaly(false) => 0,
        classes if *classes == anomaly(true) => 1,
        classes => {
            let written =
                classes.iter().flat_map(|(head, class)| [head.as_bytes(), class.as_bytes()]);
            // Above those that are given.
            (digest(&written.collect::<Vec<_>>()) as u64) | 1 << 63
        }
    }
}

/// A digest of texts one after the other.
pub(super) fn digest(parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}
