//! Removing what nobody needs: entries, damaged entries that were set aside, what strayed among them, checkpoints and states to go on from.
//!
//! Nothing is removed that the caller wants to keep, that a living run has claimed, or that holds the files of such an entry. Of the rest go
//! those that were not used for long, then the least recently used until the others fit into the budget. Links are removed and never followed,
//! and what else somebody put into the store, beside the folders of two hexadecimal digits, stays. When something was last used, and by
//! whom, is read from the records of runs, so that a hit need not write anything.
//!
//! What is needed, for [`Store::collect`]:
//!
//! | by | what |
//! |---|---|
//! | the latest run of each experiment file that is there, and the latest without changes by the command line | the keys that each stage came to, and all that were tried since without success |
//! | the latest run of such a file with the same changes, if it began in the last 30 days | the same |
//! | a run whose folder in `outputs/runs/` holds a file `pinned`, or that is named | all keys of its record |
//! | a run that was killed | the keys that its events name: their checkpoints are hours of work |
//! | a run whose record is damaged | the keys that its events name |
//! | a living run | what it has claimed |
//!
//! It is safe beside a running `run`: what that has claimed stays, and one that begins waits until the removing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::listing::list;
use super::{RunFile, Store, StoreError};
use crate::base::disk::crash::crash_point;
use crate::engine::plan::CacheKey;

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
    Checkpoints,
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

/// What [`Store::gc`] found, and removed if it was told to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Collection {
    /// The first to go comes first.
    pub waste: Vec<Waste>,
    /// Entries and folders of checkpoints that stay.
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

impl Store {
    /// [`gc`](Self::gc) that keeps what runs need.
    ///
    /// * `keep`: identifiers of runs that need their keys too, beside the latest of each file and those that are pinned
    ///
    /// # Errors
    /// As [`gc`](Self::gc).
    pub fn collect(
        &self,
        limits: Limits,
        keep: &BTreeSet<String>,
        now: SystemTime,
        apply: bool,
    ) -> Result<Collection, StoreError> {
        let _no_run_begins = if apply { self.lock_out_runs()? } else { None };
        // Before the records: a run writes its record before it gives up its claim.
        let mut kept: BTreeSet<CacheKey> = self.claimed()?.into_iter().collect();
        kept.extend(self.keys_of_latest_runs(now)?);
        kept.extend(self.keys_of_damaged_records()?);
        for run in
            self.list_runs()?.iter().filter(|run| keep.contains(&run.id) || self.is_pinned(&run.id))
        {
            kept.extend(self.used_by(run).into_iter().flat_map(|used| used.keys));
        }
        self.remove_all_but(kept, limits, now, apply)
    }

    /// Finds what may go, and removes it if `apply` is set.
    ///
    /// * `keep`: keys that stay, whatever the limits
    ///
    /// # Errors
    /// When the store cannot be read, or something cannot be removed; what was removed before stays removed.
    pub fn gc(
        &self,
        limits: Limits,
        keep: &BTreeSet<CacheKey>,
        now: SystemTime,
        apply: bool,
    ) -> Result<Collection, StoreError> {
        let _no_run_begins = if apply { self.lock_out_runs()? } else { None };
        let mut kept: BTreeSet<CacheKey> = keep.clone();
        kept.extend(self.claimed()?);
        self.remove_all_but(kept, limits, now, apply)
    }

    /// Keeps runs from beginning. Where there is nothing yet, nothing is made: there is nothing to remove either.
    pub(super) fn lock_out_runs(&self) -> Result<Option<File>, StoreError> {
        if !self.outputs().exists() {
            return Ok(None);
        }
        self.disk.create_temporary(&self.temporary())?;
        self.lock_against_gc(true).map(Some)
    }

    fn remove_all_but(
        &self,
        mut kept: BTreeSet<CacheKey>,
        limits: Limits,
        now: SystemTime,
        apply: bool,
    ) -> Result<Collection, StoreError> {
        let mut candidates = self.candidates()?;
        // An alias needs the entry that has its files, and using it uses them.
        for alias in candidates
            .values()
            .filter(|candidate| candidate.alias_of.is_some())
            .map(|alias| (alias.alias_of, alias.waste.clone()))
            .collect::<Vec<_>>()
        {
            let (Some(alias_of), waste) = alias else { continue };
            if waste.key.is_some_and(|key| kept.contains(&key)) {
                kept.insert(alias_of);
            }
            if let Some(target) = candidates.get_mut(&alias_of) {
                target.waste.used(waste.last_used, waste.last_run.as_deref());
                target.waste.used_by.extend(waste.used_by);
            }
        }
        let candidates = candidates.into_values().chain(self.checkpoint_candidates()?).collect();
        let mut collection = choose(candidates, limits, &kept, now);
        collection.waste.extend(self.set_aside_before(limits, now)?);
        collection.waste.extend(self.strays_before(limits, now)?);
        if apply && self.outputs().exists() {
            // What dead processes left, a `gc` that was killed among them.
            self.clean()?;
            let scratch = self.scratch("gc")?;
            let mut removed = Vec::new();
            for (number, waste) in collection.waste.into_iter().enumerate() {
                if self.remove(&waste, &scratch.path().join(number.to_string()))? {
                    removed.push(waste);
                } else {
                    collection.kept_entries += 1;
                    collection.kept_bytes += waste.bytes;
                }
            }
            collection.waste = removed;
            self.forget_removed_contents();
        }
        Ok(collection)
    }

    /// Moves it away first, so that nobody sees half an entry; what a killed `gc` has moved, the next `gc` or run removes. False when someone is at work there.
    fn remove(&self, waste: &Waste, to: &Path) -> Result<bool, StoreError> {
        let _lock = match &waste.key {
            None => None,
            Some(key) => match self.try_lock(key)? {
                None => return Ok(false),
                lock => lock,
            },
        };
        crash_point("before-gc-move");
        match self.disk.move_away(&waste.path, to) {
            Ok(_) => {
                crash_point("after-gc-move");
                self.disk.remove_folder(to)?;
                crash_point("after-gc-removal");
                Ok(true)
            }
            Err(StoreError::Vanished { .. }) => Ok(true),
            // Checkpoints may lie on another disk, and any part of them may be missing at any time.
            Err(_) if waste.what == WasteOf::Checkpoints => {
                self.disk.remove_folder(&waste.path).map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    fn candidates(&self) -> Result<BTreeMap<CacheKey, Candidate>, StoreError> {
        let mut candidates = BTreeMap::new();
        for key in self.keys()? {
            let path = self.entry_folder(&key);
            let last_used = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH);
            let (made, alias_of, bytes) = match self.read_manifest(&key)? {
                Ok(Some(manifest)) => {
                    let bytes = if manifest.alias_of.is_some() { 0 } else { manifest.size() };
                    (Some(manifest.fingerprint), manifest.alias_of, bytes)
                }
                Ok(None) | Err(_) => (None, None, size_of(&path)),
            };
            let (kind, parameters) =
                made.map_or_else(Default::default, |made| (made.kind, made.parameters));
            let whole = Waste::new(WasteOf::Entry, Some(key), path, last_used);
            let waste = Waste { kind, bytes, parameters, ..whole };
            candidates.insert(key, Candidate { waste, alias_of });
        }
        for (run, started) in self.list_runs()?.iter().map(|run| (run, started(run))) {
            let is_lost = self.has_lost_its_file(run);
            for node in run.nodes.iter().filter(|node| node.outcome == "built") {
                if let Some(candidate) = node.key.and_then(|key| candidates.get_mut(&key)) {
                    candidate.waste.elapsed_ms = node.elapsed_ms;
                }
            }
            for used in self.used_by(run) {
                for key in used.keys {
                    if let Some(candidate) = candidates.get_mut(&key) {
                        let others = candidate.waste.last_run.is_none()
                            || candidate.waste.without_experiment;
                        candidate.waste.without_experiment = is_lost && others;
                        candidate.waste.used(started, Some(&run.id));
                        candidate
                            .waste
                            .used_by
                            .insert(format!("{}/{}", run.experiment, used.stage));
                    }
                }
            }
        }
        Ok(candidates)
    }

    /// Folders of checkpoints, and of states to go on from.
    fn checkpoint_candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates: BTreeMap<CacheKey, Candidate> = BTreeMap::new();
        for key in self.checkpointed() {
            let path = self.checkpoints(&key);
            let written = list(&path)?
                .iter()
                .filter_map(|(_, path)| path.metadata().ok()?.modified().ok())
                .max();
            let last_used = written.unwrap_or(SystemTime::UNIX_EPOCH);
            let waste = Waste {
                bytes: size_of(&path),
                ..Waste::new(WasteOf::Checkpoints, Some(key), path, last_used)
            };
            candidates.insert(key, Candidate { waste, alias_of: None });
        }
        for run in self.list_runs()? {
            for used in self.used_by(&run) {
                for key in used.keys {
                    if let Some(candidate) = candidates.get_mut(&key) {
                        candidate.waste.kind.clone_from(&used.kind);
                        candidate.waste.used(started(&run), Some(&run.id));
                        candidate
                            .waste
                            .used_by
                            .insert(format!("{}/{}", run.experiment, used.stage));
                    }
                }
            }
        }
        Ok(candidates.into_values().collect())
    }

    /// Damaged entries that were set aside: all of them, or those of a certain age.
    fn set_aside_before(&self, limits: Limits, now: SystemTime) -> Result<Vec<Waste>, StoreError> {
        let damaged =
            self.list_temporary()?.into_iter().filter(|(name, _)| name.starts_with("damaged-"));
        Ok(damaged
            .filter_map(|(_, path)| Waste::nobodys(WasteOf::Damaged, path, limits, now))
            .collect())
    }

    /// What lies among the entries and is none: all of it, or that of a certain age.
    fn strays_before(&self, limits: Limits, now: SystemTime) -> Result<Vec<Waste>, StoreError> {
        let mut waste = Vec::new();
        self.walk(|prefix, name, path| {
            if Self::key_at(prefix, name).is_none() {
                waste.extend(Waste::nobodys(WasteOf::Stray, path.to_owned(), limits, now));
            }
        })?;
        Ok(waste)
    }
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

pub(super) fn started(run: &RunFile) -> SystemTime {
    let milliseconds = run
        .started
        .parse::<jiff::Timestamp>()
        .map_or(0, |started| u64::try_from(started.as_millisecond()).unwrap_or(0));
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// Which of the entries go. Those that are not kept are looked at from the least recently used on; of equals, an alias goes before its files.
fn choose(
    candidates: Vec<Candidate>,
    limits: Limits,
    kept: &BTreeSet<CacheKey>,
    now: SystemTime,
) -> Collection {
    let entries = candidates.len();
    let mut bytes: u64 = candidates.iter().map(|candidate| candidate.waste.bytes).sum();
    let mut free: Vec<Candidate> = candidates
        .into_iter()
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

pub(super) fn is_older(moment: SystemTime, age: Duration, now: SystemTime) -> bool {
    now.duration_since(moment).is_ok_and(|since| since > age)
}

/// The bytes of a file, or of all files in a folder, as far as they can be seen.
pub(super) fn size_of(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            list(path).unwrap_or_default().iter().map(|(_, path)| size_of(path)).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}
