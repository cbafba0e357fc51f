//! What running processes need, so that `gc` leaves it alone.
//!
//! A run lists its keys in a file in the store's `tmp`, and holds a lock on that file as long as it lives. Listing happens under a shared lock on
//! `store/gc.lock`, removing under an exclusive one: a run that begins waits until a `gc` has finished, and only then looks for its entries.

use std::fs::{File, OpenOptions};
use std::io::Write;

use super::disk::unique;
use super::listing::list;
use super::{Store, StoreError};
use crate::base::disk::crash::crash_point;
use crate::base::disk::locks::{self, FileLock, is_held};
use crate::base::disk::regular;
use crate::engine::plan::CacheKey;

/// Keeps the entries of some keys from being removed, as long as it lives.
#[derive(Debug)]
pub struct Claim {
    _lock: FileLock,
}

impl Store {
    /// Claims the entries of `keys`, whether they are there yet or not, and removes what dead processes left. `None` where the store
    /// cannot be written: nothing can be removed from it either.
    ///
    /// # Errors
    /// When the claim cannot be written for another reason.
    pub fn claim(
        &self,
        keys: impl IntoIterator<Item = CacheKey>,
    ) -> Result<Option<Claim>, StoreError> {
        match self.write_claim(keys) {
            Ok(claim) => {
                // What cannot be removed does no harm.
                let _ = self.clean();
                Ok(Some(claim))
            }
            Err(StoreError::ReadOnly { .. } | StoreError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_claim(&self, keys: impl IntoIterator<Item = CacheKey>) -> Result<Claim, StoreError> {
        self.disk.create_temporary(&self.temporary())?;
        let _no_gc = self.lock_against_gc(false)?;
        let path = self.temporary().join(format!("run-{}.lock", unique()));
        let error = |error: &std::io::Error| StoreError::io("write", &path, error);
        let mut lock = FileLock::take(&path, &mut |_| true).map_err(|failure| error(&failure))?;
        crash_point("before-claim");
        let lines: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
        lock.file.write_all(lines.as_bytes()).map_err(|failure| error(&failure))?;
        Ok(Claim { _lock: lock })
    }

    /// Waits for the lock that keeps `gc` and beginning runs apart. A file system without locks has none.
    pub(super) fn lock_against_gc(&self, exclusive: bool) -> Result<File, StoreError> {
        let path = self.folder().join("gc.lock");
        let error = |error: std::io::Error| StoreError::io("lock", &path, &error);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = regular::open_with(&mut options, &path).map_err(error)?;
        locks::lock(&file, &path, exclusive, &mut |path| (self.waiting)(path)).map_err(error)?;
        Ok(file)
    }

    /// The keys that living processes have claimed.
    pub(super) fn claimed(&self) -> Result<Vec<CacheKey>, StoreError> {
        let mut keys = Vec::new();
        for (name, path) in list(&self.temporary())? {
            if name.starts_with("run-") && name.ends_with(".lock") && is_held(&path) {
                keys.extend(
                    regular::read_to_string(&path)
                        .unwrap_or_default()
                        .lines()
                        .filter_map(|line| line.parse::<CacheKey>().ok()),
                );
            }
        }
        Ok(keys)
    }
}
