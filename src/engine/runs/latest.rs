//! What the latest run of each experiment file came to, in `outputs/cache/latest/`, so that a plan reads one small file and not every record.
//!
//! An index only: it is made again from the records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::RunFile;
use super::records::list_runs;
use crate::base::disk::regular;
use crate::engine::plan::{CacheKey, Fingerprint};
use crate::engine::store::{Store, sealed};

/// Enough to say what a later run changed; the parts of further keys are in the entries.
const FINGERPRINTS_PER_STAGE: usize = 64;

/// What the latest run of a file came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Latest {
    file: PathBuf,
    run: String,
    /// The keys of each stage's nodes that have entries.
    pub(super) stages: BTreeMap<String, Vec<CacheKey>>,
    pub(super) fingerprints: BTreeMap<CacheKey, Fingerprint>,
}

impl Latest {
    /// From the index, else from the records.
    ///
    /// * `name`: the experiment file's in records
    pub(super) fn of(store: &Store, name: &Path) -> Self {
        let read = || -> Option<Self> {
            let latest: Self = sealed::open(&regular::read(&place(store, name)).ok()?).ok()?;
            (latest.file == name).then_some(latest)
        };
        read().unwrap_or_else(|| {
            let mut latest = Self { file: name.to_owned(), ..Self::default() };
            let runs = list_runs(store).unwrap_or_default();
            runs.iter().filter(|run| run.file == name).for_each(|run| latest.take(run));
            latest
        })
    }

    /// Later runs replace what earlier ones came to, stage by stage: a run of one stage says nothing about the others, and one of single trials
    /// nothing about the other trials.
    pub(super) fn take(&mut self, run: &RunFile) {
        let mut stages: BTreeMap<String, Vec<CacheKey>> = BTreeMap::new();
        for node in run.nodes.iter().filter(|node| node.outcome.is_complete()) {
            stages.entry(node.stage.clone()).or_default().extend(node.key);
        }
        self.run.clone_from(&run.id);
        if run.asked.single_trials {
            for (stage, keys) in stages {
                let known = self.stages.entry(stage).or_default();
                known.extend(keys);
                known.sort_unstable();
                known.dedup();
            }
        } else {
            self.stages.extend(stages);
        }
    }

    /// * `fingerprint`: the parts of a key, asked for a bounded number of keys
    pub(super) fn save(
        mut self,
        store: &Store,
        fingerprint: impl Fn(&CacheKey) -> Option<Fingerprint>,
    ) {
        let known = std::mem::take(&mut self.fingerprints);
        let keys = self.stages.values().flat_map(|keys| keys.iter().take(FINGERPRINTS_PER_STAGE));
        self.fingerprints = keys
            .filter_map(|key| Some((*key, known.get(key).cloned().or_else(|| fingerprint(key))?)))
            .collect();
        let _ = store.disk.replace_index(&place(store, &self.file), &sealed::seal(&self));
    }
}

fn place(store: &Store, name: &Path) -> PathBuf {
    let digest = blake3::hash(name.as_os_str().as_encoded_bytes()).to_hex();
    store.cache().join("latest").join(format!("{}.json", &digest[..32]))
}
