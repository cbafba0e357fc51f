//! What is known of earlier results: for a forecast, and for a stage that says what has changed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rayon::prelude::*;

use super::latest::Latest;
use super::records::name_of_file;
use crate::engine::plan::{CacheKey, Fingerprint, Lookup, Presence, fewest_changes};
use crate::engine::store::listing::list;
use crate::engine::store::{State, Store};

/// Older entries than this many are not compared with: reading the manifests of a large store takes longer than the answer is worth.
const NEWEST: usize = 2_000;

/// How many results of one stage are compared with.
const COMPARED: usize = 64;

/// What a store knows, each index read once. It may be older than the store is by now.
pub struct Known<'a> {
    store: &'a Store,
    /// What lies where entries do, by the first byte of its key.
    listed: [OnceLock<HashSet<CacheKey>>; 256],
    /// By the experiment file's name in records.
    latest: Mutex<HashMap<PathBuf, Latest>>,
    by_kind: OnceLock<HashMap<String, Vec<CacheKey>>>,
}

impl Lookup for Known<'_> {
    fn presence(&self, key: &CacheKey) -> Presence {
        // Most of a large plan is absent, and a few lists tell.
        let [first, ..] = key.as_bytes();
        let listed = self.listed[usize::from(*first)].get_or_init(|| self.store.beside(key));
        if !listed.contains(key) {
            return Presence::Absent;
        }
        match self.store.state(key) {
            Ok(State::Present(_)) => Presence::Present,
            Ok(State::Absent) | Err(_) => Presence::Absent,
            Ok(State::Damaged(_)) => Presence::Damaged,
        }
    }

    fn fingerprint(&self, key: &CacheKey) -> Option<Fingerprint> {
        if let Ok(Ok(Some(manifest))) = self.store.read_manifest(key) {
            return Some(manifest.fingerprint);
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.values().find_map(|latest| latest.fingerprints.get(key).cloned())
    }

    fn latest_run(&self, file: &Path, stage: &str) -> Vec<CacheKey> {
        let name = name_of_file(self.store, file);
        let mut known = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = known.entry(name).or_insert_with_key(|name| Latest::of(self.store, name));
        latest.stages.get(stage).cloned().unwrap_or_default()
    }

    fn nearest(&self, kind: &str) -> Vec<CacheKey> {
        self.by_kind.get_or_init(|| self.scan_kinds()).get(kind).cloned().unwrap_or_default()
    }

    fn has_state(&self, warm_start: &CacheKey) -> bool {
        // A lock's file is empty, and stays.
        let holds_something =
            |path: &Path| path.metadata().is_ok_and(|metadata| metadata.len() > 0);
        list(&self.store.saved_state(warm_start))
            .is_ok_and(|files| files.iter().any(|(_, path)| holds_something(path)))
    }
}

impl<'a> Known<'a> {
    #[must_use]
    pub fn of(store: &'a Store) -> Self {
        let listed = [const { OnceLock::new() }; 256];
        Self { store, listed, latest: Mutex::default(), by_kind: OnceLock::new() }
    }

    /// The folder of what `stage` came to in the latest run of `file` that finished it, unless it came to the same. Of several results that are
    /// there, where the stage was swept, it is the one that is most like it.
    #[must_use]
    pub fn previous(&self, file: &Path, stage: &str, fingerprint: &Fingerprint) -> Option<PathBuf> {
        let keys = self.latest_run(file, stage);
        if keys.contains(&fingerprint.key()) {
            return None;
        }
        let entries = keys.iter().take(COMPARED).filter_map(|key| self.store.get(key).ok()?);
        let alike = entries.filter(|entry| entry.manifest().fingerprint.kind == fingerprint.kind);
        let nearest = fewest_changes(fingerprint, alike, |entry| &entry.manifest().fingerprint)?;
        Some(nearest.folder().to_owned())
    }

    /// The newest entries by kind, the newest first.
    fn scan_kinds(&self) -> HashMap<String, Vec<CacheKey>> {
        let mut entries: Vec<(SystemTime, CacheKey)> = Vec::new();
        let walked = self.store.walk(|_, name, path| {
            if let (Ok(key), Ok(modified)) =
                (name.parse::<CacheKey>(), path.metadata().and_then(|metadata| metadata.modified()))
            {
                entries.push((modified, key));
            }
        });
        if walked.is_err() {
            return HashMap::new();
        }
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.truncate(NEWEST);
        let kinds: Vec<_> = entries
            .into_par_iter()
            .filter_map(|(_, key)| match self.store.read_manifest(&key) {
                Ok(Ok(Some(manifest))) => Some((manifest.fingerprint.kind, key)),
                _ => None,
            })
            .collect();
        let mut by_kind: HashMap<String, Vec<CacheKey>> = HashMap::new();
        for (kind, key) in kinds {
            by_kind.entry(kind).or_default().push(key);
        }
        by_kind
    }
}
