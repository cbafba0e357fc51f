//! Raw lines, of which [`Rules`](super::rules) make texts, or in which entities are marked.

use std::io::{self, BufRead};

use super::findings::{Findings, Note};
use super::markup;
use super::options::Options;
use super::pieces::{self, Each};
use super::problems::{Malformed, Misread};
use super::rules::{Parsed, Rules};
use super::shapes;
use super::years::Years;
use crate::text::{Entity, Example};

/// Reads a text from each line that is not empty.
///
/// # Errors
/// Those of `source`.
pub(super) fn read(
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut years = Years::after(options.period_before);
    let mut each = |mut read: Result<Example, Malformed>| {
        if let (Ok(example), true) = (&mut read, options.rules.is_some()) {
            example.fields.values_mut().for_each(|value| years.place(value));
        }
        each(read)
    };
    let read = |line: &str, findings: &mut Findings| text(line, options, findings);
    let mut findings = pieces::read_lines(source, &read, &mut each)?;
    findings.period = years.period();
    Ok(findings)
}

/// Takes the lines of a log apart as they come, for who asks a model about each.
pub struct LogLines {
    rules: Rules,
    years: Years,
}

/// What rules make of a line; which entities it has is asked of the model.
#[derive(Debug, PartialEq, Eq)]
pub struct LogLine {
    pub text: String,
    /// In the order in which the rules say them; of two with one name the last counts.
    pub fields: Vec<(String, String)>,
    /// Whether no `line` of the rules fits, so that the whole line is the text.
    pub is_whole: bool,
}

impl LogLines {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, years: Years::default() }
    }

    /// Takes the next line, which is not blank, as a corpus takes it.
    pub fn read(&mut self, line: &str) -> LogLine {
        let Parsed { text, mut fields, is_whole, .. } = self.rules.read(line);
        fields.iter_mut().for_each(|(_, value)| self.years.place(value));
        LogLine { text: without_nul(text), fields, is_whole }
    }
}

fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn text(
    line: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Option<Example>, Misread> {
    let Some(rules) = &options.rules else {
        let (text, entities) = marked(line, options, findings)?;
        return Ok(Some(Example { text: without_nul(text), entities, ..Example::default() }));
    };
    let parsed = rules.read(line);
    if parsed.is_whole {
        findings.note(Note::WholeLine);
    }
    findings.has_entities |= parsed.entities.is_some();
    let mut example =
        Example { text: parsed.text, entities: parsed.entities, ..Example::default() };
    for (name, value) in parsed.fields {
        shapes::put(&mut example, options, &name, value, findings)?;
    }
    if example.text.contains('\0') {
        findings.note(Note::Nul);
        example.text = without_nul(example.text);
    }
    Ok(Some(example))
}

/// The text of a line without rules, and the entities that are marked in it where they are to be read.
fn marked(
    line: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<(String, Option<Vec<Entity>>), Misread> {
    if options.markup {
        let (text, marked) = markup::read(line)?;
        let entities = markup::named(marked, options, findings)
            .map_err(|message| Misread::new(0_usize, message))?;
        return Ok((text, Some(entities)));
    }
    if markup::is_marked(line) {
        findings.note(Note::LooksMarked);
    }
    Ok((line.to_owned(), None))
}
