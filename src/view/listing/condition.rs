//! Which rows a table keeps, and in what order: `evaluate.ner.span_f1 > 0.9`, `status = failed`, `-evaluate.loss`.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;

use super::cell::Cell;
use super::columns::{Column, UnknownColumn};
use super::items::{Item, Items};
use crate::base::diagnostics::quoted;
use crate::base::problem::Help;
use crate::base::units;

/// A column, a relation and a value.
#[derive(Debug)]
pub struct Condition {
    pub column: Column,
    relation: Relation,
    value: Operand,
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Number(f64),
    Text(String),
    /// That a score is not defined.
    Undefined,
}

/// What is wrong with a condition.
#[derive(Debug, thiserror::Error)]
pub enum ConditionError {
    #[error("{} is no condition", quoted(.0))]
    Malformed(String),
    #[error("{}", .0)]
    Column(#[from] UnknownColumn),
    #[error("`{column}` is a number, and {} is none", quoted(value))]
    NoNumber { column: String, value: String },
}

impl Help for ConditionError {
    fn help(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Malformed(_) => Some(
                "write a column, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` (contains), and a value: `evaluate.ner.span_f1 > 0.9`, `status = failed`"
                    .into(),
            ),
            Self::Column(error) => error.help(),
            Self::NoNumber { column, .. } if column == "duration" => {
                Some(format!("a time is {}", units::DURATION).into())
            }
            Self::NoNumber { .. } => Some("`undefined` finds scores that are not defined".into()),
        }
    }
}

impl Relation {
    /// Longer signs before those that they begin with.
    const SIGNS: [(&'static str, Self); 8] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
        ("~", Self::Contains),
    ];

    /// The sides of a text with a sign in it.
    #[must_use]
    pub fn split(text: &str) -> Option<(&str, Self, &str)> {
        let at = text.find(['<', '>', '=', '!', '~'])?;
        let (column, rest) = text.split_at(at);
        let (sign, relation) = Self::SIGNS.iter().find(|(sign, _)| rest.starts_with(sign))?;
        let (column, value) = (column.trim(), rest[sign.len()..].trim());
        (!column.is_empty() && !value.is_empty()).then_some((column, *relation, value))
    }

    /// Whether it is so of two values that are in this order.
    #[must_use]
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Contains => false,
        }
    }
}

impl Condition {
    /// Reads a condition on some rows.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn read(text: &str, items: &Items<'_>) -> Result<Self, ConditionError> {
        let malformed = || ConditionError::Malformed(text.to_owned());
        let (column, relation, value) = Relation::split(text).ok_or_else(malformed)?;
        let column = items.column(column)?;
        let quote = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let (value, is_quoted) = match quote('"').or_else(|| quote('\'')) {
            Some(value) => (value, true),
            None => (value, false),
        };
        let time = || units::duration(value).map(|time| time.as_secs_f64());
        let number = value.parse().ok().or_else(|| time().filter(|_| column.name() == "duration"));
        let value = match number {
            Some(number) if !is_quoted => Operand::Number(number),
            _ if value == "undefined" && !is_quoted => Operand::Undefined,
            _ if column.is_numeric() => {
                let (column, value) = (column.name().to_owned(), value.to_owned());
                return Err(ConditionError::NoNumber { column, value });
            }
            _ => Operand::Text(value.to_owned()),
        };
        Ok(Self { column, relation, value })
    }

    fn holds_of(&self, cell: &Cell) -> bool {
        let compared = |text: &str| match (cell.plain(), self.relation) {
            (Some(plain), Relation::Contains) => plain.contains(text),
            (Some(plain), relation) => relation.holds((*plain).cmp(text)),
            (None, _) => false,
        };
        match (&self.value, cell) {
            (_, Cell::Missing) => false,
            (Operand::Undefined, cell) => {
                let is_undefined = *cell == Cell::Undefined;
                match self.relation {
                    Relation::Equal => is_undefined,
                    Relation::NotEqual => !is_undefined,
                    _ => false,
                }
            }
            (_, Cell::Undefined) => false,
            (Operand::Number(number), cell) => match cell.number() {
                Some(value) => self.relation.holds(value.total_cmp(number)),
                None => compared(&number.to_string()),
            },
            (Operand::Text(text), _) => compared(text),
        }
    }
}

/// A column by which rows are sorted.
#[derive(Debug)]
pub struct SortKey {
    pub column: Column,
    pub descending: bool,
}

impl SortKey {
    /// Reads `column`, or `-column` for the largest first.
    ///
    /// # Errors
    /// [`UnknownColumn`].
    pub fn read(text: &str, items: &Items<'_>) -> Result<Self, UnknownColumn> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        Ok(Self { column: items.column(name)?, descending })
    }

    /// Sorts rows by the first of these keys, those that are equal in it by the next.
    pub fn sort(keys: &[Self], items: &mut Items<'_>) {
        select(&[], keys, items);
    }
}

/// Keeps the rows of which all conditions hold, and sorts them as [`SortKey::sort`] does: rows are many, and what one has in a column is read once.
pub fn select(conditions: &[Condition], keys: &[SortKey], items: &mut Items<'_>) {
    if conditions.is_empty() && keys.is_empty() {
        return;
    }
    let by = |item: &Item<'_>| sorted_by(conditions, keys, items, item);
    let cells: Vec<Option<Vec<Cell>>> = items.list.par_iter().map(by).collect();
    let rows = cells.into_iter().zip(std::mem::take(&mut items.list));
    let mut kept: Vec<(Vec<Cell>, Item<'_>)> =
        rows.filter_map(|(cells, item)| Some((cells?, item))).collect();
    kept.sort_by(|(one, _), (other, _)| {
        let by_key =
            |(place, key): (usize, &SortKey)| one[place].compare(&other[place], key.descending);
        let mut orders = keys.iter().enumerate().map(by_key);
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    items.list = kept.into_iter().map(|(_, item)| item).collect();
}

/// What a row has in the columns by which it is sorted; `None` where a condition does not hold.
fn sorted_by(
    conditions: &[Condition],
    keys: &[SortKey],
    items: &Items<'_>,
    item: &Item<'_>,
) -> Option<Vec<Cell>> {
    let mut known: Vec<(&str, Cell)> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let cell = items.cell(item, &condition.column);
        if !condition.holds_of(&cell) {
            return None;
        }
        known.push((condition.column.name(), cell));
    }
    let cell = |key: &SortKey| match known.iter().find(|(name, _)| *name == key.column.name()) {
        Some((_, cell)) => cell.clone(),
        None => items.cell(item, &key.column),
    };
    Some(keys.iter().map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::runs::Part;
    use serde_json::json;

    fn holds(relation: &str, value: Operand, cell: &Cell) -> bool {
        let column = Column::Value(Part::Score, "f1".to_owned());
        let (_, relation, _) = Relation::split(&format!("f1 {relation} 1")).expect("a condition");
        Condition { column, relation, value }.holds_of(cell)
    }

    #[test]
    fn a_condition_is_a_column_a_sign_and_a_value() {
        let split = |text| Relation::split(text);
        assert_eq!(split("a.b >= 0.5"), Some(("a.b", Relation::AtLeast, "0.5")));
        assert_eq!(split("status=failed"), Some(("status", Relation::Equal, "failed")));
        assert_eq!(split("file ~ a=b"), Some(("file", Relation::Contains, "a=b")));
        for text in ["", "a", "a >", "> 1", "a ! b"] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_texts_as_texts() {
        let score = Cell::scores([json!(0.9)].iter());
        assert!(holds(">", Operand::Number(0.85), &score));
        assert!(!holds("<", Operand::Number(0.85), &score));
        assert!(holds("=", Operand::Text("failed".into()), &Cell::text("failed")));
        assert!(holds("~", Operand::Text("ail".into()), &Cell::text("failed")));
        assert!(holds("=", Operand::Number(3.0), &Cell::Parameter(json!(3))));
    }

    #[test]
    fn what_is_undefined_is_neither_more_nor_less_and_can_be_asked_for() {
        let (zero, asked) = (Operand::Number(0.0), Operand::Undefined);
        for sign in [">", "<=", "=", "!="] {
            assert!(!holds(sign, zero.clone(), &Cell::Undefined), "{sign}");
        }
        assert!(holds("=", asked.clone(), &Cell::Undefined));
        assert!(!holds("=", asked, &Cell::Missing));
    }
}
