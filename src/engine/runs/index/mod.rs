//! All runs at once, from `outputs/cache/runs.index`, so that ten thousand of them are listed in a moment.
//!
//! 1. [`Index::of`] reads the index, and from the records those runs that are new or have changed since, which it appends;
//! 2. [`Index::runs`] are what is known of each, the latest first;
//! 3. [`Index::values`] are what a run's trials have of one score or parameter, taken from the index when somebody asks;
//! 4. [`Index::read_details`] reads the scores of single labels, which are many and lie in a file of their own, for who wants them.
//!
//! An index only: it is made again from the records and their entries ([`Results`](super::Results)). A line that is not whole, since its writer was
//! killed or two wrote at once, is none, and its run is read again. What is known of a run that has ended is believed while its folder is there, of any
//! other while its `run.json` has the same size and time; and while the entries of its scores are there, or not there, as they were.

mod indexed;
mod lines;
mod read;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;

use super::record::RunStatus;
use super::records::{LOCK, all};
use crate::base::disk::locks::is_held;
use crate::engine::plan::CacheKey;
use crate::engine::stage::StageKind;
use crate::engine::store::listing::list;
use crate::engine::store::{Store, StoreError};
pub use indexed::{About, AboutTrial, IndexedRun, Part};
use indexed::{Details, Shape, Stamp, Values};
use read::Fresh;

/// The files, in `outputs/cache/`.
const INDEX: &str = "runs.index";
const DETAILS: &str = "runs.details";

/// With more lines than this that nobody reads any more the file is written anew.
const STALE: usize = 500;

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
        let path = store.cache().join(INDEX);
        let lines::Read { mut runs, shapes, count, has_lost, .. } = lines::read(&path);
        let entries = are_there(&runs, store);
        // Of lines that are lost some may have been names.
        let is_named = |run: &IndexedRun| {
            !has_lost
                || run.is_named(Part::Score, &shapes) && run.is_named(Part::Parameter, &shapes)
        };
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
                let run = run.filter(|run| run.about.has_all(&entries) && is_named(run));
                if let Some(ended) = run.as_ref().filter(|run| run.about.has_ended()) {
                    let stamp = ended.about.stamp;
                    return Some((id, stamp, run));
                }
                let stamp = Stamp::of(&all(store).join(&id).join("run.json").metadata().ok()?);
                let current = run.filter(|run| run.about.stamp == stamp);
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
        let mut new = New::default();
        fresh.into_iter().flatten().for_each(|fresh| index.take(fresh, &mut new));
        index.runs.sort_unstable_by(|one, other| other.order().cmp(&one.order()));
        if !new.runs.is_empty() || !index.has_room_for(count.unwrap_or(0)) || has_lost {
            // Without it, the same is read again.
            let _ = index.save(store, &path, &new.runs, count.filter(|_| !has_lost));
        }
        if !new.details.is_empty() {
            let _ = index.save_details(store, &new.details, count.is_none());
        }
        index.mark_dead(store);
        Ok(index)
    }

    /// Reads the details of all runs, those that no file has from their entries.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn read_details(
        &mut self,
        store: &Store,
        kinds: &'static [StageKind],
    ) -> Result<(), StoreError> {
        let path = store.cache().join(DETAILS);
        let lines::Read { details, count, has_lost, .. } = lines::read(&path);
        for run in &mut self.runs {
            if let Some(details) = details.get(&run.about.id) {
                run.take(details);
            }
            if !run.is_named(Part::Detail, &self.shapes) {
                run.details = None;
            }
        }
        let lacking = self.runs.par_iter().enumerate().filter(|(_, run)| run.details.is_none());
        let fresh: Vec<(usize, Option<Fresh>)> = lacking
            .map(|(place, run)| {
                let About { id, stamp, .. } = &run.about;
                Ok((place, Fresh::read(store, kinds, id, *stamp)?))
            })
            .collect::<Result<_, StoreError>>()?;
        let mut new = New::default();
        for (place, fresh) in fresh {
            let Some(Fresh { shapes, run }) = fresh else { continue };
            self.name(shapes, &mut new);
            new.details.extend(run.details.iter().map(Details::line));
            self.runs[place].details = run.details;
        }
        let is_stale = has_lost || count.is_none_or(|lines| !self.has_room_for(lines));
        if is_stale || !new.details.is_empty() {
            // Without them, the same are read again.
            let _ = self.save_details(store, &new.details, is_stale);
        }
        if !new.runs.is_empty() {
            let _ = append(&store.cache().join(INDEX), &new.runs);
        }
        Ok(())
    }

    /// * `is_stale`: the file is written anew, with the details of all runs that are known
    fn save_details(&self, store: &Store, new: &str, is_stale: bool) -> Result<(), StoreError> {
        let path = store.cache().join(DETAILS);
        if !is_stale {
            return append(&path, new);
        }
        let known = self.runs.iter().filter_map(|run| Some(run.details.as_ref()?.line()));
        let whole: String = std::iter::once(lines::HEADER).chain(known).collect();
        store.disk.replace_index(&path, whole.as_bytes())
    }

    /// Takes a run in, and what is new of it.
    fn take(&mut self, Fresh { shapes, run }: Fresh, new: &mut New) {
        self.name(shapes, new);
        new.runs.push_str(run.line());
        new.details.extend(run.details.iter().map(Details::line));
        self.runs.push(run);
    }

    /// Takes in what names values.
    fn name(&mut self, shapes: Vec<Shape>, new: &mut New) {
        for shape in shapes {
            if !self.shapes.contains_key(&shape.digest) {
                new.runs.push_str(&shape.line());
                self.shapes.insert(shape.digest.clone(), shape);
            }
        }
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
        append(path, new)
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

    /// All that each trial of a run has of a part, by name.
    #[must_use]
    pub fn all<'a>(&'a self, run: &'a IndexedRun, part: Part) -> Vec<Vec<(&'a str, Value)>> {
        let of_trial = |(shape, values): Values<'_>| -> Vec<(&'a str, Value)> {
            let names = self.shapes.get(shape).into_iter().flat_map(|shape| &shape.names);
            let named = names.zip(values).filter_map(|(name, value)| {
                Some((name.as_str(), serde_json::from_str(value.get()).ok()?))
            });
            named.collect()
        };
        run.part(part).into_iter().map(of_trial).collect()
    }
}

/// Lines that are to be appended to the files.
#[derive(Default)]
struct New {
    runs: String,
    details: String,
}

/// Behind half a line of a process that was killed a new one begins. One call, so that the lines of two processes do not mix.
fn append(path: &Path, lines: &str) -> Result<(), StoreError> {
    let appended = OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("\n{lines}").as_bytes()));
    appended.map_err(|error| StoreError::io("write", path, &error))
}

/// Whether the entries on which depends what is known of runs are there, each looked for once.
fn are_there(runs: &HashMap<String, IndexedRun>, store: &Store) -> HashMap<CacheKey, bool> {
    let keys: HashSet<CacheKey> =
        runs.values().flat_map(|run| &run.about.entries).map(|(key, _)| *key).collect();
    let is_there = |key: &CacheKey| fs::symlink_metadata(store.entry_folder(key)).is_ok();
    keys.into_par_iter().map(|key| (key, is_there(&key))).collect()
}
