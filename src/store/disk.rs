//! Everything that the store writes goes through here, in an order that survives a crash and that a test can watch.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
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
#[derive(Clone, Default)]
pub(super) struct Disk {
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
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = path.parent().expect("a file lies in a folder");
        self.create_folder(folder)?;
        let mut builder = tempfile::Builder::new();
        // Temporary files are private by default; these are to be read by whoever may read the folder.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.prefix(".new-").tempfile_in(folder).map_err(|error| StoreError::io("write in", folder, &error))?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let error = |error| StoreError::io("write", path, &error);
        file.write_all(first).map_err(error)?;
        crash_point("mid-replace");
        file.write_all(second).map_err(error)?;
        file.persist(path).map_err(|persist| error(persist.error))?;
        self.tell(|| Change::Written(path.to_owned()));
        Ok(())
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
