//! Two passes over the files of a corpus, so that it need not fit into memory: the first finds what texts are labelled for and where each goes,
//! the second hands them out.
//!
//! For each text, about 50 bytes of hashes, its line and its part are kept in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::splits;
use crate::engine::stage::{Caveat, Remark, StageError};
use crate::text::readers::{
    self, Classes, Findings, Format, Guess, Heads, Joined, Lookup, Malformed, Options, Problems,
    ReadError, Scheme, Why, Windows,
};
use crate::text::{ANOMALY, ClassHead, CorpusTasks, Division, Example, Item, Split, SplitError};

/// Files that belong together.
pub(super) struct Part {
    /// The parameter that names them, where one does.
    pub(super) parameter: Option<&'static str>,
    /// `None` where the texts are to be divided.
    pub(super) split: Option<Split>,
    pub(super) paths: Vec<PathBuf>,
}

/// What the first pass found.
pub(super) struct Found {
    pub(super) tasks: CorpusTasks,
    pub(super) remarks: Vec<Remark>,
    /// Where each text goes, in order.
    parts: Vec<Option<Split>>,
}

/// Takes a line that cannot be read.
pub(super) type Skip<'s> = dyn FnMut(&Path, &Malformed) -> Result<(), StageError> + 's;

/// Takes a text and its split.
pub(super) type Push<'p> = dyn FnMut(Split, Example) -> Result<(), StageError> + 'p;

/// What is read, and how.
pub(super) struct Reading<'a> {
    /// `None` is guessed.
    pub(super) format: Option<Format>,
    pub(super) options: Options,
    pub(super) classes: Option<&'a Classes>,
    /// Whether lines that cannot be read are left out.
    pub(super) skips: bool,
    /// How to divide texts that are of no split yet.
    pub(super) division: Division,
    /// The field whose equal values make one text.
    pub(super) group: Option<&'a str>,
    /// How many consecutive lines of a split make one text, and how many lines after a window the next one begins.
    pub(super) window: Option<(usize, usize)>,
    /// What says more of texts.
    pub(super) lookup: Option<Lookup>,
    pub(super) parts: Vec<Part>,
    /// Messages leave this folder out of paths.
    pub(super) root: PathBuf,
}

impl Reading<'_> {
    /// # Errors
    /// When a file cannot be read, a line is wrong where that is a reason to stop, or texts cannot be divided as asked.
    pub(super) fn first(&self, skip: &mut Skip<'_>) -> Result<Found, StageError> {
        let division = &self.division;
        let (mut items, mut lines, mut parts): (Vec<Item>, Vec<usize>, Vec<Option<Split>>) =
            Default::default();
        let mut unsplit: Option<SplitError> = None;
        let mut walk = Walk::default();
        self.walk(&mut walk, skip, &mut |split, example| {
            lines.push(example.line);
            match split {
                Some(split) => parts.push(Some(split)),
                None => match division.item(&example) {
                    Ok(item) => items.push(item),
                    // What is wrong with lines goes before what they lack to be divided.
                    Err(error) => drop(unsplit.get_or_insert(error)),
                },
            }
            Ok(())
        })?;
        let mut remarks = self.said(&walk);
        let tasks = self.tasks(&walk.findings)?;
        if let Some(Part { parameter, paths, split: None }) = self.parts.first() {
            let divided = match unsplit {
                Some(error) => Err(error),
                None => division.divide(&items),
            };
            let membership = divided.map_err(|error| {
                let message = format!("{}: {error}", named(paths));
                in_file_of(StageError::of(&error).saying(message), *parameter)
            })?;
            remarks.extend(splits::remarks(division, &membership, |index| lines[index]));
            parts = membership.parts;
        }
        Ok(Found { tasks, remarks, parts })
    }

    /// Hands out the texts, and returns what else there is to say.
    ///
    /// # Errors
    /// As [`first`](Self::first), and those of `push`.
    pub(super) fn second(
        &self,
        found: &Found,
        push: &mut Push<'_>,
    ) -> Result<Vec<Remark>, StageError> {
        let mut parts = found.parts.iter();
        let heads = &self.options.heads;
        let windows = |(lines, step)| Split::ALL.map(|_| (Windows::new(lines, step), 0_usize));
        let mut windows = self.window.map(windows);
        self.walk(&mut Walk::default(), &mut |_, _| Ok(()), &mut |_, mut example| {
            let Some(part) = parts.next() else { return Err(changed(self.parts.first())) };
            let Some(split) = *part else { return Ok(()) };
            if !found.tasks.tagging {
                example.entities = None;
            }
            let text = match &mut windows {
                None => Some(example),
                Some(windows) => {
                    let (windows, count) = &mut windows[split as usize];
                    windows.push(example, heads).inspect(|_| *count += 1)
                }
            };
            text.map_or(Ok(()), |text| push(split, text))
        })?;
        if parts.next().is_some() {
            return Err(changed(self.parts.first()));
        }
        let Some(mut windows) = windows else { return Ok(Vec::new()) };
        let mut counts = Vec::new();
        for split in Split::ALL {
            let (windows, count) = &mut windows[split as usize];
            if let Some(text) = windows.finish(heads) {
                *count += 1;
                push(split, text)?;
            }
            counts.push(format!("{count} {split}"));
        }
        Ok(vec![Remark::Note(format!("windows of lines: {}", counts.join(", ")))])
    }

    /// Goes through all files.
    fn walk(
        &self,
        walk: &mut Walk,
        skip: &mut Skip<'_>,
        each: &mut dyn FnMut(Option<Split>, Example) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let mut first_wrong = None;
        let mut alone = 0_usize;
        let mut each = |split: Option<Split>, mut example: Example| {
            if let Some(lookup) = &self.lookup {
                alone += usize::from(!lookup.add(&mut example));
            }
            each(split, example)
        };
        if let Some(lookup) = &self.lookup {
            let mut said = Findings::default();
            said.classes.clone_from(&lookup.findings.classes);
            walk.findings.add(said);
        }
        for part in &self.parts {
            let mut groups = Groups::default();
            let failed = |error: &ReadError| in_file_of(StageError::of(error), part.parameter);
            for path in &part.paths {
                let shown = path.strip_prefix(&self.root).unwrap_or(path);
                let (mut failure, mut any) = (None, false);
                let read = readers::read(path, self.format, &self.options, &mut |found| {
                    any = true;
                    let done = match found {
                        Ok(_) if first_wrong.is_some() && !self.skips => Ok(()),
                        Ok(example) => {
                            walk.texts += 1;
                            match self.group {
                                None => each(part.split, example),
                                Some(field) => groups.push(field, example, &self.options.heads),
                            }
                        }
                        Err(problem) => {
                            first_wrong.get_or_insert(part.parameter);
                            let done = skip(shown, &problem);
                            walk.problems.push(shown, problem);
                            done
                        }
                    };
                    match done {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => {
                            failure = Some(error);
                            ControlFlow::Break(())
                        }
                    }
                });
                if let Some(failure) = failure {
                    return Err(failure);
                }
                let (guess, findings) = read.map_err(|error| failed(&error))?;
                if !any && findings.notes.is_empty() {
                    return Err(failed(&ReadError::Empty { path: shown.to_owned() }));
                }
                if let Some((scheme, repaired)) = findings.scheme(self.options.scheme) {
                    let (paths, count) = walk.schemes.entry(scheme).or_default();
                    paths.push(path.clone());
                    *count += repaired;
                }
                walk.findings.add(findings);
                walk.guesses.push((path.clone(), guess));
            }
            if first_wrong.is_none() || self.skips {
                groups.texts.into_iter().try_for_each(|text| each(part.split, text.finish()))?;
            }
        }
        walk.alone = alone;
        match first_wrong {
            Some(parameter) if !self.skips || walk.texts == 0 => {
                let problems = std::mem::take(&mut walk.problems);
                Err(in_file_of(StageError::of(&ReadError::Malformed(problems)), parameter))
            }
            _ => Ok(()),
        }
    }

    /// What the reader did that a person should know of.
    fn said(&self, walk: &Walk) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let mut guessed: BTreeMap<(Format, Why), Vec<PathBuf>> = BTreeMap::new();
        for (path, Guess { format, why }) in &walk.guesses {
            let Some(why) = why else { continue };
            // Nobody wonders.
            if (*format, *why) != (Format::Jsonl, Why::Name) {
                guessed.entry((*format, *why)).or_default().push(path.clone());
            }
        }
        for ((format, why), paths) in guessed {
            let by = match why {
                Why::Name => "name",
                Why::Content => "content",
            };
            let format = format.name();
            let text = format!("read as `format = \"{format}\"`, by its {by}: {}", named(&paths));
            remarks.push(Remark::Note(text));
        }
        for (scheme, (paths, repaired)) in &walk.schemes {
            let repaired = match repaired {
                0 => String::new(),
                1 => "; 1 sequence of tags is none of it, and was read as `conlleval` reads them"
                    .to_owned(),
                count => format!(
                    "; {count} sequences of tags are none of it, and were read as `conlleval` reads them"
                ),
            };
            if self.options.scheme.is_none() || !repaired.is_empty() {
                let (scheme, paths) = (scheme.name(), named(paths));
                let text = format!("tags are read as `scheme = \"{scheme}\"`: {paths}{repaired}");
                remarks.push(Remark::Note(text));
            }
        }
        for (note, count) in &walk.findings.notes {
            let text = note.said(*count);
            remarks.push(if note.warns() { Remark::Warning(text) } else { Remark::Note(text) });
        }
        if walk.alone > 0 {
            let texts =
                if walk.alone == 1 { "1 text has" } else { &format!("{} texts have", walk.alone) };
            remarks.push(Remark::Warning(format!("{texts} no row in the file of `lookup`")));
        }
        if let Some(first) = walk.problems.first() {
            let count = walk.problems.count();
            let lines = if count == 1 { "1 text is" } else { &format!("{count} texts are") };
            let message = format!(
                "{lines} left out that cannot be read (`on_error = \"skip\"`; `skipped.jsonl` of the result in the store lists them), the first: {first}"
            );
            remarks.push(Remark::Caveat(Caveat::new("lines_skipped", count, message)));
        }
        remarks
    }

    /// What the texts are labelled for.
    fn tasks(&self, findings: &Findings) -> Result<CorpusTasks, StageError> {
        let parameter = self.parts.first().and_then(|part| part.parameter);
        let mut names: Vec<&str> = self.classes.map(Classes::names).unwrap_or_default();
        if !names.contains(&ANOMALY) && findings.classes.contains_key(ANOMALY) {
            names.insert(0, ANOMALY);
        }
        let mut heads = Vec::new();
        for name in names {
            let seen = findings.classes.get(name).ok_or_else(|| {
                let message = format!("no text has a class in its field `{name}`");
                let help = "`classes` names the fields that say a text's classes";
                in_file_of(StageError::new(message).with_help(help), parameter)
            })?;
            let mut classes = self.options.heads.names(name).to_vec();
            if classes.is_empty() {
                classes = sorted(seen);
            }
            if classes.len() > MOST_CLASSES {
                let message = format!("the field `{name}` has {} classes", classes.len());
                let help = format!(
                    "a head tells at most {MOST_CLASSES} classes apart: is `{name}` a number, or a name of the text?"
                );
                return Err(in_file_of(StageError::new(message).with_help(help), parameter));
            }
            heads.push(ClassHead { name: name.to_owned(), classes });
        }
        let tasks = CorpusTasks { tagging: findings.has_entities, heads };
        if !tasks.tagging && tasks.heads.is_empty() {
            let message = "no text says its entities or a class, so that nothing can be learnt";
            let help = "`fields = { entities = \"...\" }` says which field the entities are, and `classes = [\"...\"]` which fields are classes";
            return Err(in_file_of(StageError::new(message).with_help(help), parameter));
        }
        tasks.check().map_err(|reason| {
            let help = "`classes = { NAME = [\"one\", \"other\"] }` says a head and its classes";
            in_file_of(StageError::new(reason).with_help(help), parameter)
        })?;
        Ok(tasks)
    }
}

fn in_file_of(error: StageError, parameter: Option<&'static str>) -> StageError {
    match parameter {
        Some(parameter) => error.in_file_of(parameter),
        None => error,
    }
}

/// More are an identifier, or a text.
const MOST_CLASSES: usize = 1000;

/// Texts of lines with one value each, in the order of their first lines. They are in memory until the last line is read.
#[derive(Default)]
struct Groups {
    places: HashMap<String, usize>,
    texts: Vec<Joined>,
}

impl Groups {
    fn push(&mut self, field: &str, line: Example, heads: &Heads) -> Result<(), StageError> {
        let Some(value) = line.fields.get(field) else {
            let message = format!("line {} has no field `{field}` to group by", line.line);
            let help = "every line needs the field; a `[[field]]` of the rules finds one in the text of lines";
            return Err(StageError::new(message).with_help(help).in_file_of("group"));
        };
        match self.places.get(value) {
            Some(place) => self.texts[*place].push(&line, heads),
            None => {
                self.places.insert(value.clone(), self.texts.len());
                self.texts.push(Joined::of(line));
            }
        }
        Ok(())
    }
}

/// What goes through files leaves behind.
#[derive(Default)]
struct Walk {
    findings: Findings,
    guesses: Vec<(PathBuf, Guess)>,
    /// The files whose tags are of a scheme, and what was repaired in them.
    schemes: BTreeMap<Scheme, (Vec<PathBuf>, usize)>,
    problems: Problems,
    texts: usize,
    /// Texts of which the lookup says nothing.
    alone: usize,
}

/// Names in order: numbers by size where all are numbers.
fn sorted(names: &BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.iter().cloned().collect();
    let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    }
    names
}

/// Files in few words.
fn named(paths: &[PathBuf]) -> String {
    match paths {
        [] => String::new(),
        [one] => one.display().to_string(),
        [one, rest @ ..] => format!("{} and {} more", one.display(), rest.len()),
    }
}

fn changed(part: Option<&Part>) -> StageError {
    let paths = part.map(|part| named(&part.paths)).unwrap_or_default();
    StageError::new(format!("{paths} changed while it was read"))
        .with_help("run the same command again when nobody writes it")
}
