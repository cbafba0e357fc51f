//! Two passes over the files of a corpus, so that it need not fit into memory: the first finds what texts are labelled for and where each goes,
//! the second hands them out.
//!
//! For each text, some 100 bytes of hashes, its line and its part are kept in between; with what the second pass keeps to tell of leaks, contradictions
//! and repeated `id`s, a million lines take 0.4 GB.

mod groups;
mod items;
mod known;
mod names;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use self::groups::{Groups, is_ordered, needed, unordered};
use self::items::Items;
use self::known::Known;
use super::corrections::{Corrections, Numbering, Skip};
use super::splits;
use crate::base::diagnostics::quoted;
use crate::base::problem::{Position, Problem};
use crate::base::visible;
use crate::engine::stage::{Caveat, Remark, StageError};
use crate::text::readers::{
    self, Classes, Findings, Format, Guess, Heads, Lookup, Malformed, Note, Options, Period,
    Problems, ReadError, Scheme, Spot, Why, Windows,
};
use crate::text::{
    ANOMALY, ClassHead, CorpusTasks, Division, Example, FileNames, Membership, Place, Split, Unit,
};

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
    pub(super) names: FileNames,
    /// Where each text goes, in order.
    parts: Vec<Option<Split>>,
    /// Of the files of corrections.
    numbering: Numbering,
}

/// Takes a text, and its split where it has one.
type EachText<'e> = dyn FnMut(Option<Split>, Example) -> Result<(), StageError> + 'e;

/// Takes a text and its split.
pub(super) type Push<'p> = dyn FnMut(Split, Example) -> Result<(), StageError> + 'p;

/// Something that is said of files, and has a meaning in some formats alone.
pub(super) struct Particular {
    pub(super) parameter: &'static str,
    /// As an experiment has it.
    pub(super) shown: &'static str,
    pub(super) formats: &'static [Format],
    /// Whether it is about words with tags, which files of these formats need not have.
    pub(super) is_of_words: bool,
}

impl Particular {
    /// The formats, as a sentence goes on with them.
    pub(super) fn listed(&self) -> String {
        let names: Vec<String> =
            self.formats.iter().map(|format| format!("`{}`", format.name())).collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

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
    /// What is put back once texts are divided.
    pub(super) corrections: Option<Corrections>,
    pub(super) parts: Vec<Part>,
    /// What was said that is about files of some formats alone.
    pub(super) particular: Vec<Particular>,
    /// Messages leave this folder out of paths.
    pub(super) root: PathBuf,
}

impl Reading<'_> {
    /// # Errors
    /// When a file cannot be read, a line is wrong where that is a reason to stop, or texts cannot be divided as asked.
    pub(super) fn first(&self, skip: &mut Skip<'_>) -> Result<Found, StageError> {
        let division = &self.division;
        let (mut places, mut parts): (Vec<Place>, Vec<Option<Split>>) = Default::default();
        let mut items = Items::new(division);
        let mut walk = Walk::default();
        let corrections = self.corrections.as_ref();
        let mut numbering = Numbering::default();
        let mut known = Known::default();
        // The first text of each file but the first.
        let (mut starts, mut last): (BTreeSet<usize>, u16) = (BTreeSet::new(), 0);
        self.walk(&mut walk, skip, &mut |split, example| {
            if std::mem::replace(&mut last, example.file) != example.file {
                starts.insert(places.len());
            }
            places.push(Place::of(&example));
            known.add(&example);
            corrections.inspect(|it| it.compare(&example, &mut numbering));
            match split {
                Some(split) => parts.push(Some(split)),
                None => items.push(example),
            }
            Ok(())
        })?;
        if walk.alone > 0 && walk.alone == places.len() {
            let message = "no text has a row in the file of `lookup`";
            let help = "`key` names a field of the texts and a column of the file with the same values in both";
            return Err(StageError::new(message).with_help(help).in_file_of("lookup"));
        }
        self.check_particular(&walk)?;
        let names = self.names().counted_by(walk.units());
        let mut remarks = self.said(&walk);
        self.check_mapped(&walk.findings, &known)?;
        let tasks = self.tasks(&walk.findings, &known)?;
        if let Some(Part { parameter, paths, split: None }) = self.parts.first() {
            let divided = match items.finish() {
                Err((file, error)) => {
                    Err((paths.get(usize::from(file)), error.counted_by(names.unit(file))))
                }
                Ok(items) => division.divide(&items).map_err(|error| (None, error)),
            };
            let membership = divided.map_err(|(file, error)| {
                let files = file.map_or(&paths[..], std::slice::from_ref);
                self.undivided(&error, files, *parameter, &walk.findings, &known)
            })?;
            remarks.extend(self.scattered(&membership, &starts, &places, &names));
            let lines = |items: [usize; 2]| names.lines(items.map(|item| places[item]));
            remarks.extend(splits::remarks(division, &membership, lines));
            parts = membership.parts;
        }
        Ok(Found { tasks, remarks, names, parts, numbering })
    }

    /// Hands out the texts, and returns what else there is to say.
    ///
    /// # Errors
    /// As [`first`](Self::first), and those of `push`.
    pub(super) fn second(
        &self,
        found: &Found,
        skip: &mut Skip<'_>,
        push: &mut Push<'_>,
    ) -> Result<Vec<Remark>, StageError> {
        let corrections = self.corrections.as_ref();
        let mut corrected = corrections.map(|it| it.applying(&found.tasks, &found.numbering));
        let push: &mut Push<'_> = &mut |split, mut text| {
            if let Some(corrected) = &mut corrected {
                corrected.apply(&mut text);
            }
            push(split, text)
        };
        let mut parts = found.parts.iter();
        let heads = &self.options.heads;
        let windows = |(lines, step)| Split::ALL.map(|_| (Windows::new(lines, step), 0_usize));
        let mut windows = self.window.map(windows);
        let mut last = 0;
        self.walk(&mut Walk::default(), &mut |_, _| Ok(()), &mut |_, mut example| {
            if std::mem::replace(&mut last, example.file) != example.file {
                // The lines of two files are no neighbours.
                close(windows.as_mut(), heads, push)?;
            }
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
        close(windows.as_mut(), heads, push)?;
        let mut remarks = Vec::new();
        if let Some(windows) = windows {
            let count = |split: Split| format!("{} {split}", windows[split as usize].1);
            let counts = Split::ALL.map(count);
            remarks.push(Remark::Note(format!("windows of lines: {}", counts.join(", "))));
        }
        if let Some(corrected) = corrected {
            remarks.extend(corrected.finish(self.skips.then_some(skip))?);
        }
        Ok(remarks)
    }

    /// Refuses what was said that is about none of the files.
    fn check_particular(&self, walk: &Walk) -> Result<(), StageError> {
        let is_idle = |it: &&Particular| {
            walk.guesses.iter().all(|(_, guess)| !it.formats.contains(&guess.format))
                || it.is_of_words && !walk.findings.has_tagged_words()
        };
        let idle = self.particular.iter().find(is_idle);
        let Some((it, (path, guess))) = idle.zip(walk.guesses.first()) else { return Ok(()) };
        let (shown, format, path) = (it.shown, guess.format, named(std::slice::from_ref(path)));
        let (message, help) = if it.formats.contains(&format) {
            let message = format!("{shown} is about words with tags, and {path} has none");
            (
                message,
                "leave it out, or say with `fields = { tokens = \"...\", tags = \"...\" }` where they stand",
            )
        } else {
            let (listed, format) = (it.listed(), format.name());
            let message = format!("{shown} is for {listed}, and {path} is read as `{format}`");
            (message, "leave it out, or say with `format` what the file is")
        };
        Err(StageError::new(message).with_help(help).in_file_of(it.parameter))
    }

    /// Lines before which a later one stands, where windows take them as they stand.
    fn scattered(
        &self,
        membership: &Membership,
        starts: &BTreeSet<usize>,
        places: &[Place],
        names: &FileNames,
    ) -> Option<Remark> {
        let (_, field) = self.window.zip(self.division.order.as_deref())?;
        let back = &membership.ordered.as_ref()?.back;
        let mut back = back.iter().filter(|index| !starts.contains(index));
        let first = names.line(places[*back.next()?]);
        let count = 1 + back.count();
        let are = if count == 1 { "1 line has" } else { &format!("{count} lines have") };
        let message = format!(
            "{are} an earlier `{field}` than the line before (the first is {first}): windows join the lines of a split as they stand in the file, so sort it by `{field}`"
        );
        Some(Remark::Caveat(Caveat::new("lines_out_of_order", count, message)))
    }

    fn names(&self) -> FileNames {
        let paths: Vec<PathBuf> = self.parts.iter().flat_map(|part| part.paths.clone()).collect();
        FileNames::of(&paths, self.parts.iter().any(|part| part.paths.len() > 1))
    }

    /// The fields without which a text has no place.
    fn needed(&self) -> Vec<&str> {
        let mut fields: Vec<&str> = self.group.into_iter().collect();
        // A row of the second file may say the others, and a group has them of any of its lines.
        if self.group.is_none() && self.lookup.is_none() {
            fields.extend(self.division.order.as_deref());
            fields.extend(self.division.by.fields().into_iter().map(|(_, field)| field));
        }
        fields.retain(|field| *field != "text");
        fields
    }

    /// The text, unless it lacks a field that it needs where such are left out.
    fn complete(&self, example: Example) -> Result<Example, Malformed> {
        if !self.skips {
            return Ok(example);
        }
        let lacks = |field: &&str| !example.fields.contains_key(*field);
        match self.needed().into_iter().find(lacks) {
            None => Ok(example),
            Some(field) => {
                let position = Position { line: example.line, column: 1 };
                let excerpt = example.text.chars().take(60).collect();
                let message = format!("the text has no field `{}`", visible::line(field));
                Err(Problem::new(Spot { position, excerpt }, message).help(needed(&self.options)))
            }
        }
    }

    /// How the file after one of such a period is read.
    fn options_after(&self, period_before: Option<Period>) -> Cow<'_, Options> {
        match period_before {
            None => Cow::Borrowed(&self.options),
            Some(_) => Cow::Owned(Options { period_before, ..self.options.clone() }),
        }
    }

    /// Goes through all files.
    fn walk(
        &self,
        walk: &mut Walk,
        skip: &mut Skip<'_>,
        each: &mut EachText<'_>,
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
        let names = self.names();
        for part in &self.parts {
            let mut groups = Groups::default();
            let failed = |error: &ReadError| in_file_of(StageError::of(error), part.parameter);
            for path in &part.paths {
                let shown = path.strip_prefix(&self.root).unwrap_or(path);
                let (mut failure, mut any) = (None, false);
                let file = FileNames::number(walk.guesses.len());
                let options = self.options_after(walk.findings.period);
                let read = readers::read(path, self.format, &options, &mut |found| {
                    any = true;
                    let done = match found.and_then(|example| self.complete(example)) {
                        Ok(_) if first_wrong.is_some() && !self.skips => Ok(()),
                        Ok(mut example) => {
                            walk.texts += 1;
                            example.file = file;
                            match self.group {
                                None => each(part.split, example),
                                Some(field) => {
                                    groups.push(field, example, &self.division, &options, &names)
                                }
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
                walk.add(path, guess, findings, self.options.scheme);
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
            if let Some(why) = why {
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
            let repaired = scheme.said_of_repairs(*repaired);
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
        if let Some(words) = walk.findings.all_tagged() {
            let text = format!(
                "each of the {words} words is part of an entity, as a column of parts of speech would say: `columns` names another one, of fields `fields = {{ tags = \"...\" }}`"
            );
            remarks.push(Remark::Warning(text));
        }
        let mut paths = BTreeSet::new();
        for (path, _) in walk.guesses.iter().filter(|(path, _)| !paths.insert(path)) {
            remarks.push(Remark::Warning(format!("{} is read more than once", path.display())));
        }
        let renamed = |from: &&String| {
            let is_it = |note: &Note| matches!(note, Note::Label { from: it, .. } if it == *from);
            walk.findings.notes.keys().any(is_it)
        };
        for from in self.options.labels.keys().filter(|from| !renamed(from)) {
            let text = format!("no entity has the label {} of `labels`", quoted(from));
            remarks.push(Remark::Warning(text));
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
    fn tasks(&self, findings: &Findings, known: &Known) -> Result<CorpusTasks, StageError> {
        let parameter = self.parts.first().and_then(|part| part.parameter);
        let mut names: Vec<&str> = self.classes.map(Classes::names).unwrap_or_default();
        if !names.contains(&ANOMALY) && findings.classes.contains_key(ANOMALY) {
            names.insert(0, ANOMALY);
        }
        let mut heads = Vec::new();
        for name in names {
            let seen = findings.classes.get(name).ok_or_else(|| self.without_class(name, known))?;
            let mut classes = self.options.heads.names(name).to_vec();
            if classes.is_empty() {
                classes = sorted(seen);
                if self.window.is_some() && !is_ordered(&classes) {
                    return Err(in_file_of(unordered(name, &classes), parameter));
                }
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
            let help = "`fields = { entities = \"...\" }` says which field the entities are, and `classes = [\"...\"]` which fields are classes; of raw lines, `rules = \"syslog\"` or a file of your own says both";
            let error = StageError::new(message).with_help(known.beside(help));
            return Err(in_file_of(error, parameter));
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

/// The windows of each split, and how many of them were handed out.
type Open = [(Windows, usize); 3];

/// Hands out what is left in windows.
fn close(windows: Option<&mut Open>, heads: &Heads, push: &mut Push<'_>) -> Result<(), StageError> {
    for (split, (windows, count)) in Split::ALL.into_iter().zip(windows.into_iter().flatten()) {
        if let Some(text) = windows.finish(heads) {
            *count += 1;
            push(split, text)?;
        }
    }
    Ok(())
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

impl Walk {
    /// What the texts of each file are counted by.
    fn units(&self) -> impl Iterator<Item = Unit> {
        self.guesses.iter().map(|(_, guess)| guess.format.unit())
    }

    /// Takes what was found in a file.
    ///
    /// * `scheme`: the one that somebody said
    fn add(&mut self, path: &Path, guess: Guess, findings: Findings, scheme: Option<Scheme>) {
        if let Some((scheme, repaired)) = findings.scheme(scheme) {
            let (paths, count) = self.schemes.entry(scheme).or_default();
            paths.push(path.to_owned());
            *count += repaired;
        }
        self.findings.add(findings);
        self.problems.read_json(matches!(guess.format, Format::Jsonl | Format::Json));
        self.guesses.push((path.to_owned(), guess));
    }
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
