//! What an entry is: `manifest.json`, written last, so that its presence means that the entry is complete.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::sealed::{self, SealError};
use crate::engine::plan::{CacheKey, Fingerprint};

/// The file's name; no artifact may have a file of this name at its top.
pub const MANIFEST: &str = "manifest.json";

/// Raised when older programs could not read it any more.
const VERSION: u32 = 2;

/// That of a manifest which says nothing in [`Manifest::read`].
const WITHOUT_READ: u32 = 1;

/// No manifest that this program wrote is larger.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// One file of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Relative to the entry's folder, with `/` between its parts.
    pub path: String,
    /// In bytes.
    pub size: u64,
    pub blake3: String,
    /// It holds clocks or speeds, and is no part of the content digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volatile: bool,
}

/// What an entry is, and what it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    pub key: CacheKey,
    /// The artifact's type.
    pub artifact: String,
    /// The files lie in this entry instead: early cutoff found that the content is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<CacheKey>,
    pub fingerprint: Fingerprint,
    /// The content digests of the inputs that it was made from, by port.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The digests of what was read of inputs of which something was not, by port.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub read: BTreeMap<String, String>,
    /// How it was made, such as program version, device and threads; nothing depends on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made_with: BTreeMap<String, String>,
    /// BLAKE3 over the files that are not volatile.
    pub content: String,
    /// Sorted by path.
    pub files: Vec<FileRecord>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("it is of version {0}, which this program does not know")]
    Version(u32),
    #[error("it belongs to another key")]
    OtherKey,
    #[error("`{0}` is not a name inside the entry")]
    Escapes(String),
    #[error("its list of files is not in order")]
    Unsorted,
    #[error("its content digest is not that of its files")]
    Content,
    #[error("it is an alias of itself")]
    Loop,
}

impl Manifest {
    /// What `made_with` says of the processor's instructions, in whose order sums are made.
    pub const INSTRUCTIONS: &'static str = "instructions";

    pub(super) fn new(
        fingerprint: Fingerprint,
        artifact: &str,
        inputs: BTreeMap<String, String>,
        made_with: BTreeMap<String, String>,
        mut files: Vec<FileRecord>,
    ) -> Self {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let content = content_digest(&files);
        Self {
            version: WITHOUT_READ,
            key: fingerprint.key(),
            artifact: artifact.to_owned(),
            alias_of: None,
            fingerprint,
            inputs,
            read: BTreeMap::new(),
            made_with,
            content,
            files,
        }
    }

    /// Says what was read of inputs of which something was not.
    pub(super) fn reading(self, read: BTreeMap<String, String>) -> Self {
        let version = if read.is_empty() { WITHOUT_READ } else { VERSION };
        Self { version, read, ..self }
    }

    /// The same entry under another key.
    ///
    /// * `inputs`: the content digests of that key's inputs
    pub(super) fn alias(&self, fingerprint: Fingerprint, inputs: BTreeMap<String, String>) -> Self {
        Self {
            key: fingerprint.key(),
            alias_of: Some(self.alias_of.unwrap_or(self.key)),
            fingerprint,
            inputs,
            ..self.clone()
        }
    }

    /// The sum of the files' sizes in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        sealed::seal(self)
    }

    /// Reads the manifest of `key`, trusting nothing in it.
    pub(super) fn read(bytes: &[u8], key: &CacheKey) -> Result<Self, ManifestError> {
        let manifest: Self = sealed::open(bytes)?;
        if !(WITHOUT_READ..=VERSION).contains(&manifest.version) {
            return Err(ManifestError::Version(manifest.version));
        }
        if manifest.key != *key || manifest.fingerprint.key() != *key {
            return Err(ManifestError::OtherKey);
        }
        if manifest.alias_of == Some(manifest.key) {
            return Err(ManifestError::Loop);
        }
        if let Some(file) = manifest.files.iter().find(|file| !is_inside(&file.path)) {
            return Err(ManifestError::Escapes(file.path.chars().take(200).collect()));
        }
        if !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
            return Err(ManifestError::Unsorted);
        }
        if manifest.content != content_digest(&manifest.files) {
            return Err(ManifestError::Content);
        }
        Ok(manifest)
    }

    /// The folders that its files lie in, relative to the entry's.
    pub(super) fn folders(&self) -> BTreeSet<&str> {
        self.files
            .iter()
            .flat_map(|file| file.path.match_indices('/').map(|(at, _)| &file.path[..at]))
            .collect()
    }
}

/// BLAKE3 over path, size and digest of each file that is not volatile.
pub(super) fn content_digest(files: &[FileRecord]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("pipeline 2026-11 content");
    for file in files.iter().filter(|file| !file.volatile) {
        hasher.update(&(file.path.len() as u64).to_le_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update(&file.size.to_le_bytes());
        hasher.update(file.blake3.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Whether `path` names a file inside the folder that it is relative to, on any system.
pub(super) fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
    path != MANIFEST && path.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store::test_support::fingerprint;

    fn file(path: &str, volatile: bool, digest: u8) -> FileRecord {
        FileRecord {
            path: path.into(),
            size: 1,
            blake3: blake3::hash(&[digest]).to_hex().to_string(),
            volatile,
        }
    }

    fn manifest(files: Vec<FileRecord>) -> Manifest {
        Manifest::new(fingerprint("copy", "a"), "text", BTreeMap::new(), BTreeMap::new(), files)
    }

    #[test]
    fn a_manifest_reads_back() {
        let manifest = manifest(vec![file("b/c", false, 1), file("a", true, 2)]);
        assert_eq!(Manifest::read(&manifest.to_bytes(), &manifest.key), Ok(manifest));
    }

    #[test]
    fn the_manifest_of_another_key_is_refused() {
        let manifest = manifest(vec![]);
        assert_eq!(
            Manifest::read(&manifest.to_bytes(), &CacheKey::from_bytes([1; 32])),
            Err(ManifestError::OtherKey)
        );
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for path in [
            "..",
            "a/..",
            "a\0b",
            "..\\x",
            "../x",
            "/etc/passwd",
            "a/../../b",
            "a//b",
            "",
            ".",
            "a/",
            "c:\\x",
            "manifest.json",
        ] {
            let manifest = manifest(vec![file(path, false, 1)]);
            assert_eq!(
                Manifest::read(&manifest.to_bytes(), &manifest.key),
                Err(ManifestError::Escapes(path.into())),
                "{path}"
            );
        }
    }

    proptest::proptest! {
        /// Parts that mean something, and anything else.
        #[test]
        fn a_name_that_is_accepted_lies_in_the_folder(parts in proptest::collection::vec("\\.{1,2}|[a\u{301}\u{e9}]{1,2}|a{300}|\\PC{0,3}|[\\x00-\\x1f/\\\\:~]{0,2}", 1..5)) {
            let path = parts.join("/");
            if is_inside(&path) {
                let joined = std::path::Path::new("/entry").join(&path);
                let plain = joined.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
                proptest::prop_assert!(plain && joined.starts_with("/entry") && joined != std::path::Path::new("/entry") && !path.contains('\0'));
            }
        }
    }

    /// Early cutoff compares contents by this digest alone.
    #[test]
    fn a_content_digest_that_is_not_that_of_the_files_is_refused() {
        let mut manifest = manifest(vec![file("a", false, 1)]);
        manifest.content = content_digest(&[file("a", false, 2)]);
        assert_eq!(
            Manifest::read(&manifest.to_bytes(), &manifest.key),
            Err(ManifestError::Content)
        );
    }

    #[test]
    fn a_file_twice_is_refused() {
        let manifest = manifest(vec![file("a", false, 1), file("a", false, 2)]);
        assert_eq!(
            Manifest::read(&manifest.to_bytes(), &manifest.key),
            Err(ManifestError::Unsorted)
        );
    }

    #[test]
    fn volatile_files_are_no_part_of_the_content() {
        assert_eq!(
            manifest(vec![file("a", false, 1), file("t", true, 2)]).content,
            manifest(vec![file("a", false, 1), file("t", true, 3)]).content
        );
        assert_ne!(
            manifest(vec![file("a", false, 1)]).content,
            manifest(vec![file("a", false, 2)]).content
        );
    }

    #[test]
    fn an_alias_of_an_alias_names_the_files_themselves() {
        let first = manifest(vec![file("a", false, 1)]);
        let second = first.alias(fingerprint("copy", "b"), BTreeMap::new());
        let third = second.alias(fingerprint("copy", "c"), BTreeMap::new());
        assert_eq!(third.alias_of, Some(first.key));
    }
}
