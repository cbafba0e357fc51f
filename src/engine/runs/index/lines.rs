//! The file: a line for each run, and one for each list of names that their values have, which most runs of an experiment share.
//!
//! | line | what follows on its digest |
//! |---|---|
//! | `s`, `d`, `p` | the names of scores, of details or of parameters |
//! | `r` | a run: what it is, and the values of its trials, part by part, with tabs between |
//!
//! A later line about a run takes the place of an earlier one.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::{About, IndexedRun, Part};
use crate::base::disk::regular;

/// Another program may know other scores of the same entries.
pub(super) const HEADER: &str = concat!("pipeline ", env!("CARGO_PKG_VERSION"), " runs 1\n");

/// How many digits of a digest a line bears.
const DIGITS: usize = 16;

/// What a file has.
#[derive(Default)]
pub(super) struct Read {
    pub(super) runs: HashMap<String, IndexedRun>,
    pub(super) shapes: HashMap<String, Shape>,
    /// How many lines there are; `None` where there is no file that this program wrote.
    pub(super) count: Option<usize>,
}

/// The names of a trial's values.
pub(super) struct Shape {
    pub(super) part: Part,
    /// What values name it by.
    pub(super) digest: String,
    pub(super) names: Vec<String>,
    /// Of each name.
    pub(super) places: HashMap<String, usize>,
}

enum Line {
    Shape(Shape),
    Run(Box<IndexedRun>),
}

fn letter(part: Part) -> char {
    match part {
        Part::Score => 's',
        Part::Detail => 'd',
        Part::Parameter => 'p',
    }
}

/// What follows on the digest of a line.
fn digest(content: &str) -> String {
    blake3::hash(content.as_bytes()).to_hex()[..DIGITS].to_owned()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

impl Shape {
    pub(super) fn of(part: Part, names: Vec<String>) -> Self {
        let places = names.iter().cloned().zip(0..).collect();
        Self { part, digest: format!("{}{}", letter(part), digest(&json(&names))), names, places }
    }

    pub(super) fn line(&self) -> String {
        let content = json(&self.names);
        format!("{} {} {content}\n", letter(self.part), digest(&content))
    }
}

impl IndexedRun {
    /// A run with the values of its trials, part by part, each with the digest of its shape.
    pub(super) fn new(about: About, values: [Vec<(String, Vec<serde_json::Value>)>; 3]) -> Self {
        let content = values.iter().fold(json(&about), |text, part| text + "\t" + &json(part));
        let text = format!("r {} {content}\n", digest(&content));
        let whole = 0..text.len();
        let parts = parts(&text, whole.clone()).expect("just written").1;
        Self { about, text: Arc::new(text), line: whole, parts }
    }
}

/// The description of a run in a line of a text, and where its parts lie.
fn parts(text: &str, line: Range<usize>) -> Option<(&str, [Range<usize>; 3])> {
    let begin = line.start + 2 + DIGITS + 1;
    let content = text.get(begin..line.end)?.trim_end_matches('\n');
    let mut at = begin;
    let mut ranges = content.split('\t').map(|part| {
        let range = at..at + part.len();
        at = range.end + 1;
        range
    });
    let about = ranges.next()?;
    let parts = [ranges.next()?, ranges.next()?, ranges.next()?];
    Some((&text[about], parts))
}

/// What stands in a file; nothing where there is none.
pub(super) fn read(path: &Path) -> Read {
    let text = regular::read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(text) = text.filter(|text| text.starts_with(HEADER)) else { return Read::default() };
    let text = Arc::new(text);
    let mut at = HEADER.len();
    let ranges: Vec<Range<usize>> = text[at..]
        .split_inclusive('\n')
        .map(|line| {
            let range = at..at + line.len();
            at = range.end;
            range
        })
        .collect();
    let lines: Vec<Option<Line>> = ranges.into_par_iter().map(|range| line(&text, range)).collect();
    let mut read = Read { count: Some(lines.len()), ..Read::default() };
    for line in lines.into_iter().flatten() {
        match line {
            Line::Shape(shape) => drop(read.shapes.insert(shape.digest.clone(), shape)),
            Line::Run(run) => drop(read.runs.insert(run.about.id.clone(), *run)),
        }
    }
    read
}

/// A line; `None` where it is not what was written.
fn line(text: &Arc<String>, range: Range<usize>) -> Option<Line> {
    let line = text[range.clone()].strip_suffix('\n')?;
    let (letter, rest) = line.split_once(' ')?;
    let (said, content) = rest.split_once(' ')?;
    if digest(content) != said {
        return None;
    }
    let part = match letter {
        "r" => {
            let (about, parts) = parts(text, range.clone())?;
            let about = serde_json::from_str(about).ok()?;
            let text = Arc::clone(text);
            let run = IndexedRun { about, text, line: range, parts };
            return Some(Line::Run(Box::new(run)));
        }
        "s" => Part::Score,
        "d" => Part::Detail,
        "p" => Part::Parameter,
        _ => return None,
    };
    Some(Line::Shape(Shape::of(part, serde_json::from_str(content).ok()?)))
}
