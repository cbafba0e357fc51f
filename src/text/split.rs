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
mod divide;
mod division;
mod error;
mod folds;
mod fractions;
mod groups;
mod membership;
mod order;
mod units;

pub use difference::{Difference, Trace};
pub use division::{By, Division, EqualTexts, Fold, Item};
pub use error::SplitError;
pub use fractions::Fractions;
pub use groups::GroupCounts;
pub use membership::{Contradictions, Membership, Ordered, Scale};
pub use order::{days, is_later};

use super::{Corpus, Example, Split};

/// Says whether a corpus of so many normal texts and anomalies can be divided without `by`, before there is one.
///
/// # Errors
/// [`SplitError::TooFew`] as [`Division::divide`].
pub fn check_sizes(
    [normal, anomalies]: [usize; 2],
    fractions: Fractions,
) -> Result<(), SplitError> {
    let (one, other) = (fractions.class_ends(0, normal), fractions.class_ends(normal, anomalies));
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

#[cfg(test)]
mod tests;
