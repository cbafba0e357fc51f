//! The hidden states of texts that no step changes, because nothing of the encoder is trained: computed once, and kept in memory or, where they are
//! many, in a file that has no name and goes with the process.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::engine::{Engine, EngineError};
use crate::nn::{Batch, reserve};
use crate::text::EncodedSplit;

/// More than this is kept on disk.
const IN_MEMORY_BYTES: u64 = 1 << 30;

const WHAT: &str = "the hidden states of its frozen encoder";

/// The hidden states of all sequences of a split, in order.
#[derive(Debug)]
pub(super) struct FixedStates {
    /// Where the states of each sequence begin, and those of the last one end, in floats.
    bounds: Vec<u64>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Memory(Vec<f32>),
    File(File),
}

impl FixedStates {
    /// Those of a split, where the engine's encoder is fixed, and `None` where it is not or `cancelled` said so.
    ///
    /// * `batch_size`: sequences that are read at a time
    /// * `folder`: where many of them are kept
    ///
    /// # Errors
    /// When the split does not fit the model, or a device or the disk refuses.
    pub fn of(
        engine: &mut dyn Engine,
        split: &EncodedSplit,
        batch_size: usize,
        folder: Option<&Path>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, EngineError> {
        let rows: Vec<u32> = (0..split.sequences() as u32).collect();
        let mut kept: Option<Self> = None;
        for rows in rows.chunks(batch_size.max(1)) {
            let batch = Batch::new(split.gather(&split.ids, rows), split.bounds_of(rows))?;
            let Some(states) = engine.fixed_states(&batch)? else { return Ok(None) };
            if cancelled() {
                return Ok(None);
            }
            let kept = match &mut kept {
                Some(kept) => kept,
                None => kept.insert(Self::new(split, states.len() / batch.len(), folder)?),
            };
            kept.values.push(&states)?;
        }
        Ok(kept)
    }

    /// Room for all sequences of a split.
    ///
    /// * `width`: of the states of a token
    fn new(split: &EncodedSplit, width: usize, folder: Option<&Path>) -> Result<Self, EngineError> {
        let mut bounds = vec![0];
        let mut end = 0;
        for row in 0..split.sequences() {
            end += (split.length_of(row) * width) as u64;
            bounds.push(end);
        }
        let values = if end * 4 > IN_MEMORY_BYTES {
            Values::File(match folder {
                Some(folder) => tempfile::tempfile_in(folder)?,
                None => tempfile::tempfile()?,
            })
        } else {
            let mut values = Vec::new();
            reserve(&mut values, end as usize, WHAT)?;
            Values::Memory(values)
        };
        Ok(Self { bounds, values })
    }

    /// The batch of these sequences with their hidden states.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn bring(&self, batch: Batch, rows: &[u32]) -> Result<Batch, EngineError> {
        let mut states = Vec::new();
        for row in rows {
            let row = *row as usize;
            self.values.read(self.bounds[row], self.bounds[row + 1], &mut states)?;
        }
        Ok(batch.with_hidden_states(states))
    }
}

impl Values {
    fn push(&mut self, more: &[f32]) -> io::Result<()> {
        match self {
            Self::Memory(values) => values.extend_from_slice(more),
            Self::File(file) => {
                let bytes: Vec<u8> = more.iter().flat_map(|value| value.to_le_bytes()).collect();
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// Adds the floats between two places to `states`.
    fn read(&self, start: u64, end: u64, states: &mut Vec<f32>) -> io::Result<()> {
        match self {
            Self::Memory(values) => {
                states.extend_from_slice(&values[start as usize..end as usize]);
            }
            Self::File(file) => {
                let mut bytes = vec![0; 4 * (end - start) as usize];
                file.read_exact_at(&mut bytes, 4 * start)?;
                states.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_back_what_memory_does() {
        let values: Vec<f32> = (0..100).map(|value| (value as f32).sqrt()).collect();
        let file = tempfile::tempfile().expect("a file");
        for mut kept in [Values::Memory(Vec::new()), Values::File(file)] {
            kept.push(&values[..60]).expect("room");
            kept.push(&values[60..]).expect("room");
            let mut found = Vec::new();
            kept.read(50, 75, &mut found).expect("a file");
            kept.read(3, 5, &mut found).expect("a file");
            assert_eq!(found, [&values[50..75], &values[3..5]].concat());
        }
    }
}
