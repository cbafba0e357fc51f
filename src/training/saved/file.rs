//! The file that a training continues from.
//!
//! ```text
//! magic 8 | version 4 | header length 8 | header (JSON) | history rows | vectors of f32 | BLAKE3 of all before 32
//! ```
//!
//! All numbers are little-endian. The header says how many rows, and vectors of which lengths, follow, and a reader holds that against the file's
//! length before it allocates or reads anything. Writing goes from the training's own buffers through a small staging buffer into a temporary
//! file, which is synchronised and then renamed, and its folder synchronised: whenever the process dies, the old file or the new one is there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::engine::{Engine, EngineError, StateVector};
use super::super::history::Row;
use super::super::state::State;
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::no_room::NoRoom;
use crate::base::disk::regular;
use crate::nn::zeros;

const MAGIC: [u8; 8] = *b"pltrain\0";
const VERSION: u32 = 3;
const PREFIX: u64 = 8 + 4 + 8;
const DIGEST: u64 = 32;
/// A header holds numbers and names only; a longer one is no header.
const MAX_HEADER: u64 = 64 << 20;
/// Elements converted to bytes at a time: large enough for BLAKE3 to use several threads.
const STAGED: usize = 1 << 18;

/// Why a saved state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("{}", why.message(path))]
    Full { path: PathBuf, why: NoRoom },
    #[error("cannot {doing} `{}`: {error}", path.display())]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    /// The content is not what was written.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("`{}` belongs to another training", path.display())]
    Foreign { path: PathBuf },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SaveError {
    pub(in crate::training) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match NoRoom::of(&error, &path) {
            Some(why) => Self::Full { path, why },
            None => Self::Io { doing, path, error },
        }
    }

    /// What went wrong, without the names of files, so that two failures of one cause are told to be that.
    pub(in crate::training) fn cause(&self) -> String {
        match self {
            Self::Full { why, .. } => format!("{why:?}"),
            Self::Io { doing, error, .. } => format!("{doing} {:?}", error.kind()),
            Self::Damaged { reason, .. } => reason.clone(),
            Self::Foreign { .. } | Self::Engine(_) => self.to_string(),
        }
    }

    /// Why `asked` cannot be used: without its path, but with that of another file that it needs.
    #[must_use]
    pub fn reason(&self, asked: &Path) -> String {
        match self {
            Self::Io { path, .. } | Self::Damaged { path, .. } if path != asked => self.to_string(),
            Self::Full { .. } => self.to_string(),
            Self::Io { doing, error, .. } => format!("cannot {doing} it: {error}"),
            Self::Damaged { reason, .. } => reason.clone(),
            Self::Foreign { .. } => "it belongs to another training".into(),
            Self::Engine(error) => error.to_string(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    rows: u64,
    /// Whose losses a row has.
    tasks: u64,
    /// Elements of each vector. Moments may have fewer than parameters.
    lengths: Vec<u64>,
    /// See [`Engine::pending_decay`].
    pending_decay: f64,
    /// Absent in a file of weights alone.
    state: Option<State>,
}

impl Header {
    fn of_weights(length: usize, pending_decay: f64) -> Self {
        Self { rows: 0, tasks: 0, lengths: vec![length as u64], pending_decay, state: None }
    }

    fn history_length(&self) -> Option<u64> {
        // A model has as many heads at most as somebody names.
        let tasks = u16::try_from(self.tasks).ok()?;
        self.rows.checked_mul(Row::width(tasks.into()) as u64)
    }

    fn body_length(&self) -> Option<u64> {
        let rows = self.history_length()?;
        self.lengths.iter().try_fold(rows, |sum, length| sum.checked_add(length.checked_mul(4)?))
    }
}

/// Writes parameters, moments, their average where one is kept, loop state and history to `path`.
///
/// # Errors
/// [`SaveError`] when the disk refuses; then `path` is as it was.
pub fn write(
    path: &Path,
    state: &State,
    history: &[Row],
    engine: &dyn Engine,
) -> Result<blake3::Hash, SaveError> {
    let vectors = engine.vectors();
    let header = Header {
        rows: history.len() as u64,
        tasks: history.first().map_or(0, |row| row.losses.len()) as u64,
        lengths: vectors.iter().map(|vector| engine.length(*vector) as u64).collect(),
        pending_decay: engine.pending_decay(),
        state: Some(state.clone()),
    };
    write_vectors(path, &header, history, &|index, sink| engine.export(vectors[index], sink))
}

/// Writes the parameters alone to `path`, and returns the digest by which they are known.
///
/// # Errors
/// As [`write`].
pub fn write_weights(path: &Path, engine: &dyn Engine) -> Result<blake3::Hash, SaveError> {
    let length = engine.length(StateVector::Parameters);
    let header = Header::of_weights(length, engine.pending_decay());
    write_vectors(path, &header, &[], &|_, sink| engine.export(StateVector::Parameters, sink))
}

/// As [`write_weights`], for parameters that are no longer the engine's.
///
/// # Errors
/// As [`write`].
pub fn write_values(path: &Path, values: &[f32]) -> Result<blake3::Hash, SaveError> {
    let header = Header::of_weights(values.len(), 1.0);
    write_vectors(path, &header, &[], &|_, sink| Ok(sink(values)?))
}

/// Writes what an open file holds to `path`.
///
/// # Errors
/// As [`write`].
pub fn write_copy(path: &Path, mut original: &File) -> Result<(), SaveError> {
    put(path, |copy| {
        original
            .rewind()
            .and_then(|()| io::copy(&mut original, copy))
            .map(drop)
            .map_err(|error| failed_to_write(path, error))
    })
}

/// Hands the elements of a vector, given by its number, to a sink, piece by piece.
type Export<'a> =
    &'a dyn Fn(usize, &mut dyn FnMut(&[f32]) -> io::Result<()>) -> Result<(), EngineError>;

fn write_vectors(
    path: &Path,
    header: &Header,
    history: &[Row],
    export: Export<'_>,
) -> Result<blake3::Hash, SaveError> {
    let failed = |error| failed_to_write(path, error);
    let Header { lengths, .. } = header;
    let header = serde_json::to_vec(header).expect("plain data");
    put(path, |file| {
        let mut sink = Digesting { file, hasher: blake3::Hasher::new() };
        let mut prefix = Vec::with_capacity(PREFIX as usize + header.len());
        prefix.extend(MAGIC);
        prefix.extend(VERSION.to_le_bytes());
        prefix.extend((header.len() as u64).to_le_bytes());
        prefix.extend(header);
        sink.write(&prefix).map_err(failed)?;
        let rows: Vec<u8> = history.iter().flat_map(|row| row.to_bytes()).collect();
        sink.write(&rows).map_err(failed)?;
        let mut staged = Vec::with_capacity(STAGED * 4);
        for (vector, length) in lengths.iter().enumerate() {
            let mut written = 0_u64;
            let exported = export(vector, &mut |values| {
                written += values.len() as u64;
                for values in values.chunks(STAGED) {
                    staged.clear();
                    staged.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                    sink.write(&staged)?;
                    crash_point("mid-checkpoint");
                }
                Ok(())
            });
            exported.map_err(|error| match error {
                EngineError::Io(error) => failed(error),
                other => other.into(),
            })?;
            assert_eq!(written, *length, "an engine exports every element");
        }
        let digest = sink.hasher.finalize();
        sink.file.write_all(digest.as_bytes()).map_err(failed)?;
        Ok(digest)
    })
}

fn failed_to_write(path: &Path, error: io::Error) -> SaveError {
    SaveError::io("write", path, error)
}

/// Puts a file at `path`, whole and flushed, or leaves what is there.
fn put<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, SaveError>,
) -> Result<T, SaveError> {
    let failed = |error| failed_to_write(path, error);
    let folder = path.parent().expect("a saved state lies in a folder");
    let mut file =
        tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(failed)?;
    let written = write(file.as_file_mut())?;
    durable::sync_file(file.as_file(), file.path()).map_err(failed)?;
    crash_point("before-checkpoint-rename");
    let temporary = file.into_temp_path();
    durable::rename(&temporary, path).map_err(failed)?;
    // It has another name now, under which it stays.
    let _ = temporary.keep();
    crash_point("after-checkpoint-rename");
    durable::sync_folder(folder).map_err(failed)?;
    Ok(written)
}

/// How temporary files begin, so that those of a killed process are known.
pub(super) const TEMPORARY: &str = ".writing-";

struct Digesting<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
}

impl Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update_rayon(bytes);
        self.file.write_all(bytes)
    }
}

/// A file whose every byte has been checked and that is ready to be read into an engine.
#[derive(Debug)]
pub struct Verified {
    path: PathBuf,
    file: File,
    header: Header,
    body: u64,
    digest: blake3::Hash,
}

impl Verified {
    /// Opens `path`, checks its shape and the digest over every byte, and reads the small parts.
    ///
    /// # Errors
    /// [`SaveError::Damaged`] when a single bit differs from what was written.
    pub fn open(path: &Path) -> Result<Self, SaveError> {
        let file = regular::open(path).map_err(|error| SaveError::io("read", path, error))?;
        Self::of(file, path)
    }

    /// [`open`](Self::open), for a file that is open and that nobody else reads; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of(mut file: File, path: &Path) -> Result<Self, SaveError> {
        let failed = |error| SaveError::io("read", path, error);
        let damaged =
            |reason: &str| SaveError::Damaged { path: path.to_path_buf(), reason: reason.into() };
        let length = file.metadata().map_err(failed)?.len();
        if length < PREFIX + DIGEST {
            return Err(damaged("it is cut off"));
        }
        file.rewind().map_err(failed)?;
        let mut prefix = [0; PREFIX as usize];
        file.read_exact(&mut prefix).map_err(failed)?;
        let header_length = header_length(&prefix, length).map_err(damaged)?;
        let digest = digest_of_file(&mut file, length - DIGEST).map_err(failed)?;
        let mut recorded = [0; DIGEST as usize];
        file.read_exact(&mut recorded).map_err(failed)?;
        if digest != recorded {
            return Err(damaged("its digest does not match its content"));
        }
        file.seek(SeekFrom::Start(PREFIX)).map_err(failed)?;
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|error| damaged(&format!("its header cannot be read: {error}")))?;
        let body = PREFIX + header_length;
        if header.body_length() != Some(length - DIGEST - body) {
            return Err(damaged("its length is not what its header says"));
        }
        Ok(Self { path: path.to_path_buf(), file, header, body, digest })
    }

    #[must_use]
    pub fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// The loop's state, if this is more than weights.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.header.state.as_ref()
    }

    /// Reads the history.
    ///
    /// # Errors
    /// When the file cannot be read or a row is none.
    pub fn history(&mut self) -> Result<Vec<Row>, SaveError> {
        let tasks = self.header.tasks as usize;
        let length = self.header.history_length().unwrap_or_default() as usize;
        let mut bytes = zeros(length, "the history of a saved state").map_err(EngineError::from)?;
        self.read_at(self.body, &mut bytes)?;
        let rows = bytes.chunks_exact(Row::width(tasks));
        let rows: Option<Vec<Row>> = rows.map(|row| Row::from_bytes(row, tasks)).collect();
        rows.ok_or_else(|| SaveError::Damaged {
            path: self.path.clone(),
            reason: "a row of its history is none".into(),
        })
    }

    /// Fills the engine's parameters, and its moments where the file has them.
    ///
    /// # Errors
    /// [`SaveError::Foreign`] when the engine has another number of parameters or moments.
    pub fn load(&mut self, engine: &mut dyn Engine) -> Result<(), SaveError> {
        let Header { lengths, pending_decay, .. } = &self.header;
        let (pending_decay, all) = (*pending_decay, engine.vectors());
        let vectors = &all[..lengths.len().min(all.len())];
        let expected = vectors.iter().map(|vector| engine.length(*vector) as u64);
        // Weights alone are the first of them.
        if !expected.eq(lengths.iter().copied()) || ![1, all.len()].contains(&lengths.len()) {
            return Err(SaveError::Foreign { path: self.path.clone() });
        }
        self.seek(self.body + self.header.history_length().unwrap_or_default())?;
        let mut staged = vec![0; STAGED * 4];
        for &vector in vectors {
            let file = &mut self.file;
            engine.import(vector, &mut |values| read_floats(file, values, &mut staged))?;
        }
        engine.set_pending_decay(pending_decay)?;
        if let Some(state) = &self.header.state {
            engine.set_updates(state.updates);
        }
        Ok(())
    }

    /// Reads the parameters alone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn parameters(&mut self) -> Result<Vec<f32>, SaveError> {
        // Weights are kept when they have been evaluated, which leaves nothing pending.
        let length = match self.header.lengths.first() {
            Some(length) if self.header.pending_decay == 1.0 => *length as usize,
            _ => return Err(SaveError::Foreign { path: self.path.clone() }),
        };
        self.seek(self.body + self.header.history_length().unwrap_or_default())?;
        let mut values = zeros(length, "the best weights").map_err(EngineError::from)?;
        let read = read_floats(&mut self.file, &mut values, &mut vec![0; STAGED * 4]);
        read.map_err(|error| SaveError::io("read", &self.path, error))?;
        Ok(values)
    }

    fn read_at(&mut self, place: u64, bytes: &mut [u8]) -> Result<(), SaveError> {
        self.seek(place)?;
        self.file.read_exact(bytes).map_err(|error| SaveError::io("read", &self.path, error))
    }

    fn seek(&mut self, place: u64) -> Result<(), SaveError> {
        let found = self.file.seek(SeekFrom::Start(place));
        found.map(drop).map_err(|error| SaveError::io("read", &self.path, error))
    }
}

/// Fills `values` from `file` through `staged`, which holds four bytes for each of [`STAGED`] values.
fn read_floats(file: &mut File, values: &mut [f32], staged: &mut [u8]) -> io::Result<()> {
    for values in values.chunks_mut(STAGED) {
        let bytes = &mut staged[..values.len() * 4];
        file.read_exact(bytes)?;
        let (words, _) = bytes.as_chunks::<4>();
        for (value, word) in values.iter_mut().zip(words) {
            *value = f32::from_le_bytes(*word);
        }
    }
    Ok(())
}

/// Holds the first bytes of a file of `length` bytes against what a saved state begins with, and returns the length of its header.
fn header_length(prefix: &[u8; PREFIX as usize], length: u64) -> Result<u64, &'static str> {
    if prefix[..8] != MAGIC {
        return Err("it does not begin like a saved state");
    }
    if prefix[8..12] != VERSION.to_le_bytes() {
        return Err("it is of another version");
    }
    let header_length = u64::from_le_bytes(prefix[12..20].try_into().expect("eight bytes"));
    if header_length > MAX_HEADER.min(length.saturating_sub(PREFIX + DIGEST)) {
        return Err("its header is longer than it may be");
    }
    Ok(header_length)
}

/// The loop's state in a saved state of the right length that need not be whole; good enough to decide which other files it needs.
pub(super) fn peek(path: &Path) -> Option<State> {
    header(path)?.state
}

/// Whether a file of weights has the right length; it need not be whole.
pub(super) fn seems_to_hold_weights(path: &Path) -> bool {
    header(path).is_some_and(|header| !header.lengths.is_empty())
}

fn header(path: &Path) -> Option<Header> {
    let mut file = regular::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut prefix = [0; PREFIX as usize];
    file.read_exact(&mut prefix).ok()?;
    let mut header = vec![0; header_length(&prefix, length).ok()? as usize];
    file.read_exact(&mut header).ok()?;
    let body = length.checked_sub(PREFIX + DIGEST + header.len() as u64)?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    (header.body_length() == Some(body)).then_some(header)
}

/// The digest of the first `length` bytes; leaves the file there.
fn digest_of_file(file: &mut File, length: u64) -> io::Result<blake3::Hash> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let mut staged = vec![0; (STAGED * 4).min(length as usize)];
    let mut left = length;
    while left > 0 {
        let part = &mut staged[..(STAGED as u64 * 4).min(left) as usize];
        file.read_exact(part)?;
        hasher.update_rayon(part);
        left -= part.len() as u64;
    }
    Ok(hasher.finalize())
}
