//! All runs at once, from `outputs/cache/runs.index`, so that ten thousand of them are listed in a moment.
//!
//! 1. [`Index::of`] reads the index, and from the records those runs that are new or have changed since, which it appends;
//! 2. [`Index::runs`] are what is known of each, the latest first;
//! 3. [`Index::values`] are what a run's trials have of one score or parameter, taken from the index when somebody asks.
//!
//! An index only: it is made again from the records and their entries ([`Results`](super::Results)). A line that is not whole, since its writer was
//! killed or two wrote at once, is none, and its run is read again. What is known of a run is believed while its `run.json` has the same size and
//! time, and while the entries of its scores are there, or not there, as they were.

mod lines;
mod read;

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::record::RunStatus;
use super::records::{LOCK, all};
use crate::base::disk::locks::is_held;
use crate::engine::plan::CacheKey;
use crate::engine::stage::StageKind;
use crate::engine::store::listing::list;
use crate::engine::store::{Store, StoreError};
use lines::Shape;
use read::Fresh;

/// With more lines than this that nobody reads any more the file is written anew.
const STALE: usize = 500;

/// What is known of a run without looking at its scores and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub id: String,
    stamp: Stamp,
    pub experiment: String,
    pub file: PathBuf,
    /// The folder of its results in `outputs/`.
    pub results: String,
    pub program: String,
    pub command: String,
    pub status: RunStatus,
    pub started: String,
    pub elapsed_ms: Option<u64>,
    /// What a sweep's best point is chosen by, such as `max evaluate.ner.span_f1`.
    pub objective: Option<String>,
    /// The labels of the trials from which the score of the point comes that was chosen by it.
    pub best: Vec<String>,
    /// The names of the scores that say most.
    pub headlines: Vec<String>,
    pub trials: Vec<AboutTrial>,
    /// Entries whose presence decides what is known, and whether they were there.
    entries: Vec<(CacheKey, bool)>,
    /// All that was there could be read.
    is_whole: bool,
}

/// What is known of a trial in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AboutTrial {
    /// Empty without a sweep.
    pub label: String,
    /// That of its point.
    pub point: String,
    /// [`TrialStatus::name`](super::TrialStatus::name)
    pub status: String,
    pub is_done: bool,
    /// Of what ran for it alone.
    pub elapsed_ms: Option<u64>,
    /// Of each stage that the seeds of a sweep replicate.
    pub seeds: Vec<Option<u64>>,
    pub fold: Option<usize>,
}

/// What tells that `run.json` is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_ns: i128,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { size: metadata.len(), modified_ns }
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A score that a summary has.
    Score,
    /// One of a single label or class.
    Detail,
    Parameter,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Score, Self::Detail, Self::Parameter];
}

/// A run of the index.
pub struct IndexedRun {
    pub about: About,
    /// What its line is a part of.
    text: Arc<String>,
    line: Range<usize>,
    /// The values of its trials, one part after the other.
    parts: [Range<usize>; 3],
}

/// The values of a trial, each as it is written, and the shape that names them.
type Values<'a> = (&'a str, Vec<&'a RawValue>);

/// What is known of all runs.
pub struct Index {
    /// The latest first.
    runs: Vec<IndexedRun>,
    /// By their digests.
    shapes: HashMap<String, Shape>,
}

impl Index {
    /// What is known of the runs of a store.
    ///
    /// * `reading`: told how many are to be read from their records, where there are any
    ///
    /// # Errors
    /// When the folder of records, or the store, cannot be read.
    pub fn of(
        store: &Store,
        kinds: &'static [StageKind],
        reading: &dyn Fn(usize),
    ) -> Result<Self, StoreError> {
        let path = store.cache().join("runs.index");
        let lines::Read { mut runs, shapes, count } = lines::read(&path);
        let there: Vec<(String, Option<IndexedRun>)> = list(&all(store))?
            .into_iter()
            .map(|(id, _)| {
                let known = runs.remove(&id);
                (id, known)
            })
            .collect();
        let looked: Vec<(String, Stamp, Option<IndexedRun>)> = there
            .into_par_iter()
            .filter_map(|(id, run)| {
                let stamp = Stamp::of(&all(store).join(&id).join("run.json").metadata().ok()?);
                let current = run.filter(|run| run.about.is_current(stamp, store));
                Some((id, stamp, current))
            })
            .collect();
        let (known, missing): (Vec<_>, Vec<_>) =
            looked.into_iter().partition(|(.., run)| run.is_some());
        if !missing.is_empty() {
            reading(missing.len());
        }
        let fresh: Vec<Option<Fresh>> = missing
            .into_par_iter()
            .map(|(id, stamp, _)| Fresh::read(store, kinds, &id, stamp))
            .collect::<Result<_, _>>()?;
        let mut index =
            Self { runs: known.into_iter().filter_map(|(.., run)| run).collect(), shapes };
        let new: String = fresh.into_iter().flatten().map(|fresh| index.take(fresh)).collect();
        index.runs.sort_unstable_by(|one, other| other.order().cmp(&one.order()));
        if !new.is_empty() || !index.has_room_for(count.unwrap_or(0)) {
            // Without it, the same is read again.
            let _ = index.save(store, &path, &new, count);
        }
        index.mark_dead(store);
        Ok(index)
    }

    /// Takes a run in, and returns the lines that say what is new.
    fn take(&mut self, Fresh { shapes, run }: Fresh) -> String {
        let mut new = String::new();
        for shape in shapes {
            if !self.shapes.contains_key(&shape.digest) {
                new.push_str(&shape.line());
                self.shapes.insert(shape.digest.clone(), shape);
            }
        }
        new.push_str(run.line());
        self.runs.push(run);
        new
    }

    /// Whether a file of so many lines is worth keeping.
    fn has_room_for(&self, lines: usize) -> bool {
        lines <= self.runs.len() + self.shapes.len() + STALE
    }

    /// * `lines`: of the file, where it is one
    fn save(
        &self,
        store: &Store,
        path: &Path,
        new: &str,
        lines: Option<usize>,
    ) -> Result<(), StoreError> {
        if lines.is_none_or(|lines| !self.has_room_for(lines)) {
            let shapes = self.shapes.values().map(Shape::line);
            let runs = self.runs.iter().map(|run| run.line().to_owned());
            let whole: String =
                std::iter::once(lines::HEADER.to_owned()).chain(shapes).chain(runs).collect();
            return store.disk.replace_index(path, whole.as_bytes());
        }
        // Behind half a line of a process that was killed a new one begins. One call, so that the lines of two processes do not mix.
        let appended = OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(format!("\n{new}").as_bytes()));
        appended.map_err(|error| StoreError::io("write", path, &error))
    }

    /// The record of a run that was killed says that it is running, and so does the index.
    fn mark_dead(&mut self, store: &Store) {
        let is_running = |run: &&mut IndexedRun| run.about.status == RunStatus::Running;
        for run in self.runs.iter_mut().filter(is_running) {
            if !is_held(&all(store).join(&run.about.id).join(LOCK)) {
                run.about.status = RunStatus::Died;
            }
        }
    }

    /// The latest first.
    #[must_use]
    pub fn runs(&self) -> &[IndexedRun] {
        &self.runs
    }

    /// All names of values of a part, and maybe some that no run has any more.
    #[must_use]
    pub fn names(&self, part: Part) -> BTreeSet<&str> {
        let of_part = self.shapes.values().filter(|shape| shape.part == part);
        of_part.flat_map(|shape| &shape.names).map(String::as_str).collect()
    }

    /// What each trial of a run has by a name: null where a score is undefined, and `None` where there is none.
    #[must_use]
    pub fn values(&self, run: &IndexedRun, part: Part, name: &str) -> Vec<Option<Value>> {
        let value = |(shape, values): &Values<'_>| {
            let place = *self.shapes.get(*shape)?.places.get(name)?;
            serde_json::from_str(values.get(place)?.get()).ok()
        };
        run.part(part).iter().map(value).collect()
    }

    /// All that a trial has of a part, by name.
    ///
    /// * `trial`: its place in the run
    #[must_use]
    pub fn all<'a>(
        &'a self,
        run: &'a IndexedRun,
        part: Part,
        trial: usize,
    ) -> Vec<(&'a str, Value)> {
        let trials = run.part(part);
        let Some((shape, values)) = trials.get(trial) else { return Vec::new() };
        let names = self.shapes.get(*shape).into_iter().flat_map(|shape| &shape.names);
        let named = names.zip(values).filter_map(|(name, value)| {
            Some((name.as_str(), serde_json::from_str(value.get()).ok()?))
        });
        named.collect()
    }
}

impl About {
    fn is_current(&self, stamp: Stamp, store: &Store) -> bool {
        let is_there = |key| fs::symlink_metadata(store.entry_folder(key)).is_ok();
        let are_as_they_were = || self.entries.iter().all(|(key, was)| is_there(key) == *was);
        self.stamp == stamp && self.is_whole && are_as_they_were()
    }
}

impl IndexedRun {
    fn order(&self) -> (&str, &str) {
        (&self.about.started, &self.about.id)
    }

    fn line(&self) -> &str {
        &self.text[self.line.clone()]
    }

    /// The values of each trial.
    fn part(&self, part: Part) -> Vec<Values<'_>> {
        serde_json::from_str(&self.text[self.parts[part as usize].clone()]).unwrap_or_default()
    }
}
