//! What a forecast asks of the store.

use std::collections::HashMap;
use std::fs::symlink_metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::listing::list;
use super::{State, Store};
use crate::engine::plan::{CacheKey, Fingerprint, Lookup, Presence};

/// Older entries than this many are not compared with: reading the manifests of a large store takes longer than the answer is worth.
const NEWEST: usize = 2_000;

/// How many results of one stage are compared with.
const COMPARED: usize = 64;

impl Lookup for Store {
    fn presence(&self, key: &CacheKey) -> Presence {
        // Most of a large plan is absent, and one question tells.
        if symlink_metadata(self.entry_folder(key))
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return Presence::Absent;
        }
        match self.state(key) {
            Ok(State::Present(_)) => Presence::Present,
            Ok(State::Absent) | Err(_) => Presence::Absent,
            Ok(State::Damaged(_)) => Presence::Damaged,
        }
    }

    fn fingerprint(&self, key: &CacheKey) -> Option<Fingerprint> {
        if let Ok(Ok(Some(manifest))) = self.read_manifest(key) {
            return Some(manifest.fingerprint);
        }
        let latest = self.latest.lock().expect("no panic while it is held");
        latest.values().find_map(|latest| latest.fingerprints.get(key).cloned())
    }

    fn latest_run(&self, file: &Path, stage: &str) -> Vec<CacheKey> {
        self.latest(file).stages.get(stage).cloned().unwrap_or_default()
    }

    fn nearest(&self, kind: &str) -> Vec<CacheKey> {
        self.by_kind.get_or_init(|| self.scan_kinds()).get(kind).cloned().unwrap_or_default()
    }

    fn has_state(&self, lineage: &CacheKey) -> bool {
        // A lock's file is empty, and stays.
        let holds_something =
            |path: &Path| path.metadata().is_ok_and(|metadata| metadata.len() > 0);
        list(&self.checkpoints(lineage))
            .is_ok_and(|files| files.iter().any(|(_, path)| holds_something(path)))
    }
}

impl Store {
    /// The folder of what `stage` came to in the latest run of `file` that finished it, unless it came to the same. Of several results, where the
    /// stage was swept, it is the one that is most like it.
    #[must_use]
    pub fn previous(&self, file: &Path, stage: &str, fingerprint: &Fingerprint) -> Option<PathBuf> {
        let latest = self.latest(file);
        let keys = latest.stages.get(stage)?;
        if keys.contains(&fingerprint.key()) {
            return None;
        }
        let changes = |key: &CacheKey| {
            let known = self.fingerprint(key)?;
            (known.kind == fingerprint.kind).then(|| fingerprint.compare(&known).len())
        };
        let near = keys.iter().take(COMPARED).filter_map(|key| Some((changes(key)?, key)));
        let (_, nearest) = near.min_by_key(|(changes, _)| *changes)?;
        match self.state(nearest) {
            Ok(State::Present(entry)) => Some(entry.folder().to_owned()),
            _ => None,
        }
    }

    /// The newest entries by kind, the newest first.
    fn scan_kinds(&self) -> HashMap<String, Vec<CacheKey>> {
        let mut entries: Vec<(SystemTime, CacheKey)> = Vec::new();
        let walked = self.walk(|_, name, path| {
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
            .filter_map(|(_, key)| match self.read_manifest(&key) {
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
