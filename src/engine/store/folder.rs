//! The folder itself: where things lie, and what is at a key's place.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use super::disk::{Disk, unique};
use super::listing::{is_prefix, is_real_folder, list};
use super::manifest::{MANIFEST, MAX_BYTES};
use super::memo::DigestMemo;
use super::{Entry, Finding, Manifest, Problem, State, StoreError};
use crate::base::disk::crash::crash_point;
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;
use crate::base::outputs;
use crate::engine::plan::CacheKey;

/// For what is unfinished, and what was set aside.
const TEMPORARY: &str = "store/tmp";

/// How the name of a damaged entry begins that was set aside, in the temporary folder.
const SET_ASIDE: &str = "damaged-";

/// What was found when an entry's contents were read for the first time.
type Verified = Arc<OnceLock<Vec<Finding>>>;

type Waiting = Box<dyn Fn(&Path) -> bool + Send + Sync>;

/// The artifacts of all experiments beside one `outputs` folder. Clones of it in other threads and processes may work on the same folder.
pub struct Store {
    outputs: PathBuf,
    pub(in crate::engine) disk: Disk,
    pub(super) verified: Mutex<HashMap<CacheKey, Verified>>,
    /// The cutoff index is known to be there.
    pub(super) indexed: OnceLock<()>,
    /// See [`Store::when_waiting`].
    pub(super) waiting: Waiting,
    digests: OnceLock<DigestMemo>,
}

/// A key's lock: whoever has it builds the entry, others wait. It is released when dropped, or when its process ends.
#[derive(Debug)]
pub struct KeyLock {
    pub(super) _lock: FileLock,
}

impl Store {
    /// The store in `outputs`. Nothing is created or changed before something is built.
    ///
    /// # Errors
    /// When there is something at `outputs`, or in the place of one of its parts, that is no folder, leads to none, or cannot be read.
    pub fn open(outputs: &Path) -> Result<Self, StoreError> {
        folder_or_nothing(outputs)?;
        [outputs::STORE, TEMPORARY, outputs::RUNS]
            .iter()
            .try_for_each(|part| folder_or_nothing(&outputs.join(part)))?;
        Ok(Self {
            outputs: outputs.to_owned(),
            disk: Disk { temporary: outputs.join(TEMPORARY) },
            verified: Mutex::default(),
            indexed: OnceLock::new(),
            waiting: Box::new(|_| true),
            digests: OnceLock::new(),
        })
    }

    /// `waiting` is asked several times a second, with the lock's path, while another process keeps this one from beginning; `false` gives up,
    /// which is an error of what was to begin. Without it, nothing is said and nothing given up.
    pub fn when_waiting(&mut self, waiting: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.waiting = Box::new(waiting);
    }

    /// The folder that everything lies in.
    #[must_use]
    pub fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// Indexes and files that stages keep for later: rebuildable, deletable.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.outputs.join(outputs::CACHE)
    }

    /// The digests of source files, one memory for all who ask. One that is missing or damaged on the disk starts empty.
    pub fn digests(&self) -> &DigestMemo {
        let of_sources =
            || DigestMemo::of_sources(&self.cache(), self.disk.clone(), SystemTime::now);
        self.digests.get_or_init(of_sources)
    }

    /// The digests of what lies in the results folder `name`, from a memory of their own.
    #[must_use]
    pub fn digests_of_results(&self, name: &str) -> DigestMemo {
        DigestMemo::of_results(&self.cache(), self.disk.clone(), name)
    }

    /// Where a key's unfinished work lies.
    #[must_use]
    pub fn saved_state(&self, key: &CacheKey) -> PathBuf {
        self.outputs.join(outputs::SAVED_STATES).join(key.to_string())
    }

    pub(in crate::engine) fn folder(&self) -> PathBuf {
        self.outputs.join(outputs::STORE)
    }

    pub(in crate::engine) fn temporary(&self) -> PathBuf {
        self.outputs.join(TEMPORARY)
    }

    /// `ab/abcd...`, relative to the store.
    pub(super) fn place_of(key: &CacheKey) -> String {
        let text = key.to_string();
        format!("{}/{text}", &text[..2])
    }

    /// The key whose place `name` in the folder `prefix` is; `None` for what is no entry's place.
    pub(in crate::engine) fn key_at(prefix: &str, name: &str) -> Option<CacheKey> {
        if is_prefix(prefix) && name.starts_with(prefix) { name.parse().ok() } else { None }
    }

    pub(in crate::engine) fn entry_folder(&self, key: &CacheKey) -> PathBuf {
        self.folder().join(Self::place_of(key))
    }

    /// The keys of all that lies beside the place of `key`, and of what lies there; none where that cannot be listed.
    pub(in crate::engine) fn beside(&self, key: &CacheKey) -> HashSet<CacheKey> {
        let prefix = &key.to_string()[..2];
        let found = list(&self.folder().join(prefix)).unwrap_or_default();
        found.iter().filter_map(|(name, _)| Self::key_at(prefix, name)).collect()
    }

    /// The entry of `key`, if it is complete as far as the sizes of its files show. Contents are not read.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged entry is none: it would be built again.
    pub fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError> {
        Ok(match self.state(key)? {
            State::Present(entry) => Some(entry),
            State::Absent | State::Damaged(_) => None,
        })
    }

    /// What is at the place of `key`, by its manifest and the sizes of its files. Contents are not read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn state(&self, key: &CacheKey) -> Result<State, StoreError> {
        let manifest = match self.read_manifest(key)? {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(State::Absent),
            Err(finding) => return Ok(State::Damaged(vec![finding])),
        };
        let storage = match manifest.alias_of {
            None => *key,
            Some(target) => match self.read_manifest(&target)? {
                Ok(Some(there)) if there.alias_of.is_none() && there.files == manifest.files => {
                    target
                }
                Ok(_) | Err(_) => {
                    let finding = Finding {
                        entry: Self::place_of(key),
                        file: String::new(),
                        problem: Problem::Dangling { target },
                    };
                    return Ok(State::Damaged(vec![finding]));
                }
            },
        };
        let folder = self.entry_folder(&storage);
        let findings = self.check_sizes(&storage, &folder, &manifest);
        Ok(if findings.is_empty() {
            State::Present(Entry::new(folder, manifest))
        } else {
            State::Damaged(findings)
        })
    }

    /// The manifest at the place of `key`, or what is wrong with it; `None` when there is no entry.
    pub(in crate::engine) fn read_manifest(
        &self,
        key: &CacheKey,
    ) -> Result<Result<Option<Manifest>, Finding>, StoreError> {
        let folder = self.entry_folder(key);
        let path = folder.join(MANIFEST);
        let finding =
            |problem| Finding { entry: Self::place_of(key), file: MANIFEST.into(), problem };
        match regular::read_at_most(&path, MAX_BYTES + 1) {
            Ok(bytes) if bytes.len() as u64 > MAX_BYTES => {
                Ok(Err(finding(Problem::Manifest { reason: "it is too large".into() })))
            }
            Ok(bytes) => Ok(Manifest::read(&bytes, key)
                .map(Some)
                .map_err(|error| finding(Problem::Manifest { reason: error.to_string() }))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match fs::symlink_metadata(&folder) {
                    Ok(_) => Ok(Err(finding(Problem::Missing))),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Ok(None)),
                    Err(error) => Err(StoreError::io("open", &folder, &error)),
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(StoreError::io("read", &path, &error))
            }
            Err(error) => Ok(Err(finding(Problem::Unreadable { reason: error.to_string() }))),
        }
    }

    fn check_sizes(&self, storage: &CacheKey, folder: &Path, manifest: &Manifest) -> Vec<Finding> {
        let finding = |file: &str, problem| {
            Some(Finding { entry: Self::place_of(storage), file: file.to_owned(), problem })
        };
        let check = |file: &super::FileRecord| match fs::symlink_metadata(folder.join(&file.path)) {
            Ok(metadata) if metadata.is_file() && metadata.len() == file.size => None,
            Ok(metadata) if metadata.is_file() => {
                finding(&file.path, Problem::Size { expected: file.size, found: metadata.len() })
            }
            Ok(_) => finding(&file.path, Problem::Unreadable { reason: "it is not a file".into() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                finding(&file.path, Problem::Missing)
            }
            Err(error) => finding(&file.path, Problem::Unreadable { reason: error.to_string() }),
        };
        manifest.files.iter().filter_map(check).collect()
    }

    /// Takes the lock of `key`; `None` while another builder has it. It only saves work: no result depends on it.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn try_lock(&self, key: &CacheKey) -> Result<Option<KeyLock>, StoreError> {
        self.disk.create_temporary(&self.temporary())?;
        let path = self.temporary().join(format!("{key}.lock"));
        let lock =
            FileLock::try_take(&path).map_err(|error| StoreError::io("lock", &path, &error))?;
        Ok(lock.map(|lock| KeyLock { _lock: lock }))
    }

    /// Moves whatever is at the place of `key` out of the way, into the store's `tmp`, for a person to look at until `gc` removes it.
    /// Whoever calls this holds the key's lock and has just seen the damage.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(
        &self,
        key: &CacheKey,
        _lock: &KeyLock,
    ) -> Result<Option<PathBuf>, StoreError> {
        self.move_aside(key)
    }

    /// [`set_aside`](Self::set_aside) for whoever may lose a race: at worst a good entry is moved where an equal one takes its place.
    pub(super) fn move_aside(&self, key: &CacheKey) -> Result<Option<PathBuf>, StoreError> {
        let from = self.entry_folder(key);
        let to = self.temporary().join(format!("{SET_ASIDE}{}-{}", key.short(), unique()));
        self.disk.create_temporary(&self.temporary())?;
        self.verified.lock().expect("no panic while it is held").remove(key);
        match self.disk.move_away(&from, &to) {
            Ok(_) => {
                crash_point("after-set-aside");
                Ok(Some(to))
            }
            Err(StoreError::Vanished { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The keys that have a saved state.
    #[must_use]
    pub fn saved_states(&self) -> Vec<CacheKey> {
        let folders = list(&self.outputs.join(outputs::SAVED_STATES)).unwrap_or_default();
        folders.iter().filter_map(|(name, _)| name.parse().ok()).collect()
    }

    /// Removes a key's saved state; having none is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_saved_state(&self, key: &CacheKey) -> Result<(), StoreError> {
        self.disk.remove_folder(&self.saved_state(key))
    }

    /// Every key that has a place in the store, sorted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keys(&self) -> Result<Vec<CacheKey>, StoreError> {
        let mut keys = Vec::new();
        self.walk(|prefix, name, _| keys.extend(Self::key_at(prefix, name)))?;
        keys.sort_unstable();
        Ok(keys)
    }

    /// Calls `each` with the prefix folder, the name and the path of everything at an entry's place. Whatever else somebody put into the store
    /// is not looked at.
    pub(in crate::engine) fn walk(
        &self,
        mut each: impl FnMut(&str, &str, &Path),
    ) -> Result<(), StoreError> {
        for (prefix, folder) in list(&self.folder())? {
            if is_prefix(&prefix) && is_real_folder(&folder) {
                for (name, path) in list(&folder)? {
                    each(&prefix, &name, &path);
                }
            }
        }
        Ok(())
    }

    /// What is in the store's `tmp`; nothing where that is a link: what it leads to is not ours.
    pub(in crate::engine) fn list_temporary(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let folder = self.temporary();
        if is_real_folder(&folder) { list(&folder) } else { Ok(Vec::new()) }
    }
}

/// Refuses what stands in the way of a folder.
fn folder_or_nothing(path: &Path) -> Result<(), StoreError> {
    let wrong =
        |reason: String| Err(StoreError::Io { doing: "use", path: path.to_owned(), reason });
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => wrong("it is not a folder".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => {
                wrong(format!("it is a link to `{}`, which is not there", target.display()))
            }
            Err(_) => Ok(()),
        },
        Err(error) => Err(StoreError::io("open", path, &error)),
    }
}

/// Whether a thing in the temporary folder is a damaged entry that was set aside, by its name.
pub(in crate::engine) fn is_set_aside(name: &str) -> bool {
    name.starts_with(SET_ASIDE)
}
