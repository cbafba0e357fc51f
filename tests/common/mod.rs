//! What tests share that work in a folder: the folder, what lies in it, and the program.

pub mod log;
pub mod mini;
pub mod small_disk;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that goes away with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// In memory where there is a place for that: a kill is the same on any file system, and nothing waits for a disk.
    pub fn in_memory() -> Self {
        let memory = tempfile::Builder::new().prefix("pipeline-").tempdir_in("/dev/shm");
        Self(memory.or_else(|_| tempfile::tempdir()).expect("a temporary folder"))
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, content).expect("writable");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// The program with its arguments, started in `folder` without what a developer's environment says of the hub and of colours.
pub fn program<S: AsRef<OsStr>>(
    home: &Path,
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
    command.env_clear().env("HOME", home).current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Names in a folder, sorted; none where there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Every file below a folder with its bytes, by its name in the folder.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![String::new()];
    while let Some(inside) = pending.pop() {
        for name in names(&folder.join(&inside)) {
            let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            let path = folder.join(&name);
            if path.is_dir() {
                pending.push(name);
            } else if let Ok(bytes) = fs::read(&path) {
                files.insert(name, bytes);
            }
        }
    }
    files
}
