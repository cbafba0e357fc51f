//! What outlives a power loss.
//!
//! A kill loses nothing that was written. A power loss does: a file that was not flushed may be empty although its name is there. So whatever
//! counts is flushed before it gets its name, and the folder that holds the name after. Names are given here and nowhere else.
//!
//! `PIPELINE_WRITE_LOG=file` has every flush and every new name appended to `file`, with the size and the time of change that the file had at
//! that moment, so that a test can hold their order: kills cannot show it. Unset, it costs one load of a static.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

/// Flushes a file that is being written. `path` is where it lies.
pub fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    log("synced", path, None);
    Ok(())
}

/// Flushes the names in a folder.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        match File::open(path).and_then(|folder| folder.sync_all()) {
            // Some file systems cannot flush a folder, and say so in one of these ways; nothing more can be done there.
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            result => result?,
        }
    }
    log("synced", path, None);
    Ok(())
}

/// Flushes every file in a folder and every folder, what is inside before what it lies in. Links are not followed.
pub fn sync_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            sync_below(&path)?;
        } else if kind.is_file() {
            sync_file(&File::open(&path)?, &path)?;
        }
    }
    sync_folder(folder)
}

/// [`sync_below`] for several folders on one disk. Many small files take a system that can less time with the whole disk at once.
pub fn sync_all_below(folders: &[std::path::PathBuf]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let [first, _, ..] = folders {
        rustix::fs::syncfs(File::open(first)?)?;
        return folders.iter().try_for_each(|folder| log_below(folder));
    }
    folders.iter().try_for_each(|folder| sync_below(folder))
}

/// Says that everything below a folder was flushed.
#[cfg(target_os = "linux")]
fn log_below(folder: &Path) -> io::Result<()> {
    if !is_logged() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            log_below(&entry.path())?;
        } else {
            log("synced", &entry.path(), None);
        }
    }
    log("synced", folder, None);
    Ok(())
}

/// Makes a folder with those that it lies in, and flushes the name of each that was not there.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let Some(parent) = path.parent() else { return fs::create_dir_all(path) };
    create_folder(parent)?;
    // Another process may be faster.
    fs::create_dir_all(path)?;
    sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// Gives a file or folder that has been flushed its name. The caller flushes the folder that it now lies in.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    named("renamed", from, to, || fs::rename(from, to))
}

/// Gives something a name that may be lost, or that is found empty after a power loss: a record whose reader checks it, or rubbish.
pub fn rename_unflushed(from: &Path, to: &Path) -> io::Result<()> {
    named("moved", from, to, || fs::rename(from, to))
}

/// Exchanges two names in one step; `from` has been flushed.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub fn exchange(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    named("exchanged", from, to, || Ok(renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE)?))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn exchange(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn named(
    what: &str,
    from: &Path,
    to: &Path,
    give: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    give()?;
    log(what, from, Some(to));
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_logged() -> bool {
    std::env::var_os("PIPELINE_WRITE_LOG").is_some()
}

/// Appends a line of JSON. A log that cannot be written says nothing, and then the test that reads it fails.
fn log(what: &str, path: &Path, to: Option<&Path>) {
    static LOG: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = || {
        Some(Mutex::new(
            File::options()
                .create(true)
                .append(true)
                .open(std::env::var_os("PIPELINE_WRITE_LOG")?)
                .ok()?,
        ))
    };
    let Some(log) = LOG.get_or_init(open) else { return };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut line =
        serde_json::json!({"what": what, "path": absolute(path), "to": to.map(absolute)});
    if let Ok(metadata) = to.unwrap_or(path).metadata()
        && metadata.is_file()
    {
        let changed = metadata
            .modified()
            .ok()
            .and_then(|moment| moment.duration_since(std::time::UNIX_EPOCH).ok());
        line["size"] = metadata.len().into();
        line["changed"] = changed.map(|since| since.as_nanos().to_string()).into();
    }
    let _ = log
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .write_all(format!("{line}\n").as_bytes());
}
