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
mod text;

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
pub use indexed::{About, AboutTrial, Head, IndexedRun, Part};
use indexed::{Shape, Stamp, Values, all_of, one_of, values};
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
        let lines::Read { runs, shapes, count, has_lost, .. } = lines::read(&path);
        let entries = are_there(&runs, store);
        // Of lines that are lost some may have been names.
        let is_named = |run: &IndexedRun| {
            !has_lost
                || run.is_named(Part::Score, &shapes) && run.is_named(Part::Parameter, &shapes)
        };
        let is_so = |run: &IndexedRun| {
            run.head.has_all(&entries) && is_as_it_was(store, &run.head) && is_named(run)
        };
        let (known, unknown) =
            divided(list(&all(store))?.into_iter().map(|(id, _)| id), runs, is_so);
        let missing: Vec<(String, Stamp)> = unknown
            .into_iter()
            .filter_map(|id| Some((id.clone(), Stamp::of_run(store, &id)?)))
            .collect();
        if !missing.is_empty() {
            reading(missing.len());
        }
        let fresh: Vec<Option<Fresh>> = missing
            .into_par_iter()
            .map(|(id, stamp)| Fresh::read(store, kinds, &id, stamp))
            .collect::<Result<_, _>>()?;
        let mut index = Self { runs: known, shapes };
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
            if let Some(details) = details.get(&run.head.id) {
                run.take(details);
            }
            if !run.is_named(Part::Detail, &self.shapes) {
                run.details = None;
            }
        }
        let lacking = self.runs.par_iter().enumerate().filter(|(_, run)| run.details.is_none());
        let fresh: Vec<(usize, Option<Fresh>)> = lacking
            .map(|(place, run)| {
                let Head { id, stamp, .. } = &run.head;
                Ok((place, Fresh::read(store, kinds, id, *stamp)?))
            })
            .collect::<Result<_, StoreError>>()?;
        let mut new = New::default();
        for (place, fresh) in fresh {
            let Some(Fresh { shapes, run }) = fresh else { continue };
            self.name(shapes, &mut new);
            new.take_details(&run);
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
        let known = self.runs.iter().filter_map(|run| Some(run.details.as_ref()?.text.line()));
        let whole: String = std::iter::once(lines::HEADER.into()).chain(known).collect();
        store.disk.replace_index(&path, whole.as_bytes())
    }

    /// Takes a run in, and what is new of it.
    fn take(&mut self, Fresh { shapes, run }: Fresh, new: &mut New) {
        self.name(shapes, new);
        new.runs.push_str(&run.text.line());
        new.take_details(&run);
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
            let runs = self.runs.iter().map(|run| run.text.line().into_owned());
            let whole: String =
                std::iter::once(lines::HEADER.to_owned()).chain(shapes).chain(runs).collect();
            return store.disk.replace_index(path, whole.as_bytes());
        }
        append(path, new)
    }

    /// The record of a run that was killed says that it is running, and so does the index.
    fn mark_dead(&mut self, store: &Store) {
        let is_running = |run: &&mut IndexedRun| run.head.status == RunStatus::Running;
        for run in self.runs.iter_mut().filter(is_running) {
            if !is_held(&all(store).join(&run.head.id).join(LOCK)) {
                run.head.status = RunStatus::Died;
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
            one_of(values, place)
        };
        values(&run.part(part)).iter().map(value).collect()
    }

    /// All that each trial of a run has of a part, by name.
    #[must_use]
    pub fn all<'a>(&'a self, run: &IndexedRun, part: Part) -> Vec<Vec<(&'a str, Value)>> {
        let of_trial = |(shape, values): Values<'_>| -> Vec<(&'a str, Value)> {
            let names = self.shapes.get(shape).into_iter().flat_map(|shape| &shape.names);
            names.map(String::as_str).zip(all_of(values)).collect()
        };
        values(&run.part(part)).into_iter().map(of_trial).collect()
    }
}

/// Of the runs that there are those that are known, each by the last line about it, and the ids of the others, sorted.
///
/// * `is_so`: whether what is known of one is still so
fn divided(
    ids: impl Iterator<Item = String>,
    lines: Vec<IndexedRun>,
    is_so: impl Fn(&IndexedRun) -> bool,
) -> (Vec<IndexedRun>, Vec<String>) {
    let mut last: HashMap<String, Option<usize>> = ids.map(|id| (id, None)).collect();
    for (line, run) in lines.iter().enumerate() {
        if let Some(known) = last.get_mut(&run.head.id) {
            *known = Some(line);
        }
    }
    let mut known = Vec::with_capacity(lines.len());
    for (line, run) in lines.into_iter().enumerate() {
        if last.get(&run.head.id) == Some(&Some(line)) && is_so(&run) {
            last.remove(&run.head.id);
            known.push(run);
        }
    }
    let mut unknown: Vec<String> = last.into_keys().collect();
    unknown.sort_unstable();
    (known, unknown)
}

/// Whether the record of a run is the one that was read, where it is not written for good.
fn is_as_it_was(store: &Store, head: &Head) -> bool {
    head.has_ended() || Stamp::of_run(store, &head.id) == Some(head.stamp)
}

/// Lines that are to be appended to the files.
#[derive(Default)]
struct New {
    runs: String,
    details: String,
}

impl New {
    fn take_details(&mut self, run: &IndexedRun) {
        if let Some(details) = &run.details {
            self.details.push_str(&details.text.line());
        }
    }
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
fn are_there(runs: &[IndexedRun], store: &Store) -> HashMap<CacheKey, bool> {
    let keys: HashSet<CacheKey> =
        runs.iter().flat_map(|run| &run.head.entries).map(|(key, _)| *key).collect();
    let is_there = |key: &CacheKey| fs::symlink_metadata(store.entry_folder(key)).is_ok();
    keys.into_par_iter().map(|key| (key, is_there(&key))).collect()
}
