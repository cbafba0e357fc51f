//! Work that was tried in vain: `<key>.failed.json` beside the place of an entry. A search counts it as the end of a point, and does not try again.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::base::disk::{durable, regular};
use crate::engine::plan::CacheKey;

/// Why there is no entry, and will be none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the stage said.
    pub error: String,
    /// The id of the run in which it did.
    pub run: String,
}

/// What stands behind the key.
const EXTENSION: &str = "failed.json";

impl Store {
    fn failure_path(&self, key: &CacheKey) -> PathBuf {
        self.entry_folder(key).with_added_extension(EXTENSION)
    }

    /// The key of whose failure `name` in the folder `prefix` is the record.
    pub(in crate::engine) fn failed_at(prefix: &str, name: &str) -> Option<CacheKey> {
        Self::key_at(prefix, name.strip_suffix(EXTENSION)?.strip_suffix('.')?)
    }

    /// Why the work of `key` failed, where that was recorded. A record that cannot be read is none: the work is tried again.
    #[must_use]
    pub fn failure(&self, key: &CacheKey) -> Option<Failure> {
        serde_json::from_slice(&regular::read(&self.failure_path(key)).ok()?).ok()
    }

    /// Records that the work of `key` failed.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn record_failure(&self, key: &CacheKey, failure: &Failure) -> Result<(), StoreError> {
        let path = self.failure_path(key);
        let folder = path.parent().expect("an entry has its place in a folder");
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(failure)?)?;
            durable::rename_unflushed(&file.into_temp_path(), &path)
        };
        write().map_err(|error: std::io::Error| StoreError::io("write", &path, &error))
    }

    /// Forgets that it did; having no record is fine.
    ///
    /// # Errors
    /// When the record cannot be removed.
    pub fn forget_failure(&self, key: &CacheKey) -> Result<(), StoreError> {
        let path = self.failure_path(key);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}
