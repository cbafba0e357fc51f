//! A store in a temporary folder, and small entries, for the tests of this module.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Builder, Committed, Entry, Record, Store, StoreError};
use crate::engine::plan::{CacheKey, Fingerprint};

/// A fingerprint that differs from those with another kind or text.
pub(in crate::engine) fn fingerprint(kind: &str, text: &str) -> Fingerprint {
    Fingerprint {
        kind: kind.to_owned(),
        format: 1,
        code: BTreeMap::from([(kind.to_owned(), 1)]),
        parameters: serde_json::Map::from_iter([("text".to_owned(), text.into())]),
        sources: BTreeMap::new(),
        commit: None,
        inputs: BTreeMap::new(),
    }
}

/// The same with one input, at the port `from`.
pub(in crate::engine) fn with_input(kind: &str, input: CacheKey) -> Fingerprint {
    Fingerprint { inputs: BTreeMap::from([("from".to_owned(), input)]), ..fingerprint(kind, "") }
}

pub(in crate::engine) fn from_input(input: &Entry) -> BTreeMap<String, String> {
    BTreeMap::from([("from".to_owned(), input.content().to_owned())])
}

pub(in crate::engine) fn record(fingerprint: Fingerprint) -> Record<'static> {
    Record {
        fingerprint,
        artifact: "text",
        inputs: BTreeMap::new(),
        read: BTreeMap::new(),
        made_with: BTreeMap::new(),
        volatile: &["timing.csv"],
        replace: false,
    }
}

pub(in crate::engine) struct Case {
    folder: tempfile::TempDir,
    pub(in crate::engine) store: Store,
}

impl Case {
    pub(in crate::engine) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("outputs")).expect("opens");
        Self { folder, store }
    }

    /// The same folder as another process would see it.
    pub(in crate::engine) fn again(&self) -> Store {
        Store::open(self.store.outputs()).expect("opens")
    }

    pub(in crate::engine) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(in crate::engine) fn builder(
        &self,
        fingerprint: &Fingerprint,
        files: &[(&str, &str)],
    ) -> Builder<'_> {
        let builder = self.store.builder(&fingerprint.key()).expect("writable");
        for (name, content) in files {
            let path = builder.folder().join(name);
            fs::create_dir_all(path.parent().expect("inside a folder")).expect("writable");
            fs::write(path, content).expect("writable");
        }
        builder
    }

    pub(in crate::engine) fn commit(
        &self,
        fingerprint: &Fingerprint,
        files: &[(&str, &str)],
    ) -> Result<Committed, StoreError> {
        self.builder(fingerprint, files).commit(record(fingerprint.clone()))
    }

    /// An entry of three files, one in a folder and one volatile.
    pub(in crate::engine) fn entry(&self) -> Entry {
        let files =
            [("words.txt", "one two"), ("model/weights", "12345678"), ("timing.csv", "1.5")];
        self.commit(&fingerprint("copy", "a"), &files).expect("committed").entry
    }

    pub(in crate::engine) fn temporary(&self) -> Vec<String> {
        names(&self.store.temporary())
    }
}

/// Names in a folder, sorted.
pub(in crate::engine) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        super::listing::list(folder).expect("readable").into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

/// Every file below a folder with its content, sorted.
pub(in crate::engine) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for (_, path) in super::listing::list(&next).expect("readable") {
            if path.is_dir() {
                pending.push(path)
            } else {
                drop(found.insert(path.clone(), fs::read(&path).expect("readable")))
            }
        }
    }
    found
}

/// Writes into a file of the store, which is read-only.
pub(in crate::engine) fn overwrite(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
    fs::write(path, bytes).expect("writable");
}

/// Changes one bit of the byte in the middle.
pub(in crate::engine) fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(path, &bytes);
}
