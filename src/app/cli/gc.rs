//! `pipeline gc`: what can be removed from `outputs/`, and removing it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::args::Gc;
use super::failure::Failure;
use super::root::Root;
use super::{project, terminal};
use crate::base::diagnostics::suggest;
use crate::base::outputs;
use crate::engine::plan::value_text;
use crate::engine::runs::{Collection, Limits, Waste, WasteOf, collect, collect_runs, list_runs};
use crate::engine::store::Store;
use crate::stages;
use crate::view::format;

pub fn run(arguments: &Gc) -> Result<(), Failure> {
    let store = project::open_store(&Root::here(&arguments.place)?)?;
    let keep = runs(&store, &arguments.keep)?;
    if arguments.runs {
        return old_runs(&store, &keep, arguments);
    }
    let limits = Limits { unused_for: arguments.older_than, budget: arguments.max_size };
    let found = collect(&store, limits, &keep, SystemTime::now(), arguments.apply)?;
    if arguments.json {
        terminal::json(&to_json(&found, arguments.apply))
    } else {
        terminal::print(&to_text(&found, arguments.apply))
    }
}

/// `gc --runs`.
fn old_runs(store: &Store, keep: &BTreeSet<String>, arguments: &Gc) -> Result<(), Failure> {
    let (age, applied) = (arguments.older_than, arguments.apply);
    let found = collect_runs(store, age, keep, SystemTime::now(), applied)?;
    if arguments.json {
        return terminal::json(&json!({
            "applied": applied,
            "bytes": found.bytes(),
            "runs": found.runs,
            "kept": found.kept,
        }));
    }
    let mut text = String::new();
    let width = found.runs.iter().map(|run| run.id.chars().count()).max().unwrap_or(0);
    for run in &found.runs {
        let (status, size) = (run.status.name(), format::bytes(run.bytes));
        writeln!(text, "{:width$}  {status:<11}  {size:>8}  {}", run.id, run.command)
            .expect("a string");
    }
    let all = format::counted(found.runs.len() + found.kept, "record");
    let some = format!("{} of {all} ({})", found.runs.len(), format::bytes(found.bytes()));
    text += &match (found.runs.is_empty(), applied) {
        (true, _) => format!("nothing to remove among {all}\n"),
        (false, true) => format!("\nremoved {some}\n"),
        (false, false) => format!("\n{some} can go; `--apply` removes them\n"),
    };
    terminal::print(&text)
}

/// Holds runs that are named, by their ids or as folders `outputs/runs/ID`, against those that there are.
pub fn runs(store: &Store, keep: &[String]) -> Result<BTreeSet<String>, Failure> {
    let known = list_runs(store)?;
    let records = store.outputs().join(outputs::RUNS).canonicalize().ok();
    let id_of = |run: &String| {
        let folder = Path::new(run).canonicalize().ok()?;
        let id = folder.file_name()?.to_str()?.to_owned();
        (folder.parent() == records.as_deref()).then_some(id)
    };
    let keep: BTreeSet<String> =
        keep.iter().map(|run| id_of(run).unwrap_or_else(|| run.clone())).collect();
    for run in &keep {
        if !known.iter().any(|known| known.id == *run) {
            let failure = Failure::not_found(format!("there is no run `{run}`"));
            return Err(match suggest(run, known.iter().map(|run| run.id.as_str())) {
                Some(near) => failure.with_help(format!("did you mean `{near}`?")),
                None => failure.with_help("runs are the folders in `outputs/runs`"),
            });
        }
    }
    Ok(keep)
}

fn what(waste: &Waste) -> String {
    match (waste.what, waste.kind.as_str()) {
        (WasteOf::Damaged, _) => "damaged".to_owned(),
        (WasteOf::Stray, _) => "no entry".to_owned(),
        (WasteOf::Entry, "") => "unreadable".to_owned(),
        (WasteOf::Entry, kind) => kind.to_owned(),
        (WasteOf::SavedState, "") => "saved states".to_owned(),
        (WasteOf::SavedState, kind) => format!("saved states of {kind}"),
    }
}

/// Who used it, the stage's name as in `tiny/train`, and in which run last.
fn used_by(waste: &Waste) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<&str> = waste.used_by.iter().take(NAMED).map(String::as_str).collect();
    if waste.used_by.len() > NAMED {
        names.push("...");
    }
    if waste.what == WasteOf::Stray {
        return waste.path.display().to_string();
    }
    match &waste.last_run {
        Some(run) => {
            let gone = if waste.without_experiment { "; its experiment file is gone" } else { "" };
            format!("{}, last in {run}{gone}", names.join(" "))
        }
        None => "by no run on record".to_owned(),
    }
}

/// What it took and what it was made with, where that is not the default: who removes it should know.
fn made(waste: &Waste) -> Option<String> {
    let kind = stages::ALL.iter().find(|kind| kind.name == waste.kind)?;
    let schema = kind.schema();
    let is_own = |(name, value): &(&String, &Value)| {
        schema["properties"][name.as_str()].get("default") != Some(*value)
    };
    let mut parts: Vec<String> = waste
        .parameters
        .iter()
        .filter(is_own)
        .map(|(name, value)| format!("{name} {}", value_text(value)))
        .collect();
    if let Some(elapsed) = waste.elapsed_ms {
        parts.insert(0, format!("took {}", format::duration(Duration::from_millis(elapsed))));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn day(moment: SystemTime) -> String {
    jiff::Timestamp::try_from(moment)
        .map_or_else(|_| String::new(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

fn to_text(found: &Collection, applied: bool) -> String {
    let mut text = String::new();
    let width = found.waste.iter().map(|waste| what(waste).chars().count()).max().unwrap_or(0);
    for waste in &found.waste {
        let key = waste.key.map_or_else(String::new, |key| key.short());
        let (what, size, day) = (what(waste), format::bytes(waste.bytes), day(waste.last_used));
        writeln!(text, "{what:width$}  {key:<10}  {size:>8}  {day}  {}", used_by(waste))
            .expect("a string");
        if let Some(made) = made(waste) {
            writeln!(text, "{:width$}  {made}", "").expect("a string");
        }
    }
    let stays = format!(
        "{} of {} stay",
        format::counted(found.kept_entries, "folder"),
        format::bytes(found.kept_bytes)
    );
    let (count, size) = (found.waste.len(), format::bytes(found.bytes()));
    if count == 0 {
        writeln!(text, "nothing to remove; {stays}").expect("a string");
    } else if applied {
        writeln!(text, "\nremoved {} of {size}; {stays}", format::counted(count, "folder"))
            .expect("a string");
    } else {
        writeln!(
            text,
            "\n{} of {size} can go, {stays}; `--apply` removes them",
            format::counted(count, "folder")
        )
        .expect("a string");
    }
    text
}

fn to_json(found: &Collection, applied: bool) -> Value {
    json!({
        "applied": applied,
        "bytes": found.bytes(),
        "waste": found.waste,
        "kept": found.kept_entries,
        "kept_bytes": found.kept_bytes,
    })
}
