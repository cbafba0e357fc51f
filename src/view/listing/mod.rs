//! Runs, trials and points as a table: what `ls` shows.
//!
//! 1. [`Items::of`] takes what the table is about from the index of runs: a row for each run, trial or point;
//! 2. [`Items::column`] finds a column by its name, or says which one may be meant;
//! 3. [`select`] keeps those of which each [`Condition`] holds, in the order of [`SortKey`]s;
//! 4. [`Items::keep_judged`] leaves the points of a sweep by which these are judged, where means are asked for;
//! 5. a [`Table`] holds what is shown of them, row by row or over groups of rows, for people, as CSV and as JSON.

mod cell;
mod columns;
mod condition;
mod items;
mod table;

pub use cell::Cell;
pub use columns::{Column, FINALIST, RUNG, UnknownColumn};
pub use condition::{Condition, ConditionError, Relation, SortKey, select};
pub use items::{Apart, Item, Items, Level};
pub use table::{Style, Table, whole_json};
