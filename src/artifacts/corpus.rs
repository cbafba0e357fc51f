//! Labelled texts in splits.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::files;
use crate::data::{Corpus, Example, Split, jsonl};
use crate::stage::{Artifact, Caveat, StageError};

/// One JSONL file for each split, in the format that `read_corpus` reads, and what a reader of scores on them should know.
pub struct CorpusFiles {
    folder: PathBuf,
    /// Such as that two splits share texts.
    pub caveats: Vec<Caveat>,
}

impl CorpusFiles {
    const CAVEATS: &'static str = "caveats.json";

    /// Writes every split, the empty ones too.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(corpus: &Corpus, caveats: &[Caveat], folder: &Path) -> Result<Self, StageError> {
        files::write_json(&folder.join(Self::CAVEATS), &caveats)?;
        for split in Split::ALL {
            write_examples(&folder.join(file_name(split)), corpus.get(split))?;
        }
        Self::open(folder)
    }

    /// # Errors
    /// When a file cannot be read or is not what was written.
    pub fn read(&self) -> Result<Corpus, StageError> {
        let mut corpus = Corpus::default();
        for split in Split::ALL {
            *corpus.get_mut(split) = read_examples(&self.folder.join(file_name(split)))?;
        }
        Ok(corpus)
    }
}

impl Artifact for CorpusFiles {
    const TYPE: &'static str = "corpus";
    const FORMAT: u32 = 2;

    fn open(folder: &Path) -> Result<Self, StageError> {
        Split::ALL
            .iter()
            .try_for_each(|split| files::require(folder, &file_name(*split)).map(drop))?;
        let caveats = files::read_json(&files::require(folder, Self::CAVEATS)?)?;
        Ok(Self { folder: folder.to_owned(), caveats })
    }
}

fn file_name(split: Split) -> String {
    format!("{split}.jsonl")
}

pub(super) fn write_examples(path: &Path, examples: &[Example]) -> Result<(), StageError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        jsonl::write(examples, &mut file)?;
        file.flush()
    };
    write().map_err(|error| StageError::io("write", path, &error))
}

/// An empty split is an empty file, which the reader of users' files would refuse.
pub(super) fn read_examples(path: &Path) -> Result<Vec<Example>, StageError> {
    if path.metadata().map_err(|error| StageError::io("read", path, &error))?.len() == 0 {
        return Ok(Vec::new());
    }
    jsonl::read_back(path).map_err(|error| StageError::new(error.to_string()))
}
