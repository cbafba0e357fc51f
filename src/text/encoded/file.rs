//! An encoded split as a safetensors file of `U32` vectors.
//!
//! A [`SplitWriter`] takes it part by part, each of which is a split of some texts, so that only one is in memory: every vector grows in a file of its
//! own, and in the end they are put behind their common header, in the order of their names, as the `safetensors` library writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use tempfile::SpooledTempFile;

use super::EncodedSplit;
use crate::base::disk::regular;
use crate::text::{EntityTruth, Windows};

/// The vectors of a file beside those of the entities and windows; all others are the classes of heads.
const OWN: [&str; 5] = ["ids", "bounds", "labels", "starts", "ends"];

/// What stands before the name of a head that is also that of another vector.
const OF_CLASSES: &str = "classes.";

/// What a head's vector of classes is called in a file.
fn name_of_classes(head: &str) -> String {
    if OWN.contains(&head) || EntityTruth::NAMES.contains(&head) {
        format!("{OF_CLASSES}{head}")
    } else {
        head.to_owned()
    }
}

/// Why a file holds no encoded split.
#[derive(Debug, thiserror::Error)]
pub enum EncodedError {
    #[error("cannot {doing} `{}`: {error}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("`{}` holds no encoded texts: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("more than 2^32 tokens in one split")]
    TooManyTokens,
}

/// How the vectors of two parts become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// One behind the other.
    Values,
    /// They begin at 0, and go on from each other.
    Bounds,
    /// They are the same.
    Once,
}

/// In the order of [`OWN`].
const OWN_JOIN: [Joins; 5] =
    [Joins::Values, Joins::Bounds, Joins::Values, Joins::Values, Joins::Values];

/// How much of a vector is in memory before it goes to the disk.
const SPOOL_BYTES: usize = 1 << 20;

/// Writes an [`EncodedSplit`] part by part.
pub struct SplitWriter {
    path: PathBuf,
    vectors: BTreeMap<String, Spool>,
}

/// A vector that grows.
struct Spool {
    file: SpooledTempFile,
    values: usize,
    /// The last value, of bounds.
    last: u32,
}

impl SplitWriter {
    /// * `path`: where the file is to be; its folder holds what is not together yet
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, vectors: BTreeMap::new() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the texts that follow.
    ///
    /// # Errors
    /// When the disk refuses, or there are too many tokens.
    pub fn push(&mut self, part: &EncodedSplit) -> Result<(), EncodedError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        for (name, joins, values) in part.vectors() {
            let spool = self.vectors.entry(name).or_insert_with(|| Spool {
                file: tempfile::spooled_tempfile_in(SPOOL_BYTES, folder),
                values: 0,
                last: 0,
            });
            spool.push(joins, values).map_err(|failed| match failed {
                None => EncodedError::TooManyTokens,
                Some(error) => EncodedError::Io { doing: "write", path: self.path.clone(), error },
            })?;
        }
        Ok(())
    }

    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<(), EncodedError> {
        let Self { path, vectors } = self;
        let write = || -> io::Result<()> {
            let mut file = BufWriter::with_capacity(1 << 18, File::create(&path)?);
            let mut end = 0;
            let tensor = |(name, spool): (&String, &Spool)| {
                let start = end;
                end += 4 * spool.values;
                let (dtype, shape) = (Dtype::U32, vec![spool.values]);
                (name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) })
            };
            let metadata = Metadata::new(None, vectors.iter().map(tensor).collect())
                .map_err(io::Error::other)?;
            let mut header = serde_json::to_vec(&metadata)?;
            header.resize(header.len().next_multiple_of(8), b' ');
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            for mut spool in vectors.into_values() {
                spool.file.rewind()?;
                io::copy(&mut spool.file, &mut file)?;
            }
            file.flush()
        };
        write().map_err(|error| EncodedError::Io { doing: "write", path: path.clone(), error })
    }
}

impl Spool {
    /// # Errors
    /// Those of the disk; nothing where bounds are beyond 2^32.
    fn push(&mut self, joins: Joins, values: &[u32]) -> Result<(), Option<io::Error>> {
        let is_first = self.values == 0;
        let values = match joins {
            Joins::Once if !is_first => return Ok(()),
            Joins::Bounds if !is_first => values.get(1..).unwrap_or_default(),
            _ => values,
        };
        let from = if joins == Joins::Bounds { self.last } else { 0 };
        let mut bytes = Vec::with_capacity(4 * values.len());
        for value in values {
            let Some(value) = value.checked_add(from) else { return Err(None) };
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.values += values.len();
        self.last = values.last().map_or(self.last, |last| last + from);
        self.file.write_all(&bytes).map_err(Some)
    }
}

impl EncodedSplit {
    /// Writes the split as a safetensors file of `U32` vectors.
    ///
    /// # Errors
    /// [`EncodedError::Io`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EncodedError> {
        let mut writer = SplitWriter::new(path.to_owned());
        writer.push(self)?;
        writer.finish()
    }

    /// Reads what [`EncodedSplit::save`] wrote.
    ///
    /// # Errors
    /// [`EncodedError`] when the file cannot be read or is not such a file: lengths that disagree, bounds that do not ascend.
    pub fn load(path: &Path) -> Result<Self, EncodedError> {
        let bytes = regular::read(path).map_err(|error| EncodedError::Io {
            doing: "read",
            path: path.into(),
            error,
        })?;
        Self::from_bytes(&bytes)
            .map_err(|reason| EncodedError::Malformed { path: path.into(), reason })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let vector = |name: &str| -> Result<Vec<u32>, String> {
            let view = tensors.tensor(name).map_err(|error| format!("{name}: {error}"))?;
            if view.dtype() != Dtype::U32 || view.shape().len() != 1 {
                return Err(format!(
                    "`{name}` is {:?} of shape {:?}, not a U32 vector",
                    view.dtype(),
                    view.shape()
                ));
            }
            Ok(view
                .data()
                .chunks_exact(4)
                .map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
                .collect())
        };
        let is_head = |name: &&str| {
            !OWN.contains(name)
                && !EntityTruth::NAMES.contains(name)
                && !Windows::NAMES.contains(name)
        };
        let classes = tensors.names().into_iter().filter(is_head).map(|name| {
            let head = name.strip_prefix(OF_CLASSES).unwrap_or(name);
            Ok((head.to_owned(), vector(name)?))
        });
        let classes = classes.collect::<Result<_, String>>()?;
        let mut split = Self {
            ids: vector("ids")?,
            bounds: vector("bounds")?,
            labels: vector("labels")?,
            starts: vector("starts")?,
            ends: vector("ends")?,
            classes,
            truth: EntityTruth {
                bounds: vector("entity_bounds")?,
                starts: vector("entity_starts")?,
                ends: vector("entity_ends")?,
                kinds: vector("entity_kinds")?,
                fits: vector("entity_fits")?,
            },
            word_begins: Vec::new(),
            windows: None,
        };
        split.check()?;
        if tensors.names().iter().any(|name| Windows::NAMES.contains(name)) {
            let mut vectors = <[Vec<u32>; 6]>::default();
            for (values, name) in vectors.iter_mut().zip(Windows::NAMES) {
                *values = vector(name)?;
            }
            let lengths = (0..split.len()).map(|text| split.range(text).len());
            split.windows = Some(Windows::read(vectors, lengths)?);
        }
        Ok(split)
    }

    fn check(&self) -> Result<(), String> {
        let tokens = self.ids.len();
        for (name, values) in
            [("labels", &self.labels), ("starts", &self.starts), ("ends", &self.ends)]
        {
            if values.len() != tokens {
                return Err(format!("`{name}` has {} values for {tokens} tokens", values.len()));
            }
        }
        for (head, classes) in &self.classes {
            if self.bounds.len() != classes.len() + 1 {
                return Err(format!(
                    "`bounds` has {} values for {} classes of `{head}`",
                    self.bounds.len(),
                    classes.len()
                ));
            }
        }
        let ascends = self.bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        if self.bounds.first() != Some(&0)
            || self.bounds.last().map(|last| *last as usize) != Some(tokens)
            || !ascends
        {
            return Err("`bounds` does not ascend from 0 to the number of tokens".into());
        }
        self.truth.check(self.len())
    }

    fn vectors(&self) -> Vec<(String, Joins, &Vec<u32>)> {
        let own = [&self.ids, &self.bounds, &self.labels, &self.starts, &self.ends];
        let own = OWN.into_iter().zip(OWN_JOIN).zip(own);
        let truth = self.truth.vectors().enumerate().map(|(number, (name, values))| {
            ((name, if number == 0 { Joins::Bounds } else { Joins::Values }), values)
        });
        let windows = self.windows.iter().flat_map(|windows| {
            let joins = |number| match number {
                0 => Joins::Once,
                1 => Joins::Bounds,
                _ => Joins::Values,
            };
            let names = Windows::NAMES.into_iter().enumerate();
            names.map(move |(number, name)| (name, joins(number))).zip(windows.vectors())
        });
        let own = own.chain(truth).chain(windows);
        let own = own.map(|((name, joins), values)| (name.to_owned(), joins, values));
        let classes = self
            .classes
            .iter()
            .map(|(head, classes)| (name_of_classes(head), Joins::Values, classes));
        own.chain(classes).collect()
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::super::tests::{split, windowed};
    use super::*;

    #[test]
    fn a_saved_split_loads_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        for split in [split(), windowed(), EncodedSplit::default()] {
            split.save(&folder.path().join("x")).unwrap();
            assert_eq!(EncodedSplit::load(&folder.path().join("x")).unwrap(), split);
        }
    }

    #[test]
    fn vectors_that_disagree_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for damage in [
            |split: &mut EncodedSplit| split.labels.truncate(6),
            |split: &mut EncodedSplit| split.bounds.truncate(2),
            |split: &mut EncodedSplit| drop(split.classes.insert("x".into(), vec![0])),
            |split: &mut EncodedSplit| split.bounds[1] = 9,
            |split: &mut EncodedSplit| split.bounds.clear(),
            |split: &mut EncodedSplit| split.truth.kinds.truncate(1),
            |split: &mut EncodedSplit| split.truth.fits[0] = 7,
            |split: &mut EncodedSplit| split.truth.bounds.truncate(2),
        ] {
            let mut split = split();
            damage(&mut split);
            split.save(&path).unwrap();
            assert!(matches!(EncodedSplit::load(&path), Err(EncodedError::Malformed { .. })));
        }
    }

    #[test]
    fn a_file_has_the_bytes_that_the_library_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for split in [split(), windowed(), EncodedSplit::default()] {
            split.save(&path).unwrap();
            let vectors: Vec<(String, Vec<u8>)> = split
                .vectors()
                .into_iter()
                .map(|(name, _, values)| {
                    (name, values.iter().flat_map(|value| value.to_le_bytes()).collect())
                })
                .collect();
            let views = vectors.iter().map(|(name, bytes)| {
                (name, TensorView::new(Dtype::U32, vec![bytes.len() / 4], bytes).unwrap())
            });
            assert_eq!(std::fs::read(&path).unwrap(), safetensors::serialize(views, None).unwrap());
        }
    }

    #[test]
    fn a_split_that_is_written_in_parts_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for part in [split(), windowed()] {
            let mut writer = SplitWriter::new(path.clone());
            let mut whole = part.clone();
            writer.push(&part).unwrap();
            for _ in 0..2 {
                writer.push(&part).unwrap();
                whole.append(&part);
            }
            writer.finish().unwrap();
            assert_eq!(EncodedSplit::load(&path).unwrap(), whole);
            assert_eq!(whole.len(), 3 * part.len());
        }
    }
}
