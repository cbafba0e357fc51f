//! The records of runs in `outputs/runs/`: listing them, what they used, and what pins them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::record::{RunFile, RunNode, RunStatus};
use crate::base::disk::locks::{FileLock, is_held};
use crate::base::disk::regular;
use crate::base::outputs;
use crate::engine::plan::CacheKey;
use crate::engine::store::listing::list;
use crate::engine::store::{Store, StoreError};

pub(super) const LOCK: &str = "run.lock";

/// The length of the moment that a run's name begins with, such as `20261124-182215`.
const SECOND: usize = 15;

/// The records of a store at one moment.
pub(super) struct Records {
    /// The oldest first.
    pub(super) runs: Vec<(RunFile, Vec<Used>)>,
    /// What the events name of runs whose `run.json` cannot be read: nobody knows whether one of them is the latest of its file.
    pub(super) damaged: Vec<Used>,
}

/// What a run did to one node, as far as its record or its events tell.
pub(super) struct Used {
    pub(super) stage: String,
    pub(super) kind: String,
    /// That of its entry, and of the state that it left.
    pub(super) keys: Vec<CacheKey>,
    /// It ended with an entry.
    pub(super) complete: bool,
}

/// What is read of a line of `events.jsonl`.
#[derive(Deserialize)]
struct KeyedEvent {
    stage: String,
    #[serde(default)]
    kind: String,
    key: CacheKey,
}

impl Records {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let runs = list_runs(store)?;
        let readable: BTreeSet<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        let damaged = list(&all(store))?
            .into_iter()
            .filter(|(id, _)| !readable.contains(id.as_str()))
            .flat_map(|(id, _)| named_in_events(store, &id))
            .collect();
        let used = |run: RunFile| {
            let used = used_by(store, &run);
            (run, used)
        };
        Ok(Self { runs: runs.into_iter().map(used).collect(), damaged })
    }
}

pub(super) fn all(store: &Store) -> PathBuf {
    store.outputs().join(outputs::RUNS)
}

/// The folder of a run's record.
#[must_use]
pub fn folder_of(store: &Store, run: &str) -> PathBuf {
    all(store).join(run)
}

/// Every run that has a readable record, the oldest first.
///
/// # Errors
/// When the folder of records cannot be listed.
pub fn list_runs(store: &Store) -> Result<Vec<RunFile>, StoreError> {
    let mut runs: Vec<RunFile> =
        list(&all(store))?.iter().filter_map(|(_, folder)| run_in(folder)).collect();
    runs.sort_by(|a, b| (&a.started, &a.id).cmp(&(&b.started, &b.id)));
    Ok(runs)
}

/// The record of one run, as [`list_runs`] has it.
#[must_use]
pub fn find_run(store: &Store, id: &str) -> Option<RunFile> {
    // No more than a name: nothing outside the folder of records is read.
    let is_plain = !id.is_empty() && !id.contains(['/', '\\']) && id != "." && id != "..";
    run_in(&folder_of(store, is_plain.then_some(id)?)).filter(|run| run.id == id)
}

/// The run that began last.
///
/// # Errors
/// When the folder of records cannot be listed.
pub fn newest_run(store: &Store) -> Result<Option<RunFile>, StoreError> {
    let mut folders = list(&all(store))?;
    folders.sort_by(|one, other| other.0.cmp(&one.0));
    // A name begins with the second of its beginning: of several of one second the records tell.
    let second = |id: &str| id.get(..SECOND).map(str::to_owned);
    let mut newest: Option<RunFile> = None;
    for (id, folder) in folders {
        if newest.as_ref().is_some_and(|newest| second(&newest.id) != second(&id)) {
            break;
        }
        let order = |run: &RunFile| (run.started.clone(), run.id.clone());
        if let Some(run) = run_in(&folder)
            && newest.as_ref().is_none_or(|newest| order(newest) < order(&run))
        {
            newest = Some(run);
        }
    }
    Ok(newest)
}

/// Every run that has a readable record, the newest first as their names tell; each is read when it is asked for.
pub(super) fn newest(store: &Store) -> Result<impl Iterator<Item = RunFile>, StoreError> {
    let mut folders = list(&all(store))?;
    folders.sort_by(|one, other| other.0.cmp(&one.0));
    Ok(folders.into_iter().filter_map(|(_, folder)| run_in(&folder)))
}

/// Whether the process of a run is still there.
#[must_use]
pub fn is_alive(store: &Store, id: &str) -> bool {
    is_held(&folder_of(store, id).join(LOCK))
}

/// The record of a run, with [`RunStatus::Died`] for one that never wrote how it ended and is gone.
fn run_in(folder: &Path) -> Option<RunFile> {
    let run = read(folder)?;
    if run.status != RunStatus::Running || is_held(&folder.join(LOCK)) {
        return Some(run);
    }
    // It may have come to its end between the two looks.
    let run = read(folder)?;
    let died = run.status == RunStatus::Running;
    Some(RunFile { status: if died { RunStatus::Died } else { run.status }, ..run })
}

/// Writes into the records of runs whose processes are gone that they died.
pub(super) fn mark_dead(store: &Store) -> Result<(), StoreError> {
    for (_, folder) in list(&all(store))? {
        let Some(_lock) = FileLock::take_over(&folder.join(LOCK)) else { continue };
        if let Some(run) = read(&folder).filter(|run| run.status == RunStatus::Running) {
            write(store, &folder, &RunFile { status: RunStatus::Died, ..run })?;
        }
    }
    Ok(())
}

/// What a record says, whether its process is still there or not.
pub(super) fn read(folder: &Path) -> Option<RunFile> {
    serde_json::from_slice(&regular::read(&folder.join("run.json")).ok()?).ok()
}

pub(super) fn write(store: &Store, folder: &Path, run: &RunFile) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(run).expect("records are plain data");
    bytes.push(b'\n');
    store.disk.replace(&folder.join("run.json"), &bytes)
}

/// What a run used. A run that was killed has listed nothing, but its events name what it had begun.
fn used_by(store: &Store, run: &RunFile) -> Vec<Used> {
    if run.nodes.is_empty() && run.is_unfinished() {
        return named_in_events(store, &run.id);
    }
    let used = |node: &RunNode| Used {
        stage: node.stage.clone(),
        kind: node.kind.clone(),
        keys: node.key.into_iter().chain(node.warm_start).collect(),
        complete: node.outcome.is_complete(),
    };
    run.nodes.iter().map(used).collect()
}

fn named_in_events(store: &Store, run: &str) -> Vec<Used> {
    let Ok(events) = regular::open(&folder_of(store, run).join("events.jsonl")) else {
        return Vec::new();
    };
    let used = |line: std::io::Result<String>| {
        let KeyedEvent { stage, kind, key } = serde_json::from_str(&line.ok()?).ok()?;
        Some(Used { stage, kind, keys: vec![key], complete: false })
    };
    BufReader::new(events).lines().filter_map(used).collect()
}

/// Whether a person has put a file `pinned` into a run's folder, so that what it used is kept.
pub(super) fn is_pinned(store: &Store, run: &str) -> bool {
    folder_of(store, run).join("pinned").exists()
}

/// Keeps what a run used, and its record, until it is unpinned; or no longer.
///
/// # Errors
/// When the file `pinned` in the run's folder cannot be written or removed.
pub fn pin(store: &Store, run: &str, pinned: bool) -> Result<(), StoreError> {
    let path = folder_of(store, run).join("pinned");
    if pinned { store.disk.replace(&path, b"") } else { store.disk.remove_folder(&path) }
}

/// Whether the experiment file of a run is no longer there.
pub(super) fn has_lost_its_file(store: &Store, run: &RunFile) -> bool {
    let project = store.outputs().parent().unwrap_or(Path::new(""));
    let found = project.join(&run.file).symlink_metadata();
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// An experiment file's name in records: it stays the same when the folder that holds both it and `outputs` is moved.
#[must_use]
pub fn name_of_file(store: &Store, file: &Path) -> PathBuf {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| absolute(path));
    let file = whole(file);
    let project = absolute(store.outputs()).parent().map(whole).unwrap_or_default();
    // Records are text: of a name that is not UTF-8 they keep what can be read.
    file.strip_prefix(&project).unwrap_or(&file).to_string_lossy().into_owned().into()
}
