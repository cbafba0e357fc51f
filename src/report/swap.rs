//! Putting a folder of results in the place of an older one, with what somebody else keeps in that.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::publish::{RECORD, read_record};
use crate::durable;

/// How often results are put in place before another process is let have its way.
const ATTEMPTS: usize = 16;

/// Exchanges the new folder with the old one in one step, so that a kill leaves either, and what somebody else keeps in the old one lies in
/// both before. A disk that cannot exchange gets two renames; a kill between them leaves no folder, which the next run publishes again, and the
/// old one hidden beside it, with what somebody kept in it.
///
/// # Errors
/// When the disk refuses; the old folder stays.
pub fn swap(building: &Path, folder: &Path) -> io::Result<()> {
    durable::create_folder(folder.parent().unwrap_or(folder))?;
    match swap_on_one_disk(building, folder) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let near = beside(folder, "new");
            remove(&near)?; // of a process that was killed
            let swapped = copy_all(building, &near)
                .and_then(|()| durable::sync_below(&near))
                .and_then(|()| swap_on_one_disk(&near, folder));
            remove(&near)?; // the old results, or what could not take their place
            swapped
        }
        result => result,
    }
}

fn swap_on_one_disk(building: &Path, folder: &Path) -> io::Result<()> {
    let mut carried = Vec::new();
    for attempt in 1.. {
        match replace(building, folder, &mut carried) {
            Ok(()) => break,
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
                carried.drain(..).try_for_each(fs::remove_file)?;
                return Err(error);
            }
        }
    }
    durable::sync_folder(folder.parent().unwrap_or(folder))
}

fn replace(building: &Path, folder: &Path, carried: &mut Vec<PathBuf>) -> io::Result<()> {
    // Of an earlier attempt.
    carried.drain(..).try_for_each(fs::remove_file)?;
    if !folder.exists() {
        return durable::rename(building, folder);
    }
    let record = read_record(folder);
    let ours =
        |name: &str| name == RECORD || record.as_ref().is_some_and(|record| record.owns(name));
    carry_all(folder, building, "", &ours, carried)?;
    if !carried.is_empty() {
        durable::sync_below(building)?;
    }
    match durable::exchange(building, folder) {
        Err(error) if error.kind() != ErrorKind::CrossesDevices => replace_in_two(building, folder),
        result => result,
    }
}

fn replace_in_two(building: &Path, folder: &Path) -> io::Result<()> {
    let retired = beside(folder, "old");
    durable::rename_unflushed(folder, &retired)?;
    if let Err(error) = durable::rename(building, folder) {
        durable::rename_unflushed(&retired, folder)?;
        return Err(error);
    }
    remove(&retired)
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

/// Copies a folder that holds files and folders only. The record comes last, so that it is no older than what it describes.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    let mut names: Vec<OsString> =
        fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort_by_key(|name| name == RECORD);
    for name in names {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { copy_all(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

/// Takes over what somebody put into the folder `from`, at any depth. Where a result has the name now, it is kept under another.
///
/// * `inside`: where `from` lies in the old folder, with `/` at its end
/// * `ours`: whether a run made the file of a name in the old folder
fn carry_all(
    from: &Path,
    to: &Path,
    inside: &str,
    ours: &dyn Fn(&str) -> bool,
    carried: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) =
            (entry.file_type()?, format!("{inside}{}", entry.file_name().to_string_lossy()));
        if !kind.is_dir() && ours(&name) {
            continue;
        }
        let mut target = to.join(entry.file_name());
        if target.symlink_metadata().is_ok_and(|there| !(there.is_dir() && kind.is_dir())) {
            target = free(from, to, &entry.file_name());
        }
        if kind.is_dir() {
            carry_all(&entry.path(), &target, &format!("{name}/"), ours, carried)?;
        } else {
            fs::create_dir_all(to)?;
            carry(&entry.path(), kind, &target)?;
            carried.push(target);
        }
    }
    Ok(())
}

/// A name that is used in neither folder.
fn free(from: &Path, to: &Path, name: &OsStr) -> PathBuf {
    let named = |number: u32| {
        let mut name = name.to_owned();
        name.push(if number == 1 { ".kept".to_owned() } else { format!(".kept-{number}") });
        name
    };
    let is_free = |name: &OsString| {
        [from, to].iter().all(|folder| folder.join(name).symlink_metadata().is_err())
    };
    to.join((1..).map(named).find(is_free).expect("a folder holds fewer files"))
}

/// A link stays a link, wherever it leads: what it names is not ours to copy. Files get a second name where the disk allows it.
fn carry(from: &Path, kind: fs::FileType, to: &Path) -> io::Result<()> {
    if kind.is_symlink() {
        return link(&fs::read_link(from)?, to);
    }
    match fs::hard_link(from, to) {
        Err(_) if kind.is_file() => fs::copy(from, to).map(drop),
        result => result,
    }
}

#[cfg(unix)]
fn link(target: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, to)
}

#[cfg(not(unix))]
fn link(_target: &Path, _to: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (building, folder) = (root.path().join("building"), root.path().join("results"));
        for (path, text) in [(&building, "new"), (&folder, "old")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("metrics.json"), text).unwrap();
        }
        (root, building, folder)
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_renames_serve_where_names_cannot_be_exchanged() {
        let (root, building, folder) = folders();
        replace_in_two(&building, &folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("metrics.json")).unwrap(), "new");
        assert_eq!(names(root.path()), ["results"]);
    }

    #[test]
    fn the_old_folder_comes_back_where_the_new_one_cannot_take_its_place() {
        let (root, building, folder) = folders();
        fs::remove_dir_all(&building).unwrap();
        replace_in_two(&building, &folder).unwrap_err();
        assert_eq!(fs::read_to_string(folder.join("metrics.json")).unwrap(), "old");
        assert_eq!(names(root.path()), ["results"]);
    }
}
