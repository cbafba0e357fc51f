//! Opens the folder of a trained model, for whatever works on one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::problem::Problem;
use crate::stages::artifacts::{Artifact as _, Checkpoint, StageError};

/// Why a model could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    #[error("there is no folder `{}`", folder.display())]
    Missing { folder: PathBuf },
    #[error("`{}` is a file, not a model's folder", path.display())]
    File { path: PathBuf },
    #[error("permission denied: cannot look into `{}`", folder.display())]
    Denied { folder: PathBuf },
    #[error("the model in `{}` was trained by an earlier version of this program", folder.display())]
    Earlier { folder: PathBuf },
    #[error("`{}` holds no trained model: there is no `heads.json` in it", folder.display())]
    NoModel { folder: PathBuf },
    #[error("{0}")]
    Unusable(Problem<()>),
}

impl OpenError {
    pub(super) fn of(error: &StageError) -> Self {
        Self::Unusable(Problem::helped(error))
    }
}

/// Opens a model's folder, of which every file is held against its digest, on all threads of the current pool. The weights are not read.
///
/// # Errors
/// When there is no trained model in it, or one that is damaged.
pub(super) fn open(folder: &Path) -> Result<Checkpoint, OpenError> {
    let is_denied = |error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(OpenError::File { path: folder.to_owned() }),
        Err(error) if is_denied(&error) => {
            return Err(OpenError::Denied { folder: folder.to_owned() });
        }
        Err(_) => return Err(OpenError::Missing { folder: folder.to_owned() }),
    }
    if !Checkpoint::is_one(folder) {
        // Of what is in a folder that may not be entered, nobody knows whether it is there.
        let entered = folder.join(".").symlink_metadata();
        let folder = folder.to_owned();
        if entered.is_err_and(|error| is_denied(&error)) {
            return Err(OpenError::Denied { folder });
        }
        return Err(match Checkpoint::is_of_earlier_format(&folder) {
            true => OpenError::Earlier { folder },
            false => OpenError::NoModel { folder },
        });
    }
    Checkpoint::verify(folder).map_err(|error| OpenError::of(&error))?;
    Checkpoint::open(folder).map_err(|error| OpenError::of(&error))
}
