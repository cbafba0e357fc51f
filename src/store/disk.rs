//! Everything that the store writes goes through here, in an order that survives a crash and that a test can watch.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::lock::{FileLock, unique};
use crate::crash::crash_point;

/// A change of the file system, told after it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Written(PathBuf),
    Synced(PathBuf),
    Renamed { from: PathBuf, to: PathBuf },
    Removed(PathBuf),
}

/// Who watches the changes, in tests of their order.
pub type Watch = Arc<dyn Fn(&Change) + Send + Sync>;

/// The file system as the store uses it.
#[derive(Clone)]
pub(super) struct Disk {
    /// The store's folder for what is unfinished.
    pub(super) temporary: PathBuf,
    pub(super) watch: Option<Watch>,
}

impl Disk {
    fn tell(&self, change: impl FnOnce() -> Change) {
        if let Some(watch) = &self.watch {
            watch(&change());
        }
    }

    pub(super) fn create_folder(&self, path: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, &error))
    }

    /// Writes a new read-only file and flushes it to the medium.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let error = |error| StoreError::io("write", path, &error);
        let mut file = File::create(path).map_err(error)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        file.write_all(first).map_err(error)?;
        crash_point("mid-write");
        file.write_all(second).map_err(error)?;
        self.tell(|| Change::Written(path.to_owned()));
        self.make_read_only(path)?;
        file.sync_all().map_err(error)?;
        self.tell(|| Change::Synced(path.to_owned()));
        Ok(())
    }

    /// Flushes a file, or the names in a folder, to the medium.
    pub(super) fn sync(&self, path: &Path) -> Result<(), StoreError> {
        let result = File::open(path).and_then(|file| file.sync_all());
        match result {
            // Some file systems cannot flush a folder, and say so in one of these ways; nothing more can be done there.
            Err(error) if path.is_dir() && matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            result => result.map_err(|error| StoreError::io("flush", path, &error))?,
        }
        self.tell(|| Change::Synced(path.to_owned()));
        Ok(())
    }

    /// Returns false when something that cannot be replaced is at `to` already.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<bool, StoreError> {
        match fs::rename(from, to) {
            Ok(()) => {
                self.tell(|| Change::Renamed { from: from.to_owned(), to: to.to_owned() });
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
                Ok(false)
            }
            Err(error) => Err(StoreError::io("rename", from, &error)),
        }
    }

    pub(super) fn make_read_only(&self, path: &Path) -> Result<(), StoreError> {
        let error = |error| StoreError::io("change the permissions of", path, &error);
        let mut permissions = fs::metadata(path).map_err(error)?.permissions();
        if !permissions.readonly() {
            permissions.set_readonly(true);
            fs::set_permissions(path, permissions).map_err(error)?;
        }
        Ok(())
    }

    /// Replaces the file at `path`, so that a reader sees the old content or the new one. The folder is made if it is not there.
    ///
    /// The new content is written in the store's `tmp`, under a lock: what a dead process leaves there, the next run removes.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = path.parent().expect("a file lies in a folder");
        self.create_folder(folder)?;
        self.create_folder(&self.temporary)?;
        let error = |error: &std::io::Error| StoreError::io("write", path, error);
        match self.write_and_rename(&self.temporary.join(format!("write-{}.lock", unique())), path, bytes) {
            // A part of `outputs` may be a link to another disk.
            Err(failure) if failure.kind() == ErrorKind::CrossesDevices => {
                self.write_and_rename(&folder.join(format!(".new-{}", unique())), path, bytes).map_err(|failure| error(&failure))?;
            }
            result => result.map_err(|failure| error(&failure))?,
        }
        self.tell(|| Change::Written(path.to_owned()));
        Ok(())
    }

    fn write_and_rename(&self, new: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        // Until it is locked, a cleaner may remove it; then there is another.
        let mut lock = loop {
            if let Some(lock) = FileLock::try_take(new)? {
                break lock;
            }
        };
        let (first, second) = bytes.split_at(bytes.len() / 2);
        lock.file.write_all(first)?;
        crash_point("mid-replace");
        lock.file.write_all(second)?;
        fs::rename(new, path)
    }

    /// Removes a folder with all that is in it; one that is not there is fine.
    pub(super) fn remove_folder(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_dir_all(path) {
            Ok(()) => {
                self.tell(|| Change::Removed(path.to_owned()));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StoreError::io("remove", path, &error)),
        }
    }
}
