//! What a plan asks of source files.

use std::path::Path;

/// The digest of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// BLAKE3 in lower-case hexadecimal digits.
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// Source files, as a plan sees them. The store memoises digests by path and stamps; a plan asks for each path once.
pub trait Digests {
    /// # Errors
    /// When `path` cannot be read, or is no file.
    fn file(&self, path: &Path) -> std::io::Result<FileDigest>;

    /// The content of a small file.
    ///
    /// # Errors
    /// When `path` cannot be read.
    fn content(&self, path: &Path) -> std::io::Result<Vec<u8>>;

    /// The names of what lies in a folder, for suggestions: maybe not all of them.
    ///
    /// # Errors
    /// When `path` is no folder, or cannot be read.
    fn names(&self, path: &Path) -> std::io::Result<Vec<String>>;
}
