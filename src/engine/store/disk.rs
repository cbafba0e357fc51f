//! Everything that the store writes goes through here, in an order that survives a crash.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::locks::FileLock;

/// The file system as the store uses it.
#[derive(Clone)]
pub(in crate::engine) struct Disk {
    /// The store's folder for what is unfinished.
    pub(in crate::engine) temporary: PathBuf,
}

impl Disk {
    pub(in crate::engine) fn create_folder(&self, path: &Path) -> Result<(), StoreError> {
        durable::create_folder(path).map_err(|error| StoreError::io("create", path, &error))
    }

    /// [`create_folder`](Self::create_folder) for what need not outlive a power loss.
    pub(in crate::engine) fn create_temporary(&self, path: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, &error))
    }

    /// Writes a new read-only file and flushes it to the medium.
    pub(in crate::engine) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let error = |error| StoreError::io("write", path, &error);
        let mut file = File::create(path).map_err(error)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        file.write_all(first).map_err(error)?;
        crash_point("mid-write");
        file.write_all(second).map_err(error)?;
        self.make_read_only(path)?;
        durable::sync_file(&file, path).map_err(error)
    }

    /// Flushes the names in a folder to the medium.
    pub(in crate::engine) fn sync_folder(&self, path: &Path) -> Result<(), StoreError> {
        durable::sync_folder(path).map_err(|error| StoreError::io("flush", path, &error))
    }

    /// Puts in place what has been flushed. Returns false when something that cannot be replaced is at `to` already.
    pub(in crate::engine) fn rename(&self, from: &Path, to: &Path) -> Result<bool, StoreError> {
        Self::was_free(durable::rename(from, to), from)
    }

    /// Moves something that nobody needs out of the way. Returns false as [`rename`](Self::rename) does.
    pub(in crate::engine) fn move_away(&self, from: &Path, to: &Path) -> Result<bool, StoreError> {
        Self::was_free(durable::rename_unflushed(from, to), from)
    }

    fn was_free(renamed: std::io::Result<()>, from: &Path) -> Result<bool, StoreError> {
        match renamed {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty
                        | ErrorKind::AlreadyExists
                        | ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::io("rename", from, &error)),
        }
    }

    pub(in crate::engine) fn make_read_only(&self, path: &Path) -> Result<(), StoreError> {
        let error = |error| StoreError::io("change the permissions of", path, &error);
        let mut permissions = fs::metadata(path).map_err(error)?.permissions();
        if !permissions.readonly() {
            permissions.set_readonly(true);
            fs::set_permissions(path, permissions).map_err(error)?;
        }
        Ok(())
    }

    /// Replaces the file at `path`, so that a reader sees the old content or the new one, also after a power loss. The folder is made if it
    /// is not there.
    ///
    /// The new content is written in the store's `tmp`, under a lock: what a dead process leaves there, the next run removes.
    pub(in crate::engine) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, bytes, true)
    }

    /// [`replace`](Self::replace) for an index: flushing it would cost more than making it again, and its reader checks what it reads.
    pub(in crate::engine) fn replace_index(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.put(path, bytes, false)
    }

    fn put(&self, path: &Path, bytes: &[u8], flushed: bool) -> Result<(), StoreError> {
        let folder = path.parent().expect("a file lies in a folder");
        if flushed {
            self.create_folder(folder)?
        } else {
            self.create_temporary(folder)?
        }
        self.create_temporary(&self.temporary)?;
        let error = |error: &std::io::Error| StoreError::io("write", path, error);
        match Self::write_and_rename(
            &self.temporary.join(format!("write-{}.lock", unique())),
            path,
            bytes,
            flushed,
        ) {
            // A part of `outputs` may be a link to another disk.
            Err(failure) if failure.kind() == ErrorKind::CrossesDevices => {
                let beside = folder.join(format!(".new-{}", unique()));
                Self::write_and_rename(&beside, path, bytes, flushed)
                    .map_err(|failure| error(&failure))
            }
            result => result.map_err(|failure| error(&failure)),
        }
    }

    fn write_and_rename(
        new: &Path,
        path: &Path,
        bytes: &[u8],
        flushed: bool,
    ) -> std::io::Result<()> {
        // Until it is locked, a cleaner may remove it; then there is another.
        let mut lock = FileLock::take(new, &mut |_| true)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        lock.file.write_all(first)?;
        crash_point("mid-replace");
        lock.file.write_all(second)?;
        if !flushed {
            return durable::rename_unflushed(new, path);
        }
        durable::sync_file(&lock.file, new)?;
        durable::rename(new, path)?;
        durable::sync_folder(path.parent().expect("a file lies in a folder"))
    }

    /// Removes a folder with all that is in it, or a file; one that is not there is fine.
    pub(in crate::engine) fn remove_folder(&self, path: &Path) -> Result<(), StoreError> {
        let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        match if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("remove", path, &error))
            }
            _ => Ok(()),
        }
    }
}

/// A suffix that no other process or thread uses.
pub(super) fn unique() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{}-{:016x}", std::process::id(), RandomState::new().build_hasher().finish())
}
