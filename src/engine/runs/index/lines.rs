//! The two files: a line for each run, and one for each list of names that their values have, which most runs of an experiment share.
//!
//! | file | line | what follows on its checksum |
//! |---|---|---|
//! | `runs.index` | `s`, `d`, `p` | the names of scores, of details or of parameters |
//! | | `r` | a run: what it is found by, what else it is, its scores and its parameters, trial by trial, with tabs between |
//! | `runs.details` | `v` | the id of a run, the checksum of its line, and its details, trial by trial, with tabs between |
//!
//! Of many runs only what they are found by is kept, and where their lines lie: a line is read again for who asks for the rest. Details are by far the
//! most, and seldom asked for. A later line about a run takes the place of an earlier one.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::indexed::{About, Details, Head, IndexedRun, Part, Shape};
use super::text::{Text, checksum, line, part, taken_apart};
use crate::base::disk::regular;

/// Another program may know other scores of the same entries.
pub(super) const HEADER: &str = concat!("pipeline ", env!("CARGO_PKG_VERSION"), " runs 4\n");

/// What is read at once, in bytes.
const BUFFER: usize = 1 << 16;

/// The part of a line of details that says of which line of the run they are.
const OF: usize = 1;

/// How many digits of a digest name a list of names.
const DIGITS: usize = 16;

/// What a file has.
#[derive(Default)]
pub(super) struct Read {
    /// In the order of their lines, of which several may be about one run.
    pub(super) runs: Vec<IndexedRun>,
    /// The details of runs, by their ids.
    pub(super) details: HashMap<String, Details>,
    pub(super) shapes: HashMap<String, Shape>,
    /// How many lines there are; `None` where there is no file that this program wrote.
    pub(super) count: Option<usize>,
    /// Some lines are not what was written.
    pub(super) has_lost: bool,
}

fn letter(part: Part) -> char {
    match part {
        Part::Score => 's',
        Part::Detail => 'd',
        Part::Parameter => 'p',
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

impl Shape {
    pub(super) fn of(part: Part, names: Vec<String>) -> Self {
        let places = names.iter().cloned().zip(0..).collect();
        let digest = blake3::hash(json(&names).as_bytes()).to_hex();
        Self { part, digest: format!("{}{}", letter(part), &digest[..DIGITS]), names, places }
    }

    pub(super) fn line(&self) -> String {
        line(letter(self.part), &json(&self.names))
    }
}

/// The values of a run's trials, each with the digest of its shape.
pub(super) type Written = Vec<(String, Vec<serde_json::Value>)>;

impl IndexedRun {
    /// A run with the values of its trials, part by part.
    pub(super) fn new(
        head: Head,
        about: &About,
        [scores, details, parameters]: [Written; 3],
    ) -> Self {
        let content = [json(&head), json(about), json(&scores), json(&parameters)].join("\t");
        let of = checksum(&content);
        let text = Text::Written(line('r', &content).into());
        let details = format!("{}\t{of:08x}\t{}", head.id, json(&details));
        let details = Details { of, text: Text::Written(line('v', &details).into()) };
        Self { head, about: OnceLock::new(), checksum: of, text, details: Some(details) }
    }

    /// Takes its details from what a file has, where they are those of its line.
    pub(super) fn take(&mut self, details: &Details) {
        if details.of == self.checksum {
            self.details = Some(details.clone());
        }
    }
}

/// What stands in a file; nothing where there is none, or it cannot be read.
pub(super) fn read(path: &Path) -> Read {
    Read::of(path).ok().flatten().unwrap_or_default()
}

impl Read {
    /// `None` of a file that another program wrote.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let file = Arc::new(regular::open(path)?);
        let mut reader = BufReader::with_capacity(BUFFER, &*file);
        let mut bytes = Vec::new();
        let mut at = reader.read_until(b'\n', &mut bytes)? as u64;
        if bytes != HEADER.as_bytes() {
            return Ok(None);
        }
        let (mut read, mut count) = (Self::default(), 0);
        loop {
            bytes.clear();
            let length = reader.read_until(b'\n', &mut bytes)?;
            if length == 0 {
                read.count = Some(count);
                return Ok(Some(read));
            }
            let text = Text::There { file: Arc::clone(&file), at, length };
            at += length as u64;
            // One that is empty stands before what was appended.
            if bytes != b"\n" {
                count += 1;
                let line = std::str::from_utf8(&bytes).ok();
                read.has_lost |= line.and_then(|line| read.take(line, text)).is_none();
            }
        }
    }

    /// Takes a line in; `None` where it is not what was written.
    fn take(&mut self, line: &str, text: Text) -> Option<()> {
        let (letter, checksum, content) = taken_apart(line)?;
        let of_names = match letter {
            "r" => {
                let head = serde_json::from_str(part(content, 0)?).ok()?;
                let about = OnceLock::new();
                self.runs.push(IndexedRun { head, about, checksum, text, details: None });
                return Some(());
            }
            "v" => {
                let of = u32::from_str_radix(part(content, OF)?, 16).ok()?;
                self.details.insert(part(content, 0)?.to_owned(), Details { of, text });
                return Some(());
            }
            "s" => Part::Score,
            "d" => Part::Detail,
            "p" => Part::Parameter,
            _ => return None,
        };
        let shape = Shape::of(of_names, serde_json::from_str(content).ok()?);
        self.shapes.insert(shape.digest.clone(), shape);
        Some(())
    }
}
