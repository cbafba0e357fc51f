//! Dividing a corpus into parts.
//!
//! 1. [`Division::item`] reduces an example to what decides where it goes: its classes, and hashes of its text, its identity (the field `id`,
//!    else the text) and the values of the fields that `by` names. So a corpus need not be in memory to be divided.
//! 2. [`Division::divide`] gives each item its part.
//!
//! Without `by`, the texts of each class are ranked by a hash of seed and identity and cut at the fractions: every part has the corpus's share
//! of anomalies, and membership depends on the texts alone, so that *k* corrected, added or removed lines move about *k* others. Equal texts
//! are one unit: it has the smallest hash of its members, and belongs to the class of most of them.
//!
//! With `by = "field"`, all examples with the same value of the field stay on one side, whatever their classes: see [`groups`]. `by = { test = "field" }` does so for
//! one part, and divides what is left as without `by`.
//! With `order = "field"` the past trains and the future validates: see [`order`]. With a [`Fold`], each of *k* equal parts of what is not test
//! validates once.
//! Inside a part, examples keep the order of the file.

mod difference;
mod error;
mod folds;
mod groups;
mod order;
mod units;

pub use difference::{Difference, Trace};
pub use error::SplitError;
pub use folds::Fold;
pub use groups::GroupCounts;
pub use order::{Ordered, Scale, days, is_later};

use self::units::{Unit, class_of, representatives, single_units, strata, text_units};
use super::{Corpus, Example, Split};

/// How much of a corpus each part gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    pub train: f64,
    pub validation: f64,
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 1.0, validation: 0.0, test: 0.0 }
    }
}

impl Fractions {
    #[must_use]
    pub fn get(&self, split: Split) -> f64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    fn set(&mut self, split: Split, fraction: f64) {
        match split {
            Split::Train => self.train = fraction,
            Split::Validation => self.validation = fraction,
            Split::Test => self.test = fraction,
        }
    }

    fn check(&self) -> Result<(), SplitError> {
        for split in Split::ALL {
            let fraction = self.get(split);
            if !(0.0..=1.0).contains(&fraction) {
                return Err(SplitError::Fraction { split, fraction });
            }
        }
        let sum = self.train + self.validation + self.test;
        if (sum - 1.0).abs() > 1e-9 { Err(SplitError::Sum { sum }) } else { Ok(()) }
    }

    /// Where one of `folds` equal parts of what is not test validates, and the others train.
    #[must_use]
    pub fn folded(mut self, folds: usize) -> Self {
        let rest = self.train + self.validation;
        self.validation = rest / folds as f64;
        self.train = rest - self.validation;
        self
    }

    /// What the other parts get of what is left without `split`; nothing when it gets all.
    fn without(mut self, split: Split) -> Self {
        self.set(split, 0.0);
        let rest = self.train + self.validation + self.test;
        for other in Split::ALL.into_iter().filter(|_| rest > 0.0) {
            self.set(other, self.get(other) / rest);
        }
        self
    }
}

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

/// What of an example decides where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    text: u128,
    /// Hash of seed and identity.
    rank: u64,
    /// The same for texts of the same classes; larger for an anomaly than for a normal text.
    class: u64,
    /// A digest of classes and entities.
    labels: u64,
    /// Hashes of seed and values, in the order of [`By::fields`].
    groups: [u64; 2],
    /// The value of the field that orders the texts.
    order: Option<Box<str>>,
}

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

    /// Gives each item its part.
    ///
    /// # Errors
    /// [`SplitError`] when the fractions do not sum to 1, or a part that is to get something would be empty.
    pub fn divide(&self, items: &[Item]) -> Result<Membership, SplitError> {
        self.fractions.check()?;
        let mut membership = Membership { parts: vec![None; items.len()], ..Membership::default() };
        let left: Vec<usize> = match self.equal_texts {
            EqualTexts::Drop => representatives(items, &mut membership.contradictions),
            EqualTexts::Together | EqualTexts::Keep => (0..items.len()).collect(),
        };
        match &self.order {
            Some(field) => order::divide(self, field, items, &left, &mut membership)?,
            None => self.divide_at_random(items, left, &mut membership)?,
        }
        if let Some(fold) = self.fold {
            self.fold(fold, items, &mut membership)?;
        }
        Ok(membership)
    }

    fn divide_at_random(
        &self,
        items: &[Item],
        mut left: Vec<usize>,
        membership: &mut Membership,
    ) -> Result<(), SplitError> {
        let mut fractions = self.fractions;
        for (number, (part, field)) in self.by.fields().into_iter().enumerate() {
            let groups = groups::collect(items, &left, number);
            let targets = match part {
                Some(part) => groups::Targets::one(part, fractions),
                None => groups::Targets::all(fractions),
            };
            if targets.is_empty() {
                continue;
            }
            let sides = groups::deal(&groups, &targets).map_err(|split| {
                SplitError::TooFewGroups { split, field: field.to_owned(), groups: groups.len() }
            })?;
            let count = |split| sides.iter().filter(|side| **side == Some(split)).count();
            membership.groups.push(GroupCounts {
                field: field.to_owned(),
                part,
                total: groups.len(),
                parts: Split::ALL.map(count),
            });
            for (group, side) in groups.iter().zip(sides) {
                for index in &group.members {
                    membership.parts[*index] = side;
                }
            }
            left.retain(|index| membership.parts[*index].is_none());
            match part {
                Some(part) => fractions = fractions.without(part),
                None => return Ok(()),
            }
        }
        let units = self.ranked(items, &left, fractions, &mut membership.parts);
        membership.is_tied = units < left.len();
        self.require_all(membership, units)
    }

    fn require_all(&self, membership: &Membership, texts: usize) -> Result<(), SplitError> {
        for split in Split::ALL {
            let fraction = self.fractions.get(split);
            if fraction > 0.0 && membership.size(split) == 0 {
                return Err(SplitError::TooFew { split, fraction, texts });
            }
        }
        Ok(())
    }

    /// Ranks and cuts; returns how many units there were.
    fn ranked(
        &self,
        items: &[Item],
        left: &[usize],
        fractions: Fractions,
        parts: &mut [Option<Split>],
    ) -> usize {
        let units = self.units(items, left);
        let mut seen = 0;
        for stratum in strata(&units) {
            let count = stratum.iter().map(|unit| unit.members.len()).sum();
            let ends = class_ends(fractions, seen, count);
            let mut start = 0;
            for unit in stratum {
                // A unit goes where its middle lies.
                let middle = 2 * start + unit.members.len();
                let part = ends.iter().position(|end| middle <= 2 * end).unwrap_or(2);
                for index in &unit.members {
                    parts[*index] = Some(Split::ALL[part]);
                }
                start += unit.members.len();
            }
            seen += count;
        }
        units.len()
    }

    fn units(&self, items: &[Item], left: &[usize]) -> Vec<Unit> {
        match self.equal_texts {
            EqualTexts::Keep => single_units(items, left),
            EqualTexts::Together | EqualTexts::Drop => text_units(items, left),
        }
    }
}

/// Where each part ends among the `count` members of a class that follow `seen` members of others: sizes come out right in total, and for
/// each class to within one.
fn class_ends(fractions: Fractions, seen: usize, count: usize) -> [usize; 3] {
    let ends = |seen: usize| {
        let end = |fraction: f64| (seen as f64 * fraction).round() as usize;
        [end(fractions.train), end(fractions.train + fractions.validation).min(seen)]
    };
    let (before, after) = (ends(seen), ends(seen + count));
    let train = (after[0] - before[0]).clamp(0, count);
    [train, (after[1] - before[1]).clamp(train, count), count]
}

/// Says whether a corpus of so many normal texts and anomalies can be divided without `by`, before there is one.
///
/// # Errors
/// [`SplitError::TooFew`] as [`Division::divide`].
pub fn check_sizes(
    [normal, anomalies]: [usize; 2],
    fractions: Fractions,
) -> Result<(), SplitError> {
    let (one, other) = (class_ends(fractions, 0, normal), class_ends(fractions, normal, anomalies));
    for (part, split) in Split::ALL.into_iter().enumerate() {
        let start = |ends: [usize; 3]| if part == 0 { 0 } else { ends[part - 1] };
        let fraction = fractions.get(split);
        if fraction > 0.0 && one[part] == start(one) && other[part] == start(other) {
            return Err(SplitError::TooFew { split, fraction, texts: normal + anomalies });
        }
    }
    Ok(())
}

/// Divides examples that are in memory; what is dropped is gone.
///
/// # Errors
/// As [`Division::item`] and [`Division::divide`].
pub fn split(
    examples: Vec<Example>,
    division: &Division,
) -> Result<(Corpus, Membership), SplitError> {
    let items =
        examples.iter().map(|example| division.item(example)).collect::<Result<Vec<_>, _>>()?;
    let membership = division.divide(&items)?;
    let mut corpus = Corpus::default();
    for (example, part) in examples.into_iter().zip(&membership.parts) {
        if let Some(split) = part {
            corpus.get_mut(*split).push(example);
        }
    }
    Ok((corpus, membership))
}

/// A digest of texts one after the other.
fn digest(parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
