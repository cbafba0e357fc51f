//! Whatever a program leaves.

use std::path::Path;

use crate::engine::stage::{Artifact, StageError};

/// Files of any kind, for programs to read.
pub struct Files;

impl Artifact for Files {
    const TYPE: &'static str = "files";
    const FORMAT: u32 = 1;

    fn open(_folder: &Path) -> Result<Self, StageError> {
        Ok(Self)
    }
}
