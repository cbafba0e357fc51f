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
/// both before. A disk that cannot exchange gets two renames; a kill between them leaves no folder, which the next run publishes again.
///
/// # Errors
/// When the disk refuses; the old folder stays.
pub fn swap(building: &Path, folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    durable::create_folder(parent)?;
    let mut carried = Vec::new();
    for _ in 0..ATTEMPTS {
        match replace(building, folder, &mut carried) {
            // Another process was faster, or somebody removed the folder, between the look and the rename.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
            Ok(()) => return durable::sync_folder(parent),
        }
    }
    replace(building, folder, &mut carried)?;
    durable::sync_folder(parent)
}

fn replace(building: &Path, folder: &Path, carried: &mut Vec<PathBuf>) -> io::Result<()> {
    // Of an earlier attempt.
    carried.drain(..).try_for_each(fs::remove_file)?;
    if !folder.exists() {
        return durable::rename(building, folder);
    }
    let record = read_record(folder);
    let ours = |name: &str| name == RECORD || record.as_ref().is_some_and(|record| record.owns(name));
    carry_all(folder, building, "", &ours, carried)?;
    if !carried.is_empty() {
        durable::sync_below(building)?;
    }
    if durable::exchange(building, folder).is_err() {
        durable::rename_unflushed(folder, &building.with_file_name("retired"))?;
        durable::rename(building, folder)?;
    }
    Ok(())
}

/// Takes over what somebody put into the folder `from`, at any depth. Where a result has the name now, it is kept under another.
///
/// * `inside`: where `from` lies in the old folder, with `/` at its end
/// * `ours`: whether a run made the file of a name in the old folder
fn carry_all(from: &Path, to: &Path, inside: &str, ours: &dyn Fn(&str) -> bool, carried: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, format!("{inside}{}", entry.file_name().to_string_lossy()));
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
    let is_free = |name: &OsString| [from, to].iter().all(|folder| folder.join(name).symlink_metadata().is_err());
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
