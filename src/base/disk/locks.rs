//! Waiting for a lock that another process holds: never in silence, and never deaf to who wants to stop.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::Duration;

/// Asked several times a second, with the lock's path, while another process holds it. `false` gives up.
pub type Waiting<'a> = &'a mut dyn FnMut(&Path) -> bool;

const TICK: Duration = Duration::from_millis(50);

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
                return Err(Error::new(ErrorKind::Interrupted, "another process holds it"));
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
