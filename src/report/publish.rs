//! From a finished run to `outputs/<experiment>/`: the latest results, for people.
//!
//! A results folder carries a record of what it was made from. With it, publishing the same keys again does nothing, results of another
//! experiment file are never overwritten, and files that a person put beside ours are carried over.
//!
//! A folder never holds the results of two runs side by side:
//!
//! | the run | without a sweep | a sweep |
//! |---|---|---|
//! | was complete | all results | all trials |
//! | failed, with `--keep-going` or not | what it made or found in the cache; the files of stages that failed or were not run disappear, and the record lists these stages as `missing` | the trials that came to their end; `trials.csv` says what became of the others |
//! | was interrupted | nothing: the same command continues | the trials that came to their end |
//!
//! Results that were changed or removed since are published again: the record has the digest of every file, and the store remembers when it was
//! last read, so that looking costs a stat for each that nobody has touched. A run of a few stages, which could not make all of them, leaves them
//! and says so.
//!
//! A run that has nothing to publish leaves the folder as it was, whole and of an earlier run: [`earlier`] tells, so that the summary can say it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::results::{self, Metrics, TrialResults};
use super::{swap, sweep};
use crate::crash::crash_point;
use crate::durable;
use crate::exec::RunOutcome;
use crate::no_room::NoRoom;
use crate::plan::{Digests, Plan};
use crate::regular;
use crate::store::{DigestMemo, Store, StoreError};

/// The record's name in a results folder.
pub(super) const RECORD: &str = "published.json";
const VERSION: u32 = 1;

/// What a results folder was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The experiment file, relative to the folder that holds `outputs/` where it lies inside.
    experiment: String,
    /// By trial (empty without a sweep) and stage.
    keys: BTreeMap<String, BTreeMap<String, String>>,
    /// What was made at the folder's top; everything else there is somebody else's.
    made: BTreeSet<String>,
    /// The digest of every file that was made, by its name inside the folder; none where it holds clocks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    blake3: BTreeMap<String, Option<String>>,
    /// What a sweep's best is chosen by, such as `max evaluate.ner.span_f1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objective: Option<String>,
    /// Stages whose results are not here, since they failed or were not run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<String>,
    /// With a sweep, those of its best trial.
    pub metrics: Metrics,
    /// The trial that is best in a sweep's objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
}

/// The results of a run as they lie on the disk.
#[derive(Debug)]
pub struct Published {
    pub folder: PathBuf,
    pub record: Record,
    /// False when the same keys were published already.
    pub fresh: bool,
    /// What was found to be no longer as it was published.
    pub changed: Vec<String>,
    /// What is not there and should be, such as a picture that could not be drawn.
    pub warnings: Vec<String>,
}

impl Published {
    /// A line about what was changed since it was published; `None` where nothing was.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let (first, others) = self.changed.split_first()?;
        let (is, others) = match others.len() {
            0 => ("is", String::new()),
            count => ("are", format!(" and {count} more")),
        };
        let done =
            if self.fresh { "published again" } else { "a run of all stages publishes again" };
        Some(format!(
            "`{first}`{others} in `{}` {is} not as published before: {done}",
            self.folder.display()
        ))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("`{}` holds the results of {experiment}", folder.display())]
    OtherExperiment { folder: PathBuf, experiment: String },
    #[error("`{}` exists and was not made by a run", folder.display())]
    Foreign { folder: PathBuf },
    #[error("{}", why.message(folder))]
    Full { folder: PathBuf, why: NoRoom },
    #[error("cannot publish to `{}`: {error}", folder.display())]
    Io { folder: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Plot(#[from] crate::plots::PlotError),
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
                Some("give one of the two experiments a `name = \"...\"` of its own, or remove the folder".to_owned())
            }
            Self::Foreign { folder } => {
                let record = folder.join(RECORD);
                Some(if record.symlink_metadata().is_ok() {
                    format!(
                        "`{}` cannot be read; move the folder away: results are published again from the store, and only files of your own \
                         would be missing",
                        record.display()
                    )
                } else {
                    "give the experiment a `name = \"...\"` of its own, or move the folder away; the results of runs are published again from the store"
                        .to_owned()
                })
            }
            Self::Store(error) => error.help().map(str::to_owned),
            Self::Full { why, .. } => Some(why.help().to_owned()),
            Self::Io { .. } => {
                Some("see that `outputs` can be written, then run the same command again: all results are in the store".to_owned())
            }
            Self::Plot(_) => None,
        }
    }
}

/// Says before anything runs whether the results will have a place.
///
/// # Errors
/// [`PublishError::OtherExperiment`] and [`PublishError::Foreign`].
pub fn check_place(plan: &Plan, outputs: &Path) -> Result<(), PublishError> {
    let folder = outputs.join(&plan.name);
    match folder.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PublishError::io(&folder, error)),
        Ok(_) if !folder.is_dir() => return Err(PublishError::Foreign { folder }),
        Ok(_) => {}
    }
    match read_record(&folder) {
        Some(record) if record.experiment == experiment_name(plan, outputs) => Ok(()),
        Some(Record { experiment, .. }) => {
            Err(PublishError::OtherExperiment { folder, experiment })
        }
        None if is_empty(&folder) => Ok(()),
        None => Err(PublishError::Foreign { folder }),
    }
}

/// Whether everything that a plan would publish lies in its place, so that publishing will read nothing from the store.
#[must_use]
pub fn is_published(plan: &Plan, store: &Store) -> bool {
    let folder = store.outputs().join(&plan.name);
    let key = |trial: u32, stage: &str| {
        plan.node_of(trial, stage).and_then(|id| plan.node(id).identity.key())
    };
    let stages = |trial| {
        plan.stages()
            .iter()
            .filter_map(|stage| Some((stage.to_string(), key(trial, stage)?.to_string())))
            .collect()
    };
    let keys =
        plan.trials.iter().map(|trial| (trial.label.to_string(), stages(trial.index))).collect();
    read_record(&folder).is_some_and(|record| {
        record.covers(&keys, &BTreeSet::new(), plan)
            && (record.keys != keys || record.changed(&folder, &store.digests()).is_empty())
    })
}

/// The results folder of a plan's experiment where it holds results, for who has published nothing.
#[must_use]
pub fn earlier(plan: &Plan, outputs: &Path) -> Option<PathBuf> {
    let folder = outputs.join(&plan.name);
    let record = read_record(&folder)?;
    (record.experiment == experiment_name(plan, outputs)).then_some(folder)
}

/// Publishes what a run made, under the rules at the top: nothing where it made nothing for people, or the same lies there already.
///
/// # Errors
/// [`PublishError`]; what was published before stays until the new folder is whole.
pub fn publish(
    plan: &Plan,
    outcome: &RunOutcome,
    store: &Store,
) -> Result<Option<Published>, PublishError> {
    let outputs = store.outputs();
    check_place(plan, outputs)?;
    let in_part = plan.sweep.is_none() && outcome.exit_code() == 1;
    let whole_enough = |results: &TrialResults<'_>| results.is_whole() || in_part;
    let trials: Vec<Option<TrialResults<'_>>> = plan
        .trials
        .iter()
        .map(|trial| Some(TrialResults::of(plan, outcome, trial.index)).filter(whole_enough))
        .collect();
    if !trials.iter().flatten().any(TrialResults::has_results) {
        return Ok(None);
    }
    let folder = outputs.join(&plan.name);
    let keys: BTreeMap<_, _> = plan
        .trials
        .iter()
        .zip(&trials)
        .filter_map(|(trial, results)| Some((trial.label.to_string(), results.as_ref()?.keys())))
        .collect();
    let missing = match trials.as_slice() {
        [Some(results)] if in_part => results.missing(0),
        _ => BTreeSet::new(),
    };
    let (mut changed, digests) = (Vec::new(), store.digests());
    if let Some(record) = read_record(&folder).filter(|record| record.covers(&keys, &missing, plan))
    {
        changed = record.changed(&folder, &digests);
        if changed.is_empty() || record.keys != keys {
            return Ok(Some(Published {
                folder,
                record,
                fresh: false,
                changed,
                warnings: Vec::new(),
            }));
        }
    }
    let io = |error| PublishError::io(&folder, error);
    let scratch = store.scratch("publish")?;
    let building = scratch.path().join("results");
    std::fs::create_dir(&building).map_err(io)?;
    let (mut metrics, mut best, mut warnings) = (Metrics::new(), None, Vec::new());
    if let Some(shape) = &plan.sweep {
        let written = sweep::write(plan, outcome, shape, &trials, &building)?;
        warnings = written.warnings;
        if let Some((trial, its)) = written.best {
            (metrics, best) = (its, Some(trial));
        }
    } else if let [Some(results)] = trials.as_slice() {
        results::place(&results.files(), &building).map_err(io)?;
        metrics = results.metrics().map_err(io)?;
    }
    crash_point("mid-publish");
    let made = names(&building).map_err(io)?;
    let (mut files, mut newest) = (BTreeMap::new(), std::time::UNIX_EPOCH);
    list(&building, "", &digests, &mut files, &mut newest).map_err(io)?;
    let is_clock =
        |name: &String| clocks(plan).iter().any(|clock| Path::new(name).ends_with(clock));
    let blake3 = files
        .iter()
        .map(|(name, digest)| (name.clone(), Some(digest.clone()).filter(|_| !is_clock(name))))
        .collect();
    let record = Record {
        version: VERSION,
        experiment: experiment_name(plan, outputs),
        keys,
        made,
        blake3,
        objective: objective(plan),
        missing,
        metrics,
        best,
    };
    let text = serde_json::to_string_pretty(&record).map_err(|error| io(error.into()))?;
    write_record(&building.join(RECORD), &(text + "\n"), newest).map_err(io)?;
    durable::sync_below(&building).map_err(io)?;
    crash_point("before-publish-swap");
    swap::swap(&building, &folder).map_err(io)?;
    // With the old results go other names of the same files, and the system counts that as a change.
    drop(scratch);
    for (name, digest) in files {
        digests.remember(&folder.join(name), digest);
    }
    crash_point("after-publish-swap");
    Ok(Some(Published { folder, record, fresh: true, changed, warnings }))
}

/// Writes the record so that it is no older than the files that it describes, whatever the clock has done since they were written.
fn write_record(path: &Path, text: &str, newest: SystemTime) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    if path.metadata()?.modified()? < newest {
        std::fs::File::options().append(true).open(path)?.set_modified(newest)?;
    }
    Ok(())
}

/// How the names of files end whose sizes differ from one making to the next.
fn clocks(plan: &Plan) -> BTreeSet<&'static str> {
    let outputs = plan.nodes.iter().map(|node| &node.kind.output);
    let volatile = outputs.flat_map(|output| {
        output.results.iter().filter(|(file, _)| output.volatile.contains(file))
    });
    volatile.map(|(_, name)| *name).collect()
}

/// Collects the files below `folder` with their digests, and the moment at which the newest was written.
fn list(
    folder: &Path,
    inside: &str,
    digests: &DigestMemo,
    files: &mut BTreeMap<String, String>,
    newest: &mut SystemTime,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            list(&entry.path(), &format!("{name}/"), digests, files, newest)?;
            continue;
        }
        *newest = metadata.modified()?.max(*newest);
        files.insert(name, digests.read_once(&entry.path())?);
    }
    Ok(())
}

/// What a sweep's best is chosen by; it enters no key.
fn objective(plan: &Plan) -> Option<String> {
    let objective = plan.sweep.as_ref()?.objective.as_ref()?;
    Some(format!("{} {}", if objective.maximize { "max" } else { "min" }, objective.metric))
}

impl Record {
    /// The files, or folders, that are no longer there, are links now, or have another content. What holds clocks may only not be younger than
    /// the record.
    fn changed(&self, folder: &Path, digests: &DigestMemo) -> Vec<String> {
        let published =
            folder.join(RECORD).metadata().and_then(|metadata| metadata.modified()).ok();
        let mut changed: Vec<String> =
            self.made.iter().filter(|name| !is_there(folder, name)).cloned().collect();
        for (name, digest) in &self.blake3 {
            let path = folder.join(name);
            let as_published = is_there(folder, name)
                && match digest {
                    Some(digest) => digests.file(&path).is_ok_and(|found| found.digest == *digest),
                    None => path.metadata().is_ok_and(|metadata| {
                        let is_older = metadata
                            .modified()
                            .ok()
                            .zip(published)
                            .is_none_or(|(modified, published)| modified <= published);
                        metadata.is_file() && is_older
                    }),
                };
            if !as_published && !changed.iter().any(|gone| Path::new(name).starts_with(gone)) {
                changed.push(name.clone());
            }
        }
        changed
    }

    /// Whether a run made the file of this name in the folder. Older records only say what lies at its top.
    pub(super) fn owns(&self, name: &str) -> bool {
        let lies_in = |top: &String| Path::new(name).starts_with(top);
        if self.blake3.is_empty() {
            self.made.iter().any(lies_in)
        } else {
            self.blake3.contains_key(name)
        }
    }

    /// Whether everything that these keys would publish is what was published. A run of a few stages does not undo what a run of all left, but
    /// one in which stages failed does: their files would be taken for its own.
    fn covers(
        &self,
        keys: &BTreeMap<String, BTreeMap<String, String>>,
        missing: &BTreeSet<String>,
        plan: &Plan,
    ) -> bool {
        if self.objective != objective(plan) || self.keys.len() != keys.len() {
            return false;
        }
        if !plan.partial || !missing.is_empty() {
            return self.keys == *keys && self.missing == *missing;
        }
        let has = |(trial, stages): (&String, &BTreeMap<String, String>)| {
            self.keys.get(trial).is_some_and(|known| {
                stages.iter().all(|(stage, key)| known.get(stage) == Some(key))
            })
        };
        keys.iter().all(has)
    }
}

fn names(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Whether something is there under this name, and neither it nor a folder that it lies in is a link.
fn is_there(folder: &Path, name: &str) -> bool {
    let parts = Path::new(name).ancestors().filter(|part| !part.as_os_str().is_empty());
    parts
        .map(|part| folder.join(part).symlink_metadata())
        .all(|part| part.is_ok_and(|metadata| !metadata.is_symlink()))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

pub(super) fn read_record(folder: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&regular::read(&folder.join(RECORD)).ok()?).ok()?;
    (record.version == VERSION).then_some(record)
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

/// The experiment file as the record names it: the same on another machine when the whole project moves.
fn experiment_name(plan: &Plan, outputs: &Path) -> String {
    let absolute = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let file = absolute(&plan.file);
    let project = absolute(
        outputs.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    );
    file.strip_prefix(&project).unwrap_or(&file).to_string_lossy().into_owned()
}
