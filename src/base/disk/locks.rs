//! Locks on files, which the kernel releases when their process ends, however it ends. Who waits for one is never silent, and never deaf to who
//! wants to stop.
//!
//! A lock's file is removed or renamed while it is still held, so that none is left lying about. Whoever takes a lock therefore checks that the
//! file which it locked is still the one at the path.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::regular;

/// Asked several times a second, with the lock's path, while another process holds it. `false` gives up.
pub type Waiting<'a> = &'a mut dyn FnMut(&Path) -> bool;

const TICK: Duration = Duration::from_millis(50);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// False on a file system without locks, where it keeps nobody out.
    pub is_real: bool,
    pub file: File,
    kept: bool,
}

impl FileLock {
    /// Makes the file at `path` where there is none, and locks it. `None` when someone else holds it. Where the file system has no locks, it
    /// counts as taken.
    ///
    /// # Errors
    /// When the file cannot be made, opened or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        loop {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).read(true).write(true);
            let file = regular::open_with(&mut options, path)?;
            let is_real = match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if !has_no_locks(&error) => return Err(error),
                Ok(()) => true,
                Err(TryLockError::Error(_)) => false,
            };
            if is_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), is_real, file, kept: false }));
            }
        }
    }

    /// [`try_take`](Self::try_take), as often as it needs.
    ///
    /// # Errors
    /// As [`try_take`](Self::try_take), and [`ErrorKind::Interrupted`] where `waiting` gave up.
    pub fn take(path: &Path, waiting: Waiting<'_>) -> Result<Self> {
        loop {
            match Self::try_take(path)? {
                Some(lock) => return Ok(lock),
                None if waiting(path) => std::thread::sleep(TICK),
                None => return Err(given_up()),
            }
        }
    }

    /// The lock at `path` if its owner has died; `None` when it lives, or when there is nothing at `path`.
    #[must_use]
    pub fn take_over(path: &Path) -> Option<Self> {
        let file = regular::open_with(OpenOptions::new().read(true).write(true), path).ok()?;
        file.try_lock().ok()?;
        let is_there = is_at(&file, path).ok()?;
        is_there.then(|| Self { path: path.to_owned(), is_real: true, file, kept: false })
    }

    /// The same lock, whose file stays when it is released: others may wait at it who do not look whether it is still there.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // One that was renamed has made room for somebody else's. Failing leaves an unlocked file, which the next run removes.
        if !self.kept && is_at(&self.file, &self.path).unwrap_or_default() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether someone holds the lock at `path`; when in doubt, yes.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    match regular::open(path) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether `path` still names the open `file`.
fn is_at(file: &File, path: &Path) -> Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok(there.ino() == open.ino() && there.dev() == open.dev()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Some network file systems have locks, but not on this machine.
fn has_no_locks(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

fn given_up() -> Error {
    Error::new(ErrorKind::Interrupted, "another process holds it")
}

/// Locks `file`, which is the one at `path`. A file system without locks has none to wait for.
///
/// # Errors
/// [`ErrorKind::Interrupted`] where `waiting` gave up, and what the system says.
pub fn lock(file: &File, path: &Path, exclusive: bool, waiting: Waiting<'_>) -> Result<()> {
    loop {
        match if exclusive { file.try_lock() } else { file.try_lock_shared() } {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if waiting(path) => std::thread::sleep(TICK),
            Err(TryLockError::WouldBlock) => {
                return Err(given_up());
            }
            Err(TryLockError::Error(error)) if has_no_locks(&error) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn who_waits_is_asked_and_may_give_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lock");
        let held = File::create(&path).expect("created");
        held.lock().expect("locks work");
        let file = File::open(&path).expect("there");
        let mut asked = 0;
        let given_up = lock(&file, &path, false, &mut |_| {
            asked += 1;
            asked < 3
        });
        assert_eq!((given_up.expect_err("held").kind(), asked), (ErrorKind::Interrupted, 3));
        drop(held);
        lock(&file, &path, false, &mut |_| false).expect("free");
    }

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

    #[test]
    fn a_lock_whose_file_was_renamed_leaves_the_next_one_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, renamed) = (folder.path().join("a.new"), folder.path().join("a"));
        let first = FileLock::take(&path, &mut |_| false).expect("free");
        std::fs::rename(&path, &renamed).expect("writable");
        let second = FileLock::take(&path, &mut |_| false).expect("free");
        drop(first);
        assert!(path.exists() && renamed.exists());
        drop(second.kept());
        assert!(path.exists());
        assert!(FileLock::take_over(&path).is_some());
        assert!(!path.exists());
    }
}
