//! What is in the folders of a store.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Whether keys begin so: two hexadecimal digits.
pub(super) fn is_prefix(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a folder is at `path`, and no link to one.
pub(super) fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Names and paths of what is in `folder`; nothing when it is not there or is no folder.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let error = |error: &std::io::Error| StoreError::io("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(failure) => return Err(error(&failure)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|failure| error(&failure))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}
