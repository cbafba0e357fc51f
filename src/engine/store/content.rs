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

impl Store {
    fn content_index(&self) -> PathBuf {
        self.cache().join("content")
    }

    fn content_file(&self, content: &CacheKey) -> PathBuf {
        let text = content.to_string();
        self.content_index().join(&text[..2]).join(&text[2..])
    }

    /// The entry that was made in the same way from inputs with the same contents, under whatever key.
    pub(super) fn find_by_content(
        &self,
        fingerprint: &Fingerprint,
        contents: &BTreeMap<String, String>,
    ) -> Result<Option<Entry>, StoreError> {
        self.indexed.get_or_init(|| {
            if !self.content_index().is_dir() {
                self.rebuild_content_index();
            }
        });
        let content = content_key(fingerprint, contents);
        let Ok(text) = regular::read_to_string(&self.content_file(&content)) else {
            return Ok(None);
        };
        let Ok(key) = text.trim_end().parse::<CacheKey>() else { return Ok(None) };
        if key == fingerprint.key() {
            return Ok(None);
        }
        match self.state(&key)? {
            State::Present(entry)
                if content_key(&entry.manifest().fingerprint, &entry.manifest().inputs)
                    == content =>
            {
                Ok(Some(entry))
            }
            _ => Ok(None),
        }
    }

    /// Makes an entry findable by content. Failing costs only work later, so it is silent.
    pub(super) fn index_content(&self, entry: &Entry) {
        self.index_manifest(entry.manifest());
    }

    fn index_manifest(&self, manifest: &Manifest) {
        // Without inputs, equal content means equal key.
        if !manifest.inputs.is_empty() {
            let content = content_key(&manifest.fingerprint, &manifest.inputs);
            let _ = self.disk.replace_index(
                &self.content_file(&content),
                format!("{}\n", manifest.key).as_bytes(),
            );
        }
    }

    /// Forgets the entries that are no longer there.
    pub(super) fn forget_removed_contents(&self) {
        let folders = list(&self.content_index()).unwrap_or_default();
        for (prefix, folder) in folders
            .into_iter()
            .filter(|(prefix, folder)| is_prefix(prefix) && is_real_folder(folder))
        {
            let is_ours = |name: &str| format!("{prefix}{name}").parse::<CacheKey>().is_ok();
            for (_, path) in
                list(&folder).unwrap_or_default().into_iter().filter(|(name, _)| is_ours(name))
            {
                let key = regular::read_to_string(&path)
                    .ok()
                    .and_then(|text| text.trim_end().parse::<CacheKey>().ok());
                if key.is_none_or(|key| !self.entry_folder(&key).exists()) {
                    // It is not believed in any case.
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }

    fn rebuild_content_index(&self) {
        let keys = self.keys().unwrap_or_default();
        keys.par_iter().for_each(|key| {
            if let Ok(Ok(Some(manifest))) = self.read_manifest(key)
                && manifest.alias_of.is_none()
            {
                self.index_manifest(&manifest);
            }
        });
    }
}
