//! How far an unfinished training has come.

use std::path::Path;

use crate::training::Checkpoints;

/// The steps that a training need not make again which goes on from what lies in `folder`; `None` where nothing of use does. Only the beginnings
/// of checkpoints are read: whether the newest is whole shows when the training begins.
#[must_use]
pub fn steps_made(folder: &Path) -> Option<u64> {
    Checkpoints::read_only(folder).newest_readable()
}
