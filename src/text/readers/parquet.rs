//! Parquet, as `datasets`, pandas and polars write it: each row is read as the JSON object that it says.
//!
//! What `datasets` calls the numbers of a `ClassLabel` stands in the file's metadata (`huggingface`), so that they are read by name. Lines are rows,
//! from 1. The program has this reader with the feature `parquet`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

use super::features::class_names;
use super::findings::{Findings, Note};
use super::options::Options;
use super::pieces::{self, Each, Piece};
use super::shapes;
use crate::base::problem::Position;

/// Reads a text from each row.
///
/// # Errors
/// Those of `file`; what is no whole Parquet file is [`io::ErrorKind::InvalidData`].
pub(super) fn read(file: File, options: &Options, each: &mut Each<'_>) -> io::Result<Findings> {
    let reader = guarded(|| SerializedFileReader::new(file))?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let said = metadata.into_iter().flatten().find(|pair| pair.key == "huggingface");
    let names = said.and_then(|pair| pair.value.as_deref()).map(names_in).unwrap_or_default();
    let mut rows = guarded(|| reader.get_row_iter(None))?;
    let mut number = 0;
    let mut next = || {
        let row = guarded(|| rows.next().transpose())?;
        let Some(mut row) = row.map(|row| row.to_json_value()) else { return Ok(None) };
        for (field, names) in &names {
            if let Some(value) = row.get_mut(field) {
                name(value, names);
            }
        }
        number += 1;
        let start = Position { line: number, column: 1 };
        Ok(Some(Ok(Piece { bytes: row.to_string().into_bytes(), start, line: start.line })))
    };
    let mut findings =
        pieces::read(&mut next, &|text, findings| shapes::read(text, options, findings), each)?;
    for field in names.into_keys() {
        findings.note(Note::Named(field));
    }
    Ok(findings)
}

/// What the `parquet` crate says; of some damaged files it panics.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(damaged),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no whole Parquet file")),
    }
}

fn damaged(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        },
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

/// The names of the classes of each field that has some.
fn names_in(metadata: &str) -> BTreeMap<String, Vec<String>> {
    let said: Value = serde_json::from_str(metadata).unwrap_or_default();
    said.pointer("/info/features").map(class_names).unwrap_or_default()
}

/// Puts names in the place of numbers; -1 stands for none.
fn name(value: &mut Value, names: &[String]) {
    if let Value::Array(values) = value {
        values.iter_mut().for_each(|value| name(value, names));
        return;
    }
    let Some(number) = value.as_i64() else { return };
    let found = usize::try_from(number).ok().and_then(|at| names.get(at));
    match found {
        Some(name) => *value = Value::String(name.clone()),
        None if number == -1 => *value = Value::Null,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::ops::ControlFlow;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn texts(bytes: &[u8]) -> io::Result<usize> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        let mut count = 0;
        read(file, &Options::default(), &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn fixture() -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/datasets.parquet");
        std::fs::read(path).expect("a fixture")
    }

    #[test]
    fn a_file_that_was_cut_off_is_no_whole_one() {
        let whole = fixture();
        assert_eq!(texts(&whole).unwrap(), 4);
        let error = texts(&whole[..whole.len() - 9]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn damaged_files_never_panic(changes in prop::collection::vec((0_usize..5000, any::<u8>()), 1..4)) {
            let mut bytes = fixture();
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = texts(&bytes);
        }
    }
}
