//! Locks on files, which the kernel releases when their process ends, however it ends.
//!
//! A lock's file is removed while it is still held, so that none is left lying about. Whoever takes a lock therefore checks that the file
//! which it locked is still the one at the path.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::disk::regular;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    path: PathBuf,
    /// False on a file system without locks, where it keeps nobody out.
    pub(super) is_real: bool,
    pub(super) file: File,
}

impl FileLock {
    /// `None` when someone else holds it. Where the file system has no locks, it counts as taken: locks only save work.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).read(true).write(true);
            let file = regular::open_with(&mut options, path)?;
            let is_real = match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                    return Err(error);
                }
                Ok(()) => true,
                Err(TryLockError::Error(_)) => false,
            };
            if is_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), is_real, file }));
            }
        }
    }

    /// The lock at `path` if its owner has died; `None` when it lives, or when there is nothing at `path`.
    pub(super) fn take_over(path: &Path) -> Option<Self> {
        let file = regular::open_with(OpenOptions::new().read(true).write(true), path).ok()?;
        file.try_lock().ok()?;
        is_at(&file, path).ok()?.then(|| Self { path: path.to_owned(), is_real: true, file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Failing leaves an unlocked file, which the next run removes.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether someone holds the lock at `path`; when in doubt, yes.
pub(super) fn is_held(path: &Path) -> bool {
    match regular::open(path) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether `path` still names the open `file`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok(there.ino() == open.ino() && there.dev() == open.dev()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A suffix that no other process or thread uses.
pub(super) fn unique() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{}-{:016x}", std::process::id(), RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_held_lock_cannot_be_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.lock");
        let held = FileLock::try_take(&path).expect("locks work");
        assert!(held.is_some());
        assert!(FileLock::try_take(&path).expect("locks work").is_none());
        assert!(FileLock::take_over(&path).is_none());
    }

    #[test]
    fn a_dropped_lock_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.lock");
        drop(FileLock::try_take(&path).expect("locks work"));
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_on_a_file_that_is_no_longer_at_its_path_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.lock");
        let file = File::create(&path).expect("writable");
        assert!(is_at(&file, &path).expect("readable"));
        std::fs::remove_file(&path).expect("writable");
        assert!(!is_at(&file, &path).expect("readable"));
        std::fs::write(&path, "").expect("writable");
        assert!(!is_at(&file, &path).expect("readable"));
    }

    #[test]
    fn only_one_holds_a_lock_while_others_take_and_remove_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.lock");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(lock) = FileLock::try_take(&path).expect("locks work") {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
    }
}
