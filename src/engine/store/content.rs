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

fn content_key(fingerprint: &Fingerprint, contents: &BTreeMap<String, String>) -> CacheKey {
    fingerprint
        .content_key(contents.iter().map(|(port, content)| (port.as_str(), content.as_str())))
}

fn index_folder(store: &Store) -> PathBuf {
    store.cache().join("content")
}

fn index_file(store: &Store, content: &CacheKey) -> PathBuf {
    let text = content.to_string();
    index_folder(store).join(&text[..2]).join(&text[2..])
}

/// The entry that was made in the same way from inputs with the same contents, under whatever key.
pub(super) fn find(
    store: &Store,
    fingerprint: &Fingerprint,
    contents: &BTreeMap<String, String>,
) -> Result<Option<Entry>, StoreError> {
    store.indexed.get_or_init(|| {
        if !index_folder(store).is_dir() {
            rebuild(store);
        }
    });
    let content = content_key(fingerprint, contents);
    let Ok(text) = regular::read_to_string(&index_file(store, &content)) else {
        return Ok(None);
    };
    let Ok(key) = text.trim_end().parse::<CacheKey>() else { return Ok(None) };
    if key == fingerprint.key() {
        return Ok(None);
    }
    match store.state(&key)? {
        State::Present(entry)
            if content_key(&entry.manifest().fingerprint, &entry.manifest().inputs) == content =>
        {
            Ok(Some(entry))
        }
        _ => Ok(None),
    }
}

/// Makes an entry findable by content. Failing costs only work later, so it is silent.
pub(super) fn index(store: &Store, manifest: &Manifest) {
    // Without inputs, equal content means equal key.
    if !manifest.inputs.is_empty() {
        let content = content_key(&manifest.fingerprint, &manifest.inputs);
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
