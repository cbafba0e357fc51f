//! What is shown of rows: as columns for people, as CSV, as JSON.

use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::columns::{self, CHOSEN, Column, FINALIST, RUNG};
use super::items::{Item, Items, Level};
use crate::base::visible;
use crate::engine::runs::{About, Part};
use crate::engine::stage::Score;
use crate::view::rows::Moments;

/// A longer cell is cut in what people read, unless it names a row.
const LONGEST: usize = 48;

/// How a table for people looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub color: bool,
    /// Wider tables leave columns out that nobody asked for.
    pub width: usize,
}

/// A column of a table, and whether it may be left out.
struct Head {
    name: String,
    is_optional: bool,
    /// Whether its scores are means of several.
    has_moments: bool,
}

/// Rows and columns.
pub struct Table {
    heads: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A row for each item.
    ///
    /// * `columns`: those that were asked for; without any those that say most
    /// * `shown`: how many rows are shown, which decides what says most
    #[must_use]
    pub fn of(items: &Items<'_>, columns: &[Column]) -> Self {
        let has_moments = items.level == Level::Points;
        let head = |column: &Column, is_optional| Head {
            name: column.name().to_owned(),
            is_optional,
            has_moments: has_moments && column.is_numeric() && matches!(column, Column::Value(..)),
        };
        if !columns.is_empty() {
            let heads = columns.iter().map(|column| head(column, false)).collect();
            return Self { heads, rows: cells(items, columns) };
        }
        let own = columns::own(items.level).map(Column::Own);
        let own = own.filter(|column| is_usual(items, column.name())).collect::<Vec<_>>();
        let scores = items.headlines().into_iter().filter_map(|name| items.column(&name).ok());
        let all: Vec<Column> = own.iter().cloned().chain(scores).collect();
        let mut table = Self {
            heads: all.iter().zip(0..).map(|(column, at)| head(column, at >= own.len())).collect(),
            rows: cells(items, &all),
        };
        table.drop_empty();
        table
    }

    /// A row for each group of items that are equal in some columns, with the means of others.
    ///
    /// * `columns`: what there are means of; without any of the scores that say most
    #[must_use]
    pub fn grouped(items: &Items<'_>, by: &[Column], columns: &[Column]) -> Self {
        let scores = || items.headlines().into_iter().filter_map(|name| items.column(&name).ok());
        let means: Vec<Column> =
            if columns.is_empty() { scores().collect() } else { columns.to_vec() };
        let mut groups: Vec<(Vec<Cell>, Vec<&Item<'_>>)> = Vec::new();
        for item in &items.list {
            let key: Vec<Cell> = by.iter().map(|column| items.cell(item, column)).collect();
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, members)) => members.push(item),
                None => groups.push((key, vec![item])),
            }
        }
        groups.sort_by(|(one, _), (other, _)| {
            let orders = one.iter().zip(other).map(|(one, other)| one.compare(other, false));
            orders.reduce(std::cmp::Ordering::then).unwrap_or(std::cmp::Ordering::Equal)
        });
        let row = |(key, members): (Vec<Cell>, Vec<&Item<'_>>)| -> Vec<Cell> {
            let mean = |column: &Column| mean(members.iter().map(|item| items.cell(item, column)));
            let count = Cell::count(members.len());
            key.into_iter().chain([count]).chain(means.iter().map(mean)).collect()
        };
        let head = |name: &str, is_optional, has_moments| Head {
            name: name.to_owned(),
            is_optional,
            has_moments,
        };
        let keys = by.iter().map(|column| head(column.name(), false, false));
        let means = means.iter().map(|column| head(column.name(), columns.is_empty(), true));
        let heads = keys.chain([head("n", false, false)]).chain(means).collect();
        let rows = groups.into_iter().map(row).collect();
        let mut table = Self { heads, rows };
        table.drop_empty();
        table
    }

    /// Keeps the first rows, and returns how many others there were.
    pub fn truncate(&mut self, limit: usize) -> usize {
        let more = self.rows.len().saturating_sub(limit);
        self.rows.truncate(limit);
        more
    }

    /// Leaves out optional columns in which nothing stands.
    fn drop_empty(&mut self) {
        let is_kept = |at: usize, head: &Head| {
            !head.is_optional || self.rows.iter().any(|row| row[at] != Cell::Missing)
        };
        let kept: Vec<bool> =
            self.heads.iter().enumerate().map(|(at, head)| is_kept(at, head)).collect();
        let mut keep = kept.iter();
        self.heads.retain(|_| *keep.next().expect("one for each"));
        for row in &mut self.rows {
            let mut keep = kept.iter();
            row.retain(|_| *keep.next().expect("one for each"));
        }
    }

    /// Columns beside each other, under their names.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let column = |at: usize| -> Vec<String> {
            let cells = self.rows.iter().map(|row| shown(&row[at], at == 0));
            std::iter::once(visible::line(&self.heads[at].name).into_owned()).chain(cells).collect()
        };
        let width =
            |column: &[String]| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let mut columns: Vec<(usize, usize, Vec<String>)> = Vec::new();
        let (mut taken, mut scores) = (0, 0);
        for (at, head) in self.heads.iter().enumerate() {
            let cells = column(at);
            let width = width(&cells) + 2;
            if head.is_optional && scores > 0 && taken + width > style.width + 2 {
                continue;
            }
            scores += usize::from(head.is_optional);
            taken += width;
            columns.push((at, width, cells));
        }
        let mut text = String::new();
        for row in 0..=self.rows.len() {
            let mut line = String::new();
            for (place, (at, width, cells)) in columns.iter().enumerate() {
                let padding =
                    if place + 1 == columns.len() { 0 } else { width - cells[row].chars().count() };
                line += &painted(&self.heads[*at].name, &cells[row], row == 0, style.color);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// # Errors
    /// When what is to be written is not UTF-8, which it is.
    pub fn csv(&self) -> std::io::Result<String> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        let name = |head: &Head| match head.has_moments {
            true => ["mean", "sd", "n"].map(|part| format!("{}.{part}", head.name)).to_vec(),
            false => vec![head.name.clone()],
        };
        rows.write_record(self.heads.iter().flat_map(name))?;
        for row in &self.rows {
            let field = |(head, cell): (&Head, &Cell)| match (head.has_moments, cell) {
                (true, Cell::Score(Moments { deviation, count, .. })) => {
                    let deviation = deviation.map(|it| it.to_string()).unwrap_or_default();
                    vec![cell.field(), deviation, count.to_string()]
                }
                (true, cell) => vec![cell.field(), String::new(), "0".to_owned()],
                (false, cell) => vec![cell.field()],
            };
            rows.write_record(self.heads.iter().zip(row).flat_map(field))?;
        }
        let bytes = rows.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// An object for each row; a score that is undefined is null, and what a row does not have is not there.
    #[must_use]
    pub fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let field = |(head, cell): (&Head, &Cell)| {
                let value = match (head.has_moments, cell) {
                    (true, Cell::Score(moments)) => moments_json(moments),
                    (_, cell) => cell.json()?,
                };
                Some((head.name.clone(), value))
            };
            Value::Object(self.heads.iter().zip(row).filter_map(field).collect())
        };
        self.rows.iter().map(row).collect()
    }
}

/// All that is known of rows: an object for each, with all scores and parameters.
#[must_use]
pub fn whole_json(items: &Items<'_>) -> Value {
    let row = |item: &Item<'_>| {
        let own = columns::own(items.level)
            .filter_map(|own| Some((own.name.to_owned(), (own.of)(item).json()?)));
        let mut fields: Map<String, Value> = own.collect();
        fields.insert("metrics".to_owned(), named(items, item, &[Part::Score, Part::Detail]));
        fields.insert("parameters".to_owned(), named(items, item, &[Part::Parameter]));
        Value::Object(fields)
    };
    items.list.iter().map(row).collect()
}

/// What a row has of some parts, by name.
fn named(items: &Items<'_>, item: &Item<'_>, parts: &[Part]) -> Value {
    let mut all = Map::new();
    for part in parts {
        for (name, cell) in items.all(item, *part) {
            let value = match (&cell, items.level) {
                (Cell::Score(moments), Level::Points) => Some(moments_json(moments)),
                (cell, _) => cell.json(),
            };
            all.extend(value.map(|value| (name, value)));
        }
    }
    Value::Object(all)
}

fn moments_json(moments: &Moments) -> Value {
    json!({"mean": moments.mean, "sd": moments.deviation, "n": moments.count})
}

fn cells(items: &Items<'_>, columns: &[Column]) -> Vec<Vec<Cell>> {
    let row = |item| columns.iter().map(|column| items.cell(item, column)).collect();
    items.list.iter().map(row).collect()
}

/// Whether a column is shown that nobody asked for.
fn is_usual(items: &Items<'_>, name: &str) -> bool {
    let is_any = |is: fn(&About) -> bool| items.list.iter().any(|item| is(item.run.about()));
    match (items.level, name) {
        (Level::Runs, "run" | "started" | "experiment" | "status" | "duration") => true,
        (Level::Runs, "trials") => is_any(|about| about.trials.len() > 1),
        (Level::Trials | Level::Points, RUNG) => is_any(|about| about.has_rungs),
        (Level::Trials | Level::Points, FINALIST) => is_any(|about| about.has_finalists),
        (Level::Points, CHOSEN) => is_any(|about| about.objective.is_some()),
        (Level::Trials, "trial" | "status" | "duration") => true,
        (Level::Points, "point" | "status" | "n") => true,
        _ => false,
    }
}

/// The mean of what some rows have, each of which may be a mean itself.
fn mean(cells: impl Iterator<Item = Cell>) -> Cell {
    let (mut scores, mut are_undefined) = (Vec::new(), false);
    for cell in cells {
        match (&cell, cell.number()) {
            (Cell::Score(moments), Some(number)) => scores.push(moments.score(number)),
            (_, Some(number)) => scores.push(Score::Measured(number)),
            (Cell::Undefined, None) => are_undefined = true,
            _ => {}
        }
    }
    match (scores.is_empty(), are_undefined) {
        (false, _) => Cell::Score(Moments::of(&scores)),
        (true, true) => Cell::Undefined,
        (true, false) => Cell::Missing,
    }
}

/// * `is_name`: whether it is what a row is called
fn shown(cell: &Cell, is_name: bool) -> String {
    let text = cell.shown();
    let text = visible::line(&text);
    if is_name || text.chars().count() <= LONGEST {
        return text.into_owned();
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

/// A cell in the colour of what it says.
fn painted(column: &str, text: &str, is_head: bool, color: bool) -> String {
    let code = match (column, text) {
        _ if !color => return text.to_owned(),
        _ if is_head => "1",
        ("status", "failed" | "died") => "31",
        ("status", "running") => "36",
        ("status", "interrupted" | "not run") => "33",
        (_, "undefined") => "2",
        _ => return text.to_owned(),
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
