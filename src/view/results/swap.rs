//! Putting results in the place of older ones, with what somebody else keeps there.
//!
//! A folder is replaced by exchanging it with a new one, in one step. What a person keeps in the old one is given a second name in the new one
//! before, and after the exchange the old one is looked through again: who writes into the folder at that moment writes into the old one. It is
//! taken away name by name, each one that was looked at, until nothing is left in it. Where a kill comes before that, the next run looks
//! ([`rescue`]).

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use super::contents::list;
use super::ownership::digest_of;
use super::strangers::{Place, Renamed, Stranger, free_beside, strangers};
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::regular;

/// How often results are put in place before another process is let have its way.
const ATTEMPTS: usize = 16;

/// How often an old folder is looked through into which somebody keeps writing.
const LOOKS: usize = 1000;

/// Exchanges the new folder with what is in the place, in one step, so that a kill leaves either. A disk that cannot exchange gets two renames; a
/// kill between them leaves no folder, which the next run publishes again, and the old one hidden beside it, with what somebody kept in it.
///
/// The folder that the place lies in is flushed by the caller, once for several.
///
/// # Errors
/// When the disk refuses; what was there stays.
pub fn swap(building: &Path, place: Place<'_>) -> io::Result<()> {
    let folder = place.path();
    durable::create_folder(folder.parent().unwrap_or(&folder))?;
    // A link to a folder on a larger disk stays a link.
    let folder = if folder.is_dir() { fs::canonicalize(&folder)? } else { folder };
    match swap_on_one_disk(building, &folder, place) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let near = beside(&folder, "new");
            remove(&near)?; // of a process that was killed
            let swapped = copy_all(building, &near)
                .and_then(|()| durable::sync_below(&near))
                .and_then(|()| swap_on_one_disk(&near, &folder, place));
            remove(&near)?;
            swapped
        }
        result => result,
    }
}

fn swap_on_one_disk(building: &Path, folder: &Path, place: Place<'_>) -> io::Result<()> {
    let mut carried = Carriage::default();
    for attempt in 1.. {
        match replace(building, folder, place, &mut carried) {
            Ok(Some(old)) => return settle(&old, folder, place, carried),
            Ok(None) => break,
            // Another process was faster, or somebody removed the folder, between the look and the rename.
            Err(error)
                if attempt < ATTEMPTS
                    && matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty
                            | ErrorKind::AlreadyExists
                            | ErrorKind::NotFound
                    ) => {}
            Err(error) => {
                carried.put_back()?;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// What of a person's has a second name, or a copy, in the new folder.
#[derive(Default)]
struct Carriage {
    /// By the names in the old folder.
    carried: HashMap<String, Carried>,
    renamed: Renamed,
}

struct Carried {
    target: PathBuf,
    /// What lay at the target when it was made.
    identity: Option<Identity>,
}

impl Carriage {
    /// Removes the second names.
    fn put_back(&mut self) -> io::Result<()> {
        self.renamed = Renamed::default();
        self.carried.drain().try_for_each(|(_, Carried { target, .. })| {
            match target.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir(&target),
                _ => fs::remove_file(&target),
            }
        })
    }

    /// Gives what is a person's in the folder `from` second names in `to`.
    fn carry(&mut self, from: &Path, to: &Path, place: Place<'_>) -> io::Result<()> {
        let mut folders = HashSet::new();
        for Stranger { name, kind } in strangers(from, place)? {
            let target = self.renamed.target(to, from, &name, kind.is_dir());
            if kind.is_dir() && target.is_dir() {
                continue;
            }
            let parent = target.parent().unwrap_or(to).to_owned();
            fs::create_dir_all(&parent)?;
            carry(&from.join(&name), kind, &target)?;
            folders.insert(parent);
            let identity = Identity::of(&target);
            self.carried.insert(name, Carried { target, identity });
        }
        folders.iter().try_for_each(|folder| durable::sync_folder(folder))
    }

    /// The new folder has another name now.
    fn moved(&mut self, from: &Path, to: &Path) {
        for carried in self.carried.values_mut() {
            if let Ok(inside) = carried.target.strip_prefix(from) {
                carried.target = to.join(inside);
            }
        }
    }
}

/// What a file is, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.symlink_metadata().ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { inode: metadata.ino(), size: metadata.len(), modified })
    }
}

/// Puts the new folder in place, and returns where the old one lies now.
fn replace(
    building: &Path,
    folder: &Path,
    place: Place<'_>,
    carried: &mut Carriage,
) -> io::Result<Option<PathBuf>> {
    // Of an earlier attempt.
    carried.put_back()?;
    match folder.symlink_metadata() {
        Err(_) => return durable::rename(building, folder).map(|()| None),
        // Somebody's file in the place of a folder.
        Ok(metadata) if !metadata.is_dir() => {
            durable::rename_unflushed(folder, &free_beside(folder))?;
            return durable::rename(building, folder).map(|()| None);
        }
        Ok(_) => {}
    }
    carried.carry(folder, building, place)?;
    let old = match durable::exchange(building, folder) {
        Err(error) if error.kind() != ErrorKind::CrossesDevices => {
            replace_in_two(building, folder)?
        }
        result => result.map(|()| building.to_owned())?,
    };
    carried.moved(building, folder);
    Ok(Some(old))
}

/// Returns where the old folder lies now.
fn replace_in_two(building: &Path, folder: &Path) -> io::Result<PathBuf> {
    let retired = beside(folder, "old");
    durable::rename_unflushed(folder, &retired)?;
    if let Err(error) = durable::rename(building, folder) {
        durable::rename_unflushed(&retired, folder)?;
        return Err(error);
    }
    Ok(retired)
}

/// Brings what a person has in an old folder into the place, unless it is there: for one that nobody came to look through again.
///
/// # Errors
/// When the disk refuses; what is not there yet stays in the old folder.
pub fn rescue(old: &Path, place: Place<'_>) -> io::Result<()> {
    let (folder, mut carried) = (place.path(), Carriage::default());
    durable::create_folder(&folder)?;
    for stranger in strangers(old, place)? {
        let (from, there) = (old.join(&stranger.name), folder.join(&stranger.name));
        let is_there = if stranger.kind.is_dir() {
            there.is_dir()
        } else {
            let [one, other] = [&from, &there].map(|path| Identity::of(path));
            let is_same = one.zip(other).is_some_and(|(one, other)| one.inode == other.inode);
            is_same || digest_of(&from).is_some_and(|digest| digest_of(&there) == Some(digest))
        };
        if !is_there {
            bring(old, &folder, &stranger, &mut carried)?;
        }
    }
    Ok(())
}

/// Looks through the old folder again, brings what came into it since into the new one, and takes it away.
fn settle(old: &Path, folder: &Path, place: Place<'_>, mut carried: Carriage) -> io::Result<()> {
    crash_point("before-publish-settle");
    let mut settled = || {
        for _ in 0..LOOKS {
            for stranger in strangers(old, place)? {
                bring(old, folder, &stranger, &mut carried)?;
            }
            match take_away(old, place) {
                // Somebody wrote into it meanwhile.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                result => return result,
            }
        }
        Err(ErrorKind::DirectoryNotEmpty.into())
    };
    settled().map_err(|error| {
        // Whatever a person has in there is not removed with it.
        let kept = free_beside(folder);
        match durable::rename_unflushed(old, &kept) {
            Ok(()) => io::Error::new(
                error.kind(),
                format!(
                    "{error}; the results are there, and what was there before is in `{}`",
                    kept.display()
                ),
            ),
            Err(_) => error,
        }
    })
}

/// Brings a person's file that is in the old folder into the new one, unless it is there.
fn bring(old: &Path, folder: &Path, stranger: &Stranger, carried: &mut Carriage) -> io::Result<()> {
    let from = old.join(&stranger.name);
    let Some(identity) = Identity::of(&from) else { return Ok(()) }; // it was removed
    if let Some(known) = carried.carried.get(&stranger.name) {
        let there = Identity::of(&known.target);
        if stranger.kind.is_dir() || there.is_some_and(|there| there.inode == identity.inode) {
            return remove_one(&from, stranger.kind);
        }
        // It was a copy, or somebody replaced it since; what nobody has touched in the new folder gives way.
        if there == known.identity {
            return durable::rename_unflushed(&from, &known.target);
        }
    }
    let target = carried.renamed.target(folder, old, &stranger.name, stranger.kind.is_dir());
    durable::create_folder(target.parent().unwrap_or(folder))?;
    if stranger.kind.is_dir() {
        durable::create_folder(&target)?;
        return remove_one(&from, stranger.kind);
    }
    durable::rename_unflushed(&from, &target)?;
    durable::sync_folder(target.parent().unwrap_or(folder))
}

fn remove_one(path: &Path, kind: fs::FileType) -> io::Result<()> {
    let removed = if kind.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    removed.or_else(|error| match error.kind() {
        // Somebody removed it, or uses it: another look finds what.
        ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty => Ok(()),
        _ => Err(error),
    })
}

/// Removes what is ours from the old folder, and then all folders, which must be empty by then.
fn take_away(old: &Path, place: Place<'_>) -> io::Result<()> {
    let found = list(old)?;
    let ownership = (place.owners)();
    for (name, kind) in &found {
        if !kind.is_dir() && ownership.is_ours(&place.name_of(name), &old.join(name)) {
            remove_one(&old.join(name), *kind)?;
        }
    }
    // The innermost first.
    for (name, _) in found.iter().rev().filter(|(_, kind)| kind.is_dir()) {
        match fs::remove_dir(old.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_dir(old)
}

/// A hidden name that no other process uses.
fn beside(folder: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(format!(".{what}-{}", std::process::id()));
    folder.with_file_name(name)
}

fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)
        .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Copies a folder that holds files and folders only.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_all(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

/// A link stays a link, wherever it leads: what it names is not ours to copy. Files get a second name where the disk allows it.
fn carry(from: &Path, kind: fs::FileType, to: &Path) -> io::Result<()> {
    if kind.is_dir() {
        return fs::create_dir(to);
    }
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    match fs::hard_link(from, to) {
        Err(_) if kind.is_file() => {
            fs::copy(from, to)?;
            durable::sync_file(&regular::open(to)?, to)
        }
        result => result,
    }
}

/// Puts one file in the place of another, in one step; what somebody else has there under its name is kept under another.
///
/// # Errors
/// When the disk refuses.
pub fn put(new: &Path, place: Place<'_>) -> io::Result<()> {
    let target = place.path();
    let kept = || -> io::Result<()> {
        let is_ours = target.symlink_metadata().is_ok_and(|there| !there.is_dir())
            && (place.owners)().is_ours(place.inside, &target);
        if is_ours || target.symlink_metadata().is_err() {
            return Ok(());
        }
        durable::rename_unflushed(&target, &free_beside(&target))
    };
    kept()?;
    match durable::rename(new, &target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let near = beside(&target, "new");
            fs::copy(new, &near)?;
            durable::sync_file(&regular::open(&near)?, &near)?;
            durable::rename(&near, &target)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use std::sync::Arc;

    use super::super::ownership::Ownership;
    use super::*;

    /// A new folder and an old one with one result of the same name, and a person's file in the old one.
    struct Case {
        root: tempfile::TempDir,
        building: PathBuf,
        folder: PathBuf,
    }

    impl Case {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a temporary folder");
            let (building, folder) = (root.path().join("building"), root.path().join("results"));
            for (path, text) in [(&building, "new"), (&folder, "old")] {
                fs::create_dir(path).expect("created");
                fs::write(path.join("metrics.json"), text).expect("written");
            }
            fs::write(folder.join("notes.txt"), "mine").expect("written");
            Self { root, building, folder }
        }

        /// Swaps; `meanwhile` happens in the old folder when it was looked through for the first time.
        fn swap(&self, meanwhile: impl Fn(&Path)) {
            let looks = Cell::new(0);
            let owners = || {
                if looks.replace(looks.get() + 1) == 0 {
                    meanwhile(&self.folder);
                }
                Arc::new(Ownership::listing(&["metrics.json", "gone.txt"]))
            };
            let place = Place { results: &self.folder, inside: "", owners: &owners };
            swap(&self.building, place).expect("swapped");
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.folder.join(name)).ok()
        }

        fn names(&self) -> Vec<String> {
            let found = list(&self.folder).expect("listed");
            let mut names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn new_results_take_the_place_of_old_ones_and_a_persons_file_stays() {
        let case = Case::new();
        fs::write(case.folder.join("gone.txt"), "a result of before").expect("written");
        case.swap(|_| {});
        assert_eq!(case.names(), ["metrics.json", "notes.txt"]);
        assert_eq!(case.read("metrics.json").as_deref(), Some("new"));
        assert_eq!(fs::read_dir(case.root.path()).expect("listed").count(), 1);
    }

    #[test]
    fn what_a_person_writes_between_the_look_and_the_exchange_is_kept() {
        let case = Case::new();
        case.swap(|old| {
            fs::create_dir_all(old.join("own/empty")).expect("created");
            fs::write(old.join("late.txt"), "late").expect("written");
            fs::write(old.join("own/late.txt"), "late").expect("written");
        });
        assert_eq!(
            case.names(),
            ["late.txt", "metrics.json", "notes.txt", "own", "own/empty", "own/late.txt"]
        );
    }

    #[test]
    fn a_file_that_is_saved_anew_before_the_exchange_has_its_new_content() {
        let case = Case::new();
        let owners = || Arc::new(Ownership::listing(&["metrics.json"]));
        let place = Place { results: &case.folder, inside: "", owners: &owners };
        let mut carried = Carriage::default();
        carried.carry(&case.folder, &case.building, place).expect("carried");
        let saved = case.folder.join("new-notes");
        fs::write(&saved, "mine, later").expect("written");
        fs::rename(saved, case.folder.join("notes.txt")).expect("renamed");
        let old = replace_in_two(&case.building, &case.folder).expect("renamed");
        carried.moved(&case.building, &case.folder);
        settle(&old, &case.folder, place, carried).expect("settled");
        assert_eq!(case.names(), ["metrics.json", "notes.txt"]);
        assert_eq!(case.read("notes.txt").as_deref(), Some("mine, later"));
    }

    #[test]
    fn who_has_a_file_open_goes_on_writing_into_it() {
        let case = Case::new();
        let mut file =
            fs::File::options().append(true).open(case.folder.join("notes.txt")).expect("open");
        case.swap(|_| {});
        io::Write::write_all(&mut file, b", later").expect("written");
        assert_eq!(case.read("notes.txt").as_deref(), Some("mine, later"));
    }

    #[test]
    fn a_persons_folder_in_the_place_of_a_result_is_kept_as_one_folder_late_files_too() {
        let case = Case::new();
        fs::remove_file(case.folder.join("metrics.json")).expect("removed");
        fs::create_dir(case.folder.join("metrics.json")).expect("created");
        for name in ["a", "b"] {
            fs::write(case.folder.join("metrics.json").join(name), name).expect("written");
        }
        case.swap(|old| fs::write(old.join("metrics.json/late"), "late").expect("written"));
        let kept = "metrics.json.kept";
        assert_eq!(
            case.names(),
            ["metrics.json".to_owned(), kept.to_owned()]
                .into_iter()
                .chain(["a", "b", "late"].map(|name| format!("{kept}/{name}")))
                .chain(["notes.txt".to_owned()])
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_link_to_the_folder_stays_a_link() {
        let case = Case::new();
        let elsewhere = case.root.path().join("elsewhere");
        fs::rename(&case.folder, &elsewhere).expect("renamed");
        symlink(&elsewhere, &case.folder).expect("linked");
        case.swap(|_| {});
        assert!(case.folder.is_symlink());
        assert_eq!(case.names(), ["metrics.json", "notes.txt"]);
    }

    #[test]
    fn two_renames_serve_where_names_cannot_be_exchanged() {
        let case = Case::new();
        let retired = replace_in_two(&case.building, &case.folder).expect("renamed");
        assert_eq!(case.read("metrics.json").as_deref(), Some("new"));
        assert_eq!(fs::read_to_string(retired.join("notes.txt")).ok().as_deref(), Some("mine"));
    }

    #[test]
    fn the_old_folder_comes_back_where_the_new_one_cannot_take_its_place() {
        let case = Case::new();
        fs::remove_dir_all(&case.building).expect("removed");
        replace_in_two(&case.building, &case.folder).expect_err("there is no new one");
        assert_eq!(case.read("metrics.json").as_deref(), Some("old"));
    }

    #[test]
    fn a_file_of_ours_gives_way_to_a_new_one_and_a_persons_is_kept_under_another_name() {
        let case = Case::new();
        let owners = || Arc::new(Ownership::listing(&["metrics.json"]));
        for name in ["metrics.json", "notes.txt"] {
            let new = case.root.path().join("new");
            fs::write(&new, "put").expect("written");
            put(&new, Place { results: &case.folder, inside: name, owners: &owners }).expect("put");
        }
        assert_eq!(case.names(), ["metrics.json", "notes.txt", "notes.txt.kept"]);
        assert_eq!(case.read("notes.txt").as_deref(), Some("put"));
        assert_eq!(case.read("notes.txt.kept").as_deref(), Some("mine"));
    }
}
