//! Reading and writing the files of an artifact with errors that name them.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::base::disk::regular;
use crate::engine::stage::StageError;

/// The path of `name` in `folder`, which must be a file.
///
/// # Errors
/// When it is not there: the artifact is damaged, since its files are digested when it is built.
pub fn require(folder: &Path, name: &str) -> Result<PathBuf, StageError> {
    let path = folder.join(name);
    match present(&path)? {
        true => Ok(path),
        false => Err(StageError::new(format!("`{}` is missing", path.display()))
            .with_help("`pipeline verify` lists damaged entries; `run` rebuilds them")),
    }
}

/// Whether a file is at `path`.
///
/// # Errors
/// When it is something else, or nobody may look.
pub fn present(path: &Path) -> Result<bool, StageError> {
    match path.metadata().and_then(|metadata| regular::check(&metadata)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StageError::reading(path, &error)),
    }
}

pub fn read_text(path: &Path) -> Result<String, StageError> {
    regular::read_to_string(path).map_err(|error| StageError::reading(path, &error))
}

pub fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    regular::read(path).map_err(|error| StageError::reading(path, &error))
}

pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StageError> {
    serde_json::from_str(&read_text(path)?).map_err(|error| {
        StageError::new(format!("`{}` is not what was expected: {error}", path.display()))
    })
}

/// Copies content only, so that a read-only file gives a writable one.
pub fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    let mut source = regular::open(from).map_err(|error| StageError::reading(from, &error))?;
    let mut target = File::create(to).map_err(|error| StageError::io("create", to, &error))?;
    std::io::copy(&mut source, &mut target)
        .map(drop)
        .map_err(|error| StageError::io("write", to, &error))
}

/// Writes `value` as indented JSON with a newline at the end.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StageError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| StageError::new(format!("cannot write `{}`: {error}", path.display())))?;
    text.push('\n');
    write_text(path, &text)
}

pub fn write_text(path: &Path, text: &str) -> Result<(), StageError> {
    write(path, text.as_bytes())
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    std::fs::write(path, bytes).map_err(|error| StageError::io("write", path, &error))
}

/// A CSV file that is written row by row.
pub struct CsvFile {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl CsvFile {
    pub fn create(path: PathBuf) -> Result<Self, StageError> {
        let file = File::create(&path).map_err(|error| StageError::io("create", &path, &error))?;
        Ok(Self { writer: csv::Writer::from_writer(BufWriter::new(file)), path })
    }

    pub fn row(&mut self, row: &impl Serialize) -> Result<(), StageError> {
        self.writer
            .serialize(row)
            .map_err(|error| StageError::io("write", &self.path, &error.into()))
    }

    /// A row of fields as they are, for files whose columns are data.
    pub fn record(
        &mut self,
        fields: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), StageError> {
        self.writer
            .write_record(fields)
            .map_err(|error| StageError::io("write", &self.path, &error.into()))
    }

    pub fn finish(self) -> Result<(), StageError> {
        let failed = |error: &std::io::Error| StageError::io("write", &self.path, error);
        let mut buffer = self.writer.into_inner().map_err(|error| failed(error.error()))?;
        buffer.flush().map_err(|error| failed(&error))
    }
}

/// All rows of a CSV file with a header.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, StageError> {
    read_csv_with_header(path).map(|(_, rows)| rows)
}

/// All rows of a CSV file, and its header.
pub fn read_csv_with_header<T: DeserializeOwned>(
    path: &Path,
) -> Result<(Vec<String>, Vec<T>), StageError> {
    let wrong = |error: csv::Error| {
        StageError::new(format!("`{}` is not what was expected: {error}", path.display()))
    };
    let file = regular::open(path).map_err(|error| wrong(error.into()))?;
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let rows = reader.into_deserialize().collect::<Result<_, _>>().map_err(wrong)?;
    Ok((header, rows))
}
