//! Where results go: whether they will have a place, what lies there, and what can be wrong with it.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::contents::{changed, folders_of, part_of};
use super::error::PublishError;
use super::record::Record;
use crate::base::disk::regular;
use crate::engine::plan::{NodeId, Plan};
use crate::engine::runs::{RunFile, publications};
use crate::engine::store::Store;

/// The folders of a sweep's results in which those of the trial lie that stands for the others: with an objective, and without one.
pub(super) const BEST: &str = "best";
pub(super) const FIRST: &str = "first";
/// The file there that says which trial that is.
pub(super) const TRIAL: &str = "trial.txt";

/// The folder of a trained model among the results in `folder`: the experiment's own, else that of the trial that stands for a sweep. Results may
/// have been copied elsewhere, without the records of their run, so that their names are all there is to go by.
#[must_use]
pub fn model_in(folder: &Path) -> Option<PathBuf> {
    let of_trials = [BEST, FIRST].map(|trial| folder.join(trial));
    let folders = std::iter::once(folder.to_owned()).chain(of_trials);
    folders.map(|folder| folder.join("model")).find(|model| model.is_dir())
}

/// Whether a folder among the results of a sweep holds those of the trial that stands for the others.
#[must_use]
pub fn stands_for_others(folder: &Path) -> bool {
    [BEST, FIRST].iter().any(|name| folder.ends_with(name)) && folder.join(TRIAL).is_file()
}

/// The folder of a trial's own results.
///
/// * `results`: the folder of those of its sweep
#[must_use]
pub fn folder_of_trial(results: &Path, label: &str) -> PathBuf {
    results.join(part_of(label))
}

/// Says before anything runs whether the results will have a place.
///
/// * `results`: the name of their folder in `outputs`
/// * `file`: the experiment file's in records
///
/// # Errors
/// [`PublishError::OtherExperiment`], [`PublishError::Foreign`], [`PublishError::MountPoint`], and what the disk says of a folder that cannot be
/// read.
pub fn check_place(store: &Store, results: &str, file: &Path) -> Result<(), PublishError> {
    let folder = store.outputs().join(results);
    match folder.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PublishError::io(&folder, error)),
        Ok(_) if !folder.is_dir() => return Err(PublishError::Foreign { folder }),
        Ok(_) if is_mount_point(&folder) => return Err(PublishError::MountPoint { folder }),
        // Whose it is cannot be told before it can be read.
        Ok(_) => std::fs::read_dir(&folder)
            .map(drop)
            .map_err(|error| PublishError::io(&folder, error))?,
    }
    match owner_of(store, results) {
        Some(experiment) if *experiment == *file.to_string_lossy() => Ok(()),
        Some(experiment) => Err(PublishError::OtherExperiment { folder, experiment }),
        None if is_empty(&folder) => Ok(()),
        None => Err(PublishError::Foreign { folder }),
    }
}

/// The experiment whose results lie in a folder: by the latest run that has put any there, else, where the runs' records are gone, by the folder's
/// own. Believing that one costs nobody a file.
fn owner_of(store: &Store, name: &str) -> Option<String> {
    let latest = publications(store, name).pop().map(|(_, publication)| publication.experiment);
    latest.or_else(|| Some(Record::read(&store.outputs().join(name))?.experiment))
}

/// Whether something is mounted at `folder`, be it a folder of the same disk: nothing can take its place.
fn is_mount_point(folder: &Path) -> bool {
    let above = folder.parent().unwrap_or(Path::new("."));
    // A link to another disk is a link: that can be exchanged.
    if let (Ok(here), Ok(around)) = (folder.symlink_metadata(), above.metadata())
        && here.dev() != around.dev()
    {
        return true;
    }
    let (Ok(mounts), Ok(above), Some(name)) = (
        regular::read(Path::new("/proc/self/mountinfo")),
        above.canonicalize(),
        folder.file_name(),
    ) else {
        return false;
    };
    let place = above.join(name);
    // The fifth word of a line is the place. One with a space in it is written otherwise there, and found above if at all.
    let is_it =
        |line: &[u8]| line.split(|byte| *byte == b' ').nth(4) == Some(place.as_os_str().as_bytes());
    mounts.split(|byte| *byte == b'\n').any(is_it)
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The nodes whose results do not lie in their place as they were published, so that publishing will read their entries.
#[must_use]
pub fn unpublished(plan: &Plan, store: &Store) -> HashSet<NodeId> {
    if plan.of_single_trials {
        return HashSet::new();
    }
    let folder = store.outputs().join(&plan.results);
    let latest = publications(store, &plan.results).pop().map(|(_, latest)| latest);
    let changed = match &latest {
        Some(latest) => changed(latest, &folder, &store.digests_of_results(&plan.results)),
        None => Vec::new(),
    };
    let names: HashSet<&str> = changed.iter().map(String::as_str).collect();
    let around: HashSet<&str> = names.iter().flat_map(|name| folders_of(name)).collect();
    let changed_part = |part: &str| {
        around.contains(part)
            || names.contains(part)
            || folders_of(part).any(|folder| names.contains(folder))
            || (part.is_empty() && !names.is_empty())
    };
    let mut found = HashSet::new();
    for trial in &plan.trials {
        let nodes: Vec<(String, NodeId)> = plan
            .stages()
            .iter()
            .filter_map(|stage| Some((stage.to_string(), plan.node_of(trial.index, stage)?)))
            .collect();
        let known = latest.as_ref().and_then(|latest| latest.keys.get(&*trial.label));
        let key = |id: NodeId| plan.node(id).identity.key().map(|key| key.to_string());
        let is_known = known.is_some_and(|known| {
            (plan.partial || known.len() == nodes.len())
                && nodes.iter().all(|(stage, id)| known.get(stage).cloned() == key(*id))
        });
        let part = if plan.sweep.is_some() { part_of(&trial.label) } else { String::new() };
        let is_smaller = known.is_some_and(|known| known.len() > nodes.len());
        if is_known && (is_smaller || !changed_part(&part)) {
            continue;
        }
        let is_shown = |id: &NodeId| {
            let output = &plan.node(*id).kind.output;
            !output.results.is_empty() || output.metrics.is_some()
        };
        found.extend(nodes.into_iter().map(|(_, id)| id).filter(is_shown));
    }
    found
}

/// The results folder of a run's experiment where it holds results, for who has published nothing.
#[must_use]
pub fn earlier(store: &Store, run: &RunFile) -> Option<PathBuf> {
    let folder = store.outputs().join(&run.asked.results);
    let is_ours = owner_of(store, &run.asked.results)? == run.file.to_string_lossy();
    (is_ours && folder.is_dir()).then_some(folder)
}
