//! The folder of one repository in the cache, laid out as Python's `huggingface_hub` lays it out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::verify::Etag;
use super::{Commit, HubError, Observer};
use crate::base::disk::durable;
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;

pub(super) struct Folder {
    cache: PathBuf,
    name: String,
    repo: CacheRepo,
}

/// A file of a snapshot.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// The digest in the name of the blob that it links to. `None` for a plain file, as caches without links have them.
    pub(super) etag: Option<Etag>,
}

impl Folder {
    /// `repo` has been checked.
    pub(super) fn new(cache: &Path, repo: &str) -> Self {
        let repo = Repo::new(repo.to_owned(), RepoType::Model);
        let name = repo.folder_name();
        Self { cache: cache.to_path_buf(), name, repo: Cache::new(cache.to_path_buf()).repo(repo) }
    }

    fn root(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    pub(super) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.repo.pointer_path(commit.as_str())
    }

    pub(super) fn blob(&self, etag: &Etag) -> PathBuf {
        self.repo.blob_path(etag.as_str())
    }

    pub(super) fn incomplete(&self, etag: &Etag) -> PathBuf {
        self.repo.blob_path(&format!("{}.incomplete", etag.as_str()))
    }

    /// The commit that `revision` was when the hub was last asked.
    pub(super) fn read_ref(&self, revision: &str) -> Option<Commit> {
        Commit::parse(
            regular::read_to_string(&self.root().join("refs").join(revision)).ok()?.trim(),
        )
    }

    /// Remembers the commit for [`Folder::read_ref`]. hf-hub's own function would leave an empty file behind if it were interrupted.
    pub(super) fn write_ref(&self, revision: &str, commit: &Commit) -> Result<(), HubError> {
        if self.read_ref(revision).as_ref() == Some(commit) {
            return Ok(());
        }
        let path = self.root().join("refs").join(revision);
        let folder = path.parent().expect("a file below refs");
        make_folder(folder)?;
        let failed = |error| HubError::io("write", &path, error);
        let mut builder = tempfile::Builder::new();
        // Others may share the cache; the umask still counts.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.prefix(".ref-").tempfile_in(folder).map_err(failed)?;
        fs::write(temporary.path(), commit.as_str()).map_err(failed)?;
        durable::sync_file(temporary.as_file(), temporary.path()).map_err(failed)?;
        let written = temporary.into_temp_path();
        durable::rename(&written, &path).map_err(failed)?;
        // It has another name now, under which it stays.
        let _ = written.keep();
        sync_folder(folder)
    }

    /// The file in the snapshot, if there is one.
    pub(super) fn entry(&self, commit: &Commit, file: &str) -> Option<Entry> {
        let path = self.snapshot(commit).join(file);
        if !path.is_file() {
            return None;
        }
        let etag =
            fs::read_link(&path).ok().and_then(|target| Etag::parse(target.file_name()?.to_str()?));
        Some(Entry { path, etag })
    }

    /// Waits until no other process downloads the blob. Python's library takes the same lock, and leaves its file.
    ///
    /// The lock saves a second download. What is right does not rest on it, so `None`, where another user has made its file in a cache that both
    /// may write, is no failure.
    pub(super) fn lock(
        &self,
        etag: &Etag,
        observer: &mut dyn Observer,
    ) -> Result<Option<FileLock>, HubError> {
        let path =
            self.cache.join(".locks").join(&self.name).join(format!("{}.lock", etag.as_str()));
        make_folder(path.parent().expect("a file below .locks"))?;
        let mut said = false;
        let lock = FileLock::take(&path, &mut |_| {
            if !std::mem::replace(&mut said, true) {
                observer
                    .message("another process downloads the same file; waiting for it".to_owned());
            }
            !observer.cancelled()
        });
        match lock {
            Ok(lock) => Ok(Some(lock.kept())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(HubError::Cancelled),
            Err(error) => Err(HubError::io("lock", &path, error)),
        }
    }

    /// Makes the verified download the blob.
    pub(super) fn publish(&self, etag: &Etag) -> Result<(), HubError> {
        let blob = self.blob(etag);
        durable::rename(&self.incomplete(etag), &blob)
            .map_err(|error| HubError::io("write", &blob, error))?;
        sync_folder(blob.parent().expect("a file below blobs"))
    }

    /// Makes `file` of the snapshot mean the blob.
    pub(super) fn link(&self, commit: &Commit, file: &str, etag: &Etag) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(file);
        let folder = path.parent().expect("a file below the snapshot");
        make_folder(folder)?;
        let up = "../".repeat(2 + file.split('/').count() - 1);
        let target = PathBuf::from(format!("{up}blobs/{}", etag.as_str()));
        let failed = |error| HubError::io("write", &path, error);
        if fs::read_link(&path).is_ok_and(|present| present == target) {
            return Ok(());
        }
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).map_err(failed)?;
        }
        match link_or_copy(&target, &self.blob(etag), &path) {
            // Another process was faster, and the commit leaves no choice about where it points.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.map_err(failed)?,
        }
        sync_folder(folder)
    }
}

pub(super) fn make_folder(path: &Path) -> Result<(), HubError> {
    durable::create_folder(path).map_err(|error| HubError::io("create the folder", path, error))
}

#[cfg(unix)]
fn link_or_copy(target: &Path, _blob: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link_or_copy(_target: &Path, blob: &Path, path: &Path) -> io::Result<()> {
    fs::copy(blob, path).map(drop)
}

/// A rename is durable once its folder is.
fn sync_folder(path: &Path) -> Result<(), HubError> {
    durable::sync_folder(path).map_err(|error| HubError::io("write", path, error))
}
