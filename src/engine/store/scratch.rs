//! Temporary folders on the disk of `outputs`, and what dead processes left of theirs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::unique;
use super::folder::is_set_aside;
use super::{Store, StoreError};
use crate::base::disk::crash::crash_point;
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;

/// A temporary folder, which goes away with its owner: when it is dropped, or at the next run when the process died.
#[derive(Debug)]
pub struct Scratch {
    pub(super) folder: PathBuf,
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
    /// A temporary folder on the disk of `outputs`, for what is put in place with a rename.
    ///
    /// * `name`: how its name begins
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(store: &Store, name: &str) -> Result<Self, StoreError> {
        let temporary = store.temporary();
        store.disk.create_temporary(&temporary)?;
        let folder = temporary.join(format!("{name}-{}", unique()));
        // The lock comes first, so that a folder without one has no owner. Until it is locked, a cleaner may remove it; then we make another.
        let path = folder.with_added_extension("lock");
        let lock = FileLock::take(&path, &mut |_| true)
            .map_err(|error| StoreError::io("lock", &path, &error))?;
        crash_point("after-scratch-lock");
        let scratch = Self { folder, kept: false, _lock: lock };
        store.disk.create_temporary(&scratch.folder)?;
        Ok(scratch)
    }

    /// Temporary folders of dead processes in which old results may lie.
    #[must_use]
    pub fn left(store: &Store) -> Vec<Self> {
        let left = |(_, folder): (String, PathBuf)| {
            if !folder.join(OLD_RESULTS).is_file() {
                return None;
            }
            let lock = FileLock::try_take(&folder.with_added_extension("lock")).ok()??;
            lock.is_real.then_some(Self { folder, kept: false, _lock: lock })
        };
        store.list_temporary().unwrap_or_default().into_iter().filter_map(left).collect()
    }

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

/// Removes what dead processes left in the store's `tmp`, but for [`Scratch::left`].
///
/// # Errors
/// When it cannot be listed or removed.
pub fn clean(store: &Store) -> Result<(), StoreError> {
    for (name, path) in store.list_temporary()? {
        if name.ends_with(".lock") {
            let folder = path.with_extension("");
            if !folder.join(OLD_RESULTS).is_file()
                && let Some(_owned) = FileLock::take_over(&path)
            {
                store.disk.remove_folder(&folder)?;
            }
        } else if !is_set_aside(&name)
            && path.is_dir()
            && !path.join(OLD_RESULTS).is_file()
            && !path.with_added_extension("lock").exists()
        {
            store.disk.remove_folder(&path)?;
        }
    }
    Ok(())
}
