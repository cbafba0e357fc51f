//! A place among results, and what no run put there: files, links and folders of a person's, and the names that they get where a result has theirs.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::list;
use super::ownership::Ownership;

/// A place in a results folder, or the whole of one.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub results: &'a Path,
    /// Where the place is inside, such as `trials/seed=0`; empty for the whole.
    pub inside: &'a str,
    /// What is known by now. Whoever puts files here says so before, so that it is asked for after looking.
    pub owners: &'a dyn Fn() -> Arc<Ownership>,
}

impl Place<'_> {
    #[must_use]
    pub fn path(&self) -> PathBuf {
        if self.inside.is_empty() {
            self.results.to_owned()
        } else {
            self.results.join(self.inside)
        }
    }

    /// The name inside the results folder of what lies in the place under `name`.
    pub(super) fn name_of(&self, name: &str) -> String {
        if self.inside.is_empty() { name.to_owned() } else { format!("{}/{name}", self.inside) }
    }
}

/// Something in a folder that no run put there.
pub(super) struct Stranger {
    /// Relative to the folder.
    pub(super) name: String,
    pub(super) kind: fs::FileType,
}

/// What no run put into `folder`: files, links, and folders that are empty.
pub(super) fn strangers(folder: &Path, place: Place<'_>) -> io::Result<Vec<Stranger>> {
    let found = list(folder)?;
    let ownership = (place.owners)();
    let parents: HashSet<&str> =
        found.iter().filter_map(|(name, _)| Some(name.rsplit_once('/')?.0)).collect();
    let strange = found.iter().filter(|(name, kind)| {
        let inside = place.name_of(name);
        if kind.is_dir() {
            !ownership.is_our_folder(&inside) && !parents.contains(name.as_str())
        } else {
            !ownership.is_ours(&inside, &folder.join(name))
        }
    });
    Ok(strange.map(|(name, kind)| Stranger { name: name.clone(), kind: *kind }).collect())
}

/// The names that a person's files and folders get where a result has theirs.
#[derive(Default)]
pub(super) struct Renamed(HashMap<String, String>);

impl Renamed {
    /// Where something goes that is called `name` in the folder `from`: to the same name in `to`, or to another that is used in neither.
    pub(super) fn target(
        &mut self,
        to: &Path,
        from: &Path,
        name: &str,
        is_folder: bool,
    ) -> PathBuf {
        let join = |folder: &str, name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        let (mut there, mut source) = (String::new(), String::new());
        let last = name.split('/').count() - 1;
        for (index, part) in name.split('/').enumerate() {
            let inner = join(&source, part);
            let wanted = self.0.get(&inner).cloned().unwrap_or_else(|| join(&there, part));
            let fits = |metadata: &fs::Metadata| metadata.is_dir() && (is_folder || index < last);
            if to.join(&wanted).symlink_metadata().is_ok_and(|there| !fits(&there)) {
                let is_free = |free: &String| {
                    to.join(join(&there, free)).symlink_metadata().is_err()
                        && from.join(join(&source, free)).symlink_metadata().is_err()
                };
                let free = kept_names(part).find(is_free).expect("a folder holds fewer files");
                there = join(&there, &free);
                self.0.insert(inner.clone(), there.clone());
            } else {
                there = wanted;
            }
            source = inner;
        }
        to.join(there)
    }
}

fn kept_names(name: &str) -> impl Iterator<Item = String> {
    let first = std::iter::once(format!("{name}.kept"));
    first.chain((2..).map(move |number: u32| format!("{name}.kept-{number}")))
}

/// A name beside a folder or file that nothing has.
pub fn free_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    kept_names(&name)
        .map(|name| path.with_file_name(name))
        .find(|path| path.symlink_metadata().is_err())
        .expect("a folder holds fewer files")
}
