//! `pipeline ls`: runs, trials and points as a table.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::args::{Ls, Place, When};
use super::failure::{Failure, Outcome};
use super::root::Root;
use super::{project, terminal};
use crate::base::diagnostics::{quoted, suggest};
use crate::engine::runs::{Index, IndexedRun, Part, name_of_file};
use crate::engine::store::Store;
use crate::stages;
use crate::view::format;
use crate::view::listing::{
    Apart, Column, Condition, FINALIST, Items, Level, RUNG, SortKey, Style, Table, select,
    whole_json,
};

/// Rows for people, unless they ask for more.
const ROWS: usize = 30;
/// Wider tables are broken by most terminals.
const COLUMNS: usize = 120;
/// Reading so many records takes long enough to say it.
const MANY: usize = 1000;

pub fn run(arguments: &Ls, when: When) -> Result<Outcome, Failure> {
    let (level, of) = asked(arguments);
    let store = project::open_store(&root(&of, &arguments.place)?)?;
    let mut index = Index::of(&store, stages::ALL, &|count| {
        if count >= MANY {
            let runs = format::grouped(count as u64);
            terminal::complain(&format!("reading the records of {runs} runs, once\n"));
        }
    })?;
    if asks_for_details(arguments, &index) {
        index.read_details(&store, stages::ALL)?;
    }
    let runs = selected(&store, &index, &of)?;
    let is_single_run =
        |runs: &[&IndexedRun]| of.len() == 1 && runs.len() == 1 && runs[0].head.id == of[0];
    let level = match level {
        Some(level) => level,
        None if is_single_run(&runs) => Level::Trials,
        None => Level::Runs,
    };
    let mut items = Items::of(&index, &runs, level);
    let wrong = |error: &dyn crate::base::problem::Help| {
        Failure::usage(error.to_string()).with_help_of(error.help())
    };
    let columns = |names: &[String]| -> Result<Vec<Column>, Failure> {
        names.iter().map(|name| items.column(name.trim()).map_err(|error| wrong(&error))).collect()
    };
    let (shown, group_by) = (columns(&arguments.columns)?, columns(&arguments.group_by)?);
    let conditions: Vec<Condition> = arguments
        .conditions
        .iter()
        .map(|text| Condition::read(text, &items).map_err(|error| wrong(&error)))
        .collect::<Result<_, _>>()?;
    let keys: Vec<SortKey> = arguments
        .sort
        .iter()
        .map(|text| SortKey::read(text.trim(), &items).map_err(|error| wrong(&error)))
        .collect::<Result<_, _>>()?;
    select(&conditions, &keys, &mut items);
    if !group_by.is_empty() {
        let asked = conditions.iter().map(|condition| &condition.column).chain(&group_by);
        let asked: Vec<&str> = asked.map(Column::name).collect();
        let [rungs, finalists] = [RUNG, FINALIST].map(|name| asked.contains(&name));
        left_out(items.keep_judged(Apart { rungs, finalists }), level);
    }
    if keys.is_empty() {
        SortKey::sort(&usual_order(&items), &mut items);
    }
    if items.list.is_empty() {
        return nothing(arguments, &store, level, index.runs().is_empty());
    }
    print(arguments, when, items, &shown, &group_by).map(|()| Outcome::Done)
}

/// Whether scores of single labels are asked for.
fn asks_for_details(arguments: &Ls, index: &Index) -> bool {
    let Ls { columns, group_by, sort, conditions, .. } = arguments;
    let none = Items::of(index, &[], Level::Runs);
    let is_detail = |column: &Column| matches!(column, Column::Value(Part::Detail, _));
    let named = columns.iter().chain(group_by).filter_map(|name| none.column(name.trim()).ok());
    let sorted =
        sort.iter().filter_map(|text| Some(SortKey::read(text.trim(), &none).ok()?.column));
    let kept = conditions.iter().filter_map(|text| Some(Condition::read(text, &none).ok()?.column));
    let is_whole = arguments.json && columns.is_empty() && group_by.is_empty();
    is_whole || named.chain(sorted).chain(kept).any(|column| is_detail(&column))
}

/// What is listed, where that is said, and of what.
fn asked(arguments: &Ls) -> (Option<Level>, Vec<String>) {
    let level = |name: &String| Level::ALL.into_iter().find(|level| level.name() == name);
    let word = arguments.what.as_ref();
    let level = word.and_then(level);
    // The first word may be a file or a run itself.
    let first = word.filter(|_| level.is_none()).cloned();
    (level, first.into_iter().chain(arguments.of.iter().cloned()).collect())
}

fn root(of: &[String], place: &Place) -> Result<Root, Failure> {
    match of.iter().map(Path::new).find(|path| path.is_file()) {
        Some(file) => Root::of(file, place),
        None => Root::here(place),
    }
}

/// The runs that are asked for: by id, by experiment file, or by the name of the experiment or of its results.
fn selected<'a>(
    store: &Store,
    index: &'a Index,
    of: &[String],
) -> Result<Vec<&'a IndexedRun>, Failure> {
    if of.is_empty() {
        return Ok(index.runs().iter().collect());
    }
    let mut ids = BTreeSet::new();
    for word in of {
        let path = Path::new(word);
        let file = path.is_file().then(|| name_of_file(store, path));
        // `outputs/tiny` and `outputs/runs/ID` by what they are called.
        let folder =
            path.is_dir().then(|| path.file_name()).flatten().and_then(|name| name.to_str());
        let word = folder.unwrap_or(word);
        let is_meant = |run: &&IndexedRun| {
            let head = &run.head;
            head.id == *word
                || file.as_ref().map_or_else(|| head.file == path, |file| head.file == *file)
                || (file.is_none() && (head.experiment == *word || head.results == *word))
        };
        let before = ids.len();
        ids.extend(index.runs().iter().filter(is_meant).map(|run| run.head.id.as_str()));
        if ids.len() == before && !index.runs().iter().any(|run| is_meant(&run)) {
            return Err(unknown(store, index, word));
        }
    }
    Ok(index.runs().iter().filter(|run| ids.contains(run.head.id.as_str())).collect())
}

fn unknown(store: &Store, index: &Index, word: &str) -> Failure {
    let failure = Failure::not_found(format!(
        "no run in `{}` is of {}",
        store.outputs().display(),
        quoted(word)
    ));
    let mut known: Vec<&str> = Level::ALL.into_iter().map(Level::name).collect();
    for IndexedRun { head, .. } in index.runs() {
        known.extend(head.file.to_str().into_iter().chain([&*head.experiment, &*head.id]));
    }
    match suggest(word, known) {
        Some(near) => failure.with_help(format!("did you mean `{near}`?")),
        None => failure.with_help("name an experiment file, the id of a run, or an experiment; `pipeline ls` lists all runs"),
    }
}

/// Says how many rows are in no group, since what points came to on an earlier rung, or with the seeds by which finalists were chosen, has no mean
/// with what they are judged by.
fn left_out(count: usize, level: Level) {
    if count > 0 {
        let what = if count == 1 { level.noun() } else { level.name() };
        terminal::complain(&format!(
            "without {count} {what} of earlier rungs, or of finalists before their fresh seeds; \
             group by `{RUNG}` or `{FINALIST}` for these\n"
        ));
    }
}

/// The points of a run by its objective, where it has one, first those that have come furthest; else as they come.
fn usual_order(items: &Items<'_>) -> Vec<SortKey> {
    let Some(first) = items.list.first() else { return Vec::new() };
    let is_of_one = items.list.iter().all(|item| std::ptr::eq(item.run, first.run));
    let is_meant = is_of_one && items.level == Level::Points;
    let objective = first.run.about().objective.as_ref().filter(|_| is_meant);
    let Some(objective) = objective else { return Vec::new() };
    let keys = [(RUNG, true), (FINALIST, true), (&*objective.metric, objective.maximize)];
    let key = |(name, descending)| Some(SortKey { column: items.column(name).ok()?, descending });
    keys.into_iter().filter_map(key).collect()
}

/// * `is_empty`: whether there is no run at all
fn nothing(
    arguments: &Ls,
    store: &Store,
    level: Level,
    is_empty: bool,
) -> Result<Outcome, Failure> {
    if arguments.json {
        terminal::json(&json!([]))?;
    }
    if is_empty && arguments.conditions.is_empty() {
        terminal::complain(&format!(
            "there are no runs in `{}`; `pipeline run FILE` makes one\n",
            store.outputs().display()
        ));
        return Ok(Outcome::Done);
    }
    if arguments.json || arguments.csv {
        return Ok(Outcome::NotFound);
    }
    let wanted: Vec<String> = arguments.conditions.iter().map(|text| quoted(text)).collect();
    Err(Failure::not_found(match wanted.is_empty() {
        true => format!("there are no {} in what was asked for", level.name()),
        false => format!("no {} has {}", level.noun(), wanted.join(" and ")),
    }))
}

fn print(
    arguments: &Ls,
    when: When,
    mut items: Items<'_>,
    columns: &[Column],
    group_by: &[Column],
) -> Result<(), Failure> {
    let for_people = !arguments.json && !arguments.csv;
    let limit = match arguments.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit as usize,
        None if for_people => ROWS,
        None => usize::MAX,
    };
    let is_grouped = !group_by.is_empty();
    let more = items.list.len().saturating_sub(limit);
    let (table, more) = if is_grouped {
        let mut table = Table::grouped(&items, group_by, columns);
        let more = table.truncate(limit);
        (table, more)
    } else {
        items.list.truncate(limit);
        (Table::of(&items, columns), more)
    };
    if arguments.json {
        let is_whole = !is_grouped && columns.is_empty();
        return terminal::json(&if is_whole { whole_json(&items) } else { table.json() });
    }
    if arguments.csv {
        let text = table.csv().map_err(|error| Failure::failed(error.to_string()))?;
        return terminal::print(&text);
    }
    let color = terminal::prints_colors(when);
    terminal::print_styled(&table.text(Style { color, width: COLUMNS }))?;
    if more > 0 {
        let more = format::grouped(more as u64);
        terminal::complain(&format!("and {more} more; `--limit 0` shows all\n"));
    }
    Ok(())
}
