//! What a results folder should hold, and what of it lies there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::disk::regular;
use crate::engine::plan::Digests;
use crate::engine::runs::Publication;
use crate::engine::store::{DigestMemo, Entry};

/// A file that a results folder should have.
#[derive(Debug, Clone)]
pub struct Item {
    pub source: Source,
    pub blake3: String,
}

#[derive(Debug, Clone)]
pub enum Source {
    /// A file of an entry of the store.
    Stored { entry: Entry, file: String },
    /// Written for this publishing, in a folder that nobody else sees.
    Made(PathBuf),
    /// It lies there since an earlier run, and is not made again.
    There,
}

/// What a results folder should hold, by name.
#[derive(Debug, Default)]
pub struct Contents {
    pub items: BTreeMap<String, Item>,
    /// Folders inside that are replaced as one, such as a trial's; what lies in none of them is replaced file by file.
    pub parts: BTreeSet<String>,
}

impl Contents {
    /// Adds every file below `made`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn add_made(&mut self, made: &Path) -> io::Result<()> {
        for (name, _) in list(made)?.into_iter().filter(|(_, kind)| !kind.is_dir()) {
            let path = made.join(&name);
            let blake3 = blake3::hash(&regular::read(&path)?).to_hex().to_string();
            self.items.insert(name, Item { source: Source::Made(path), blake3 });
        }
        Ok(())
    }

    /// What a part holds, by the names inside it.
    pub fn inside<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (&'a str, &'a Item)> {
        let inside = move |(name, item): (&'a String, &'a Item)| {
            Some((name.strip_prefix(part)?.strip_prefix('/')?, item))
        };
        self.items.range(format!("{part}/")..).map_while(inside)
    }

    /// The part that a file lies in.
    #[must_use]
    pub fn part_of(&self, name: &str) -> Option<&str> {
        folders_of(name).find_map(|folder| self.parts.get(folder)).map(String::as_str)
    }

    /// Adds a folder that is replaced as one.
    pub fn add_part(&mut self, part: String, files: Vec<(String, Item)>) {
        self.items.extend(files.into_iter().map(|(name, item)| (format!("{part}/{name}"), item)));
        self.parts.insert(part);
    }

    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.items.iter().map(|(name, item)| (name.clone(), item.blake3.clone())).collect()
    }
}

/// Where a trial's results lie in those of the sweep.
#[must_use]
pub fn part_of(label: &str) -> String {
    if label.is_empty() { "trials".to_owned() } else { format!("trials/{label}") }
}

/// Whether a part is a trial's.
#[must_use]
pub fn is_trial(part: &str) -> bool {
    part == "trials" || part.starts_with("trials/")
}

/// The folders that a file lies in, the innermost first.
pub fn folders_of(name: &str) -> impl Iterator<Item = &str> {
    name.rmatch_indices('/').map(|(at, _)| &name[..at])
}

/// Whether a file of this name and content is in the folder, and neither it nor a folder that it lies in is a link.
pub fn is_there(folder: &Path, name: &str, blake3: &str, digests: &DigestMemo) -> bool {
    is_real(folder, name)
        && digests.file(&folder.join(name)).is_ok_and(|found| found.digest == blake3)
}

/// Whether something is there under this name, and neither it nor a folder that it lies in is a link.
fn is_real(folder: &Path, name: &str) -> bool {
    std::iter::once(name)
        .chain(folders_of(name))
        .map(|part| folder.join(part).symlink_metadata())
        .all(|part| part.is_ok_and(|metadata| !metadata.is_symlink()))
}

/// What of a publication is no longer in the folder as it was put there: files, or the folder at the top that is gone or a link with all in it.
#[must_use]
pub fn changed(published: &Publication, folder: &Path, digests: &DigestMemo) -> Vec<String> {
    fn top(name: &str) -> &str {
        name.split('/').next().unwrap_or(name)
    }
    let tops: BTreeSet<&str> = published.files.keys().map(|name| top(name)).collect();
    let gone: BTreeSet<&str> = tops.into_iter().filter(|top| !is_real(folder, top)).collect();
    let is_changed = |(name, digest): &(&String, &String)| {
        !gone.contains(top(name)) && !is_there(folder, name, digest, digests)
    };
    let files = published.files.iter().filter(is_changed).map(|(name, _)| name.as_str());
    gone.iter().copied().chain(files).map(str::to_owned).collect()
}

/// Every file, link and folder below a folder, each folder before what is in it. Links are not followed.
///
/// # Errors
/// When one cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<(String, fs::FileType)>> {
    let mut found = Vec::new();
    let mut pending = vec![(folder.to_owned(), String::new())];
    while let Some((folder, inside)) = pending.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = format!("{inside}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                pending.push((entry.path(), format!("{name}/")));
            }
            found.push((name, kind));
        }
    }
    Ok(found)
}

/// Puts a file at `target`, in a folder that is made if it is not there: large ones as hard links to the store's read-only files where the disk
/// allows it, others as copies that belong to the user, read and compared on the way.
///
/// # Errors
/// When the file can neither be linked nor copied; [`io::ErrorKind::InvalidData`] where it is not what its entry's manifest says.
pub fn place(item: &Item, target: &Path) -> io::Result<()> {
    const LARGE: u64 = 1 << 20;
    fs::create_dir_all(target.parent().unwrap_or(target))?;
    match &item.source {
        Source::There => Ok(()),
        Source::Made(path) => fs::copy(path, target).map(drop),
        Source::Stored { entry, file } => {
            let source = entry.folder().join(file);
            let size = source.metadata()?.len();
            if size >= LARGE && fs::hard_link(&source, target).is_ok() {
                return Ok(());
            }
            // Content only: the store's files are read-only, the user's are not.
            if size < LARGE {
                return fs::write(target, entry.read(file)?);
            }
            io::copy(&mut regular::open(&source)?, &mut fs::File::create(target)?).map(drop)
        }
    }
}
