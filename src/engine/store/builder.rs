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
use serde::{Deserialize, Serialize};

use super::disk::unique;
use super::manifest::{MANIFEST, is_inside};
use super::{Entry, FileRecord, Manifest, Problem, State, Store, StoreError};
use crate::base::disk::crash::crash_point;
use crate::base::disk::digest;
use crate::base::disk::durable;
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;
use crate::engine::plan::{CacheKey, Fingerprint};

/// How often something in the way is moved before giving up.
const ATTEMPTS: usize = 4;

/// A temporary folder, which goes away with its owner: when it is dropped, or at the next run when the process died.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    kept: bool,
    _lock: FileLock,
}

/// What says of a temporary folder that old results may lie in it.
const OLD_RESULTS: &str = "old-results.json";

/// Old results that may lie in a temporary folder: who puts new ones in place exchanges folders, and then looks through the old one for what a
/// person had there. A process that dies in between leaves it to the next run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldResults {
    /// The name of the results folder below `outputs`.
    pub folder: String,
    pub parts: Vec<OldPart>,
}

/// A folder that is exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldPart {
    /// Where it lies in the temporary folder.
    pub building: String,
    /// Its place in the results folder.
    pub inside: String,
    /// The inode of the new one, by which it is told from the old one.
    pub new: u64,
}

impl Scratch {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Says that old results may come to lie in it.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn may_hold(&self, old: &OldResults) -> std::io::Result<()> {
        fs::write(self.folder.join(OLD_RESULTS), serde_json::to_vec(old)?)
    }

    /// The old results that may lie in it.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn old_results(&self) -> std::io::Result<OldResults> {
        Ok(serde_json::from_slice(&regular::read(&self.folder.join(OLD_RESULTS))?)?)
    }

    /// Leaves it where it is, for another run.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // What cannot be removed now, the next run removes.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

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
        let scratch = self.scratch(&key.short())?;
        let builder = Builder { store: self, scratch };
        self.disk.create_temporary(&builder.folder())?;
        Ok(builder)
    }

    /// A temporary folder on the disk of `outputs`, for what is put in place with a rename.
    ///
    /// * `name`: how its name begins
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self, name: &str) -> Result<Scratch, StoreError> {
        let temporary = self.temporary();
        self.disk.create_temporary(&temporary)?;
        let folder = temporary.join(format!("{name}-{}", unique()));
        // The lock comes first, so that a folder without one has no owner. Until it is locked, a cleaner may remove it; then we make another.
        let path = folder.with_added_extension("lock");
        let lock = FileLock::take(&path, &mut |_| true)
            .map_err(|error| StoreError::io("lock", &path, &error))?;
        crash_point("after-scratch-lock");
        let scratch = Scratch { folder, kept: false, _lock: lock };
        self.disk.create_temporary(&scratch.folder)?;
        Ok(scratch)
    }

    /// Temporary folders of dead processes in which old results may lie.
    #[must_use]
    pub fn left_results(&self) -> Vec<Scratch> {
        let left = |(_, folder): (String, PathBuf)| {
            if !folder.join(OLD_RESULTS).is_file() {
                return None;
            }
            let lock = FileLock::try_take(&folder.with_added_extension("lock")).ok()??;
            lock.is_real.then_some(Scratch { folder, kept: false, _lock: lock })
        };
        self.list_temporary().unwrap_or_default().into_iter().filter_map(left).collect()
    }

    /// Removes what dead processes left in the store's `tmp`, but for [`left_results`](Self::left_results).
    ///
    /// # Errors
    /// When it cannot be listed or removed.
    pub fn clean(&self) -> Result<(), StoreError> {
        for (name, path) in self.list_temporary()? {
            if name.ends_with(".lock") {
                let folder = path.with_extension("");
                if !folder.join(OLD_RESULTS).is_file()
                    && let Some(_owned) = FileLock::take_over(&path)
                {
                    self.disk.remove_folder(&folder)?;
                }
            } else if !name.starts_with("damaged-")
                && path.is_dir()
                && !path.join(OLD_RESULTS).is_file()
                && !path.with_added_extension("lock").exists()
            {
                self.disk.remove_folder(&path)?;
            }
        }
        Ok(())
    }

    /// Gives the entry that was made from equal inputs the new key as well, without copies: early cutoff.
    ///
    /// * `contents`: the content digest of each input, by port
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn reuse(
        &self,
        fingerprint: &Fingerprint,
        contents: &BTreeMap<String, String>,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(older) = self.find_by_content(fingerprint, contents)? else { return Ok(None) };
        let manifest = older.manifest().alias(fingerprint.clone());
        let scratch = self.scratch(&manifest.key.short())?;
        self.disk.create_temporary(&scratch.folder.join("entry"))?;
        self.place(&scratch, manifest, false).map(|committed| Some(committed.entry))
    }

    /// Writes the manifest and moves the folder into place.
    fn place(
        &self,
        scratch: &Scratch,
        manifest: Manifest,
        replace: bool,
    ) -> Result<Committed, StoreError> {
        let made = scratch.folder.join("entry");
        crash_point("before-manifest");
        self.disk.write(&made.join(MANIFEST), &manifest.to_bytes())?;
        self.disk.sync_folder(&made)?;
        crash_point("before-rename");

        let key = manifest.key;
        let place = self.entry_folder(&key);
        let prefix = place.parent().expect("an entry lies in a folder").to_owned();
        self.disk.create_folder(&prefix)?;
        for attempt in 0..ATTEMPTS {
            if self.disk.rename(&made, &place)? {
                crash_point("after-rename");
                self.disk.sync_folder(&prefix)?;
                let folder = manifest.alias_of.map_or(place, |target| self.entry_folder(&target));
                return Ok(Committed { entry: Entry::new(folder, manifest), placed: true });
            }
            match self.state(&key)? {
                State::Absent => {}
                State::Present(there) => {
                    let other = there.content() != manifest.content
                        || there.manifest().inputs != manifest.inputs;
                    if replace && other {
                        self.disk.move_away(
                            &place,
                            &scratch.folder.join(format!("replaced-{attempt}")),
                        )?;
                    } else if self.has_strays(&there) {
                        self.move_aside(&key)?;
                    } else if self.verify_once(&there).is_empty() {
                        return Ok(Committed { entry: there, placed: false });
                    } else if there.storage_key() == key {
                        self.move_aside(&key)?;
                    } else {
                        self.disk.move_away(
                            &place,
                            &scratch.folder.join(format!("replaced-{attempt}")),
                        )?;
                    }
                }
                State::Damaged(findings)
                    if matches!(findings[0].problem, Problem::Dangling { .. }) =>
                {
                    self.disk
                        .move_away(&place, &scratch.folder.join(format!("replaced-{attempt}")))?;
                }
                State::Damaged(_) => drop(self.move_aside(&key)?),
            }
        }
        Err(StoreError::Unstable { key })
    }
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
            .map(|path| store.seal_file(&root, path, record.volatile))
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
        );
        let committed = store.place(&self.scratch, manifest, record.replace)?;
        if committed.placed {
            store.mark_verified(committed.entry.key());
        }
        store.index_content(&committed.entry);
        Ok(committed)
    }
}

impl Store {
    fn seal_file(
        &self,
        root: &Path,
        inside: String,
        volatile: &[&str],
    ) -> Result<FileRecord, StoreError> {
        let path = root.join(&inside);
        self.disk.make_read_only(&path)?;
        let error = |error| StoreError::io("read", &path, &error);
        let file = regular::open(&path).map_err(error)?;
        let size = file.metadata().map_err(error)?.len();
        let blake3 = digest::of_file(&file, size).map_err(error)?.to_hex().to_string();
        durable::sync_file(&file, &path).map_err(error)?;
        Ok(FileRecord { size, blake3, volatile: volatile.contains(&inside.as_str()), path: inside })
    }
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
