//! From a finished run to `outputs/<experiment>/`: the latest results, for people.
//!
//! Publishing is a comparison: what the folder should hold, with digests from the entries' manifests, against what lies there. Only what differs
//! is put there again, so that one missing file costs one file, and publishing the same again does nothing.
//!
//! 1. Nothing is decided by what lies in the folder: whose a file is, and what was published, say the runs' own records
//!    ([`Ownership`], [`publications`]); scores are read from the entries. `published.json` in the folder is for people, and is made again
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

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contents::{self, Contents, Item, Source, changed, is_there};
use super::error::PublishError;
use super::origin::{Origin, Part};
use super::ownership::Ownership;
use super::places::check_place;
use super::record::{RECORD, Record, experiment_name};
use super::results::{Metrics, TrialResults, caveats};
use super::strangers::Place;
use super::swap;
use super::sweep;
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::regular;
use crate::engine::exec::{Cancel, RunOutcome};
use crate::engine::plan::{Plan, Trial};
use crate::engine::runs::{
    KeysByTrial, Publication, ResultsLock, forget_publication, publications,
};
use crate::engine::store::{DigestMemo, OldPart, OldResults, Scratch, Store};

/// Trials that are flushed together.
const BATCH: usize = 256;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Where new results are made in a temporary folder.
const BUILDING: &str = "results";

/// How long another run is waited for before that is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// The results of a run as they lie on the disk.
#[derive(Debug)]
pub struct Published {
    pub folder: PathBuf,
    /// Stages whose results are not there, since they failed or were not run.
    pub missing: BTreeSet<String>,
    /// From the entries of this run; with a sweep, those of its best trial.
    pub metrics: Metrics,
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
    pub plan: &'a Plan,
    pub outcome: &'a RunOutcome,
    pub store: &'a Store,
    /// The run's id: its record lists what is put in place.
    pub run: &'a str,
    pub origin: &'a Origin<'a>,
    pub cancel: &'a Cancel,
    /// Told how many trials of how many are in place, at most about once a second.
    pub progress: &'a dyn Fn(u64, u64),
    /// Told once where another run is publishing to the same folder.
    pub waits: &'a dyn Fn(),
}

/// Publishes what a run made, under the rules at the top: nothing where it made nothing for people, or the same lies there already.
///
/// # Errors
/// [`PublishError`]; what was there before stays until what takes its place is whole.
pub fn publish(task: Task<'_>) -> Result<Option<Published>, PublishError> {
    let Task { plan, outcome, store, .. } = task;
    if plan.of_single_trials {
        return Ok(None);
    }
    check_place(plan, store)?;
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
    let keys: KeysByTrial = plan
        .trials
        .iter()
        .zip(&trials)
        .filter_map(|(trial, results)| Some((trial.label.to_string(), results.as_ref()?.keys())))
        .collect();
    let missing = match trials.as_slice() {
        [Some(results)] if in_part => results.missing(0),
        _ => BTreeSet::new(),
    };
    let lock = lock(task)?;
    let known = publications(store, &plan.results);
    let (folder, digests) =
        (store.outputs().join(&plan.results), DigestMemo::of_results(store, &plan.results));
    let is_held = |publication: &&Publication| {
        let record = publication.files.get(RECORD);
        record.is_some_and(|digest| is_there(&folder, RECORD, digest, &digests))
    };
    let held = known.iter().rev().map(|(_, publication)| publication).find(is_held);
    let latest = known.last().map(|(_, latest)| latest);
    let place = Publishing {
        task,
        ownership: lock.is_real().then(OnceCell::new),
        held,
        latest: latest.filter(|latest| covers(latest, &keys, &missing, plan)),
        folder,
        digests,
    };
    let published = place.publish(
        &trials,
        keys,
        missing,
        known.last().map_or(1, |(_, latest)| latest.number + 1),
    )?;
    if published.fresh && lock.is_real() {
        // Nothing of theirs is left.
        known
            .iter()
            .filter(|(run, _)| run != task.run)
            .for_each(|(run, _)| forget_publication(store, run));
    }
    Ok(Some(published))
}

/// Whether everything that these keys would publish is what was published. A run of a few stages does not undo what a run of all left, but one
/// in which stages failed does: their files would be taken for its own.
fn covers(
    published: &Publication,
    keys: &KeysByTrial,
    missing: &BTreeSet<String>,
    plan: &Plan,
) -> bool {
    if published.objective != objective(plan) || published.keys.len() != keys.len() {
        return false;
    }
    if !plan.partial || !missing.is_empty() {
        return published.keys == *keys && published.missing == *missing;
    }
    keys.iter().all(|(trial, stages)| {
        published
            .keys
            .get(trial)
            .is_some_and(|known| stages.iter().all(|(stage, key)| known.get(stage) == Some(key)))
    })
}

/// What a sweep's best is chosen by; it enters no key.
fn objective(plan: &Plan) -> Option<String> {
    let objective = plan.sweep.as_ref()?.objective.as_ref()?;
    Some(format!("{} {}", if objective.maximize { "max" } else { "min" }, objective.metric))
}

/// Waits until no other run publishes to the same folder.
fn lock(task: Task<'_>) -> Result<ResultsLock, PublishError> {
    let (begun, was_cancelled) = (Instant::now(), task.cancel.is_cancelled());
    let mut is_said = false;
    loop {
        if let Some(lock) = ResultsLock::try_take(task.store, &task.plan.results)? {
            return Ok(lock);
        }
        if task.cancel.is_cancelled() && !was_cancelled {
            let folder = task.store.outputs().join(&task.plan.results);
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
    folder: PathBuf,
    digests: DigestMemo,
    /// Found out once where a lock keeps others out; else asked for each time.
    ownership: Option<OnceCell<Arc<Ownership>>>,
    /// What the folder holds, by its record: whoever published that came to the end.
    held: Option<&'a Publication>,
    /// What was published last, where that is what is to be published now.
    latest: Option<&'a Publication>,
}

impl Publishing<'_> {
    fn io(&self, error: std::io::Error) -> PublishError {
        PublishError::io(&self.folder, error)
    }

    fn ownership(&self) -> Arc<Ownership> {
        let find = || Arc::new(Ownership::of(self.task.store, &self.task.plan.results, self.held));
        self.ownership.as_ref().map_or_else(find, |known| Arc::clone(known.get_or_init(find)))
    }

    /// What is no longer as it was published, where publishing came to its end then.
    fn changed(&self) -> Vec<String> {
        let latest = self.latest.filter(|latest| self.held.is_some_and(|held| held == *latest));
        latest.map(|latest| changed(latest, &self.folder, &self.digests)).unwrap_or_default()
    }

    fn publish(
        &self,
        trials: &[Option<TrialResults<'_>>],
        keys: KeysByTrial,
        missing: BTreeSet<String>,
        number: u64,
    ) -> Result<Published, PublishError> {
        let Task { plan, store, run, .. } = self.task;
        let changed = self.changed();
        let mut published = Published {
            folder: self.folder.clone(),
            missing,
            metrics: Metrics::new(),
            best: None,
            fresh: false,
            changed,
            warnings: Vec::new(),
        };
        if let [Some(results)] = trials
            && plan.sweep.is_none()
        {
            published.metrics = results.metrics().map_err(|error| self.io(error))?;
        }
        if let Some(latest) = self.latest.filter(|latest| latest.keys != keys) {
            // A run of a few stages.
            published.missing.clone_from(&latest.missing);
            return Ok(published);
        }
        let scratch = Scratch::begin(store, "publish")?;
        let made = scratch.path().join("made");
        std::fs::create_dir(&made).map_err(|error| self.io(error))?;
        let (mut contents, drawn_from) = self.describe(trials, &made, &mut published)?;
        let stale: BTreeSet<String> =
            contents.stale(&self.folder, &self.digests).into_iter().map(str::to_owned).collect();
        let gone = self.gone(&contents);
        let is_held = self.latest.is_some() && self.held == self.latest;
        if stale.is_empty() && gone.is_empty() && is_held {
            return Ok(published);
        }
        let mut publication = Publication {
            folder: plan.results.clone(),
            number,
            experiment: experiment_name(plan, store.outputs()),
            keys,
            objective: objective(plan),
            missing: published.missing.clone(),
            drawn_from,
            files: contents
                .items
                .iter()
                .map(|(name, item)| (name.clone(), item.blake3.clone()))
                .collect(),
        };
        let record = Record::new(
            &self.task.origin.made_by,
            &publication,
            published.metrics.clone(),
            published.best.clone(),
        );
        let write = |record: &Record, name: &str| -> std::io::Result<Item> {
            let text = serde_json::to_string_pretty(record)? + "\n";
            std::fs::write(made.join(name), &text)?;
            let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
            Ok(Item { source: Source::Made(made.join(name)), blake3 })
        };
        let item = write(&record, RECORD).map_err(|error| self.io(error))?;
        publication.files.insert(RECORD.to_owned(), item.blake3.clone());
        contents.items.insert(RECORD.to_owned(), item);
        crash_point("before-publish-record");
        publication.record(store, run)?;
        if plan.sweep.is_none() {
            self.put_whole(&contents, &scratch)?;
        } else {
            let unfinished =
                write(&record.unfinished(), "unfinished.json").map_err(|error| self.io(error))?;
            self.put_parts(&contents, &unfinished, &stale, &gone, &scratch)?;
        }
        // With the old results go other names of the same files, and the system counts that as a change.
        drop(scratch);
        for (name, item) in &contents.items {
            if plan.sweep.is_none() || stale.contains(name) || name == RECORD {
                self.digests.remember(&self.folder.join(name), item.blake3.clone());
            }
        }
        published.fresh = true;
        Ok(published)
    }

    /// What the folder should hold, but for its record. What is to be written for that is written into `made`.
    fn describe(
        &self,
        trials: &[Option<TrialResults<'_>>],
        made: &Path,
        published: &mut Published,
    ) -> Result<(Contents, String), PublishError> {
        let Task { plan, outcome, store, origin, .. } = self.task;
        let mut contents = Contents::default();
        let mut drawn_from = String::new();
        if let Some(shape) = &plan.sweep {
            let mut pictures = Vec::new();
            let is_to_draw = |made: &Path| -> std::io::Result<bool> {
                drawn_from = drawn_from_tables(made)?;
                let there = self.pictures(&drawn_from);
                Ok(there.map(|there| pictures = there).is_none())
            };
            let experiment = |trial: &Trial, folder: Option<&'static str>| {
                origin.write(Part::Trial(trial, folder), store, plan, made)
            };
            let caveats = caveats(plan, outcome).map_err(|error| self.io(error))?;
            let written =
                sweep::write(plan, outcome, shape, trials, made, is_to_draw, &experiment)?;
            for (part, files) in written.parts {
                contents
                    .items
                    .extend(files.into_iter().map(|(name, item)| (format!("{part}/{name}"), item)));
                contents.parts.insert(part);
            }
            contents.items.extend(pictures);
            // Pictures show none of them.
            sweep::write_caveats(&caveats, made).map_err(|error| self.io(error))?;
            published.warnings = written.warnings;
            if let Some((trial, metrics)) = written.best {
                (published.metrics, published.best) = (metrics, Some(trial));
            }
        } else if let [Some(results)] = trials {
            contents.items.extend(results.files());
        }
        origin.write(Part::Whole, store, plan, made).map_err(|error| self.io(error))?;
        contents.add_made(made).map_err(|error| self.io(error))?;
        Ok((contents, drawn_from))
    }

    /// A sweep's pictures, where those lie there that were drawn from the same tables.
    fn pictures(&self, drawn_from: &str) -> Option<Vec<(String, Item)>> {
        let latest = self.latest.filter(|latest| latest.drawn_from == drawn_from)?;
        let pictures = latest
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".png") && !name.contains('/'))
            .map(|(name, blake3)| {
                let item = Item { source: Source::There, blake3: blake3.clone() };
                is_there(&self.folder, name, blake3, &self.digests).then(|| (name.clone(), item))
            });
        pictures.collect()
    }

    /// What runs have put there and is to be there no longer.
    fn gone(&self, contents: &Contents) -> BTreeSet<String> {
        let ownership = self.ownership();
        let is_gone = |name: &&str| {
            let path = self.folder.join(name);
            *name != RECORD
                && !contents.items.contains_key(*name)
                && path.symlink_metadata().is_ok_and(|there| !there.is_dir())
                && ownership.is_ours(name, &path)
        };
        ownership.names().into_iter().filter(is_gone).map(str::to_owned).collect()
    }

    /// Builds a new folder and puts it in the place of the old one.
    fn put_whole(&self, contents: &Contents, scratch: &Scratch) -> Result<(), PublishError> {
        let building = &scratch.path().join(BUILDING);
        let put = || -> std::io::Result<()> {
            for (name, item) in &contents.items {
                self.make(item, &building.join(name))?;
            }
            crash_point("mid-publish");
            durable::sync_below(building)?;
            crash_point("before-publish-swap");
            self.may_hold(scratch, &[(BUILDING.to_owned(), "")])?;
            self.swap(building, "")?;
            // It may be a link to a folder elsewhere.
            let folder = std::fs::canonicalize(&self.folder)?;
            durable::sync_folder(folder.parent().unwrap_or(&folder))
        };
        put().map_err(|error| self.io(error))?;
        crash_point("after-publish-swap");
        Ok(())
    }

    /// Says of new folders, before they are exchanged, that their names may become those of old ones.
    ///
    /// * `parts`: where each lies, and its place in the results
    fn may_hold(&self, scratch: &Scratch, parts: &[(String, &str)]) -> std::io::Result<()> {
        let part = |(building, inside): &(String, &str)| {
            let new = scratch.path().join(building).metadata()?.ino();
            let (building, inside) = (building.clone(), (*inside).to_owned());
            Ok(OldPart { building, inside, new })
        };
        let parts: std::io::Result<Vec<OldPart>> = parts.iter().map(part).collect();
        scratch.may_hold(&OldResults { folder: self.task.plan.results.clone(), parts: parts? })
    }

    /// A file of an entry is compared with the entry's manifest before it is shown to anybody.
    fn make(&self, item: &Item, target: &Path) -> std::io::Result<()> {
        if let Source::Stored { entry, .. } = &item.source
            && let Some(finding) = self.task.store.verify_once(entry).first()
        {
            return Err(std::io::Error::new(ErrorKind::InvalidData, finding.to_string()));
        }
        contents::place(item, target)
    }

    fn swap(&self, building: &Path, inside: &str) -> std::io::Result<()> {
        let owners = || self.ownership();
        swap::swap(building, Place { results: &self.folder, inside, owners: &owners })
    }

    /// Puts what differs in its place: trial by trial, then the best one, then what lies at the top, the record last.
    fn put_parts(
        &self,
        contents: &Contents,
        unfinished: &Item,
        stale: &BTreeSet<String>,
        gone: &BTreeSet<String>,
        scratch: &Scratch,
    ) -> Result<(), PublishError> {
        let building = &scratch.path().join(BUILDING);
        let io = |error| self.io(error);
        durable::create_folder(&self.folder).map_err(io)?;
        self.put_file(unfinished, RECORD, building).map_err(io)?;
        let parts: BTreeSet<&str> =
            stale.iter().chain(gone).filter_map(|name| contents.part_of(name)).collect();
        let (trials, others): (Vec<&str>, Vec<&str>) =
            parts.into_iter().partition(|part| sweep::is_trial(part));
        let parts = [trials, others].concat();
        let was_cancelled = self.task.cancel.is_cancelled();
        let mut told = Instant::now();
        for (number, batch) in parts.chunks(BATCH).enumerate() {
            if self.task.cancel.is_cancelled() && !was_cancelled {
                return Err(PublishError::Interrupted { folder: self.folder.clone() });
            }
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                (self.task.progress)((number * BATCH) as u64, parts.len() as u64);
            }
            self.put_batch(contents, batch, scratch).map_err(io)?;
        }
        let at_top = contents.items.iter().filter(|(name, _)| {
            contents.part_of(name).is_none() && stale.contains(*name) && *name != RECORD
        });
        for (name, item) in at_top {
            self.put_file(item, name, building).map_err(io)?;
        }
        gone.iter()
            .filter(|name| contents.part_of(name).is_none())
            .try_for_each(|name| self.remove(name))
            .map_err(io)?;
        self.put_file(&contents.items[RECORD], RECORD, building).map_err(io)?;
        durable::sync_folder(&self.folder).map_err(io)
    }

    fn put_batch(
        &self,
        contents: &Contents,
        parts: &[&str],
        scratch: &Scratch,
    ) -> std::io::Result<()> {
        let building = scratch.path().join(BUILDING);
        let built: Vec<PathBuf> =
            (0..parts.len()).map(|number| building.join(number.to_string())).collect();
        for (part, built) in parts.iter().zip(&built) {
            std::fs::create_dir_all(built)?;
            for (name, item) in contents.inside(part) {
                self.make(item, &built.join(name))?;
            }
        }
        crash_point("mid-publish-part");
        durable::sync_all_below(&built)?;
        let names = (0..).map(|number: usize| format!("{BUILDING}/{number}"));
        self.may_hold(scratch, &names.zip(parts.iter().copied()).collect::<Vec<_>>())?;
        let mut folders = BTreeSet::new();
        for (part, built) in parts.iter().zip(&built) {
            self.swap(built, part)?;
            crash_point("after-part-swap");
            folders.extend(self.folder.join(part).parent().map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| durable::sync_folder(folder))
    }

    fn put_file(&self, item: &Item, name: &str, building: &Path) -> std::io::Result<()> {
        let new = building.join("file");
        std::fs::create_dir_all(building)?;
        self.make(item, &new)?;
        durable::sync_file(&regular::open(&new)?, &new)?;
        let owners = || self.ownership();
        swap::put(&new, Place { results: &self.folder, inside: name, owners: &owners })
    }

    /// Removes one of our files, and the folders that are empty without it.
    fn remove(&self, name: &str) -> std::io::Result<()> {
        match std::fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in contents::folders_of(name) {
            if std::fs::remove_dir(self.folder.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// The digest of what a sweep's pictures show: its tables.
fn drawn_from_tables(made: &Path) -> std::io::Result<String> {
    let mut tables = Contents::default();
    tables.add_made(made)?;
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    for (name, item) in tables.items {
        text += &format!("\n{name} {}", item.blake3);
    }
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}
