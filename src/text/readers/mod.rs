//! Readers of labelled texts as people have them: one file per format, each a stream of [`Example`]s with the line that they came from.
//!
//! 1. [`source`] opens a file, unpacks it and decodes it to UTF-8;
//! 2. [`guess`] says what format it has, where nobody did;
//! 3. a reader hands out a [`Example`] for each text, or what is [`Malformed`], so that few are in memory at a time: see [`read`];
//! 4. [`Findings`] are what it did on the way that nobody asked for: guesses, repairs and what it left out.
//!
//! Everything is counted in characters from here on, labels are names that BIO labels allow, and entities never overlap.

mod brackets;
mod classes;
mod conll;
mod entities;
mod features;
mod findings;
mod guess;
mod joined;
mod json;
mod label_studio;
mod labels;
mod lines;
mod lookup;
mod markup;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod pieces;
mod problems;
mod rules;
mod sentence;
mod shapes;
mod shipped;
mod source;
mod table;
mod tags;
mod values;
mod years;

pub use classes::{Classes, Heads};
pub use features::label_names;
pub use findings::{Findings, Note};
pub use guess::{Format, Guess, Why, guess};
pub use joined::{Joined, Windows};
pub use labels::check_label;
pub use lines::{LogLine, LogLines};
pub use lookup::Lookup;
pub use options::{Columns, Fields, Nested, Options};
pub use problems::{Malformed, Problems, REPORTED, ReadError, Spot};
pub use rules::{Rules, Shipped};
pub use source::{Encoding, LINE_LIMIT_BYTES};
pub use tags::Scheme;

use std::io::{self, BufRead, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::Example;

/// Takes what a reader found, and says whether to go on.
pub type Each<'e> = dyn FnMut(Result<Example, Malformed>) -> ControlFlow<()> + 'e;

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
        None => guess(path, &head),
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
    let read =
        crate::base::disk::regular::open(path).and_then(|file| parquet::read(file, options, each));
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

#[cfg(test)]
mod tests;
