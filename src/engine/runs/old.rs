//! Which records of runs still matter: what they came to is kept by [`collect`](super::collect), and [`collect_runs`] removes the others.
//!
//! The latest run of an experiment file is looked for twice: whatever the command line changed, and for each of its changes. A short run to try
//! something (`--set train.epochs=1`) so leaves the long training of the same file alone. What was tried once, long ago, is not kept for ever.
//!
//! | stays | why |
//! |---|---|
//! | a run that the latest of its file, or of its file with the same changes, is; in all or for one stage | what it came to is kept |
//! | one whose results lie in `outputs/` | its record says whose they are |
//! | one that is pinned, named or alive | |

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::publications::has_results;
use super::record::{Changes, RunFile, RunStatus};
use super::records::{LOCK, Records, Used, folder_of, has_lost_its_file, is_pinned};
use crate::base::disk::locks::is_held;
use crate::engine::plan::CacheKey;
use crate::engine::store::claim::lock_out_runs;
use crate::engine::store::listing::size_of;
use crate::engine::store::{Scratch, Store, StoreError};

/// How long the results of a run that the command line had changed are kept for their own sake.
const CHANGED: Duration = Duration::from_secs(30 * 86_400);

/// A stage of an experiment file, as it is without heed of what the command line changed (`None`), or with certain changes.
type Place = (PathBuf, Option<Changes>, String);

/// What one run came to, or tried, at a place.
struct Attempt {
    run: String,
    started: SystemTime,
    keys: BTreeSet<CacheKey>,
}

/// A record that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldRun {
    pub id: String,
    pub experiment: String,
    pub file: PathBuf,
    pub command: String,
    pub overrides: Changes,
    pub status: RunStatus,
    pub started: String,
    /// Of its record.
    pub bytes: u64,
}

/// What [`collect_runs`] found, and removed if it was told to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldRuns {
    /// The oldest first.
    pub runs: Vec<OldRun>,
    pub kept: usize,
}

impl OldRuns {
    /// The size in bytes of all that goes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes).sum()
    }
}

/// By the records of runs of files that are there: the keys that the latest run of each file came to, and the latest that the command line had
/// not changed, and for 30 days the latest with the same changes; beside those that were tried since without success.
pub(super) fn keys_of_latest_runs(
    store: &Store,
    records: &Records,
    now: SystemTime,
) -> BTreeSet<CacheKey> {
    let runs = records.runs.iter().filter(|(run, _)| !has_lost_its_file(store, run));
    latest_attempts(runs, now).into_values().flatten().flat_map(|attempt| attempt.keys).collect()
}

/// The latest run that came to an entry at each place, and those that tried since; of what the command line had changed only while that is
/// [kept](is_kept).
///
/// * `runs`: the oldest first
fn latest_attempts<'a>(
    runs: impl IntoIterator<Item = &'a (RunFile, Vec<Used>)>,
    now: SystemTime,
) -> BTreeMap<Place, Vec<Attempt>> {
    let mut latest: BTreeMap<Place, Vec<Attempt>> = BTreeMap::new();
    for (run, used) in runs {
        let mut stages: BTreeMap<&str, (bool, BTreeSet<CacheKey>)> = BTreeMap::new();
        for used in used {
            let (complete, keys) = stages.entry(&used.stage).or_insert((true, BTreeSet::new()));
            *complete &= used.complete;
            keys.extend(&used.keys);
        }
        for (stage, (complete, keys)) in stages {
            for changes in [None, Some(run.asked.overrides.clone())] {
                let known =
                    latest.entry((run.file.clone(), changes, stage.to_owned())).or_default();
                // A run of single trials says nothing of the others.
                let replaces = complete && !run.asked.single_trials;
                known.retain(|earlier| !replaces && !earlier.keys.is_subset(&keys));
                let (run, started) = (run.id.clone(), run.moment());
                known.push(Attempt { run, started, keys: keys.clone() });
            }
        }
    }
    for ((_, changes, _), attempts) in &mut latest {
        attempts.retain(|attempt| is_kept(changes.as_ref(), attempt.started, now));
    }
    latest
}

/// Finds records of runs that nothing needs, and removes them if `apply` is set. Entries stay as they are.
///
/// * `unused_for`: only those of runs that began longer ago
/// * `keep`: identifiers of runs whose records stay
///
/// # Errors
/// When the records cannot be listed, or one cannot be removed; what was removed before stays removed.
pub fn collect_runs(
    store: &Store,
    unused_for: Option<Duration>,
    keep: &BTreeSet<String>,
    now: SystemTime,
    apply: bool,
) -> Result<OldRuns, StoreError> {
    let _no_run_begins = if apply { lock_out_runs(store)? } else { None };
    let records = Records::read(store)?;
    let attempts = latest_attempts(&records.runs, now);
    let mut needed: BTreeSet<&str> =
        attempts.values().flatten().map(|attempt| attempt.run.as_str()).collect();
    // Those that came to nothing too.
    let runs = || records.runs.iter().map(|(run, _)| run);
    let places = runs().flat_map(|run| {
        [None, Some(&run.asked.overrides)].map(|changes| ((&run.file, changes), run))
    });
    let last: BTreeMap<_, _> = places.collect();
    needed.extend(
        last.into_iter()
            .filter(|((_, changes), run)| is_kept(*changes, run.moment(), now))
            .map(|(_, run)| run.id.as_str()),
    );
    let is_old = |run: &&RunFile| {
        !needed.contains(run.id.as_str())
            && !keep.contains(&run.id)
            && unused_for.is_none_or(|age| is_older(run.moment(), age, now))
            && run.status != RunStatus::Running
            && !is_held(&folder_of(store, &run.id).join(LOCK))
            && !is_pinned(store, &run.id)
            && !has_results(store, &run.id)
    };
    let old: Vec<OldRun> = runs().filter(is_old).map(|run| OldRun::of(store, run)).collect();
    if apply && !old.is_empty() {
        let scratch = Scratch::begin(store, "gc")?;
        for run in &old {
            let (folder, aside) = (folder_of(store, &run.id), scratch.path().join(&run.id));
            match store.disk.move_away(&folder, &aside) {
                Ok(_) => store.disk.remove_folder(&aside)?,
                // The records may lie on another disk.
                Err(_) => store.disk.remove_folder(&folder)?,
            }
        }
    }
    Ok(OldRuns { kept: records.runs.len() - old.len(), runs: old })
}

impl OldRun {
    fn of(store: &Store, run: &RunFile) -> Self {
        Self {
            id: run.id.clone(),
            experiment: run.experiment.clone(),
            file: run.file.clone(),
            command: run.asked.command.clone(),
            overrides: run.asked.overrides.clone(),
            status: run.status,
            started: run.started.clone(),
            bytes: size_of(&folder_of(store, &run.id)),
        }
    }
}

/// Whether the latest run with these changes, or of the file whatever was changed (`None`), still counts for its own sake.
fn is_kept(changes: Option<&Changes>, started: SystemTime, now: SystemTime) -> bool {
    changes.is_none_or(|changes| *changes == Changes::default()) || !is_older(started, CHANGED, now)
}

pub(super) fn is_older(moment: SystemTime, age: Duration, now: SystemTime) -> bool {
    now.duration_since(moment).is_ok_and(|since| since > age)
}
