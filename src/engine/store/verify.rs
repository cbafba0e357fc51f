//! Reading every byte, to see whether entries are what their manifests say.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::listing::{is_prefix, is_real_folder, list};
use super::manifest::MANIFEST;
use super::{Entry, FileRecord, Finding, Manifest, Problem, State, Store, StoreError};
use crate::base::disk::digest;
use crate::base::disk::regular;
use crate::engine::plan::CacheKey;

/// What a look at the whole store found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    /// Sorted; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Store {
    /// Reads all of an entry, unless that was done before in this process, and returns what is wrong with it.
    #[must_use]
    pub fn verify_once(&self, entry: &Entry) -> Vec<Finding> {
        let cell = Arc::clone(
            self.verified
                .lock()
                .expect("no panic while it is held")
                .entry(entry.storage_key())
                .or_default(),
        );
        cell.get_or_init(|| self.verify_entry(entry)).clone()
    }

    /// Reads all of an entry although that was done before: someone may have rebuilt it since.
    #[must_use]
    pub fn verify_again(&self, entry: &Entry) -> Vec<Finding> {
        self.verified.lock().expect("no panic while it is held").remove(&entry.storage_key());
        self.verify_once(entry)
    }

    /// Reads all of an entry, its manifest included, and returns what is wrong with it.
    #[must_use]
    pub fn verify_entry(&self, entry: &Entry) -> Vec<Finding> {
        let key = entry.storage_key();
        match self.read_manifest(&key) {
            Ok(Ok(Some(manifest)))
                if manifest.alias_of.is_none() && manifest.files == entry.manifest().files =>
            {
                verify_files(self, &key, &manifest, &|_| {})
            }
            Ok(Ok(_)) => vec![whole(&key, Problem::Dangling { target: key })],
            Ok(Err(finding)) => vec![finding],
            Err(error) => vec![whole(&key, Problem::Unreadable { reason: error.to_string() })],
        }
    }

    /// Whether something lies in an alias' folder, which holds no files; what lies in that of the files themselves is found with them.
    pub(super) fn has_strays(&self, entry: &Entry) -> bool {
        let key = entry.key();
        key != entry.storage_key()
            && !list_unknown(&self.entry_folder(&key), &key, &[], &BTreeSet::new()).is_empty()
    }

    /// Has an entry that was just written, digest by digest, count as read.
    pub(super) fn mark_verified(&self, key: CacheKey) {
        let cell = Verified::from(std::sync::OnceLock::from(Vec::new()));
        self.verified.lock().expect("no panic while it is held").insert(key, cell);
    }
}

/// Reads the whole store on all threads of the current pool, and changes nothing.
///
/// * `progress`: called with the bytes read so far, from several threads
///
/// # Errors
/// When the store's folders cannot be listed. What is wrong with entries is no error, but a [`Finding`].
pub fn verify(store: &Store, progress: &(dyn Fn(u64) + Sync)) -> Result<Verification, StoreError> {
    let mut places = Vec::new();
    store.walk(|prefix, name, path| {
        places.push((prefix.to_owned(), name.to_owned(), path.to_owned()))
    })?;
    let files = AtomicU64::new(0);
    let bytes = AtomicU64::new(0);
    let count = |size: u64| {
        files.fetch_add(1, Ordering::Relaxed);
        progress(bytes.fetch_add(size, Ordering::Relaxed) + size);
    };
    let mut findings: Vec<Finding> = places
        .par_iter()
        .flat_map_iter(|(prefix, name, path)| {
            let findings = match Store::key_at(prefix, name) {
                Some(key) => verify_place(store, &key, &count),
                None => vec![Finding {
                    entry: format!("{prefix}/{name}"),
                    file: String::new(),
                    problem: Problem::NotAKey,
                }],
            };
            // What was removed or set aside meanwhile is not wrong.
            if findings.is_empty() || path.symlink_metadata().is_err() {
                Vec::new()
            } else {
                findings
            }
        })
        .collect();
    // Whatever has another name at the top of the store is not ours to look at.
    let ours = list(&store.folder())?
        .into_iter()
        .filter(|(name, path)| is_prefix(name) && !is_real_folder(path));
    findings.extend(ours.map(|(name, _)| Finding {
        entry: name,
        file: String::new(),
        problem: Problem::NotAFolder,
    }));
    findings.sort_unstable();
    Ok(Verification {
        entries: places.len() as u64,
        files: files.into_inner(),
        bytes: bytes.into_inner(),
        findings,
    })
}

fn verify_place(store: &Store, key: &CacheKey, count: &(dyn Fn(u64) + Sync)) -> Vec<Finding> {
    match store.read_manifest(key) {
        Ok(Ok(Some(manifest))) if manifest.alias_of.is_some() => match store.state(key) {
            // The files of another entry are verified there; here it matters that they are the ones meant.
            Ok(State::Damaged(findings)) => findings
                .into_iter()
                .filter(|finding| finding.entry == Store::place_of(key))
                .collect(),
            Ok(State::Absent | State::Present(_)) => {
                list_unknown(&store.entry_folder(key), key, &[], &BTreeSet::new())
            }
            Err(error) => vec![whole(key, Problem::Unreadable { reason: error.to_string() })],
        },
        Ok(Ok(Some(manifest))) => verify_files(store, key, &manifest, count),
        Ok(Ok(None)) => Vec::new(),
        Ok(Err(finding)) => vec![finding],
        Err(error) => vec![whole(key, Problem::Unreadable { reason: error.to_string() })],
    }
}

fn verify_files(
    store: &Store,
    key: &CacheKey,
    manifest: &Manifest,
    count: &(dyn Fn(u64) + Sync),
) -> Vec<Finding> {
    let folder = store.entry_folder(key);
    let mut findings: Vec<Finding> = manifest
        .files
        .par_iter()
        .filter_map(|file| {
            count(file.size);
            let problem = check_content(&folder.join(&file.path), file)?;
            Some(Finding { entry: Store::place_of(key), file: file.path.clone(), problem })
        })
        .collect();
    findings.extend(list_unknown(&folder, key, &manifest.files, &manifest.folders()));
    findings
}

type Verified = Arc<std::sync::OnceLock<Vec<Finding>>>;

fn whole(key: &CacheKey, problem: Problem) -> Finding {
    Finding { entry: Store::place_of(key), file: String::new(), problem }
}

fn check_content(path: &Path, record: &FileRecord) -> Option<Problem> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable { reason: error.to_string() },
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(unreadable(error)),
    };
    if !metadata.is_file() {
        return Some(Problem::Unreadable { reason: "it is not a file".into() });
    }
    if metadata.len() != record.size {
        return Some(Problem::Size { expected: record.size, found: metadata.len() });
    }
    match regular::open(path).and_then(|file| digest::of_file(&file, record.size)) {
        Ok(found) if found.to_hex().as_str() == record.blake3 => None,
        Ok(found) => Some(Problem::Content {
            expected: record.blake3.clone(),
            found: found.to_hex().to_string(),
        }),
        Err(error) => Some(unreadable(error)),
    }
}

/// What lies in an entry's folder without being listed in its manifest.
fn list_unknown(
    folder: &Path,
    key: &CacheKey,
    files: &[FileRecord],
    folders: &BTreeSet<&str>,
) -> Vec<Finding> {
    let finding = |file: String, problem| Finding { entry: Store::place_of(key), file, problem };
    let mut findings = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(inside) = pending.pop() {
        let entries = match list(&folder.join(&inside)) {
            Ok(entries) => entries,
            Err(error) => {
                findings.push(finding(inside, Problem::Unreadable { reason: error.to_string() }));
                continue;
            }
        };
        for (name, path) in entries {
            let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            let known = name == MANIFEST
                || files.binary_search_by(|file| file.path.as_str().cmp(&name)).is_ok();
            if folders.contains(name.as_str())
                && path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
            {
                pending.push(name);
            } else if !known {
                findings.push(finding(name, Problem::Unknown));
            }
        }
    }
    findings
}
