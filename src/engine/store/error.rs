//! What the store says when it cannot do its work.

use std::borrow::Cow;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular::TO_READ;
use crate::base::problem::Help;
use crate::engine::plan::CacheKey;

/// A failure of the store. Whatever it is, entries that were complete stay so, and no partial entry is left in place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("{}", why.message(path))]
    Full { path: PathBuf, why: NoRoom },
    #[error("`{}` lies on a file system that cannot be written", path.display())]
    ReadOnly { path: PathBuf },
    #[error("permission denied: cannot {doing} `{}`", path.display())]
    Denied { doing: &'static str, path: PathBuf },
    #[error("`{}` has vanished", path.display())]
    Vanished { path: PathBuf },
    #[error("cannot {doing} `{}`: {reason}", path.display())]
    Io { doing: &'static str, path: PathBuf, reason: String },
    /// An artifact may hold files and folders only, with names that other systems can have too.
    #[error("`{}` cannot be part of an artifact: {reason}", path.display())]
    Unfit { path: PathBuf, reason: &'static str },
    /// The entry was damaged, rebuilt, and damaged again.
    #[error("entry {} does not stay as it was written", key.short())]
    Unstable { key: CacheKey },
    #[error("`{text}` is no name for {what}")]
    BadName { what: &'static str, text: String },
}

impl StoreError {
    pub(in crate::engine) fn io(doing: &'static str, path: &Path, error: &Error) -> Self {
        let path = path.to_owned();
        if let Some(why) = NoRoom::of(error, &path) {
            return Self::Full { path, why };
        }
        match error.kind() {
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            ErrorKind::PermissionDenied => Self::Denied { doing, path },
            ErrorKind::NotFound => Self::Vanished { path },
            _ => Self::Io { doing, path, reason: error.to_string() },
        }
    }
}

impl Help for StoreError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Full { why, .. } => Some(why.help()),
            Self::Denied { doing: "open" | "read" | "list", .. } => Some(TO_READ),
            Self::ReadOnly { .. } | Self::Denied { .. } => {
                Some("run from a folder that you may write, or change the permissions of `outputs`")
            }
            Self::Vanished { .. } => {
                Some("something removed it during the run; run the same command again")
            }
            Self::Unstable { .. } => Some("check the disk and the memory of this machine"),
            Self::Io { .. } | Self::Unfit { .. } | Self::BadName { .. } => None,
        };
        help.map(Cow::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_is_not_sent_to_where_one_may_write() {
        let help = |doing| {
            let error = StoreError::io(doing, Path::new("x"), &ErrorKind::PermissionDenied.into());
            error.help().map(Cow::into_owned)
        };
        assert!(
            ["open", "read", "list"].iter().all(|doing| help(doing).as_deref() == Some(TO_READ))
        );
        assert!(help("write").expect("some").contains("that you may write"));
    }

    #[test]
    fn what_went_wrong_with_the_disk_is_named() {
        let error = |kind: ErrorKind| {
            StoreError::io("write", Path::new("x"), &Error::from(kind)).to_string()
        };
        assert_eq!(error(ErrorKind::StorageFull), "no space is left for `x`");
        assert_eq!(error(ErrorKind::QuotaExceeded), "the disk quota is used up: cannot write `x`");
        assert_eq!(error(ErrorKind::FileTooLarge), "`x` would be larger than a file may be here");
        assert_eq!(
            error(ErrorKind::ReadOnlyFilesystem),
            "`x` lies on a file system that cannot be written"
        );
        assert_eq!(error(ErrorKind::PermissionDenied), "permission denied: cannot write `x`");
        assert_eq!(error(ErrorKind::NotFound), "`x` has vanished");
    }
}
