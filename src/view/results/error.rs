//! Why results could not be published.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular;
use crate::base::problem::Help;
use crate::engine::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("`{}` holds the results of {experiment}", folder.display())]
    OtherExperiment { folder: PathBuf, experiment: String },
    #[error("`{}` exists and was not made by a run", folder.display())]
    Foreign { folder: PathBuf },
    #[error("`{}` is a disk of its own, which new results cannot take the place of", folder.display())]
    MountPoint { folder: PathBuf },
    #[error("{}", why.message(folder))]
    Full { folder: PathBuf, why: NoRoom },
    #[error("cannot publish to `{}`: {}", folder.display(), regular::reason(error))]
    Io { folder: PathBuf, error: std::io::Error },
    /// Not a failure of the work, which is done.
    #[error("publishing to `{}` was interrupted", folder.display())]
    Interrupted { folder: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Plot(#[from] crate::view::figures::PlotError),
}

impl PublishError {
    pub(super) fn io(folder: &Path, error: std::io::Error) -> Self {
        let folder = folder.to_owned();
        match NoRoom::of(&error, &folder) {
            Some(why) => Self::Full { folder, why },
            None => Self::Io { folder, error },
        }
    }
}

impl Help for PublishError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::OtherExperiment { .. } => Some(
                "give one of the two experiments a `name = \"...\"` of its own, give this run a `--name`, or remove the folder",
            ),
            Self::Foreign { .. } => Some(
                "give the experiment a `name = \"...\"` of its own, or move the folder away; the results of runs are published again from the store",
            ),
            Self::MountPoint { .. } => Some(
                "mount the disk at `outputs`, or give the experiment a `name = \"...\"` of its own",
            ),
            Self::Io { error, .. } if error.kind() == ErrorKind::PermissionDenied => {
                Some("change the permissions, or give the experiment a `name = \"...\"` of its own")
            }
            Self::Store(error) => return error.help(),
            Self::Full { why, .. } => Some(why.help()),
            Self::Io { error, .. } if error.kind() == ErrorKind::InvalidData => Some(
                "an entry of the store was damaged meanwhile: `pipeline verify` says how, and the same command builds it again",
            ),
            Self::Io { .. } => Some(
                "see that `outputs` can be written, then run the same command again: all results are in the store",
            ),
            Self::Interrupted { .. } => {
                Some("the same command goes on: all results are in the store")
            }
            Self::Plot(error) => NoRoom::behind(error, Path::new("")).map(NoRoom::help),
        };
        help.map(Cow::from)
    }
}
