//! How far an unfinished training has come.

use std::path::Path;

use crate::training::Checkpoints;

/// The steps that a training of `last_step` steps need not make again which goes on from what lies in `folder`; `None` where nothing of use does.
/// Only the beginnings of checkpoints are read: whether the newest is whole shows when the training begins.
#[must_use]
pub fn steps_made(folder: &Path, last_step: u64) -> Option<u64> {
    Checkpoints::read_only(folder).newest_readable(last_step)
}
