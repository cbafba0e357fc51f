//! `published.json`, the record in a results folder: for people, and for nobody else. What is decided is decided by the runs' own records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::disk::regular;
use crate::engine::plan::Objective;
use crate::engine::runs::{KeysByTrial, MadeBy, Publication};
use crate::engine::stage::Scores;

/// The record's name in a results folder.
pub const RECORD: &str = "published.json";
const VERSION: u32 = 2;

/// What a results folder was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The run that put the results there, and what was asked of it. Older programs did not write all of it.
    #[serde(flatten)]
    pub made_by: Option<MadeBy>,
    /// False while a sweep is published, and where that was broken off: what lies beside it may be of the run before.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub complete: bool,
    /// The experiment file, relative to the folder that holds `outputs/` where it lies inside.
    pub experiment: String,
    /// By trial (empty without a sweep) and stage.
    pub keys: KeysByTrial,
    /// What a sweep's best is chosen by, such as `max evaluate.ner.span_f1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// Stages whose results are not here, since they failed or were not run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<String>,
    /// With a sweep, those of its best trial.
    pub metrics: Scores,
    /// The trial that is best in a sweep's objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// The digest of every file that was made, by its name inside the folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blake3: BTreeMap<String, Option<String>>,
}

fn yes() -> bool {
    true
}

impl Record {
    #[must_use]
    pub fn new(
        made_by: &MadeBy,
        publication: &Publication,
        metrics: Scores,
        best: Option<String>,
    ) -> Self {
        let files = publication.files.iter().filter(|(name, _)| *name != RECORD);
        Self {
            version: VERSION,
            made_by: Some(made_by.clone()),
            complete: true,
            experiment: publication.experiment.clone(),
            keys: publication.keys.clone(),
            objective: publication.objective.clone(),
            missing: publication.missing.clone(),
            metrics,
            best,
            blake3: files.map(|(name, digest)| (name.clone(), Some(digest.clone()))).collect(),
        }
    }

    /// What stands in its place until all lies there.
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { complete: false, ..self }
    }

    /// The record in a folder, where it can be read.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(RECORD);
        // Anything else, such as a named pipe, may never answer.
        if !path.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let record: Self = serde_json::from_slice(&regular::read(&path).ok()?).ok()?;
        (record.version <= VERSION).then_some(record)
    }
}

/// What made a folder of results, as its record has it.
#[must_use]
pub fn made_by(folder: &Path) -> Option<MadeBy> {
    Record::read(folder)?.made_by
}

/// The experiment file whose run published what lies in `folder`, or above it, as a record of any version names it; for a hint only.
#[must_use]
pub fn experiment_of(folder: &Path) -> Option<String> {
    let named = |folder: &Path| {
        let bytes = regular::read(&folder.join(RECORD)).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        record["experiment"].as_str().map(str::to_owned)
    };
    folder.ancestors().take(4).find_map(named)
}
