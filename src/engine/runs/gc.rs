//! Removing what nobody needs: entries, damaged entries that were set aside, what strayed among them, and saved states.
//!
//! Nothing is removed that the caller wants to keep, that a living run has claimed, or that holds the files of such an entry. Of the rest go
//! those that were not used for long, then the least recently used until the others fit into the budget. Links are removed and never followed,
//! and what else somebody put into the store, beside the folders of two hexadecimal digits, stays. When something was last used, and by
//! whom, is read from the records of runs, so that a hit need not write anything.
//!
//! What is needed:
//!
//! | by | what |
//! |---|---|
//! | the latest run of each experiment file that is there, and the latest without changes by the command line | the keys that each stage came to, and all that were tried since without success |
//! | the latest run of such a file with the same changes, if it began in the last 30 days | the same |
//! | a run whose folder in `outputs/runs/` holds a file `pinned`, or that is named | all keys of its record |
//! | a run that was killed | the keys that its events name: their saved states are hours of work |
//! | a run whose record is damaged | the keys that its events name |
//! | a living run | what it has claimed |
//!
//! What a finished stage left for one that goes further counts as a key of its run, unless nothing goes further than it.
//!
//! It is safe beside a running `run`: what that has claimed stays, and one that begins waits until the removing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::old::{is_older, keys_of_latest_runs};
use super::record::NodeStatus;
use super::records::{Records, has_lost_its_file, is_pinned};
use crate::base::disk::crash::crash_point;
use crate::engine::plan::CacheKey;
use crate::engine::store::claim::{claimed, lock_out_runs};
use crate::engine::store::content::forget_removed;
use crate::engine::store::listing::{list, size_of};
use crate::engine::store::{Scratch, Store, StoreError, clean, is_set_aside};

/// What may go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Whatever was not used for this long goes.
    pub unused_for: Option<Duration>,
    /// The least recently used go until the store is no larger, in bytes.
    pub budget: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WasteOf {
    Entry,
    /// A damaged entry that was set aside.
    Damaged,
    /// Something among the entries that has no entry's name.
    Stray,
    /// What an unfinished stage would go on from, or what a finished one left for one that goes further.
    #[serde(rename = "checkpoints")]
    SavedState,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waste {
    pub what: WasteOf,
    /// Absent for a damaged entry that was set aside, and for what is no entry.
    pub key: Option<CacheKey>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// Experiments that used it, with the stage's name: `tiny/train`.
    pub used_by: BTreeSet<String>,
    /// The last run that used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub last_used: SystemTime,
    /// What it was made with.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// How long it took to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// The experiment files of all runs that used it were removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_experiment: bool,
}

fn as_text<S: serde::Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::try_from(*moment) {
        Ok(moment) => serializer.collect_str(&moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
        Err(_) => serializer.serialize_none(),
    }
}

/// What [`collect`] found, and removed if it was told to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Collection {
    /// The first to go comes first.
    pub waste: Vec<Waste>,
    /// Entries and saved states that stay.
    pub kept_entries: usize,
    pub kept_bytes: u64,
}

impl Collection {
    /// The size in bytes of all that goes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.waste.iter().map(|waste| waste.bytes).sum()
    }
}

/// What is known of one entry.
struct Candidate {
    waste: Waste,
    alias_of: Option<CacheKey>,
}

/// Finds what may go, and removes it if `apply` is set.
///
/// * `keep`: identifiers of runs that need their keys too, beside the latest of each file and those that are pinned
///
/// # Errors
/// When the store cannot be read, or something cannot be removed; what was removed before stays removed.
pub fn collect(
    store: &Store,
    limits: Limits,
    keep: &BTreeSet<String>,
    now: SystemTime,
    apply: bool,
) -> Result<Collection, StoreError> {
    let _no_run_begins = if apply { lock_out_runs(store)? } else { None };
    // Before the records: a run writes its record before it gives up its claim.
    let mut kept: BTreeSet<CacheKey> = claimed(store)?.into_iter().collect();
    let records = Records::read(store)?;
    kept.extend(keys_of_latest_runs(store, &records, now));
    let named =
        records.runs.iter().filter(|(run, _)| keep.contains(&run.id) || is_pinned(store, &run.id));
    let used = named.flat_map(|(_, used)| used).chain(&records.damaged);
    kept.extend(used.flat_map(|used| &used.keys));
    remove_all_but(store, kept, &records, limits, now, apply)
}

pub(super) fn remove_all_but(
    store: &Store,
    mut kept: BTreeSet<CacheKey>,
    records: &Records,
    limits: Limits,
    now: SystemTime,
    apply: bool,
) -> Result<Collection, StoreError> {
    let mut candidates = candidates(store, records)?;
    // An alias needs the entry that has its files, and using it uses them.
    let aliases: Vec<(CacheKey, Waste)> = candidates
        .values()
        .filter_map(|alias| Some((alias.alias_of?, alias.waste.clone())))
        .collect();
    for (alias_of, alias) in aliases {
        if alias.key.is_some_and(|key| kept.contains(&key)) {
            kept.insert(alias_of);
        }
        if let Some(target) = candidates.get_mut(&(alias_of, WasteOf::Entry)) {
            target.waste.used(alias.last_used, alias.last_run.as_deref());
            target.waste.used_by.extend(alias.used_by);
        }
    }
    let mut collection = choose(candidates.into_values(), limits, &kept, now);
    collection.waste.extend(set_aside_before(store, limits, now)?);
    collection.waste.extend(strays_before(store, &kept, limits, now)?);
    if apply && store.outputs().exists() {
        // What dead processes left, a `gc` that was killed among them.
        clean(store)?;
        let scratch = Scratch::begin(store, "gc")?;
        let mut removed = Vec::new();
        for (number, waste) in collection.waste.into_iter().enumerate() {
            if remove(store, &waste, &scratch.path().join(number.to_string()))? {
                removed.push(waste);
            } else {
                collection.kept_entries += 1;
                collection.kept_bytes += waste.bytes;
            }
        }
        collection.waste = removed;
        forget_removed(store);
    }
    Ok(collection)
}

/// Moves it away first, so that nobody sees half an entry; what a killed `gc` has moved, the next `gc` or run removes. False when someone is at work there.
fn remove(store: &Store, waste: &Waste, to: &Path) -> Result<bool, StoreError> {
    let _lock = match &waste.key {
        None => None,
        Some(key) => match store.try_lock(key)? {
            None => return Ok(false),
            lock => lock,
        },
    };
    crash_point("before-gc-move");
    match store.disk.move_away(&waste.path, to) {
        Ok(_) => {
            crash_point("after-gc-move");
            store.disk.remove_folder(to)?;
            crash_point("after-gc-removal");
            Ok(true)
        }
        Err(StoreError::Vanished { .. }) => Ok(true),
        // A saved state may lie on another disk, and any part of it may be missing at any time.
        Err(_) if waste.what == WasteOf::SavedState => {
            store.disk.remove_folder(&waste.path).map(|()| true)
        }
        Err(error) => Err(error),
    }
}

/// Entries and saved states.
fn candidates(
    store: &Store,
    records: &Records,
) -> Result<BTreeMap<(CacheKey, WasteOf), Candidate>, StoreError> {
    let mut candidates = BTreeMap::new();
    for key in store.keys()? {
        candidates.insert((key, WasteOf::Entry), entry(store, key)?);
    }
    for key in store.saved_states() {
        candidates.insert((key, WasteOf::SavedState), saved_state(store, key)?);
    }
    for (run, used) in &records.runs {
        let is_lost = has_lost_its_file(store, run);
        for node in run.nodes.iter().filter(|node| node.outcome == NodeStatus::Built) {
            let made = node.key.and_then(|key| candidates.get_mut(&(key, WasteOf::Entry)));
            if let Some(Candidate { waste, .. }) = made {
                waste.elapsed_ms = node.elapsed_ms;
            }
        }
        let keys = used.iter().flat_map(|used| used.keys.iter().map(move |key| (used, *key)));
        for (used, key) in keys {
            for what in [WasteOf::Entry, WasteOf::SavedState] {
                let Some(Candidate { waste, .. }) = candidates.get_mut(&(key, what)) else {
                    continue;
                };
                if what == WasteOf::Entry {
                    let others = waste.last_run.is_none() || waste.without_experiment;
                    waste.without_experiment = is_lost && others;
                } else {
                    waste.kind.clone_from(&used.kind);
                }
                waste.used(run.moment(), Some(&run.id));
                waste.used_by.insert(format!("{}/{}", run.experiment, used.stage));
            }
        }
    }
    Ok(candidates)
}

fn entry(store: &Store, key: CacheKey) -> Result<Candidate, StoreError> {
    let path = store.entry_folder(&key);
    let last_used = fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let (made, alias_of, bytes) = match store.read_manifest(&key)? {
        Ok(Some(manifest)) => {
            let bytes = if manifest.alias_of.is_some() { 0 } else { manifest.size() };
            (Some(manifest.fingerprint), manifest.alias_of, bytes)
        }
        Ok(None) | Err(_) => (None, None, size_of(&path)),
    };
    let (kind, parameters) =
        made.map_or_else(Default::default, |made| (made.kind, made.parameters));
    let whole = Waste::new(WasteOf::Entry, Some(key), path, last_used);
    Ok(Candidate { waste: Waste { kind, bytes, parameters, ..whole }, alias_of })
}

fn saved_state(store: &Store, key: CacheKey) -> Result<Candidate, StoreError> {
    let path = store.saved_state(&key);
    let written =
        list(&path)?.iter().filter_map(|(_, path)| path.metadata().ok()?.modified().ok()).max();
    let last_used = written.unwrap_or(SystemTime::UNIX_EPOCH);
    let bytes = size_of(&path);
    let whole = Waste::new(WasteOf::SavedState, Some(key), path, last_used);
    Ok(Candidate { waste: Waste { bytes, ..whole }, alias_of: None })
}

/// Damaged entries that were set aside: all of them, or those of a certain age.
fn set_aside_before(
    store: &Store,
    limits: Limits,
    now: SystemTime,
) -> Result<Vec<Waste>, StoreError> {
    let temporary = store.list_temporary()?.into_iter();
    let damaged = temporary.filter(|(name, _)| is_set_aside(name));
    Ok(damaged
        .filter_map(|(_, path)| Waste::nobodys(WasteOf::Damaged, path, limits, now))
        .collect())
}

/// What lies among the entries and is none: all of it, or that of a certain age; without the records that work failed which some run needs.
fn strays_before(
    store: &Store,
    kept: &BTreeSet<CacheKey>,
    limits: Limits,
    now: SystemTime,
) -> Result<Vec<Waste>, StoreError> {
    let mut waste = Vec::new();
    store.walk(|prefix, name, path| {
        let is_kept = Store::failed_at(prefix, name).is_some_and(|key| kept.contains(&key));
        if Store::key_at(prefix, name).is_none() && !is_kept {
            waste.extend(Waste::nobodys(WasteOf::Stray, path.to_owned(), limits, now));
        }
    })?;
    Ok(waste)
}

impl Waste {
    /// Of no known kind or size, and used by nobody.
    fn new(what: WasteOf, key: Option<CacheKey>, path: PathBuf, last_used: SystemTime) -> Self {
        Self {
            what,
            key,
            kind: String::new(),
            path,
            bytes: 0,
            used_by: BTreeSet::new(),
            last_run: None,
            last_used,
            parameters: serde_json::Map::new(),
            elapsed_ms: None,
            without_experiment: false,
        }
    }

    /// What no run can have used; `None` where it is too young to go.
    fn nobodys(what: WasteOf, path: PathBuf, limits: Limits, now: SystemTime) -> Option<Self> {
        let last_used =
            fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(now);
        let old_enough = limits.unused_for.is_none_or(|age| is_older(last_used, age, now));
        old_enough.then(|| Self { bytes: size_of(&path), ..Self::new(what, None, path, last_used) })
    }

    /// A run, if it is known which, used it at a moment. Of equal moments the later call counts.
    fn used(&mut self, moment: SystemTime, run: Option<&str>) {
        if moment >= self.last_used || self.last_run.is_none() {
            self.last_run = run.map(str::to_owned).or(self.last_run.take());
        }
        self.last_used = self.last_used.max(moment);
    }
}

/// Which of the entries go. Those that are not kept are looked at from the least recently used on; of equals, an alias goes before its files.
fn choose(
    candidates: impl ExactSizeIterator<Item = Candidate>,
    limits: Limits,
    kept: &BTreeSet<CacheKey>,
    now: SystemTime,
) -> Collection {
    let entries = candidates.len();
    let mut bytes = 0;
    let mut free: Vec<Candidate> = candidates
        .inspect(|candidate| bytes += candidate.waste.bytes)
        .filter(|candidate| candidate.waste.key.is_some_and(|key| !kept.contains(&key)))
        .collect();
    free.sort_by_key(|candidate| {
        (
            candidate.waste.last_used,
            candidate.alias_of.is_none(),
            candidate.waste.key,
            candidate.waste.what,
        )
    });
    let mut waste = Vec::new();
    for candidate in free {
        let old =
            limits.unused_for.is_some_and(|age| is_older(candidate.waste.last_used, age, now));
        let over = limits.budget.is_some_and(|budget| bytes > budget);
        let unlimited = limits.unused_for.is_none() && limits.budget.is_none();
        if old || over || unlimited {
            bytes -= candidate.waste.bytes;
            waste.push(candidate.waste);
        }
    }
    Collection { kept_entries: entries - waste.len(), kept_bytes: bytes, waste }
}
