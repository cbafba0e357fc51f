//! An entry of the store, and what can be wrong with one.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::manifest::content_digest;
use super::{FileRecord, Manifest};
use crate::base::disk::regular;
use crate::engine::plan::CacheKey;

/// A complete artifact in the store.
#[derive(Debug, Clone)]
pub struct Entry {
    folder: PathBuf,
    manifest: Arc<Manifest>,
}

impl Entry {
    pub(super) fn new(folder: PathBuf, manifest: Manifest) -> Self {
        Self { folder, manifest: Arc::new(manifest) }
    }

    #[must_use]
    pub fn key(&self) -> CacheKey {
        self.manifest.key
    }

    /// The key under which its files lie: another one where early cutoff found the content there.
    #[must_use]
    pub fn storage_key(&self) -> CacheKey {
        self.manifest.alias_of.unwrap_or(self.manifest.key)
    }

    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its manifest says of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&FileRecord> {
        let files = &self.manifest.files;
        files.binary_search_by(|file| file.path.as_str().cmp(name)).ok().map(|at| &files[at])
    }

    /// The content of a small file, if it is what the manifest says.
    ///
    /// # Errors
    /// When it cannot be read; [`ErrorKind::InvalidData`] where it is something else.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.folder.join(name);
        let bytes = regular::read(&path)?;
        match self.file(name) {
            Some(file) if blake3::hash(&bytes).to_hex().as_str() == file.blake3 => Ok(bytes),
            _ => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("`{}` is not what its entry's manifest says", path.display()),
            )),
        }
    }

    /// The digest of what it holds, which does not depend on how it was made.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.manifest.content
    }

    /// The same without some files, and without parts of JSON files; `None` where one is none, or cannot be read.
    ///
    /// * `parts`: the file, and what takes out of it all that does not count
    #[must_use]
    pub fn content_without(
        &self,
        files: &[String],
        parts: &[(&str, impl Fn(&mut Value))],
    ) -> Option<String> {
        let is_read = |file: &&FileRecord| !files.contains(&file.path);
        let mut read: Vec<FileRecord> =
            self.manifest.files.iter().filter(is_read).cloned().collect();
        for (name, reduce) in parts {
            let mut json: Value = serde_json::from_slice(&self.read(name).ok()?).ok()?;
            reduce(&mut json);
            let rest = serde_json::to_vec(&json).ok()?;
            let record = read.iter_mut().find(|file| file.path == *name)?;
            record.size = rest.len() as u64;
            record.blake3 = blake3::hash(&rest).to_hex().to_string();
        }
        Some(content_digest(&read))
    }
}

/// What is at a key's place in the store, as far as reading the manifest and asking for sizes shows.
#[derive(Debug, Clone)]
pub enum State {
    Absent,
    Present(Entry),
    Damaged(Vec<Finding>),
}

/// Something in the store that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The entry's folder relative to the store.
    pub entry: String,
    /// The file inside the entry; empty when it is the entry as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    #[serde(flatten)]
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    Missing,
    Size {
        expected: u64,
        found: u64,
    },
    Content {
        expected: String,
        found: String,
    },
    Unreadable {
        reason: String,
    },
    /// The manifest does not list it.
    Unknown,
    Manifest {
        reason: String,
    },
    /// The entry that holds the files is gone, or holds something else.
    Dangling {
        target: CacheKey,
    },
    /// The folder's name is no key.
    NotAKey,
    /// Something stands where a folder of entries belongs, such as a link.
    NotAFolder,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.entry)?;
        if !self.file.is_empty() {
            write!(formatter, "/{}", self.file)?;
        }
        write!(formatter, ": {}", self.problem)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = |digest: &str| digest.chars().take(10).collect::<String>();
        match self {
            Self::Missing => formatter.write_str("missing"),
            Self::Size { expected, found } => {
                write!(formatter, "expected {expected} bytes, found {found}")
            }
            Self::Content { expected, found } => {
                write!(formatter, "expected digest {}, found {}", start(expected), start(found))
            }
            Self::Unreadable { reason } => write!(formatter, "unreadable: {reason}"),
            Self::Unknown => formatter.write_str("not part of the entry"),
            Self::Manifest { reason } => formatter.write_str(reason),
            Self::Dangling { target } => write!(
                formatter,
                "names entry {}, which is not there or has another content",
                target.short()
            ),
            Self::NotAKey => formatter.write_str("no entry has this name"),
            Self::NotAFolder => formatter.write_str("not a folder of entries; remove it yourself"),
        }
    }
}
