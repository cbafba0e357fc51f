//! The second index: from what an entry was made of, by content, to its key.
//!
//! One small file for each entry in `outputs/cache/content/`. It may be deleted, and nothing in it is believed: a key found there counts only
//! when the manifest of its entry says the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rayon::prelude::*;

use super::listing::{is_prefix, is_real_folder, list};
use super::{Entry, Manifest, State, Store, StoreError};
use crate::base::disk::regular;
use crate::engine::plan::{CacheKey, Fingerprint};

/// The names under which an entry is found: what all of its inputs hold, and what is read of them where that is not all.
fn content_keys(
    fingerprint: &Fingerprint,
    contents: &BTreeMap<String, String>,
    read: &BTreeMap<String, String>,
) -> Vec<CacheKey> {
    let key = |digests: &BTreeMap<String, String>| {
        fingerprint
            .content_key(digests.iter().map(|(port, digest)| (port.as_str(), digest.as_str())))
    };
    let mut keys = vec![key(contents)];
    if !read.is_empty() {
        let mut digests = contents.clone();
        digests.extend(read.clone());
        keys.push(key(&digests));
    }
    keys
}

fn index_folder(store: &Store) -> PathBuf {
    store.cache().join("content")
}

fn index_file(store: &Store, content: &CacheKey) -> PathBuf {
    let text = content.to_string();
    index_folder(store).join(&text[..2]).join(&text[2..])
}

/// The entry that was made in the same way from inputs with the same contents, or of which the same was read, under whatever key.
pub(super) fn find(
    store: &Store,
    fingerprint: &Fingerprint,
    contents: &BTreeMap<String, String>,
    read: &BTreeMap<String, String>,
) -> Result<Option<Entry>, StoreError> {
    store.indexed.get_or_init(|| {
        if !index_folder(store).is_dir() {
            rebuild(store);
        }
    });
    for content in content_keys(fingerprint, contents, read) {
        let Ok(text) = regular::read_to_string(&index_file(store, &content)) else { continue };
        let Ok(key) = text.trim_end().parse::<CacheKey>() else { continue };
        if key == fingerprint.key() {
            continue;
        }
        if let State::Present(entry) = store.state(&key)?
            && keys_of(entry.manifest()).contains(&content)
        {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn keys_of(manifest: &Manifest) -> Vec<CacheKey> {
    content_keys(&manifest.fingerprint, &manifest.inputs, &manifest.read)
}

/// Makes an entry findable by content. Failing costs only work later, so it is silent.
pub(super) fn index(store: &Store, manifest: &Manifest) {
    // Without inputs, equal content means equal key.
    if manifest.inputs.is_empty() {
        return;
    }
    for content in keys_of(manifest) {
        let _ = store
            .disk
            .replace_index(&index_file(store, &content), format!("{}\n", manifest.key).as_bytes());
    }
}

/// Forgets the entries that are no longer there.
pub(in crate::engine) fn forget_removed(store: &Store) {
    let folders = list(&index_folder(store)).unwrap_or_default();
    for (prefix, folder) in
        folders.into_iter().filter(|(prefix, folder)| is_prefix(prefix) && is_real_folder(folder))
    {
        let is_ours = |name: &str| format!("{prefix}{name}").parse::<CacheKey>().is_ok();
        for (_, path) in
            list(&folder).unwrap_or_default().into_iter().filter(|(name, _)| is_ours(name))
        {
            let key = regular::read_to_string(&path)
                .ok()
                .and_then(|text| text.trim_end().parse::<CacheKey>().ok());
            if key.is_none_or(|key| !store.entry_folder(&key).exists()) {
                // It is not believed in any case.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn rebuild(store: &Store) {
    let keys = store.keys().unwrap_or_default();
    keys.par_iter().for_each(|key| {
        if let Ok(Ok(Some(manifest))) = store.read_manifest(key)
            && manifest.alias_of.is_none()
        {
            index(store, &manifest);
        }
    });
}
