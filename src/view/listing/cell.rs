//! What stands in one place of a table.

use std::cmp::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::stage::Score;
use crate::view::format;
use crate::view::rows::Moments;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// The row has none.
    Missing,
    /// A score that is not defined, such as a precision without predictions.
    Undefined,
    /// A score, or the mean of several.
    Score(Moments),
    /// In milliseconds.
    Duration(u64),
    /// When something was, as records write it.
    Moment(String),
    /// What a stage was made with.
    Parameter(Value),
    Text(String),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Missing } else { Self::Text(text) }
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Score(Moments::of(&[Score::Count(count as u64)]))
    }

    /// Of what trials have by one name: null where it is undefined.
    pub(super) fn scores<'v>(values: impl Iterator<Item = &'v Value>) -> Self {
        let values: Vec<&Value> = values.collect();
        let score = |value: &&Value| match value.as_u64() {
            Some(count) => Some(Score::Count(count)),
            None => value.as_f64().map(Score::Measured),
        };
        let scores: Vec<Score> = values.iter().filter_map(score).collect();
        match (scores.is_empty(), values.is_empty()) {
            (false, _) => Self::Score(Moments::of(&scores)),
            (true, false) => Self::Undefined,
            (true, true) => Self::Missing,
        }
    }

    /// As a number, if it is one: a duration in seconds.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Score(moments) => moments.mean,
            Self::Duration(milliseconds) => Some(*milliseconds as f64 / 1e3),
            Self::Parameter(value) => value.as_f64(),
            _ => None,
        }
    }

    /// As a condition compares it.
    pub(super) fn plain(&self) -> Option<String> {
        match self {
            Self::Moment(text) | Self::Text(text) => Some(text.clone()),
            Self::Parameter(Value::String(text)) => Some(text.clone()),
            Self::Parameter(value) => Some(crate::engine::plan::full_text(value)),
            _ => None,
        }
    }

    /// As people read it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Undefined => "undefined".to_owned(),
            Self::Score(moments) => moments.shown(),
            Self::Duration(milliseconds) => format::duration(Duration::from_millis(*milliseconds)),
            // To the minute, as in `2026-11-24 18:22`.
            Self::Moment(text) => text.chars().take(16).collect::<String>().replace('T', " "),
            Self::Parameter(Value::String(text)) => text.clone(),
            Self::Parameter(value) => crate::engine::plan::value_text(value),
            Self::Text(text) => text.clone(),
        }
    }

    /// As a field of a CSV file: the shortest text that reads back as the same.
    pub(super) fn field(&self) -> String {
        match self.number() {
            Some(number) => number.to_string(),
            None => self.plain().unwrap_or_default(),
        }
    }

    /// `None` where there is nothing.
    pub(super) fn json(&self) -> Option<Value> {
        Some(match self {
            Self::Missing => return None,
            Self::Undefined => Value::Null,
            Self::Score(moments) => json!(moments.mean.map(|mean| moments.score(mean))),
            Self::Duration(milliseconds) => json!(*milliseconds as f64 / 1e3),
            Self::Parameter(value) => value.clone(),
            Self::Moment(text) | Self::Text(text) => json!(text),
        })
    }

    /// The order of rows by it: numbers, then texts, and in any direction last what is undefined or not there.
    pub(super) fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let directed = |order: Ordering| if descending { order.reverse() } else { order };
        let rank = |cell: &Self| match cell {
            Self::Missing => 3,
            Self::Undefined => 2,
            cell => u8::from(cell.number().is_none()),
        };
        let by_rank = rank(self).cmp(&rank(other));
        if by_rank != Ordering::Equal {
            return by_rank;
        }
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => directed(one.total_cmp(&other)),
            _ => directed(self.plain().cmp(&other.plain())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_comes_last_in_any_direction() {
        let cells = || {
            let score = |value| Cell::scores([json!(value)].iter());
            vec![Cell::Missing, score(0.5), Cell::Undefined, Cell::text("x"), score(0.75)]
        };
        let sorted = |descending| {
            let mut cells = cells();
            cells.sort_by(|one, other| one.compare(other, descending));
            cells.iter().map(Cell::shown).collect::<Vec<_>>()
        };
        assert_eq!(sorted(false), ["0.5000", "0.7500", "x", "undefined", ""]);
        assert_eq!(sorted(true), ["0.7500", "0.5000", "x", "undefined", ""]);
    }

    #[test]
    fn an_undefined_score_is_null_and_one_that_is_not_there_is_nothing() {
        assert_eq!(Cell::scores([Value::Null].iter()).json(), Some(Value::Null));
        assert_eq!(Cell::scores([].iter()).json(), None);
    }

    #[test]
    fn of_several_scores_those_that_are_defined_have_a_mean() {
        let cell = Cell::scores([json!(0.5), Value::Null, json!(0.75)].iter());
        assert_eq!((cell.shown(), cell.number()), ("0.6250 ± 0.1768".to_owned(), Some(0.625)));
    }
}
