//! Why a corpus cannot be divided as asked, and what to do about it.

use std::borrow::Cow;

use crate::base::problem::Help;
use crate::base::visible;
use crate::text::{Split, Unit};

/// Why a corpus cannot be divided as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    #[error("the fraction of `{split}` is {fraction}, expected 0 to 1")]
    Fraction { split: Split, fraction: f64 },
    #[error("the fractions sum to {sum}, expected 1")]
    Sum { sum: f64 },
    #[error("{unit} {line} has no field `{field}` to split by{}", known(.fields))]
    MissingField { field: String, unit: Unit, line: usize, fields: Vec<String>, ordered: bool },
    #[error("`{field}` is `{}` in a text: as text, such dates are in no order of time", visible::line(.value))]
    DayFirst { field: String, value: String },
    #[error("{} none for `{split}`, which is to get {fraction} of them", leave(*.texts))]
    TooFew { split: Split, fraction: f64, texts: usize },
    #[error("{} none for `{split}`", leave_values(*.groups, .field))]
    TooFewGroups { split: Split, field: String, groups: usize },
    #[error("{} too few for {folds} folds", counted(*.count, .field.as_deref()))]
    TooFewForFolds { folds: usize, count: usize, field: Option<String> },
}

impl SplitError {
    /// Says what the texts are counted by.
    #[must_use]
    pub fn counted_by(mut self, counted: Unit) -> Self {
        if let Self::MissingField { unit, .. } = &mut self {
            *unit = counted;
        }
        self
    }
}

impl Help for SplitError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Fraction { .. } | Self::Sum { .. } => {
                "for example `split = { train = 0.8, validation = 0.2 }`"
            }
            Self::MissingField { ordered: false, .. } => {
                "every text needs the field; `by = \"text\"` needs none"
            }
            Self::MissingField { ordered: true, .. } => {
                "every text needs the field; without `order` the split is random"
            }
            Self::DayFirst { .. } => {
                "write them in ISO 8601, such as `2024-12-31T10:00:00`; of the lines of a log, `times` in the rules says how they are written"
            }
            Self::TooFewForFolds { .. } => {
                "every fold needs one of its own: fewer `folds`, or more texts outside of test"
            }
            Self::TooFew { .. } => {
                "more texts, or a larger fraction; equal texts count once unless `duplicates = \"keep\"`"
            }
            Self::TooFewGroups { .. } => {
                "every part needs a value of its own: fewer parts, or a field with more values"
            }
        };
        Some(help.into())
    }
}

fn leave(texts: usize) -> String {
    if texts == 1 { "1 text leaves".to_owned() } else { format!("{texts} texts leave") }
}

fn leave_values(groups: usize, field: &str) -> String {
    if groups == 1 {
        format!("a single value of `{field}` leaves")
    } else {
        format!("{groups} different values of `{field}` leave")
    }
}

fn counted(count: usize, field: Option<&str>) -> String {
    let (plural, verb) = if count == 1 { ("", "is") } else { ("s", "are") };
    match field {
        Some(field) => format!("{count} value{plural} of `{field}` outside of test {verb}"),
        None => format!("{count} text{plural} outside of test {verb}"),
    }
}

fn known(fields: &[String]) -> String {
    if fields.is_empty() {
        String::new()
    } else {
        format!("; it has `{}`", visible::line(&fields.join("`, `")))
    }
}
