//! Putting what a results folder should hold in its place.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::{REPORT, is_about_all};
use super::contents::{self, Contents, Item, Source, is_there};
use super::error::PublishError;
use super::ownership::Ownership;
use super::pictures::is_picture;
use super::record::RECORD;
use super::strangers::Place;
use super::swap;
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::regular;
use crate::engine::runs::{Publication, publications};
use crate::engine::store::{DigestMemo, OldPart, OldResults, Scratch, Store};

/// Trials that are flushed together.
const BATCH: usize = 256;

/// Where new results are made in a temporary folder.
const BUILDING: &str = "results";

/// A results folder that is published to.
pub(super) struct Target<'a> {
    store: &'a Store,
    /// The folder's below `outputs`.
    name: &'a str,
    pub(super) folder: PathBuf,
    pub(super) digests: DigestMemo,
    /// What runs have put there.
    known: &'a [(String, Publication)],
    /// From what is known where a lock keeps others out; else asked for each time.
    ownership: Option<OnceCell<Arc<Ownership>>>,
    /// What the folder holds, by its record: whoever published that came to the end.
    pub(super) held: Option<&'a Publication>,
}

/// What has to be done in a results folder.
pub(super) struct Change {
    /// The names of what is not there as it should be.
    pub(super) stale: BTreeSet<String>,
    /// What runs have put there and is to be there no longer.
    gone: BTreeSet<String>,
}

impl Change {
    pub(super) fn is_none(&self) -> bool {
        self.stale.is_empty() && self.gone.is_empty()
    }
}

/// Asked with how many parts of how many are in place.
type Pace<'a> = &'a mut dyn FnMut(usize, usize) -> Result<(), PublishError>;

impl<'a> Target<'a> {
    /// * `known`: what runs have put there
    /// * `alone`: a lock keeps others out
    pub(super) fn new(
        store: &'a Store,
        name: &'a str,
        known: &'a [(String, Publication)],
        alone: bool,
    ) -> Self {
        let (folder, digests) = (store.outputs().join(name), store.digests_of_results(name));
        let is_held = |publication: &&Publication| {
            let record = publication.files.get(RECORD);
            record.is_some_and(|digest| is_there(&folder, RECORD, digest, &digests))
        };
        let held = known.iter().rev().map(|(_, publication)| publication).find(is_held);
        Self { ownership: alone.then(OnceCell::new), store, name, folder, digests, known, held }
    }

    pub(super) fn io(&self, error: io::Error) -> PublishError {
        PublishError::io(&self.folder, error)
    }

    fn ownership(&self) -> Arc<Ownership> {
        let of = |known: &[_]| Arc::new(Ownership::of(&self.folder, known, self.held));
        match &self.ownership {
            Some(once) => Arc::clone(once.get_or_init(|| of(self.known))),
            None => of(&publications(self.store, self.name)),
        }
    }

    /// What differs from what should be there.
    pub(super) fn change(&self, contents: &Contents) -> Change {
        let ownership = self.ownership();
        let is_gone = |name: &&str| {
            let path = self.folder.join(name);
            *name != RECORD
                && !contents.items.contains_key(*name)
                && path.symlink_metadata().is_ok_and(|there| !there.is_dir())
                && ownership.is_ours(name, &path)
        };
        let is_stale = |(name, item): &(&String, &Item)| {
            !is_there(&self.folder, name, &item.blake3, &self.digests)
        };
        let stale = contents.items.iter().filter(is_stale);
        let gone = ownership.names().into_iter().filter(is_gone);
        Change {
            stale: stale.map(|(name, _)| name.clone()).collect(),
            gone: gone.map(str::to_owned).collect(),
        }
    }

    /// The pictures of a sweep that was published, where all of them lie there.
    pub(super) fn pictures(&self, published: &Publication) -> Option<Vec<(String, Item)>> {
        let pictures =
            published.files.iter().filter(|(name, _)| is_picture(name)).map(|(name, blake3)| {
                let item = Item { source: Source::There, blake3: blake3.clone() };
                is_there(&self.folder, name, blake3, &self.digests).then(|| (name.clone(), item))
            });
        pictures.collect()
    }

    /// The report and the cards of models that were published, where all of them lie there.
    pub(super) fn report(&self, published: &Publication) -> Option<Vec<(String, Item)>> {
        published.files.get(REPORT)?;
        let files = published.files.iter().filter(|(name, _)| is_about_all(name));
        let there = files.map(|(name, blake3)| {
            // Where the folder is built anew it is copied.
            let source = Source::Made(self.folder.join(name));
            let item = Item { source, blake3: blake3.clone() };
            is_there(&self.folder, name, blake3, &self.digests).then(|| (name.clone(), item))
        });
        there.collect()
    }

    /// Builds a new folder and puts it in the place of the old one.
    pub(super) fn put_whole(
        &self,
        contents: &Contents,
        scratch: &Scratch,
    ) -> Result<(), PublishError> {
        let building = &scratch.path().join(BUILDING);
        let put = || -> io::Result<()> {
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
    fn may_hold(&self, scratch: &Scratch, parts: &[(String, &str)]) -> io::Result<()> {
        let part = |(building, inside): &(String, &str)| {
            let new = scratch.path().join(building).metadata()?.ino();
            let (building, inside) = (building.clone(), (*inside).to_owned());
            Ok(OldPart { building, inside, new })
        };
        let parts: io::Result<Vec<OldPart>> = parts.iter().map(part).collect();
        scratch.may_hold(&OldResults { folder: self.name.to_owned(), parts: parts? })
    }

    /// A file of an entry is compared with the entry's manifest before it is shown to anybody.
    fn make(&self, item: &Item, target: &Path) -> io::Result<()> {
        if let Source::Stored { entry, .. } = &item.source
            && let Some(finding) = self.store.verify_once(entry).first()
        {
            return Err(io::Error::new(ErrorKind::InvalidData, finding.to_string()));
        }
        contents::place(item, target)
    }

    fn swap(&self, building: &Path, inside: &str) -> io::Result<()> {
        let owners = || self.ownership();
        swap::swap(building, Place { results: &self.folder, inside, owners: &owners })
    }

    /// Puts what differs in its place: trial by trial, then the best one, then what lies at the top, the record last.
    pub(super) fn put_parts(
        &self,
        contents: &Contents,
        unfinished: &Item,
        Change { stale, gone }: &Change,
        scratch: &Scratch,
        pace: Pace<'_>,
    ) -> Result<(), PublishError> {
        let building = &scratch.path().join(BUILDING);
        let io = |error| self.io(error);
        durable::create_folder(&self.folder).map_err(io)?;
        self.put_file(unfinished, RECORD, building).map_err(io)?;
        let parts: BTreeSet<&str> =
            stale.iter().chain(gone).filter_map(|name| contents.part_of(name)).collect();
        let (trials, others): (Vec<&str>, Vec<&str>) =
            parts.into_iter().partition(|part| contents::is_trial(part));
        let parts = [trials, others].concat();
        for (number, batch) in parts.chunks(BATCH).enumerate() {
            pace(number * BATCH, parts.len())?;
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

    fn put_batch(&self, contents: &Contents, parts: &[&str], scratch: &Scratch) -> io::Result<()> {
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

    fn put_file(&self, item: &Item, name: &str, building: &Path) -> io::Result<()> {
        let new = building.join("file");
        std::fs::create_dir_all(building)?;
        self.make(item, &new)?;
        durable::sync_file(&regular::open(&new)?, &new)?;
        let owners = || self.ownership();
        swap::put(&new, Place { results: &self.folder, inside: name, owners: &owners })
    }

    /// Removes one of our files, and the folders that are empty without it.
    fn remove(&self, name: &str) -> io::Result<()> {
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
