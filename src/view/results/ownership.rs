//! Whose a file in a results folder is.
//!
//! What the runs' records list is ours, and what none lists is a person's: it is carried along, and never removed or written over. The folder's
//! own record says nothing about that, since anybody can write into it. Only where no run's record names the folder (they were removed, or an
//! older version made it) is it asked, and then a file is ours only with the very content that it lists.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::contents::folders_of;
use super::record::{RECORD, Record};
use crate::base::disk::regular;
use crate::engine::runs::Publication;

/// Who owns what in one results folder, as far as is known at a moment.
pub struct Ownership {
    /// Names of the publication that the folder holds. They are ours whatever they hold now: results that somebody changed are published again.
    named: HashSet<String>,
    /// What runs have put there, or are about to put there, with the content. Whatever else has one of these names is a person's.
    listed: HashMap<String, HashSet<String>>,
    /// Every folder that one of these files lies in.
    folders: HashSet<String>,
}

impl Ownership {
    /// * `folder`: of results
    /// * `publications`: to that folder, all that are known
    /// * `held`: the one that the folder holds, as far as its record tells
    #[must_use]
    pub fn of(
        folder: &Path,
        publications: &[(String, Publication)],
        held: Option<&Publication>,
    ) -> Self {
        let mut named: Vec<String> =
            held.iter().flat_map(|held| held.files.keys().cloned()).collect();
        let mut listed: Vec<(String, String)> = publications
            .iter()
            .flat_map(|(_, publication)| &publication.files)
            .map(|(name, digest)| (name.clone(), digest.clone()))
            .collect();
        if listed.is_empty() {
            let record = Record::read(folder);
            for (name, digest) in record.map(|record| record.blake3).unwrap_or_default() {
                match digest {
                    Some(digest) => listed.push((name, digest)),
                    // An older version lists files so that hold clocks.
                    None => named.push(name),
                }
            }
        }
        Self::new(named, listed)
    }

    fn new(
        named: impl IntoIterator<Item = String>,
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let named: HashSet<String> = named.into_iter().collect();
        let mut listed: HashMap<String, HashSet<String>> = HashMap::new();
        for (name, digest) in files {
            listed.entry(name).or_default().insert(digest);
        }
        let names = named.iter().chain(listed.keys());
        let folders = names.flat_map(|name| folders_of(name)).map(str::to_owned).collect();
        Self { named, listed, folders }
    }

    /// One in which files of these names are ours.
    #[cfg(test)]
    pub fn listing(names: &[&str]) -> Self {
        Self::new(names.iter().map(ToString::to_string), [])
    }

    /// Whether a run put the file at `path` there, whose name inside the results folder is `name`.
    #[must_use]
    pub fn is_ours(&self, name: &str, path: &Path) -> bool {
        name == RECORD
            || self.named.contains(name)
            || self.listed.get(name).is_some_and(|digests| {
                digest_of(path).is_some_and(|digest| digests.contains(&digest))
            })
    }

    /// Whether a run made the folder of this name, or would have: one that is none of these and empty is a person's too.
    #[must_use]
    pub fn is_our_folder(&self, name: &str) -> bool {
        self.folders.contains(name)
    }

    /// Every name that may be one of ours, but the record's.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.named.iter().chain(self.listed.keys()).map(String::as_str).collect()
    }
}

/// The content of a file that is none of a link; `None` where it cannot be read.
pub(super) fn digest_of(path: &Path) -> Option<String> {
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(regular::open(path).ok()?).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(named: &[&str], listed: &[(&str, &str)]) -> Ownership {
        let digest = |content: &str| blake3::hash(content.as_bytes()).to_hex().to_string();
        Ownership::new(
            named.iter().map(ToString::to_string),
            listed.iter().map(|(name, content)| ((*name).to_owned(), digest(content))),
        )
    }

    #[test]
    fn what_the_folder_holds_is_ours_by_name_and_what_else_a_run_has_listed_with_its_content() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        let ownership = of(&["held"], &[("listed", "1"), ("deep/listed", "1")]);
        let ours = |content: &str| {
            std::fs::write(&path, content).expect("written");
            ["held", "listed", "deep/listed", "mine", RECORD]
                .map(|name| ownership.is_ours(name, &path))
        };
        assert_eq!(ours("1"), [true, true, true, false, true]);
        assert_eq!(ours("2"), [true, false, false, false, true]);
        assert!(ownership.is_our_folder("deep") && !ownership.is_our_folder("own"));
    }

    #[test]
    fn a_link_to_what_a_run_has_listed_is_a_persons() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        std::fs::write(&file, "1").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let ownership = of(&[], &[("listed", "1")]);
        assert!(ownership.is_ours("listed", &file) && !ownership.is_ours("listed", &link));
    }
}
