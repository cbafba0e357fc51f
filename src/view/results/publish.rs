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
//! | failed, with `--keep-going` or not | what it made or found in the cache; the files of stages that failed or were not run disappear, and the record lists these stages as `missing` | the trials that came to their end, or as far as their objective; `trials.csv` says what became of all |
//! | was interrupted | nothing: the same command continues | the same |
//!
//! Results that were changed or removed since are published again, and that is said. A run of a few stages, which could not make all of them,
//! leaves them and says so.
//!
//! A run of single trials of a sweep publishes nothing: they come with the others. A run that has nothing to publish leaves the folder as it
//! was, whole and of an earlier run: [`earlier`](super::earlier) tells, so that the summary can say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::build::{Again, Made, Making, There};
use super::contents::{Contents, Item, Source, changed};
use super::error::PublishError;
use super::places::check_place;
use super::put::{Change, Target};
use super::record::{RECORD, Record};
use crate::base::disk::crash::crash_point;
use crate::engine::exec::{Cancel, Event, Reporter};
use crate::engine::runs::{
    Publication, Results, ResultsLock, RunStatus, TrialResults, forget_publication, publications,
};
use crate::engine::stage::Scores;
use crate::engine::store::{Scratch, Store};
use crate::view::difference::Compare;
use crate::view::report::Background;

/// Where what is made lies in a temporary folder.
const MADE: &str = "made";

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
    /// The run that has put all of it there, where that is an earlier one.
    pub by: Option<String>,
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

/// A run that is to be published.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub results: &'a Results,
    pub store: &'a Store,
    pub again: &'a Again<'a>,
    /// How the report holds settings against each other.
    pub compare: &'a Compare<'a>,
    /// What the report says of the experiment beside its results.
    pub background: &'a Background,
    pub cancel: &'a Cancel,
    /// Told how many trials of how many are in place, and where another run is publishing to the same folder.
    pub reporter: &'a dyn Reporter,
}

/// Publishes what a run made, under the rules at the top: nothing where it made nothing for people, or the same lies there already.
///
/// # Errors
/// [`PublishError`]; what was there before stays until what takes its place is whole.
pub fn publish(task: Task<'_>) -> Result<Option<Published>, PublishError> {
    let Task { results, store, .. } = task;
    let run = &results.run;
    if run.asked.single_trials {
        return Ok(None);
    }
    check_place(store, &run.asked.results, &run.file)?;
    let in_part = results.sweep.is_none() && run.status == RunStatus::Failed;
    let mut trials: Vec<&TrialResults> = results.trials.iter().collect();
    trials.retain(|trial| results.is_judged(trial) || in_part);
    if !trials.iter().any(|trial| results.has_results(trial)) {
        return Ok(None);
    }
    let lock = lock(task)?;
    let known = publications(store, &run.asked.results);
    let target = Target::new(store, &run.asked.results, &known, lock.is_real());
    let latest = known.last().map(|(_, latest)| latest);
    let wanted = Publication {
        folder: run.asked.results.clone(),
        number: latest.map_or(1, |latest| latest.number + 1),
        experiment: run.file.to_string_lossy().into_owned(),
        keys: trials.iter().map(|of| (of.label.to_string(), results.keys(of))).collect(),
        objective: run.asked.objective.clone(),
        missing: match trials[..] {
            [trial] if in_part => results.missing(trial),
            _ => BTreeSet::new(),
        },
        drawn_from: String::new(),
        reported_from: String::new(),
        files: BTreeMap::new(),
    };
    let latest = latest.filter(|latest| covers(latest, &wanted, results.partial));
    let mut published = Publishing { task, target, latest }.publish(wanted, &trials)?;
    if !published.fresh && !results.partial {
        published.by = known.last().map(|(run, _)| run.clone());
    }
    if published.fresh && lock.is_real() {
        // Nothing of theirs is left.
        let others = known.iter().filter(|(other, _)| *other != run.id);
        others.for_each(|(other, _)| forget_publication(store, other));
    }
    Ok(Some(published))
}

/// Whether everything that is to be published is what was published. A run of a few stages does not undo what a run of all left, but one in which
/// stages failed does: their files would be taken for its own.
///
/// * `partial`: not all stages were run
fn covers(published: &Publication, wanted: &Publication, partial: bool) -> bool {
    if published.objective != wanted.objective || published.keys.len() != wanted.keys.len() {
        return false;
    }
    if !partial || !wanted.missing.is_empty() {
        return published.keys == wanted.keys && published.missing == wanted.missing;
    }
    wanted.keys.iter().all(|(trial, stages)| {
        published
            .keys
            .get(trial)
            .is_some_and(|known| stages.iter().all(|(stage, key)| known.get(stage) == Some(key)))
    })
}

/// Waits until no other run publishes to the same folder.
fn lock(task: Task<'_>) -> Result<ResultsLock, PublishError> {
    let Task { results, store, cancel, .. } = task;
    let (begun, was_cancelled) = (Instant::now(), cancel.is_cancelled());
    let mut is_said = false;
    loop {
        if let Some(lock) = ResultsLock::try_take(store, &results.run.asked.results)? {
            return Ok(lock);
        }
        if cancel.is_cancelled() && !was_cancelled {
            let folder = store.outputs().join(&results.run.asked.results);
            return Err(PublishError::Interrupted { folder });
        }
        if !is_said && begun.elapsed() > PATIENCE {
            is_said = true;
            let text = "another run is publishing to the same folder: waiting for it".to_owned();
            task.reporter.event(&Event::Warning { text });
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
    ///
    /// * `wanted`: what is to be published, as far as it is known before it is made
    fn publish(
        &self,
        mut wanted: Publication,
        trials: &[&TrialResults],
    ) -> Result<Published, PublishError> {
        let Task { results, store, again, compare, background, .. } = self.task;
        let folder = &self.target.folder;
        let io = |error: std::io::Error| self.target.io(error);
        // Publishing came to its end then.
        let whole = self.latest.filter(|latest| self.target.held == Some(*latest));
        let changed = whole.map(|whole| changed(whole, folder, &self.target.digests));
        let mut published = Published {
            folder: folder.clone(),
            missing: wanted.missing.clone(),
            metrics: Scores::new(),
            best: None,
            fresh: false,
            by: None,
            changed: changed.unwrap_or_default(),
            warnings: Vec::new(),
        };
        if results.sweep.is_none()
            && let [trial] = trials
        {
            published.metrics = results.scores(trial).map_err(|error| io(error.into()))?;
        }
        if let Some(latest) = self.latest.filter(|latest| latest.keys != wanted.keys) {
            // A run of a few stages.
            published.missing.clone_from(&latest.missing);
            return Ok(published);
        }
        let scratch = Scratch::begin(store, "publish")?;
        let made = scratch.path().join(MADE);
        std::fs::create_dir(&made).map_err(io)?;
        let pictures = |drawn_from: &str| {
            let latest = self.latest.filter(|latest| latest.drawn_from == drawn_from)?;
            self.target.pictures(latest)
        };
        let report = |reported_from: &str| {
            let latest = self.latest.filter(|latest| latest.reported_from == reported_from)?;
            self.target.report(latest)
        };
        let there = There { pictures: &pictures, report: &report };
        let missing = &wanted.missing;
        let making = Making {
            results,
            store,
            again,
            compare,
            background,
            missing,
            folder: &made,
            target: folder,
        };
        let Made { contents, drawn_from, reported_from, best, warnings } =
            making.make(trials, there)?;
        published.warnings = warnings;
        if let Some((trial, scores)) = best {
            (published.metrics, published.best) = (scores, Some(trial));
        }
        let change = self.target.change(&contents);
        if change.is_none() && whole.is_some() {
            return Ok(published);
        }
        wanted.drawn_from = drawn_from;
        wanted.reported_from = reported_from;
        wanted.files = contents.digests();
        self.put(wanted, contents, &change, &published, scratch)?;
        published.fresh = true;
        Ok(published)
    }

    /// Says what is about to be there, and puts it in place.
    ///
    /// * `scratch`: the new files lie in it
    fn put(
        &self,
        mut publication: Publication,
        mut contents: Contents,
        change: &Change,
        published: &Published,
        scratch: Scratch,
    ) -> Result<(), PublishError> {
        let Task { results, store, .. } = self.task;
        let (run, target) = (&results.run, &self.target);
        let (metrics, best) = (published.metrics.clone(), published.best.clone());
        let record = Record::new(&run.made_by(), &publication, metrics, best);
        let made = scratch.path().join(MADE);
        let item = write(&record, &made.join(RECORD)).map_err(|error| target.io(error))?;
        publication.files.insert(RECORD.to_owned(), item.blake3.clone());
        contents.items.insert(RECORD.to_owned(), item);
        crash_point("before-publish-record");
        publication.record(store, &run.id)?;
        if results.sweep.is_none() {
            target.put_whole(&contents, &scratch)?;
        } else {
            let unfinished = write(&record.unfinished(), &made.join("unfinished.json"));
            let unfinished = unfinished.map_err(|error| target.io(error))?;
            target.put_parts(&contents, &unfinished, change, &scratch, &mut self.pace())?;
        }
        // With the old results go other names of the same files, and the system counts that as a change.
        drop(scratch);
        for (name, item) in &contents.items {
            if results.sweep.is_none() || change.stale.contains(name) || name == RECORD {
                target.digests.remember(&target.folder.join(name), item.blake3.clone());
            }
        }
        Ok(())
    }

    /// Tells how far it is, at most about once a second, and stops where somebody wants it to.
    fn pace(&self) -> impl FnMut(usize, usize) -> Result<(), PublishError> {
        let Task { cancel, reporter, .. } = self.task;
        let (was_cancelled, mut told) = (cancel.is_cancelled(), Instant::now());
        move |done, total| {
            if cancel.is_cancelled() && !was_cancelled {
                return Err(PublishError::Interrupted { folder: self.target.folder.clone() });
            }
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                reporter.event(&Event::Publishing { done: done as u64, total: total as u64 });
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
