//! What running processes need, so that `gc` leaves it alone.
//!
//! A run lists its keys in a file in the store's `tmp`, and holds a lock on that file as long as it lives. Listing happens under a shared lock on
//! `store/gc.lock`, removing under an exclusive one: a run that begins waits until a `gc` has finished, and only then looks for its entries.

use std::fs::{File, OpenOptions};
use std::io::Write;

use super::disk::unique;
use super::listing::list;
use super::scratch::clean;
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

impl Claim {
    /// Claims the entries of `keys`, whether they are there yet or not, and removes what dead processes left. `None` where the store
    /// cannot be written: nothing can be removed from it either.
    ///
    /// # Errors
    /// When the claim cannot be written for another reason.
    pub fn of(
        store: &Store,
        keys: impl IntoIterator<Item = CacheKey>,
    ) -> Result<Option<Self>, StoreError> {
        match Self::write(store, keys) {
            Ok(claim) => {
                // What cannot be removed does no harm.
                let _ = clean(store);
                Ok(Some(claim))
            }
            Err(StoreError::ReadOnly { .. } | StoreError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(store: &Store, keys: impl IntoIterator<Item = CacheKey>) -> Result<Self, StoreError> {
        store.disk.create_temporary(&store.temporary())?;
        let _no_gc = lock_against_gc(store, false)?;
        let path = store.temporary().join(format!("run-{}.lock", unique()));
        let error = |error: &std::io::Error| StoreError::io("write", &path, error);
        let mut lock = FileLock::take(&path, &mut |_| true).map_err(|failure| error(&failure))?;
        crash_point("before-claim");
        let lines: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
        lock.file.write_all(lines.as_bytes()).map_err(|failure| error(&failure))?;
        Ok(Self { _lock: lock })
    }
}

/// Keeps runs from beginning. Where there is nothing yet, nothing is made: there is nothing to remove either.
pub(in crate::engine) fn lock_out_runs(store: &Store) -> Result<Option<File>, StoreError> {
    if !store.outputs().exists() {
        return Ok(None);
    }
    store.disk.create_temporary(&store.temporary())?;
    lock_against_gc(store, true).map(Some)
}

/// Waits for the lock that keeps `gc` and beginning runs apart. A file system without locks has none.
pub(in crate::engine) fn lock_against_gc(
    store: &Store,
    exclusive: bool,
) -> Result<File, StoreError> {
    let path = store.folder().join("gc.lock");
    let error = |error: std::io::Error| StoreError::io("lock", &path, &error);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let file = regular::open_with(&mut options, &path).map_err(error)?;
    locks::lock(&file, &path, exclusive, &mut |path| (store.waiting)(path)).map_err(error)?;
    Ok(file)
}

/// The keys that living processes have claimed.
pub(in crate::engine) fn claimed(store: &Store) -> Result<Vec<CacheKey>, StoreError> {
    let mut keys = Vec::new();
    for (name, path) in list(&store.temporary())? {
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
