//! Where results go: whether they will have a place, what lies there, and what can be wrong with it.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::contents::{changed, folders_of};
use super::mounts::is_mount_point;
use super::record::{Record, experiment_name};
use super::sweep;
use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular;
use crate::engine::plan::{NodeId, Plan};
use crate::engine::store::{Store, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("`{}` holds the results of {experiment}", folder.display())]
    OtherExperiment { folder: PathBuf, experiment: String },
    #[error("`{}` exists and was not made by a run", folder.display())]
    Foreign { folder: PathBuf },
    #[error("`{}` is a disk of its own, which new results cannot take the place of", folder.display())]
    MountPoint { folder: PathBuf },
    #[error("{}", why.message(folder))]
    Full { folder: PathBuf, why: NoRoom },
    #[error("cannot publish to `{}`: {}", folder.display(), regular::reason(error))]
    Io { folder: PathBuf, error: std::io::Error },
    /// Not a failure of the work, which is done.
    #[error("publishing to `{}` was interrupted", folder.display())]
    Interrupted { folder: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Plot(#[from] crate::view::figures::PlotError),
}

impl PublishError {
    pub(super) fn io(folder: &Path, error: std::io::Error) -> Self {
        let folder = folder.to_owned();
        match NoRoom::of(&error, &folder) {
            Some(why) => Self::Full { folder, why },
            None => Self::Io { folder, error },
        }
    }

    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::OtherExperiment { .. } => {
                Some("give one of the two experiments a `name = \"...\"` of its own, give this run a `--name`, or remove the folder".to_owned())
            }
            Self::Foreign { .. } => Some(
                "give the experiment a `name = \"...\"` of its own, or move the folder away; the results of runs are published again from the store"
                    .to_owned(),
            ),
            Self::MountPoint { .. } => Some(
                "mount the disk at `outputs`, or give the experiment a `name = \"...\"` of its own"
                    .to_owned(),
            ),
            Self::Io { error, .. } if error.kind() == ErrorKind::PermissionDenied => Some(
                "change the permissions, or give the experiment a `name = \"...\"` of its own"
                    .to_owned(),
            ),
            Self::Store(error) => error.help().map(str::to_owned),
            Self::Full { why, .. } => Some(why.help().to_owned()),
            Self::Io { error, .. } if error.kind() == ErrorKind::InvalidData => {
                Some("an entry of the store was damaged meanwhile: `pipeline verify` says how, and the same command builds it again".to_owned())
            }
            Self::Io { .. } => {
                Some("see that `outputs` can be written, then run the same command again: all results are in the store".to_owned())
            }
            Self::Interrupted { .. } => {
                Some("the same command goes on: all results are in the store".to_owned())
            }
            Self::Plot(error) => {
                NoRoom::of_text(&error.to_string(), Path::new("")).map(|why| why.help().to_owned())
            }
        }
    }
}

/// Says before anything runs whether the results will have a place.
///
/// # Errors
/// [`PublishError::OtherExperiment`], [`PublishError::Foreign`], [`PublishError::MountPoint`], and what the disk says of a folder that cannot be
/// read.
pub fn check_place(plan: &Plan, store: &Store) -> Result<(), PublishError> {
    let folder = store.outputs().join(&plan.results);
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
    match owner_of(store, &plan.results) {
        Some(experiment) if experiment == experiment_name(plan, store.outputs()) => Ok(()),
        Some(experiment) => Err(PublishError::OtherExperiment { folder, experiment }),
        None if is_empty(&folder) => Ok(()),
        None => Err(PublishError::Foreign { folder }),
    }
}

/// The experiment whose results lie in a folder: by the latest run that has put any there, else, where the runs' records are gone, by the folder's
/// own. Believing that one costs nobody a file.
fn owner_of(store: &Store, name: &str) -> Option<String> {
    let latest = store.publications(name).pop().map(|(_, publication)| publication.experiment);
    latest.or_else(|| Some(Record::read(&store.outputs().join(name))?.experiment))
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
    let latest = store.publications(&plan.results).pop().map(|(_, latest)| latest);
    let changed = match &latest {
        Some(latest) => changed(latest, &folder, &store.results_digests(&plan.results)),
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
        let part = if plan.sweep.is_some() { sweep::part_of(&trial.label) } else { String::new() };
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

/// The results folder of a plan's experiment where it holds results, for who has published nothing.
#[must_use]
pub fn earlier(plan: &Plan, store: &Store) -> Option<PathBuf> {
    let folder = store.outputs().join(&plan.results);
    let is_ours = owner_of(store, &plan.results)? == experiment_name(plan, store.outputs());
    (is_ours && folder.is_dir()).then_some(folder)
}
