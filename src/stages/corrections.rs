//! What a person says of single texts, in place of what the files of a corpus say: it is put back once the texts are divided, so that no text moves.
//!
//! 1. [`Corrections::read`] reads lines as `pipeline review` writes them, or what another tool made of those;
//! 2. [`Corrections::compare`] tells of which files the `id`s are those of the corpus: some tools number lines anew;
//! 3. [`Corrected::apply`] gives each text the answers of the line that has its `id`, else of the one that has its text;
//! 4. [`Corrected::finish`] says what came of it: lines that are mistakes, and lines that fit no text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::base::problem::{Position, Problem};
use crate::base::visible;
use crate::engine::stage::{Remark, StageError};
use crate::text::readers::{self, Options, Problems, ReadError, Spot};
use crate::text::{CorpusTasks, Example};

/// The parameter that names the files.
const PARAMETER: &str = "corrections";

/// Places that a message lists.
const SHOWN: usize = readers::REPORTED;

/// Takes a line that is left out, of the file of this path.
pub(super) type Skip<'s> = dyn FnMut(&Path, &readers::Malformed) -> Result<(), StageError> + 's;

/// Lines of answers.
pub(super) struct Corrections {
    list: Vec<Correction>,
    by_id: HashMap<String, usize>,
    /// The one without an `id` first, where there is one.
    by_text: HashMap<String, Vec<usize>>,
    mistakes: Vec<(PathBuf, readers::Malformed)>,
}

/// How many lines of each file have the `id` of a text of the corpus and say this text, and how many say another one.
#[derive(Default)]
pub(super) struct Numbering(BTreeMap<usize, [usize; 2]>);

impl Numbering {
    /// Whether the `id`s of a file are those of the corpus. A few of those that a tool has counted are so by chance.
    fn is_kept(&self, file: usize) -> bool {
        self.0.get(&file).is_some_and(|[same, other]| *same > 0 && same >= other)
    }
}

/// A line, and what it says.
struct Correction {
    path: PathBuf,
    /// The number of its file.
    file: usize,
    says: Example,
}

impl Correction {
    fn id(&self) -> Option<&String> {
        self.says.fields.get("id")
    }

    /// Its place, and what it is to fit.
    fn place(&self) -> String {
        let place = format!("{}:{}", self.path.display(), self.says.line);
        match self.id() {
            Some(id) => format!("{place} (`id` `{}`)", visible::line(id)),
            None => place,
        }
    }

    /// Whether it says nothing else than this text; it may say its `id` alone.
    fn is_about(&self, example: &Example) -> bool {
        self.says.text.is_empty() || self.says.text == example.text
    }

    /// Whether the other one says all that this one does.
    fn agrees_with(&self, other: &Self) -> bool {
        let (own, others) = (&self.says, &other.says);
        own.classes.iter().all(|(head, class)| others.classes.get(head) == Some(class))
            && (own.entities.is_none() || own.entities == others.entities)
    }

    /// What is wrong with it where another one is about the same text, and says something else.
    fn contradicts(&self, other: &Self) -> (PathBuf, readers::Malformed) {
        let message = format!("the text is corrected in {} already", other.place());
        self.mistake(message, "keep one of the two lines")
    }

    fn mistake(&self, message: String, help: &str) -> (PathBuf, readers::Malformed) {
        let position = Position { line: self.says.line, column: 1 };
        let excerpt = self.says.text.chars().take(60).collect();
        (self.path.clone(), Problem::new(Spot { position, excerpt }, message).help(help))
    }
}

impl Corrections {
    /// * `options`: what the corpus says of classes and labels
    ///
    /// # Errors
    /// When a file cannot be read; what is wrong inside is told by [`Corrected::finish`].
    pub(super) fn read(paths: &[PathBuf], options: &Options) -> Result<Self, StageError> {
        let (by_id, by_text) = Default::default();
        let mut all = Self { list: Vec::new(), by_id, by_text, mistakes: Vec::new() };
        for (file, path) in paths.iter().enumerate() {
            let mut lines = Vec::new();
            let read = readers::read(path, None, options, &mut |found| {
                match found {
                    Ok(says) => lines.push(says),
                    Err(problem) => all.mistakes.push((path.clone(), problem)),
                }
                ControlFlow::Continue(())
            });
            let (_, findings) = read.map_err(|error| wrong(&error))?;
            // A tool in which only classes are chosen says nothing of entities.
            let is_of_classes =
                !findings.has_entities && lines.iter().any(|says| !says.classes.is_empty());
            for mut says in lines {
                if is_of_classes {
                    says.entities = None;
                }
                all.add(Correction { path: path.clone(), file, says });
            }
        }
        Ok(all)
    }

    fn add(&mut self, correction: Correction) {
        let id = correction.id().cloned();
        let known = match &id {
            Some(id) => self.by_id.get(id),
            None => self.by_text.get(&correction.says.text).and_then(|lines| lines.first()),
        };
        let known = known.map(|number| &self.list[*number]);
        if let Some(known) = known.filter(|known| known.id() == id.as_ref()) {
            if !correction.agrees_with(known) {
                self.mistakes.push(correction.contradicts(known));
            }
            return;
        }
        let number = self.list.len();
        let of_text = self.by_text.entry(correction.says.text.clone()).or_default();
        match id {
            Some(id) => {
                self.by_id.insert(id, number);
                of_text.push(number);
            }
            // It is known by nothing else.
            None => of_text.insert(0, number),
        }
        self.list.push(correction);
    }

    /// Counts the line that has the `id` of this text, where there is one.
    pub(super) fn compare(&self, example: &Example, numbering: &mut Numbering) {
        let number = example.fields.get("id").and_then(|id| self.by_id.get(id));
        if let Some(line) = number.map(|number| &self.list[*number]) {
            let counts = numbering.0.entry(line.file).or_default();
            counts[usize::from(!line.is_about(example))] += 1;
        }
    }

    /// Begins to put answers back.
    ///
    /// * `tasks`: what the corpus is labelled for
    /// * `numbering`: of all of its texts
    pub(super) fn applying<'c>(
        &'c self,
        tasks: &'c CorpusTasks,
        numbering: &'c Numbering,
    ) -> Corrected<'c> {
        let mut corrected = Corrected {
            all: self,
            numbering,
            by_text: 0,
            tasks,
            mistakes: self.mistakes.clone(),
            uses: vec![Use::None; self.list.len()],
            overruled: BTreeMap::new(),
            labels: BTreeSet::new(),
            texts: 0,
            changed: BTreeMap::new(),
        };
        for (number, correction) in self.list.iter().enumerate() {
            if let Some(message) = unknown(&correction.says, tasks) {
                corrected.mistake(number, message, "an answer is one that the files of the corpus have; `classes = { HEAD = [...] }` names classes that no text has yet");
            }
        }
        corrected
    }
}

/// What of a line is no answer to anything that the corpus asks.
fn unknown(says: &Example, tasks: &CorpusTasks) -> Option<String> {
    for (head, class) in &says.classes {
        let Some(known) = tasks.head(head) else {
            return Some(format!("no text of the corpus has a class of `{}`", visible::line(head)));
        };
        if known.index(class).is_none() {
            let (class, classes) = (visible::line(class), known.classes.join("`, `"));
            return Some(format!("`{head}` is `{class}`, expected `{classes}`"));
        }
    }
    let tags = says.entities.as_ref().is_some_and(|entities| !entities.is_empty());
    (tags && !tasks.tagging).then(|| "no text of the corpus has entities".to_owned())
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// No text has been it about.
    None,
    /// A text has its `id`, and says something else.
    OtherText,
    Applied,
    /// Another one says the same of its text.
    Repeats,
    /// It is a mistake, which was said.
    Wrong,
}

/// Answers that are being put back.
pub(super) struct Corrected<'c> {
    all: &'c Corrections,
    numbering: &'c Numbering,
    /// Texts that were found by what they say, though their line has an `id`.
    by_text: usize,
    tasks: &'c CorpusTasks,
    mistakes: Vec<(PathBuf, readers::Malformed)>,
    /// Of each line.
    uses: Vec<Use>,
    /// Lines that have the text of one to which another line applies, and that other one.
    overruled: BTreeMap<usize, usize>,
    /// Types of entities that the files have.
    labels: BTreeSet<String>,
    /// Texts that lines are about.
    texts: usize,
    /// Texts whose answer is another one now, by head.
    changed: BTreeMap<String, usize>,
}

impl Corrected<'_> {
    fn mistake(&mut self, number: usize, message: String, help: &str) {
        self.mistakes.push(self.all.list[number].mistake(message, help));
        self.uses[number] = Use::Wrong;
    }

    /// Whether a line may be about a text because it has this text: of those whose `id` is another one, such as a tool has numbered anew.
    fn fits(&self, number: usize, example: &Example) -> bool {
        let line = &self.all.list[number];
        !example.fields.contains_key("id")
            || line.id().is_none()
            || !self.numbering.is_kept(line.file)
    }

    /// The line that is about a text: the one with its `id`, else one without an `id` that has its text. Of a text without an `id`, and in files whose `id`s
    /// are none of the corpus, any that has it.
    fn of(&self, example: &Example) -> Option<usize> {
        let id = example.fields.get("id");
        let by_id = id.and_then(|id| self.all.by_id.get(id)).copied();
        let is_kept = |number: &usize| self.numbering.is_kept(self.all.list[*number].file);
        let by_text = || {
            let first = self.all.by_text.get(&example.text)?.first().copied();
            first.filter(|number| self.fits(*number, example))
        };
        by_id.filter(is_kept).or_else(by_text).or(by_id)
    }

    /// Gives a text the answers of the line that is about it.
    pub(super) fn apply(&mut self, example: &mut Example) {
        for entity in example.entities() {
            if !self.labels.contains(&entity.label) {
                self.labels.insert(entity.label.clone());
            }
        }
        let Some(number) = self.of(example).filter(|it| self.uses[*it] != Use::Wrong) else {
            return;
        };
        let line = &self.all.list[number];
        let says = &line.says;
        if !line.is_about(example) {
            if self.uses[number] == Use::None {
                self.uses[number] = Use::OtherText;
            }
            return;
        }
        self.uses[number] = Use::Applied;
        self.texts += 1;
        for other in self.all.by_text.get(&example.text).into_iter().flatten() {
            if *other != number && self.fits(*other, example) {
                self.overruled.entry(*other).or_insert(number);
            }
        }
        let has_another_id = line.id().is_some() && line.id() != example.fields.get("id");
        self.by_text += usize::from(has_another_id);
        if let Some(entities) = says.entities.as_ref().filter(|_| self.tasks.tagging)
            && example.entities.as_ref() != Some(entities)
        {
            *self.changed.entry("entities".to_owned()).or_default() += 1;
            example.entities = Some(entities.clone());
        }
        for (head, class) in &says.classes {
            if example.classes.get(head) != Some(class) {
                *self.changed.entry(head.clone()).or_default() += 1;
                example.classes.insert(head.clone(), class.clone());
            }
        }
    }

    /// Finds out about lines that no text has taken although it is there.
    fn settle(&mut self) {
        for (number, other) in std::mem::take(&mut self.overruled) {
            let (line, other) = (&self.all.list[number], &self.all.list[other]);
            if self.uses[number] != Use::None {
                continue;
            }
            self.uses[number] = if line.agrees_with(other) {
                Use::Repeats
            } else {
                self.mistakes.push(line.contradicts(other));
                Use::Wrong
            };
        }
        for number in 0..self.uses.len() {
            if self.uses[number] == Use::OtherText {
                let message = "the text with this `id` is another one in the corpus";
                let help = "corrections put labels back, and no texts: change texts in the files of the corpus, or leave `text` out where classes alone are corrected";
                self.mistake(number, message.to_owned(), help);
            }
        }
    }

    /// Says what came of it.
    ///
    /// * `skip`: takes lines that are mistakes, where these are left out
    ///
    /// # Errors
    /// With the mistakes where they are not, where no line is about any text, and those of `skip`.
    pub(super) fn finish(mut self, skip: Option<&mut Skip<'_>>) -> Result<Vec<Remark>, StageError> {
        self.settle();
        let mut remarks = Vec::new();
        let mut mistakes = Problems::default();
        for (path, mistake) in &self.mistakes {
            mistakes.push(path, mistake.clone());
        }
        match skip {
            None if mistakes.count() > 0 => return Err(wrong(&ReadError::Malformed(mistakes))),
            None => {}
            Some(skip) => {
                self.mistakes.iter().try_for_each(|(path, mistake)| skip(path, mistake))?
            }
        }
        remarks.extend(left_out(&mistakes));
        let all = self.all.list.len();
        let of = |what| {
            let uses = self.uses.iter().zip(&self.all.list);
            uses.filter(move |(it, _)| **it == what).map(|(_, line)| line).collect::<Vec<_>>()
        };
        let unused = of(Use::None);
        if unused.len() == all && all > 0 {
            let message = format!("no line of the corrections fits a text: {}", listed(&unused));
            let help =
                "a line fits the text that has its `id`, else the one that is equal to its `text`";
            return Err(StageError::new(message).with_help(help).in_file_of(PARAMETER));
        }
        if !unused.is_empty() {
            let fit = if unused.len() == 1 { "fits" } else { "fit" };
            let text = format!(
                "{} of {all} corrections {fit} no text, by `id` or by text: {}",
                unused.len(),
                listed(&unused)
            );
            remarks.push(Remark::Warning(text));
        }
        let silent = self.silent(&of(Use::Applied));
        remarks.extend(silent.map(Remark::Warning));
        if self.by_text > 0 {
            let texts = match self.by_text {
                1 => "1 text is".to_owned(),
                count => format!("{count} texts are"),
            };
            remarks.push(Remark::Note(format!(
                "{texts} corrected by a line that has another `id` and the same text"
            )));
        }
        let is_new = |line: &&Correction| {
            line.says.entities().iter().any(|entity| !self.labels.contains(&entity.label))
        };
        let new: Vec<&Correction> = of(Use::Applied).into_iter().filter(is_new).collect();
        if !new.is_empty() {
            let labels: BTreeSet<&str> = new
                .iter()
                .flat_map(|line| line.says.entities())
                .map(|entity| entity.label.as_str())
                .filter(|label| !self.labels.contains(*label))
                .collect();
            let labels = labels.into_iter().collect::<Vec<_>>().join("`, `");
            let text = format!(
                "corrections have entities of types that no file of the corpus has: `{labels}` in {}",
                listed(&new)
            );
            remarks.push(Remark::Warning(text));
        }
        remarks.push(Remark::Note(self.summary()));
        Ok(remarks)
    }

    /// What there is to say of lines that fit a text, and say nothing of it.
    fn silent(&self, applied: &[&Correction]) -> Option<String> {
        let is_silent =
            |line: &&&Correction| line.says.entities.is_none() && line.says.classes.is_empty();
        let silent: Vec<&Correction> = applied.iter().filter(is_silent).copied().collect();
        let heads: Vec<&str> = self.tasks.heads.iter().map(|head| head.name.as_str()).collect();
        (!silent.is_empty()).then(|| {
            format!(
                "{} of {} corrections say neither entities nor a class of `{}`: {}",
                silent.len(),
                self.all.list.len(),
                heads.join("`, `"),
                listed(&silent)
            )
        })
    }

    fn summary(&self) -> String {
        let texts = match self.texts {
            1 => "1 text was".to_owned(),
            count => format!("{count} texts were"),
        };
        let changed = |(name, count): (&String, &usize)| format!("{count} with another `{name}`");
        let changed: Vec<String> = self.changed.iter().map(changed).collect();
        match changed.is_empty() {
            true => format!("{texts} looked at again, and none corrected"),
            false => format!("{texts} looked at again: {} now", changed.join(", ")),
        }
    }
}

/// What to say of lines that are mistakes, where these are left out.
fn left_out(mistakes: &Problems) -> Option<Remark> {
    let first = mistakes.first()?;
    let count = mistakes.count();
    let lines = if count == 1 { "1 line is" } else { &format!("{count} lines are") };
    let place = |(path, problem): &(PathBuf, readers::Malformed)| {
        format!("{}:{}", path.display(), problem.place.position.line)
    };
    let others: Vec<String> = mistakes.listed().iter().skip(1).map(place).collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("; also {}", others.join(", ")),
    };
    Some(Remark::Warning(format!(
        "corrections: {lines} left out (`on_error = \"skip\"`; `skipped.jsonl` of the result in the store lists them): {first}{others}"
    )))
}

/// The first of some lines.
fn listed(lines: &[&Correction]) -> String {
    let mut shown: Vec<String> = lines.iter().take(SHOWN).map(|line| line.place()).collect();
    if lines.len() > SHOWN {
        shown.push(format!("{} more", lines.len() - SHOWN));
    }
    shown.join(", ")
}

fn wrong(error: &ReadError) -> StageError {
    StageError::of(error).in_file_of(PARAMETER)
}
