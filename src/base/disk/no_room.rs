//! What a disk means when it takes no more.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Why a disk does not take what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    Space,
    /// There is space, but the disk holds as many files as it can.
    Files,
    Quota,
    /// The file would be larger than the process, or the file system, allows.
    FileSize,
}

impl NoRoom {
    /// `None` for errors of other kinds.
    #[must_use]
    pub fn of(error: &io::Error, path: &Path) -> Option<Self> {
        match error.kind() {
            ErrorKind::StorageFull => {
                Some(if has_no_more_files(path) { Self::Files } else { Self::Space })
            }
            ErrorKind::QuotaExceeded => Some(Self::Quota),
            ErrorKind::FileTooLarge => Some(Self::FileSize),
            _ => None,
        }
    }

    /// [`NoRoom::of`] the system's error that is behind another.
    #[must_use]
    pub fn behind(error: &(dyn Error + 'static), path: &Path) -> Option<Self> {
        match error.downcast_ref() {
            Some(error) => Self::of(error, path),
            None => Self::behind(error.source()?, path),
        }
    }

    /// What happened to `path`.
    #[must_use]
    pub fn message(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Space => format!("no space is left for `{path}`"),
            Self::Files => format!("the disk can hold no more files: cannot make `{path}`"),
            Self::Quota => format!("the disk quota is used up: cannot write `{path}`"),
            Self::FileSize => format!("`{path}` would be larger than a file may be here"),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Space => "free some space, then run the same command: what is complete is kept",
            Self::Files => {
                "remove files that nobody needs (`pipeline gc` shows what the store can spare), then run the same command: \
                 what is complete is kept"
            }
            Self::Quota => {
                "remove files of yours or ask for a larger quota, then run the same command: what is complete is kept"
            }
            Self::FileSize => {
                "raise the limit (`ulimit -f unlimited`) or use a file system that takes larger files, then run the same command: \
                 what is complete is kept"
            }
        }
    }
}

/// Whether the disk on which `path` lies, or would lie, counts its files and has none left.
#[cfg(unix)]
fn has_no_more_files(path: &Path) -> bool {
    let there = path.ancestors().find(|path| path.exists());
    there
        .and_then(|path| rustix::fs::statvfs(path).ok())
        .is_some_and(|disk| disk.f_files > 0 && disk.f_favail == 0)
}

#[cfg(not(unix))]
fn has_no_more_files(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_have_no_room_has_a_message_and_a_remedy_of_its_own() {
        let of = |kind: ErrorKind| NoRoom::of(&kind.into(), Path::new("/"));
        assert_eq!(of(ErrorKind::StorageFull), Some(NoRoom::Space));
        assert_eq!(of(ErrorKind::QuotaExceeded), Some(NoRoom::Quota));
        assert_eq!(of(ErrorKind::FileTooLarge), Some(NoRoom::FileSize));
        assert_eq!(of(ErrorKind::PermissionDenied), None);
        let all = [NoRoom::Space, NoRoom::Files, NoRoom::Quota, NoRoom::FileSize];
        let messages: std::collections::BTreeSet<_> =
            all.iter().map(|room| (room.message(Path::new("a/b")), room.help())).collect();
        assert_eq!(messages.len(), 4);
        assert!(messages.iter().all(|(message, help)| message.contains("`a/b`")
            && help.ends_with("what is complete is kept")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_says_is_understood() {
        // ENOSPC, EDQUOT and EFBIG.
        let of = |code| NoRoom::of(&io::Error::from_raw_os_error(code), Path::new("/"));
        assert_eq!(
            [of(28), of(122), of(27)],
            [Some(NoRoom::Space), Some(NoRoom::Quota), Some(NoRoom::FileSize)]
        );
    }

    #[test]
    fn the_system_error_behind_another_is_found() {
        #[derive(Debug, thiserror::Error)]
        #[error("the picture: {0}")]
        struct Picture(#[source] io::Error);
        let behind = |kind: ErrorKind| NoRoom::behind(&Picture(kind.into()), Path::new("/"));
        assert_eq!(behind(ErrorKind::QuotaExceeded), Some(NoRoom::Quota));
        assert_eq!(behind(ErrorKind::NotFound), None);
    }
}
