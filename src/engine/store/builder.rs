//! How an entry comes to be.
//!
//! 1. [`Store::builder`] makes a folder in the store's `tmp`, with a lock that shows whether its owner lives;
//! 2. the stage fills [`Builder::folder`];
//! 3. [`Builder::commit`] digests every file, makes it read-only and flushes it, then its folders; writes and flushes the manifest; flushes
//!    the entry's folder; renames it into place; flushes the folder that it now lies in.
//!
//! A process that dies at any of these leaves either nothing or the whole entry in place, and a temporary folder that the next run removes.
//! A rename never replaces an entry: whoever comes second finds the first one's entry, and uses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::content;
use super::manifest::{MANIFEST, is_inside};
use super::scratch::Scratch;
use super::{Entry, FileRecord, Manifest, Problem, State, Store, StoreError};
use crate::base::disk::crash::crash_point;
use crate::base::disk::digest;
use crate::base::disk::durable;
use crate::base::disk::regular;
use crate::engine::plan::{CacheKey, Fingerprint};

/// How often something in the way is moved before giving up.
const ATTEMPTS: usize = 4;

/// An entry in the making. Dropping it leaves nothing.
pub struct Builder<'a> {
    store: &'a Store,
    scratch: Scratch,
}

/// What is known of an artifact besides its files.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    pub fingerprint: Fingerprint,
    /// The artifact's type.
    pub artifact: &'a str,
    /// The content digests of the inputs, by port.
    pub inputs: BTreeMap<String, String>,
    /// The digests of what is read of inputs of which something is not, by port.
    pub read: BTreeMap<String, String>,
    /// How it was made; nothing depends on it.
    pub made_with: BTreeMap<String, String>,
    /// Files that are no part of the content.
    pub volatile: &'a [&'a str],
    /// An entry in place that has another content, or was made from inputs with another content, gives way.
    pub replace: bool,
}

/// What [`Builder::commit`] came to.
#[derive(Debug, Clone)]
pub struct Committed {
    pub entry: Entry,
    /// False when another builder's entry was in place, and is used.
    pub placed: bool,
}

impl Store {
    /// Starts an entry for `key`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn builder(&self, key: &CacheKey) -> Result<Builder<'_>, StoreError> {
        let scratch = Scratch::begin(self, &key.short())?;
        let builder = Builder { store: self, scratch };
        self.disk.create_temporary(&builder.folder())?;
        Ok(builder)
    }

    /// Gives the entry that was made from equal inputs the new key as well, without copies: early cutoff.
    ///
    /// * `contents`: the content digest of each input, by port
    /// * `read`: the digests of what is read of inputs of which something is not, by port
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn reuse(
        &self,
        fingerprint: &Fingerprint,
        contents: &BTreeMap<String, String>,
        read: &BTreeMap<String, String>,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(older) = content::find(self, fingerprint, contents, read)? else {
            return Ok(None);
        };
        let manifest = older.manifest().alias(fingerprint.clone(), contents.clone());
        let scratch = Scratch::begin(self, &manifest.key.short())?;
        self.disk.create_temporary(&scratch.folder.join("entry"))?;
        place(self, &scratch, manifest, false).map(|committed| Some(committed.entry))
    }
}

/// Writes the manifest and moves the folder into place.
fn place(
    store: &Store,
    scratch: &Scratch,
    manifest: Manifest,
    replace: bool,
) -> Result<Committed, StoreError> {
    let made = scratch.folder.join("entry");
    crash_point("before-manifest");
    store.disk.write(&made.join(MANIFEST), &manifest.to_bytes())?;
    store.disk.sync_folder(&made)?;
    crash_point("before-rename");

    let key = manifest.key;
    let place = store.entry_folder(&key);
    let prefix = place.parent().expect("an entry lies in a folder").to_owned();
    store.disk.create_folder(&prefix)?;
    for attempt in 0..ATTEMPTS {
        if store.disk.rename(&made, &place)? {
            crash_point("after-rename");
            store.disk.sync_folder(&prefix)?;
            let folder = manifest.alias_of.map_or(place, |target| store.entry_folder(&target));
            return Ok(Committed { entry: Entry::new(folder, manifest), placed: true });
        }
        match store.state(&key)? {
            State::Absent => {}
            State::Present(there) => {
                let other = there.content() != manifest.content
                    || there.manifest().inputs != manifest.inputs;
                if replace && other {
                    store
                        .disk
                        .move_away(&place, &scratch.folder.join(format!("replaced-{attempt}")))?;
                } else if store.has_strays(&there) {
                    store.move_aside(&key)?;
                } else if store.verify_once(&there).is_empty() {
                    return Ok(Committed { entry: there, placed: false });
                } else if there.storage_key() == key {
                    store.move_aside(&key)?;
                } else {
                    store
                        .disk
                        .move_away(&place, &scratch.folder.join(format!("replaced-{attempt}")))?;
                }
            }
            State::Damaged(findings) if matches!(findings[0].problem, Problem::Dangling { .. }) => {
                store
                    .disk
                    .move_away(&place, &scratch.folder.join(format!("replaced-{attempt}")))?;
            }
            State::Damaged(_) => drop(store.move_aside(&key)?),
        }
    }
    Err(StoreError::Unstable { key })
}

impl Builder<'_> {
    /// What lies here becomes the artifact.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.scratch.folder.join("entry")
    }

    /// Puts the entry in place, or finds another builder's there. Work is spread over the current rayon pool.
    ///
    /// # Errors
    /// When something in the folder is not fit for an artifact, or the store cannot be written. No partial entry is left.
    pub fn commit(self, record: Record<'_>) -> Result<Committed, StoreError> {
        let store = self.store;
        let root = self.folder();
        let mut found = Found::default();
        found.scan(&root, String::new())?;
        let files = found
            .files
            .into_par_iter()
            .map(|path| seal(store, &root, path, record.volatile))
            .collect::<Result<Vec<_>, _>>()?;
        // Deepest first: a folder's names are flushed after what they name.
        for folder in found.folders.iter().rev() {
            store.disk.sync_folder(&root.join(folder))?;
        }
        let manifest = Manifest::new(
            record.fingerprint,
            record.artifact,
            record.inputs,
            record.made_with,
            files,
        )
        .reading(record.read);
        let committed = place(store, &self.scratch, manifest, record.replace)?;
        if committed.placed {
            store.mark_verified(committed.entry.key());
        }
        content::index(store, committed.entry.manifest());
        Ok(committed)
    }
}

fn seal(
    store: &Store,
    root: &Path,
    inside: String,
    volatile: &[&str],
) -> Result<FileRecord, StoreError> {
    let path = root.join(&inside);
    store.disk.make_read_only(&path)?;
    let error = |error| StoreError::io("read", &path, &error);
    let file = regular::open(&path).map_err(error)?;
    let size = file.metadata().map_err(error)?.len();
    let blake3 = digest::of_file(&file, size).map_err(error)?.to_hex().to_string();
    durable::sync_file(&file, &path).map_err(error)?;
    Ok(FileRecord { size, blake3, volatile: volatile.contains(&inside.as_str()), path: inside })
}

/// The files of an artifact, and the folders that hold some, each before those inside it.
#[derive(Default)]
struct Found {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Found {
    /// Empty folders are removed: they could not be listed in a manifest.
    fn scan(&mut self, root: &Path, inside: String) -> Result<(), StoreError> {
        let folder = root.join(&inside);
        let error = |error: &std::io::Error| StoreError::io("list", &folder, error);
        let files_before = self.files.len();
        let place = self.folders.len();
        for entry in fs::read_dir(&folder).map_err(|failure| error(&failure))? {
            let entry = entry.map_err(|failure| error(&failure))?;
            let unfit = |reason| StoreError::Unfit { path: entry.path(), reason };
            let name =
                entry.file_name().into_string().map_err(|_| unfit("its name is not UTF-8"))?;
            let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            if !is_inside(&name) {
                return Err(unfit(if name == MANIFEST {
                    "the store's own file has this name"
                } else {
                    "its name means something else on some systems"
                }));
            }
            let kind = entry.file_type().map_err(|failure| error(&failure))?;
            if kind.is_dir() {
                self.scan(root, name)?;
            } else if kind.is_file() {
                self.files.push(name);
            } else {
                return Err(unfit("it is neither a file nor a folder"));
            }
        }
        if inside.is_empty() {
            return Ok(());
        }
        if self.files.len() == files_before {
            fs::remove_dir(&folder).map_err(|failure| StoreError::io("remove", &folder, &failure))
        } else {
            self.folders.insert(place, inside);
            Ok(())
        }
    }
}
