//! Removing entries that nobody needs.
//!
//! Nothing is removed that the caller wants to keep, that a living run has claimed, or that holds the files of such an entry. Of the rest go
//! those that were not used for long, then the least recently used until the others fit into the budget. When an entry was last used, and by
//! whom, is read from the records of runs, so that a hit need not write anything.
//!
//! It is safe beside a running `run`: what that has claimed stays, and one that begins waits until the removing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::folder::list;
use super::{Store, StoreError};
use crate::plan::CacheKey;

/// What may go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Whatever was not used for this long goes.
    pub unused_for: Option<Duration>,
    /// The least recently used go until the store is no larger, in bytes.
    pub budget: Option<u64>,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waste {
    /// Absent for a damaged entry that was set aside.
    pub key: Option<CacheKey>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// Experiments that used it, with the stage's name: `tiny/train`.
    pub used_by: BTreeSet<String>,
    #[serde(skip)]
    pub last_used: SystemTime,
}

/// What [`Store::gc`] found, and removed if it was told to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Collection {
    /// The first to go comes first.
    pub waste: Vec<Waste>,
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
    /// The keys that the latest run of each experiment file came to, by the records of runs.
    ///
    /// # Errors
    /// When the records cannot be listed.
    pub fn keys_of_latest_runs(&self) -> Result<BTreeSet<CacheKey>, StoreError> {
        let mut latest: BTreeMap<(PathBuf, String), BTreeSet<CacheKey>> = BTreeMap::new();
        for run in self.list_runs()? {
            let mut stages: BTreeMap<String, BTreeSet<CacheKey>> = BTreeMap::new();
            for node in run.nodes {
                stages.entry(node.stage).or_default().extend(node.key);
            }
            latest.extend(stages.into_iter().map(|(stage, keys)| ((run.file.clone(), stage), keys)));
        }
        Ok(latest.into_values().flatten().collect())
    }

    /// Finds what may go, and removes it if `apply` is set.
    ///
    /// * `keep`: keys that stay, whatever the limits
    ///
    /// # Errors
    /// When the store cannot be read, or something cannot be removed; what was removed before stays removed.
    pub fn gc(&self, limits: Limits, keep: &BTreeSet<CacheKey>, now: SystemTime, apply: bool) -> Result<Collection, StoreError> {
        let _no_run_begins = if apply { Some(self.lock_against_gc(true)?) } else { None };
        let mut kept: BTreeSet<CacheKey> = keep.clone();
        kept.extend(self.claimed()?);
        let mut candidates = self.candidates()?;
        // An alias needs the entry that has its files, and using it uses them.
        for (alias_of, last_used, used_by, key) in aliases(&candidates) {
            if kept.contains(&key) {
                kept.insert(alias_of);
            }
            if let Some(target) = candidates.get_mut(&alias_of) {
                target.waste.last_used = target.waste.last_used.max(last_used);
                target.waste.used_by.extend(used_by);
            }
        }
        let mut collection = choose(candidates, limits, &kept, now);
        collection.waste.extend(self.set_aside_before(limits, now)?);
        if apply {
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
        }
        Ok(collection)
    }

    /// Moves it away first, so that nobody sees half an entry. False when someone is at work there.
    fn remove(&self, waste: &Waste, to: &Path) -> Result<bool, StoreError> {
        let _lock = match &waste.key {
            None => None,
            Some(key) => match self.try_lock(key)? {
                None => return Ok(false),
                lock => lock,
            },
        };
        match self.disk.rename(&waste.path, to) {
            Ok(_) => self.disk.remove_folder(to).map(|()| true),
            Err(StoreError::Vanished { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn candidates(&self) -> Result<BTreeMap<CacheKey, Candidate>, StoreError> {
        let mut candidates = BTreeMap::new();
        for key in self.keys()? {
            let path = self.entry_folder(&key);
            let last_used = fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let (kind, alias_of, bytes) = match self.read_manifest(&key)? {
                Ok(Some(manifest)) => {
                    let bytes = if manifest.alias_of.is_some() { 0 } else { manifest.size() };
                    (manifest.fingerprint.kind, manifest.alias_of, bytes)
                }
                Ok(None) | Err(_) => (String::new(), None, size_of(&path)),
            };
            let waste = Waste { key: Some(key), kind, path, bytes, used_by: BTreeSet::new(), last_used };
            candidates.insert(key, Candidate { waste, alias_of });
        }
        for run in self.list_runs()? {
            let milliseconds =
                run.started.parse::<jiff::Timestamp>().map_or(0, |started| u64::try_from(started.as_millisecond()).unwrap_or(0));
            let started = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            for node in run.nodes {
                if let Some(candidate) = node.key.and_then(|key| candidates.get_mut(&key)) {
                    candidate.waste.last_used = candidate.waste.last_used.max(started);
                    candidate.waste.used_by.insert(format!("{}/{}", run.experiment, node.stage));
                }
            }
        }
        Ok(candidates)
    }

    /// Damaged entries that were set aside: all of them, or those of a certain age.
    fn set_aside_before(&self, limits: Limits, now: SystemTime) -> Result<Vec<Waste>, StoreError> {
        let mut waste = Vec::new();
        for (name, path) in list(&self.temporary())? {
            let last_used = fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(now);
            if name.starts_with("damaged-") && limits.unused_for.is_none_or(|age| is_older(last_used, age, now)) {
                waste.push(Waste { key: None, kind: String::new(), bytes: size_of(&path), path, used_by: BTreeSet::new(), last_used });
            }
        }
        Ok(waste)
    }
}

fn aliases(candidates: &BTreeMap<CacheKey, Candidate>) -> Vec<(CacheKey, SystemTime, BTreeSet<String>, CacheKey)> {
    let alias = |(key, candidate): (&CacheKey, &Candidate)| {
        Some((candidate.alias_of?, candidate.waste.last_used, candidate.waste.used_by.clone(), *key))
    };
    candidates.iter().filter_map(alias).collect()
}

/// Which of the entries go. Those that are not kept are looked at from the least recently used on; of equals, an alias goes before its files.
fn choose(candidates: BTreeMap<CacheKey, Candidate>, limits: Limits, kept: &BTreeSet<CacheKey>, now: SystemTime) -> Collection {
    let entries = candidates.len();
    let mut bytes: u64 = candidates.values().map(|candidate| candidate.waste.bytes).sum();
    let mut free: Vec<Candidate> =
        candidates.into_values().filter(|candidate| candidate.waste.key.is_some_and(|key| !kept.contains(&key))).collect();
    free.sort_by_key(|candidate| (candidate.waste.last_used, candidate.alias_of.is_none(), candidate.waste.key));
    let mut waste = Vec::new();
    for candidate in free {
        let old = limits.unused_for.is_some_and(|age| is_older(candidate.waste.last_used, age, now));
        let over = limits.budget.is_some_and(|budget| bytes > budget);
        let unlimited = limits.unused_for.is_none() && limits.budget.is_none();
        if old || over || unlimited {
            bytes -= candidate.waste.bytes;
            waste.push(candidate.waste);
        }
    }
    Collection { kept_entries: entries - waste.len(), kept_bytes: bytes, waste }
}

fn is_older(moment: SystemTime, age: Duration, now: SystemTime) -> bool {
    now.duration_since(moment).is_ok_and(|since| since > age)
}

/// The bytes of all files in a folder, as far as they can be seen.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = list(folder) else { return 0 };
    let size = |path: &Path| path.symlink_metadata().map_or(0, |metadata| if metadata.is_dir() { size_of(path) } else { metadata.len() });
    entries.iter().map(|(_, path)| size(path)).sum()
}
