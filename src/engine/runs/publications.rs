//! What runs have put into folders of results: `outputs/runs/<id>/results.json`.
//!
//! A run writes it before it changes a results folder. Whose a file there is follows from these records alone, whatever the folder's own says,
//! which is for people: what no run has listed is somebody else's. Once nothing of earlier runs is left in the folder, their lists go, so that
//! looking takes no longer with every run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::records::{all, folder_of};
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;
use crate::engine::plan::Objective;
use crate::engine::store::listing::list;
use crate::engine::store::{Store, StoreError, sealed};

/// The record's name in a run's folder.
const RESULTS: &str = "results.json";

/// Keys by trial (empty without a sweep) and stage.
pub type KeysByTrial = BTreeMap<String, BTreeMap<String, String>>;

/// What one run has put into one folder of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// The folder's name below `outputs`.
    pub folder: String,
    /// One more than that of whoever published there before.
    pub number: u64,
    /// The experiment file, as records name it.
    pub experiment: String,
    pub keys: KeysByTrial,
    /// What a sweep's best is chosen by, such as `max evaluate.ner.span_f1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// Stages whose results are not there, since they failed or were not run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<String>,
    /// The digest of what a sweep's pictures were drawn from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub drawn_from: String,
    /// The digest of what the report is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reported_from: String,
    /// The BLAKE3 of every file, by its name inside the folder, with `/` between its parts.
    pub files: BTreeMap<String, String>,
}

/// Held by whoever is putting results into a folder. It only saves work: what is right does not depend on it.
#[derive(Debug)]
pub struct ResultsLock {
    lock: FileLock,
}

/// What is known to have been put into the results folder `name`, the latest last, with the runs that did.
#[must_use]
pub fn publications(store: &Store, name: &str) -> Vec<(String, Publication)> {
    let read = |run: String| {
        let publication: Publication =
            sealed::open(&regular::read(&place(store, &run)).ok()?).ok()?;
        (publication.folder == name).then_some((run, publication))
    };
    let runs = list(&all(store)).unwrap_or_default();
    let mut found: Vec<_> = runs.into_iter().filter_map(|(run, _)| read(run)).collect();
    found.sort_by(|(run, a), (other, b)| (a.number, run).cmp(&(b.number, other)));
    found
}

fn place(store: &Store, run: &str) -> PathBuf {
    folder_of(store, run).join(RESULTS)
}

impl Publication {
    /// Says what a run is about to put into a folder of results.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&self, store: &Store, run: &str) -> Result<(), StoreError> {
        store.disk.replace(&place(store, run), &sealed::seal(self))
    }
}

/// Takes a run's list away, now that nothing of it is left. One that stays does no harm.
pub fn forget_publication(store: &Store, run: &str) {
    let _ = fs::remove_file(place(store, run));
}

/// Whether the run has results in a folder that is there; when in doubt, yes.
pub(super) fn has_results(store: &Store, run: &str) -> bool {
    match regular::read(&place(store, run)) {
        Err(error) => error.kind() != ErrorKind::NotFound,
        Ok(bytes) => sealed::open(&bytes).map_or(true, |publication: Publication| {
            store.outputs().join(publication.folder).is_dir()
        }),
    }
}

impl ResultsLock {
    /// Takes the lock of a folder of results; `None` while another run is publishing there.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn try_take(store: &Store, name: &str) -> Result<Option<Self>, StoreError> {
        store.disk.create_temporary(&store.temporary())?;
        let digest = blake3::hash(name.as_bytes()).to_hex();
        let path = store.temporary().join(format!("results-{}.lock", &digest[..16]));
        let lock =
            FileLock::try_take(&path).map_err(|error| StoreError::io("lock", &path, &error))?;
        Ok(lock.map(|lock| Self { lock }))
    }

    /// False on a file system without locks, where it keeps nobody out.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.lock.is_real
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store::test_support::{Case, flip};

    fn publication(folder: &str, number: u64) -> Publication {
        Publication {
            folder: folder.to_owned(),
            number,
            experiment: "experiments/tiny.toml".to_owned(),
            keys: BTreeMap::new(),
            objective: None,
            missing: BTreeSet::new(),
            drawn_from: String::new(),
            reported_from: String::new(),
            files: BTreeMap::from([("metrics.json".to_owned(), "ab".to_owned())]),
        }
    }

    #[test]
    fn what_was_put_into_a_folder_is_known_in_its_order_until_it_is_forgotten() {
        let case = Case::new();
        // The order is that of publishing, whatever the runs are called.
        for (run, folder, number) in [("b", "tiny", 1), ("a", "tiny", 2), ("c", "other", 1)] {
            publication(folder, number).record(&case.store, run).expect("written");
        }
        let runs = || -> Vec<String> {
            publications(&case.again(), "tiny").into_iter().map(|(run, _)| run).collect()
        };
        assert_eq!(runs(), ["b", "a"]);
        forget_publication(&case.store, "b");
        assert_eq!(runs(), ["a"]);
    }

    #[test]
    fn a_record_with_a_flipped_bit_is_none() {
        let case = Case::new();
        publication("tiny", 1).record(&case.store, "a").expect("written");
        flip(&case.store.outputs().join("runs/a").join(RESULTS));
        assert_eq!(publications(&case.store, "tiny"), []);
    }

    #[test]
    fn one_run_at_a_time_publishes_to_a_folder() {
        let case = Case::new();
        let held = ResultsLock::try_take(&case.store, "tiny").expect("locks work");
        assert!(held.is_some_and(|lock| {
            lock.is_real()
                && ResultsLock::try_take(&case.again(), "tiny").expect("locks work").is_none()
                && ResultsLock::try_take(&case.again(), "other").expect("locks work").is_some()
        }));
        assert!(ResultsLock::try_take(&case.again(), "tiny").expect("locks work").is_some());
    }
}
