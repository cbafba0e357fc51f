//! Files from their paths: the format that is given or guessed, and its reader.

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use super::findings::Findings;
use super::foreign::Foreign;
use super::guess::{Format, Guess, guess};
use super::options::Options;
use super::pieces::Each;
use super::problems::ReadError;
use super::{conll, label_studio, lines, shapes, source, table};

/// How much of a file is looked at to guess its format.
const HEAD_BYTES: u64 = 1 << 16;

/// Reads a file.
///
/// # Errors
/// [`ReadError`] when it cannot be read, or is of no format that is known; what is wrong inside goes to `each`.
pub fn read(
    path: &Path,
    format: Option<Format>,
    options: &Options,
    each: &mut Each<'_>,
) -> Result<(Guess, Findings), ReadError> {
    let io = |error| ReadError::Io { path: path.into(), error };
    let mut source = source::open(path, options.encoding).map_err(io)?;
    let mut head = Vec::new();
    (&mut source).take(HEAD_BYTES).read_to_end(&mut head).map_err(io)?;
    let guess = match format {
        Some(format) => Guess { format, why: None },
        None => {
            let guess = guess(path, &head);
            if let (Format::Lines, Some(foreign)) = (guess.format, Foreign::of_text(&head)) {
                return Err(io(io::Error::new(io::ErrorKind::InvalidData, foreign)));
            }
            if options.rules.is_some() { guess.by_rules() } else { guess }
        }
    };
    if guess.format == Format::Parquet {
        // Its parts are read where its end says that they are, and not one after the other.
        return Ok((guess, read_parquet(path, options, each)?));
    }
    let mut whole = head.chain(source);
    let findings = read_as(guess.format, &mut whole, options, each).map_err(io)?;
    Ok((guess, findings))
}

#[cfg(feature = "parquet")]
fn read_parquet(
    path: &Path,
    options: &Options,
    each: &mut Each<'_>,
) -> Result<Findings, ReadError> {
    let read = crate::base::disk::regular::open(path)
        .and_then(|file| super::parquet::read(file, options, each));
    read.map_err(|error| ReadError::Io { path: path.into(), error })
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(
    path: &Path,
    _options: &Options,
    _each: &mut Each<'_>,
) -> Result<Findings, ReadError> {
    Err(ReadError::NoParquet { path: path.into() })
}

/// Reads what is decoded already; of Parquet, which has no order to be read in, nothing.
///
/// # Errors
/// Those of `source`.
pub fn read_as(
    format: Format,
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    match format {
        Format::Jsonl => shapes::read_lines(source, options, each),
        Format::Json => shapes::read_values(source, options, each),
        Format::LabelStudio => label_studio::read(source, options, each),
        Format::Lines => lines::read(source, options, each),
        Format::Conll => conll::read(source, options, each),
        Format::Csv => table::read(source, None, options, each),
        Format::Tsv => table::read(source, Some(b'\t'), options, each),
        Format::Parquet => Err(io::ErrorKind::Unsupported.into()),
    }
}
