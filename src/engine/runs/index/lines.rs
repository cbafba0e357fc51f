//! The two files: a line for each run, and one for each list of names that their values have, which most runs of an experiment share.
//!
//! | file | line | what follows on its digest |
//! |---|---|---|
//! | `runs.index` | `s`, `d`, `p` | the names of scores, of details or of parameters |
//! | | `r` | a run: what it is, its scores and its parameters, trial by trial, with tabs between |
//! | `runs.details` | `v` | the id of a run, the digest of its line, and its details, trial by trial, with tabs between |
//!
//! Details are by far the most, and seldom asked for. A later line about a run takes the place of an earlier one.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::indexed::{About, Details, IndexedRun, Part, Shape};
use crate::base::disk::regular;

/// Another program may know other scores of the same entries.
pub(super) const HEADER: &str = concat!("pipeline ", env!("CARGO_PKG_VERSION"), " runs 3\n");

/// How many digits of a digest a line bears.
const DIGITS: usize = 16;

/// What a file has.
#[derive(Default)]
pub(super) struct Read {
    pub(super) runs: HashMap<String, IndexedRun>,
    /// The details of runs, by their ids.
    pub(super) details: HashMap<String, Details>,
    pub(super) shapes: HashMap<String, Shape>,
    /// How many lines there are; `None` where there is no file that this program wrote.
    pub(super) count: Option<usize>,
    /// Some lines are not what was written.
    pub(super) has_lost: bool,
}

enum Line {
    Shape(Shape),
    Run(Box<IndexedRun>),
    Details(String, Details),
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

/// The values of a run's trials, each with the digest of its shape.
pub(super) type Written = Vec<(String, Vec<serde_json::Value>)>;

impl IndexedRun {
    /// A run with the values of its trials, part by part.
    pub(super) fn new(about: About, [scores, details, parameters]: [Written; 3]) -> Self {
        let content = format!("{}\t{}\t{}", json(&about), json(&scores), json(&parameters));
        let text = format!("r {} {content}\n", digest(&content));
        let line = 0..text.len();
        let [_, scores, parameters] = parts(&text, line.clone()).expect("just written");
        let content = format!("{}\t{}\t{}", about.id, digest(&content), json(&details));
        let details = Details::of(Arc::new(format!("v {} {content}\n", digest(&content))));
        let text = Arc::new(text);
        Self { about, text, line, scores, parameters, details: Some(details) }
    }

    /// The digest of its line.
    fn digest(&self) -> &str {
        &self.line()[2..2 + DIGITS]
    }

    /// Takes its details from what a file has, where they are those of its line.
    pub(super) fn take(&mut self, details: &Details) {
        if details.text[details.of.clone()] == *self.digest() {
            self.details = Some(details.clone());
        }
    }
}

impl Details {
    fn of(text: Arc<String>) -> Self {
        let line = 0..text.len();
        let [_, of, values] = parts(&text, line.clone()).expect("just written");
        Self { text, line, of, values }
    }
}

/// Where the three parts of a line of a text lie.
fn parts(text: &str, line: Range<usize>) -> Option<[Range<usize>; 3]> {
    let begin = line.start + 2 + DIGITS + 1;
    let content = text.get(begin..line.end)?.trim_end_matches('\n');
    let mut at = begin;
    let mut ranges = content.split('\t').map(|part| {
        let range = at..at + part.len();
        at = range.end + 1;
        range
    });
    Some([ranges.next()?, ranges.next()?, ranges.next()?])
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
    // One that is empty stands before what was appended.
    let written = ranges.into_par_iter().filter(|range| range.len() > 1);
    let lines: Vec<Option<Line>> = written.map(|range| line(&text, range)).collect();
    let has_lost = lines.iter().any(Option::is_none);
    let mut read = Read { count: Some(lines.len()), has_lost, ..Read::default() };
    for line in lines.into_iter().flatten() {
        match line {
            Line::Shape(shape) => drop(read.shapes.insert(shape.digest.clone(), shape)),
            Line::Run(run) => drop(read.runs.insert(run.about.id.clone(), *run)),
            Line::Details(id, details) => drop(read.details.insert(id, details)),
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
            let [about, scores, parameters] = parts(text, range.clone())?;
            let about = serde_json::from_str(&text[about]).ok()?;
            let (text, line) = (Arc::clone(text), range);
            let run = IndexedRun { about, text, line, scores, parameters, details: None };
            return Some(Line::Run(Box::new(run)));
        }
        "v" => {
            let [id, of, values] = parts(text, range.clone())?;
            let (id, text) = (text[id].to_owned(), Arc::clone(text));
            return Some(Line::Details(id, Details { text, line: range, of, values }));
        }
        "s" => Part::Score,
        "d" => Part::Detail,
        "p" => Part::Parameter,
        _ => return None,
    };
    Some(Line::Shape(Shape::of(part, serde_json::from_str(content).ok()?)))
}
