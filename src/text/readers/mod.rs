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
mod foreign;
mod guess;
mod joined;
mod json;
mod label_studio;
mod labels;
mod lines;
mod look;
mod lookup;
mod markup;
mod names;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod pieces;
mod problems;
mod quotes;
mod read;
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
pub use features::NamedNumbers;
pub use findings::{Findings, Note};
pub use guess::{Format, Guess, Why, guess, named};
pub use joined::{Joined, Windows};
pub use labels::check_label;
pub use lines::{LogLine, LogLines};
pub use lookup::Lookup;
pub use markup::unmarked;
pub use options::{Columns, Fields, Nested, Options, Purpose};
pub use pieces::Each;
pub use problems::{Malformed, Problems, REPORTED, ReadError, Spot};
pub use read::{read, read_as};
pub use rules::{Rules, Shipped};
pub use source::{Encoding, LINE_LIMIT_BYTES, decoded, is_unmarked_utf16, is_utf8};
pub use tags::Scheme;
pub use years::Period;

#[cfg(test)]
mod tests;
