//! From a finished run to `outputs/<experiment>/`: the latest results, for people.
//!
//! Publishing is a comparison: what the folder should hold, with digests from the entries' manifests, against what lies there. Only what differs
//! is put there again, so that one missing file costs one file, and publishing the same again does nothing.
//!
//! 1. Nothing is decided by what lies in the folder: whose a file is, and what was published, say the runs' own records
//!    ([`Target`], [`publications`]); scores are read from the entries. `published.json` in the folder is for people, and is made again
//!    where it was damaged or removed.
//! 2. The run says in its record what it is about to put there.
//! 3. Without a sweep, a new folder takes the old one's place in one step ([`swap`]). Of a sweep, each trial's folder does, then the best one's,
//!    then each file at the top; `published.json` comes last, and until then says that it is not `complete`. Whoever stops that in the middle finds
//!    whole trials, and the same command goes on.
//! 4. What a person put beside or into the results is carried along.
//!
//! | the run | without a sweep | a sweep |
//! |---|---|---|
//! | was complete | all results | all trials |
//! | failed, with `--keep-going` or not | what it made or found in the cache; the files of stages that failed or were not run disappear, and the record lists these stages as `missing` | the trials that came to their end; `trials.csv` says what became of the others |
//! | was interrupted | nothing: the same command continues | the trials that came to their end |
//!
//! Results that were changed or removed since are published again, and that is said. A run of a few stages, which could not make all of them,
//! leaves them and says so.
//!
//! A run of single trials of a sweep publishes nothing: they come with the others. A run that has nothing to publish leaves the folder as it
//! was, whole and of an earlier run: [`earlier`](super::earlier) tells, so that the summary can say it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::build::{Made, Making};
use super::contents::{Item, Source, changed};
use super::error::PublishError;
use super::origin::Origin;
use super::places::check_place;
use super::put::{Change, Target};
use super::record::{RECORD, Record};
use crate::base::disk::crash::crash_point;
use crate::engine::exec::Cancel;
use crate::engine::runs::{
    KeysByTrial, Publication, Results, ResultsLock, RunStatus, TrialResults, TrialStatus,
    forget_publication, publications,
};
use crate::engine::stage::Scores;
use crate::engine::store::{Scratch, Store};

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How long another run is waited for before that is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// The results of a run as they lie on the disk.
#[derive(Debug)]
pub struct Published {
    pub folder: PathBuf,
    /// Stages whose results are not there, since they failed or were not run.
    pub missing: BTreeSet<String>,
    /// From the entries of this run; with a sweep, those of its best trial.
    pub metrics: Scores,
    /// The trial that is best in a sweep's objective.
    pub best: Option<String>,
    /// False when all lay there already.
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

/// A finished run that is to be published.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub results: &'a Results,
    pub store: &'a Store,
    pub origin: &'a Origin<'a>,
    pub cancel: &'a Cancel,
    /// Told how many trials of how many are in place, at most about once a second.
    pub progress: &'a dyn Fn(u64, u64),
    /// Told once where another run is publishing to the same folder.
    pub waits: &'a dyn Fn(),
}

/// What is to be published.
struct Wanted<'a> {
    /// The trials that came to their end; of a run without a sweep that failed, what it came to.
    trials: Vec<&'a TrialResults>,
    keys: KeysByTrial,
    /// What a sweep's best is chosen by; it enters no key.
    objective: Option<String>,
    missing: BTreeSet<String>,
}

/// Publishes what a run made, under the rules at the top: nothing where it made nothing for people, or the same lies there already.
///
/// # Errors
/// [`PublishError`]; what was there before stays until what takes its place is whole.
pub fn publish(task: Task<'_>) -> Result<Option<Published>, PublishError> {
    let Task { results, store, .. } = task;
    let run = &results.run;
    if run.single_trials {
        return Ok(None);
    }
    check_place(store, &run.results, &run.file)?;
    let Some(wanted) = Wanted::of(results) else { return Ok(None) };
    let lock = lock(task)?;
    let known = publications(store, &run.results);
    let target = Target::new(store, &run.results, &known, lock.is_real());
    let latest = known.last().map(|(_, latest)| latest);
    let number = latest.map_or(1, |latest| latest.number + 1);
    let latest = latest.filter(|latest| wanted.is_covered_by(latest, results.partial));
    let published = Publishing { task, target, latest }.publish(wanted, number)?;
    if published.fresh && lock.is_real() {
        // Nothing of theirs is left.
        let others = known.iter().filter(|(other, _)| *other != run.id);
        others.for_each(|(other, _)| forget_publication(store, other));
    }
    Ok(Some(published))
}

impl<'a> Wanted<'a> {
    /// `None` where there is nothing for people.
    fn of(results: &'a Results) -> Option<Self> {
        let in_part = results.sweep.is_none() && results.run.status == RunStatus::Failed;
        let trials: Vec<&TrialResults> = results
            .trials
            .iter()
            .filter(|trial| trial.status == TrialStatus::Done || in_part)
            .collect();
        trials.iter().any(|trial| results.has_results(trial)).then(|| Self {
            keys: trials.iter().map(|of| (of.trial.label.to_string(), results.keys(of))).collect(),
            objective: results.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref()).map(
                |objective| {
                    let direction = if objective.maximize { "max" } else { "min" };
                    format!("{direction} {}", objective.metric)
                },
            ),
            missing: match trials.as_slice() {
                [trial] if in_part => results.missing(trial),
                _ => BTreeSet::new(),
            },
            trials,
        })
    }

    /// Whether everything that is to be published is what was published. A run of a few stages does not undo what a run of all left, but one in which
    /// stages failed does: their files would be taken for its own.
    ///
    /// * `partial`: not all stages were run
    fn is_covered_by(&self, published: &Publication, partial: bool) -> bool {
        if published.objective != self.objective || published.keys.len() != self.keys.len() {
            return false;
        }
        if !partial || !self.missing.is_empty() {
            return published.keys == self.keys && published.missing == self.missing;
        }
        self.keys.iter().all(|(trial, stages)| {
            published.keys.get(trial).is_some_and(|known| {
                stages.iter().all(|(stage, key)| known.get(stage) == Some(key))
            })
        })
    }
}

/// Waits until no other run publishes to the same folder.
fn lock(task: Task<'_>) -> Result<ResultsLock, PublishError> {
    let (begun, was_cancelled) = (Instant::now(), task.cancel.is_cancelled());
    let mut is_said = false;
    loop {
        if let Some(lock) = ResultsLock::try_take(task.store, &task.results.run.results)? {
            return Ok(lock);
        }
        if task.cancel.is_cancelled() && !was_cancelled {
            let folder = task.store.outputs().join(&task.results.run.results);
            return Err(PublishError::Interrupted { folder });
        }
        if !is_said && begun.elapsed() > PATIENCE {
            is_said = true;
            (task.waits)();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One publishing to one folder.
struct Publishing<'a> {
    task: Task<'a>,
    target: Target<'a>,
    /// What was published last, where that is what is to be published now.
    latest: Option<&'a Publication>,
}

impl Publishing<'_> {
    /// Decides what has to be put in place.
    fn publish(&self, wanted: Wanted<'_>, number: u64) -> Result<Published, PublishError> {
        let Task { results, store, origin, .. } = self.task;
        let io = |error: std::io::Error| self.target.io(error);
        // Publishing came to its end then.
        let whole = self.latest.filter(|latest| self.target.held == Some(*latest));
        let changed = whole.map(|whole| changed(whole, &self.target.folder, &self.target.digests));
        let mut published = Published {
            folder: self.target.folder.clone(),
            missing: wanted.missing.clone(),
            metrics: Scores::new(),
            best: None,
            fresh: false,
            changed: changed.unwrap_or_default(),
            warnings: Vec::new(),
        };
        if results.sweep.is_none()
            && let [trial] = wanted.trials[..]
        {
            published.metrics = results.scores(trial).map_err(|error| io(error.into()))?;
        }
        if let Some(latest) = self.latest.filter(|latest| latest.keys != wanted.keys) {
            // A run of a few stages.
            published.missing.clone_from(&latest.missing);
            return Ok(published);
        }
        let scratch = Scratch::begin(store, "publish")?;
        let folder = scratch.path().join("made");
        std::fs::create_dir(&folder).map_err(io)?;
        let there = |drawn_from: &str| {
            let latest = self.latest.filter(|latest| latest.drawn_from == drawn_from)?;
            self.target.pictures(latest)
        };
        let mut made =
            Making { results, store, origin, folder: &folder, target: &self.target.folder }
                .make(&wanted.trials, there)?;
        published.warnings = std::mem::take(&mut made.warnings);
        if let Some((trial, scores)) = made.best.take() {
            (published.metrics, published.best) = (scores, Some(trial));
        }
        let change = self.target.change(&made.contents);
        if change.is_none() && whole.is_some() {
            return Ok(published);
        }
        self.put(wanted, number, made, &change, &published, scratch)?;
        published.fresh = true;
        Ok(published)
    }

    /// Says what is about to be there, and puts it in place.
    ///
    /// * `scratch`: the new files lie in its folder `made`
    fn put(
        &self,
        wanted: Wanted<'_>,
        number: u64,
        made: Made,
        change: &Change,
        published: &Published,
        scratch: Scratch,
    ) -> Result<(), PublishError> {
        let Task { results, store, origin, .. } = self.task;
        let io = |error: std::io::Error| self.target.io(error);
        let Made { mut contents, drawn_from, .. } = made;
        let run = &results.run;
        let mut publication = Publication {
            folder: run.results.clone(),
            number,
            experiment: run.file.to_string_lossy().into_owned(),
            keys: wanted.keys,
            objective: wanted.objective,
            missing: wanted.missing,
            drawn_from,
            files: contents.digests(),
        };
        let (metrics, best) = (published.metrics.clone(), published.best.clone());
        let record = Record::new(&origin.made_by, &publication, metrics, best);
        let folder = scratch.path().join("made");
        let item = write(&record, &folder.join(RECORD)).map_err(io)?;
        publication.files.insert(RECORD.to_owned(), item.blake3.clone());
        contents.items.insert(RECORD.to_owned(), item);
        crash_point("before-publish-record");
        publication.record(store, &run.id)?;
        if results.sweep.is_none() {
            self.target.put_whole(&contents, &scratch)?;
        } else {
            let unfinished = write(&record.unfinished(), &folder.join("unfinished.json"));
            let unfinished = unfinished.map_err(io)?;
            self.target.put_parts(&contents, &unfinished, change, &scratch, &mut self.pace())?;
        }
        // With the old results go other names of the same files, and the system counts that as a change.
        drop(scratch);
        for (name, item) in &contents.items {
            if results.sweep.is_none() || change.stale.contains(name) || name == RECORD {
                let path = self.target.folder.join(name);
                self.target.digests.remember(&path, item.blake3.clone());
            }
        }
        Ok(())
    }

    /// Tells how far it is, and stops where somebody wants it to.
    fn pace(&self) -> impl FnMut(usize, usize) -> Result<(), PublishError> {
        let Task { cancel, progress, .. } = self.task;
        let (was_cancelled, mut told) = (cancel.is_cancelled(), Instant::now());
        move |done, total| {
            if cancel.is_cancelled() && !was_cancelled {
                return Err(PublishError::Interrupted { folder: self.target.folder.clone() });
            }
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                progress(done as u64, total as u64);
            }
            Ok(())
        }
    }
}

fn write(record: &Record, path: &Path) -> std::io::Result<Item> {
    let text = serde_json::to_string_pretty(record)? + "\n";
    std::fs::write(path, &text)?;
    let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
    Ok(Item { source: Source::Made(path.to_owned()), blake3 })
}
