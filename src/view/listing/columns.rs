//! What a table can show of a row, by name.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::cell::Cell;
use super::items::{Item, Items, Level};
use crate::base::diagnostics::{quoted, suggest};
use crate::base::problem::Help;
use crate::engine::runs::{AboutTrial, Index, Part};

/// A column of a table.
#[derive(Debug, Clone)]
pub enum Column {
    Own(&'static Own),
    /// A score or a parameter.
    Value(Part, String),
}

/// One that is no score and no parameter.
#[derive(Debug)]
pub struct Own {
    pub name: &'static str,
    levels: &'static [Level],
    pub(super) of: fn(&Item<'_>) -> Cell,
}

const ALL: &[Level] = &Level::ALL;
const TRIED: &[Level] = &[Level::Trials, Level::Points];

/// The columns that say how far a point had come, and with which seeds: those of `trials.csv`.
pub const RUNG: &str = "rung";
pub const FINALIST: &str = "finalist";
/// The column that says which point a sweep has chosen.
pub const CHOSEN: &str = "chosen";

/// In the order in which they are shown.
pub(super) const OWN: &[Own] = &[
    Own { name: "run", levels: ALL, of: |item| Cell::text(&item.run.head.id) },
    Own { name: "trial", levels: &[Level::Trials], of: |item| Cell::text(item.selector()) },
    Own { name: "point", levels: &[Level::Points], of: |item| Cell::text(item.selector()) },
    Own { name: "started", levels: ALL, of: |item| Cell::Moment(item.run.head.started.clone()) },
    Own { name: "experiment", levels: ALL, of: |item| Cell::text(&item.run.head.experiment) },
    Own { name: "status", levels: ALL, of: status },
    Own { name: "duration", levels: ALL, of: duration },
    Own { name: "points", levels: &[Level::Runs], of: |item| counted(item, |trial| trial.place) },
    Own { name: "trials", levels: &[Level::Runs], of: |item| counted(item, |trial| &trial.label) },
    Own { name: RUNG, levels: TRIED, of: rung },
    Own { name: FINALIST, levels: TRIED, of: finalist },
    Own { name: CHOSEN, levels: TRIED, of: chosen },
    Own { name: "n", levels: &[Level::Points], of: |item| Cell::count(done(item)) },
    Own { name: "seed", levels: &[Level::Trials], of: seed },
    Own { name: "fold", levels: &[Level::Trials], of: fold },
    Own {
        name: "objective",
        levels: ALL,
        of: |item| {
            Cell::text(
                item.run.about().objective.as_ref().map(ToString::to_string).unwrap_or_default(),
            )
        },
    },
    Own { name: "file", levels: ALL, of: |item| Cell::text(item.run.head.file.to_string_lossy()) },
    Own { name: "name", levels: ALL, of: |item| Cell::text(&item.run.head.results) },
    Own { name: "command", levels: ALL, of: |item| Cell::text(&item.run.about().command) },
    Own { name: "program", levels: ALL, of: |item| Cell::text(&item.run.about().program) },
];

fn done(item: &Item<'_>) -> usize {
    item.trials().iter().filter(|trial| trial.is_done).count()
}

/// How many trials differ in something; nothing of a run that lists none.
fn counted<'a, T: Ord>(item: &Item<'a>, by: fn(&'a AboutTrial) -> T) -> Cell {
    let different: BTreeSet<T> = item.run.about().trials.iter().map(by).collect();
    if different.is_empty() { Cell::Missing } else { Cell::count(different.len()) }
}

/// On which rung it was tried, from 1, as in `trials.csv`; nothing where a sweep has no rungs.
fn rung(item: &Item<'_>) -> Cell {
    let trial = item.first().filter(|_| item.run.about().has_rungs);
    trial.map_or(Cell::Missing, |trial| Cell::Parameter((trial.level.rung + 1).into()))
}

/// Whether it has the fresh seeds of a finalist; nothing where a sweep has no finalists.
fn finalist(item: &Item<'_>) -> Cell {
    let trial = item.first().filter(|_| item.run.about().has_finalists);
    trial.map_or(Cell::Missing, |trial| Cell::Parameter(trial.level.is_fresh.into()))
}

/// Whether the sweep has chosen it by its objective; nothing where none is chosen.
fn chosen(item: &Item<'_>) -> Cell {
    let about = item.run.about();
    let chooses = about.objective.is_some() && !item.run.head.best.is_empty();
    if chooses { Cell::Parameter(item.is_chosen().into()) } else { Cell::Missing }
}

/// That of a run; of a point that of the first trial that did not come to its end.
fn status(item: &Item<'_>) -> Cell {
    if item.level == Level::Runs {
        return Cell::text(item.run.head.status.name());
    }
    let trials = item.trials();
    let told = trials.iter().find(|trial| !trial.is_done).or_else(|| trials.first());
    told.map_or(Cell::Missing, |trial| Cell::text(trial.status.replace('_', " ")))
}

fn duration(item: &Item<'_>) -> Cell {
    let elapsed = match item.level {
        Level::Runs => item.run.about().elapsed_ms,
        _ => {
            let of_trials = item.trials().into_iter().filter_map(|trial| trial.elapsed_ms);
            of_trials.reduce(|one, other| one + other)
        }
    };
    elapsed.map_or(Cell::Missing, Cell::Duration)
}

/// Those of the stages that are replicated, which mostly is one.
fn seed(item: &Item<'_>) -> Cell {
    let mut seeds: Vec<u64> =
        item.trials().into_iter().flat_map(|trial| trial.seeds.iter().flatten().copied()).collect();
    seeds.dedup();
    match seeds[..] {
        [] => Cell::Missing,
        [seed] => Cell::Parameter(seed.into()),
        _ => Cell::text(seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn fold(item: &Item<'_>) -> Cell {
    let fold = item.first().and_then(|trial| trial.fold);
    fold.map_or(Cell::Missing, |fold| Cell::Parameter(fold.into()))
}

impl Items<'_> {
    /// Finds a column.
    ///
    /// # Errors
    /// [`UnknownColumn`] where no row can have one of this name.
    pub fn column(&self, name: &str) -> Result<Column, UnknownColumn> {
        find(self.index, self.level, name)
    }

    /// What a row has in a column.
    #[must_use]
    pub fn cell(&self, item: &Item<'_>, column: &Column) -> Cell {
        match column {
            Column::Own(own) => (own.of)(item),
            Column::Value(part, name) => self.value(item, *part, name),
        }
    }
}

impl Column {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Own(own) => own.name,
            Self::Value(_, name) => name,
        }
    }

    /// Whether it holds numbers alone.
    pub(super) fn is_numeric(&self) -> bool {
        match self {
            Self::Own(own) => matches!(own.name, "duration" | "points" | "trials" | "n"),
            Self::Value(part, _) => *part != Part::Parameter,
        }
    }
}

/// A name that is no column.
#[derive(Debug, thiserror::Error)]
#[error("no {} has a column {}", level.noun(), quoted(name))]
pub struct UnknownColumn {
    name: String,
    level: Level,
    near: Option<String>,
    known: Vec<String>,
}

impl Help for UnknownColumn {
    fn help(&self) -> Option<Cow<'_, str>> {
        Some(match &self.near {
            Some(near) => format!("did you mean `{near}`?").into(),
            None => {
                let known: Vec<String> =
                    self.known.iter().map(|name| format!("`{name}`")).collect();
                format!("a column is {}, a score such as `evaluate.loss`, or a parameter such as `train.learning_rate`", known.join(", ")).into()
            }
        })
    }
}

/// The columns of a level that are no scores and no parameters.
pub(super) fn own(level: Level) -> impl Iterator<Item = &'static Own> {
    OWN.iter().filter(move |own| own.levels.contains(&level))
}

/// * `name`: of a column of some run
fn find(index: &Index, level: Level, name: &str) -> Result<Column, UnknownColumn> {
    if let Some(own) = own(level).find(|own| own.name == name) {
        return Ok(Column::Own(own));
    }
    let names = Part::ALL.map(|part| (part, index.names(part)));
    if let Some((part, _)) = names.iter().find(|(_, names)| names.contains(name)) {
        return Ok(Column::Value(*part, name.to_owned()));
    }
    // `span_f1` for `evaluate.ner.span_f1`, where there is but one.
    let end = format!(".{name}");
    let mut ending =
        names.iter().flat_map(|(_, names)| names).filter(|known| known.ends_with(&end));
    let by_end = match (ending.next(), ending.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    };
    let own_names = || own(level).map(|own| own.name);
    let all = own_names().chain(names.iter().flat_map(|(_, names)| names.iter().copied()));
    let near = by_end.or_else(|| suggest(name, all)).map(str::to_owned);
    let known = own_names().map(str::to_owned).collect();
    Err(UnknownColumn { name: name.to_owned(), level, near, known })
}
