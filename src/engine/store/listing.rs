//! What is in the folders of a store.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Whether keys begin so: two hexadecimal digits.
pub(in crate::engine) fn is_prefix(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a folder is at `path`, and no link to one.
pub(in crate::engine) fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Names and paths of what is in `folder`; nothing when it is not there or is no folder.
pub(in crate::engine) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
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

/// The bytes of a file, or of all files in a folder, as far as they can be seen.
pub(in crate::engine) fn size_of(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            list(path).unwrap_or_default().iter().map(|(_, path)| size_of(path)).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}
