//! An experiment for a file of labelled texts: what lies in the file decides it, and each choice says why.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use crate::base::disk::regular;
use crate::base::problem::Problem;
use crate::base::visible;
use crate::text::readers::{
    self, Classes, Columns, Encoding, Findings, Format, Heads, Nested, Note, Options, Problems,
    ReadError, Rules, Scheme, Shipped,
};
use crate::text::{ANOMALY, Description, Example, Field, Lengths, Scale};
use crate::view::format;

mod written;

/// Names of fields that are most likely a text's class.
const CLASSES: [&str; 17] = [
    "label",
    "class",
    "category",
    "severity",
    "sentiment",
    "intent",
    "priority",
    "topic",
    "target",
    "status",
    "type",
    "spam",
    "is_spam",
    "y",
    "level",
    // As Prodigy and spaCy call them.
    "accept",
    "cats",
];

/// Names of fields that say when.
const TIMES: [&str; 8] =
    ["timestamp", "time", "datetime", "date", "ts", "created_at", "created", "at"];

/// Names of fields whose equal values belong together.
const GROUPS: [&str; 13] = [
    "event",
    "template",
    "event_id",
    "session",
    "thread",
    "group",
    "document",
    "doc_id",
    "conversation",
    "source",
    "author",
    "user",
    "form",
];

/// The most classes that a field may have to be taken for a head.
const MOST_CLASSES: usize = 20;

/// Texts that are equal once numbers are masked, as a share: from here on a random split is warned of.
const MANY_REPEATS: f64 = 0.2;

/// Of fewer texts for each that cannot be read, a file is taken for something else than it was read as.
const TEXTS_PER_PROBLEM: usize = 20;

/// Below this many texts there is nothing to validate on.
const FEWEST: usize = 10;

/// What an experiment on a file would be.
pub struct Sketch {
    reading: Reading,
    encoding: Encoding,
    format: Format,
    /// What cannot be read, and is left out.
    problems: Problems,
    description: Description,
    /// Lengths in tokens, as far as they can be told before there is a tokenizer.
    tokens: Lengths,
    /// Fields that become heads, with their classes.
    heads: Vec<(String, Vec<String>)>,
    /// Fields that might.
    others: Vec<String>,
    /// Whether texts have classes of the head [`ANOMALY`], which needs no mention.
    has_anomaly: bool,
    division: Division,
    /// What tags are called that are numbers.
    label_names: Vec<String>,
}

/// What has to be said of a file beside its format.
#[derive(Clone, Copy)]
enum Reading {
    Plain,
    /// Raw lines, by these rules.
    Rules(Shipped),
    /// Entities are written into the texts.
    Markup,
    /// Of entities that overlap one is left out.
    Outermost,
    /// Words are numbered, and stand in the second column.
    Numbered,
    /// Tags are brackets around words, in these columns.
    Brackets(Columns),
}

/// How the texts are divided.
enum Division {
    /// By the time in this field.
    Order(String),
    /// By the values of this field.
    Groups(String),
    Random,
}

impl Sketch {
    /// Looks at a file.
    ///
    /// # Errors
    /// When it cannot be read, or has nothing to learn from.
    pub fn of(path: &Path) -> Result<Self, Problem<()>> {
        let (reading, encoding, seen) = read(path)?;
        let Seen { format, description, problems, tokens, label_names, .. } = seen;
        let different = description.texts - description.repeats.equal;
        if different < FEWEST {
            let has = match description.repeats.equal {
                0 => format::counted(description.texts, "text"),
                _ => format::counted(different, "different text"),
            };
            return Err(Problem {
                place: (),
                message: format!(
                    "`{}` has {has}, which is too few to train and to validate on",
                    path.display(),
                ),
                help: Some(format!("label {FEWEST} or more")),
            });
        }
        let has_anomaly = description.classes.contains_key(ANOMALY);
        let (heads, others) = heads(&description, has_anomaly);
        if description.labels.is_empty() && heads.is_empty() && !has_anomaly {
            let known: Vec<String> =
                description.fields.keys().map(|name| format!("`{name}`")).collect();
            let fields = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem {
                place: (),
                message: format!("`{}` has texts, and no labels", path.display()),
                help: Some(format!(
                    "a model needs entities, or a field that says each text's class; fields are {fields}: name one with `classes = [\"...\"]` of `read_corpus`"
                )),
            });
        }
        let division = division(&description, &heads);
        let is_other = |name: &String| match &division {
            Division::Order(field) | Division::Groups(field) => name != field,
            Division::Random => true,
        };
        let others = others.into_iter().filter(is_other).collect();
        Ok(Self {
            reading,
            encoding,
            format,
            problems,
            description,
            tokens,
            heads,
            others,
            has_anomaly,
            division,
            label_names,
        })
    }

    /// What was seen, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let it = &self.description;
        let mut text = format!("{}, {}", self.format.name(), format::counted(it.texts, "text"));
        if let (Some(half), Some(most)) = (it.words.quantile(0.5), it.words.quantile(0.95)) {
            write!(text, "; half of them up to {half} words long, 95 % up to {most}")
                .expect("a string");
        }
        if let Some(first) = self.problems.first() {
            let left_out = format::counted(self.problems.count(), "text");
            write!(text, "\nleft out, since they cannot be read: {left_out}, the first: {first}")
                .expect("a string");
        }
        let labels: Vec<String> =
            it.labels.iter().map(|(name, of)| format!("{name} {}", of.entities)).collect();
        if !labels.is_empty() {
            write!(text, "\nentities: {}", labels.join(", ")).expect("a string");
        }
        for (name, classes) in &self.heads {
            write!(text, "\nclasses of `{name}`: {}", classes.join(", ")).expect("a string");
        }
        if self.has_anomaly {
            let counts: Vec<String> =
                it.classes[ANOMALY].iter().map(|(name, count)| format!("{name} {count}")).collect();
            write!(text, "\nclasses of `{ANOMALY}`: {}", counts.join(", ")).expect("a string");
        }
        write!(text, "\nsplit: {}\n", self.reason()).expect("a string");
        visible::text(&text).into_owned()
    }

    fn repeats(&self) -> f64 {
        self.description.repeats.masked as f64 / self.description.texts.max(1) as f64
    }

    fn reason(&self) -> String {
        let share = (100.0 * self.repeats()).round();
        match &self.division {
            Division::Order(field) => {
                format!("by time, as `{field}` has it: the past trains, the future is scored")
            }
            Division::Groups(field) => format!(
                "whole values of `{field}` in one part: {share} % of the texts are equal to others but for numbers, which a random split would let a model remember"
            ),
            Division::Random if self.repeats() >= MANY_REPEATS => format!(
                "at random, equal texts together; {share} % of the texts are equal to others but for numbers, so that scores measure memory of them: a field that says where a text comes from would do better (`by = \"field\"`)"
            ),
            Division::Random if self.heads.is_empty() && !self.has_anomaly => {
                "at random, equal texts together".to_owned()
            }
            Division::Random => "at random, classes alike, equal texts together".to_owned(),
        }
    }
}

/// What was seen of a file.
struct Seen {
    format: Format,
    description: Description,
    problems: Problems,
    findings: Findings,
    tokens: Lengths,
    /// Texts that have entities.
    labelled: usize,
    /// Texts with brackets as they stand around entities that are written into them.
    brackets: usize,
    /// Every word is a number.
    is_of_numbers: bool,
    /// What was read is ASCII.
    is_ascii: bool,
    /// What tags are called that are numbers.
    label_names: Vec<String>,
}

/// Reads a file in the way that finds labels in it, and says which way that is.
fn read(path: &Path) -> Result<(Reading, Encoding, Seen), Problem<()>> {
    let options = Options::default();
    let plain = look(path, &options);
    if plain.is_err()
        && let Some(label_names) = readers::label_names(path)
    {
        let options = Options { label_names, ..Options::default() };
        if let Ok(seen) = look(path, &options) {
            return read_further(path, &options, Ok(seen));
        }
    }
    let latin = Options { encoding: Encoding::Latin1, ..Options::default() };
    // A file that is UTF-8 but for some damage has other characters, too, that can be read.
    if plain.as_ref().map_or(true, |plain| plain.is_ascii)
        && let Some(seen) = better(path, &latin, &plain)
    {
        return read_further(path, &latin, Ok(seen));
    }
    read_further(path, &options, plain)
}

/// What is seen of a file when it is read otherwise, if more of it can be read then.
fn better(path: &Path, options: &Options, plain: &Result<Seen, Problem<()>>) -> Option<Seen> {
    let problems = |seen: &Seen| seen.problems.count();
    let most = plain.as_ref().map_or(usize::MAX, problems);
    let otherwise = || look(path, options).ok().filter(|seen| problems(seen) < most);
    if most > 0 { otherwise() } else { None }
}

fn read_further(
    path: &Path,
    options: &Options,
    plain: Result<Seen, Problem<()>>,
) -> Result<(Reading, Encoding, Seen), Problem<()>> {
    let encoding = options.encoding;
    // It may be that entities overlap, and nothing else.
    let outermost = Options { nested: Nested::Outermost, ..options.clone() };
    if let Some(seen) = better(path, &outermost, &plain) {
        return Ok((Reading::Outermost, encoding, seen));
    }
    let may_be_words = |it: &Seen| matches!(it.format, Format::Conll | Format::Lines);
    if plain.as_ref().map_or(true, may_be_words)
        && let Some((reading, seen)) = bracketed(path, options)
    {
        return Ok((reading, encoding, seen));
    }
    let plain = plain?;
    if plain.format == Format::Lines {
        let (shipped, seen) = shipped(path, options)?;
        return Ok((Reading::Rules(shipped), encoding, seen));
    }
    if plain.format == Format::Conll && plain.is_of_numbers {
        let seen = numbered(path, options)?;
        return Ok((Reading::Numbered, encoding, seen));
    }
    let is_many = |texts: usize| 10 * texts >= plain.description.texts;
    if plain.description.labels.is_empty() && is_many(plain.brackets) {
        let options = Options { markup: true, ..options.clone() };
        // A link has brackets, too; what follows them is no name.
        let is_name =
            |name: &String| name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
        let is_renamed = |note: &Note| matches!(note, Note::Label { .. });
        if let Ok(marked) = look(path, &options)
            && is_many(marked.labelled)
            && marked.description.labels.keys().all(is_name)
            && !marked.findings.notes.keys().any(is_renamed)
        {
            return Ok((Reading::Markup, encoding, marked));
        }
    }
    Ok((Reading::Plain, encoding, plain))
}

/// Reads a file whose tags are brackets: in its last column, or in that of the named entities of CoNLL-2012.
fn bracketed(path: &Path, options: &Options) -> Option<(Reading, Seen)> {
    [Columns::default(), Columns { token: 3, tag: 10 }].into_iter().find_map(|columns| {
        let options = Options { scheme: Some(Scheme::Brackets), columns, ..options.clone() };
        let seen = look_as(path, Some(Format::Conll), &options).ok()?;
        let is_one = seen.problems.count() == 0 && !seen.description.labels.is_empty();
        is_one.then_some((Reading::Brackets(columns), seen))
    })
}

/// Reads a file whose first column numbers the words.
fn numbered(path: &Path, options: &Options) -> Result<Seen, Problem<()>> {
    let columns = Columns { token: 1, ..Columns::default() };
    let seen = look(path, &Options { columns, ..options.clone() })?;
    // What stands last may be anything, such as the notes of a treebank.
    let is_renamed = |note: &Note| matches!(note, Note::Label { .. });
    let is_note = |label: &String| label.contains('=');
    let labels = &seen.description.labels;
    if labels.is_empty() || labels.keys().any(is_note) || seen.findings.notes.keys().any(is_renamed)
    {
        return Err(Problem {
            place: (),
            message: format!("`{}` numbers its words, and its last column holds no tags", path.display()),
            help: Some("`columns = { token = 1, tag = 9 }` of `read_corpus` says which columns hold words and tags, from 0; a file without tags has nothing to learn from".to_owned()),
        });
    }
    Ok(seen)
}

/// About how many tokens a text has: two to three for a word, one for two characters where words are identifiers, and the two that stand around
/// it.
fn tokens(text: &str) -> usize {
    let (words, characters) = (text.split_whitespace().count(), text.chars().count());
    (words * 5 / 2).max(characters / 2) + 2
}

/// Reads a file and describes it.
fn look(path: &Path, options: &Options) -> Result<Seen, Problem<()>> {
    look_as(path, None, options)
}

/// The same of a file whose format is known.
fn look_as(path: &Path, format: Option<Format>, options: &Options) -> Result<Seen, Problem<()>> {
    let mut description = Description::default();
    let (mut lengths, mut labelled, mut brackets) = (Lengths::default(), 0, 0);
    let (mut is_of_numbers, mut is_ascii) = (true, true);
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let mut problems = Problems::default();
    let mut each = |read: Result<Example, readers::Malformed>| {
        match read {
            Ok(example) => {
                description.add(&example);
                lengths.add(tokens(&example.text));
                labelled += usize::from(example.entities.iter().flatten().next().is_some());
                brackets += usize::from(example.text.contains("]("));
                is_ascii &= example.text.is_ascii();
                is_of_numbers &= example.text.split_whitespace().all(is_number);
            }
            Err(problem) => problems.push(path, problem),
        }
        let is_something_else = problems.count() > readers::REPORTED
            && problems.count() * TEXTS_PER_PROBLEM > description.texts;
        if is_something_else { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (guess, findings) =
        readers::read(path, format, options, &mut each).map_err(|error| match error {
            ReadError::Io { error, .. } => {
                let reason = regular::reason(&error);
                Problem::of(format!("cannot read `{}`: {reason}", path.display()))
            }
            error => Problem::helped(&error),
        })?;
    let is_few = problems.count() * TEXTS_PER_PROBLEM <= description.texts;
    match problems.first() {
        Some(first) if !is_few => Err(Problem {
            place: (),
            message: format!("`{}` was read as {}: {first}", path.display(), guess.format.name()),
            help: Some(match problems.help() {
                Some(help) => format!("{help}; `pipeline kinds read_corpus` has all that an experiment can say of a file"),
                None => "`format`, `fields` and `labels` of `read_corpus` say what a file is where it does not show: `pipeline kinds read_corpus`".to_owned(),
            }),
        }),
        None if description.texts == 0 => {
            Err(Problem::of(format!("`{}` has no texts", path.display())))
        }
        _ => Ok(Seen {
            format: guess.format,
            description,
            problems,
            findings,
            tokens: lengths,
            labelled,
            brackets,
            is_of_numbers,
            is_ascii,
            label_names: options.label_names.clone(),
        }),
    }
}

/// The rules that come with the program and find most in a log.
fn shipped(path: &Path, options: &Options) -> Result<(Shipped, Seen), Problem<()>> {
    let mut best: Option<(Shipped, Seen)> = None;
    for shipped in [Shipped::Syslog, Shipped::Apache] {
        let options = Options { rules: Some(Rules::shipped(shipped)), ..options.clone() };
        let Ok(seen) = look(path, &options) else { continue };
        let found =
            |it: &Seen| it.description.fields.values().map(|field| field.texts).sum::<usize>();
        if best.as_ref().is_none_or(|(_, best)| found(&seen) > found(best)) {
            best = Some((shipped, seen));
        }
    }
    // Of lines that are no log the rules would make entities of every number.
    let fits = |(_, seen): &(Shipped, Seen)| {
        let whole = seen.findings.notes.get(&Note::WholeLine).copied().unwrap_or(0);
        2 * whole <= seen.description.texts
    };
    best.filter(fits).ok_or_else(|| Problem {
        place: (),
        message: format!(
            "`{}` holds raw lines, which have no labels, and it is no log that shipped rules know",
            path.display()
        ),
        help: Some("make JSON lines or CSV of it that say each text's entities or class; where it is a log, write rules for its lines: the README shows a file".to_owned()),
    })
}

/// The classes that a field says, where it may be a head.
///
/// * `is_known`: whether its name is one that classes have
fn classes(it: &Description, name: &str, field: &Field, is_known: bool) -> Option<Vec<String>> {
    if 2 * field.texts < it.texts || TIMES.contains(&name.to_lowercase().as_str()) {
        return None;
    }
    let heads = Heads::of(Some(&Classes::Fields(vec![name.to_owned()])));
    let mut classes = BTreeSet::new();
    for value in field.values() {
        // As `read_corpus` reads it: a list of several is no class.
        classes.extend(heads.class(name, value, &mut Findings::default()).ok()?);
        if classes.len() > MOST_CLASSES {
            return None;
        }
    }
    // A measure is no class; a column of numbers in which some are missing comes as 0.0 and 1.0.
    let is_measure = |class: &String| {
        let is_float = |it: f64| it.is_finite() && (!is_known || it.fract() != 0.0);
        class.parse::<i64>().is_err() && class.parse().is_ok_and(is_float)
    };
    if classes.len() < 2 || 5 * classes.len() > field.texts || classes.iter().any(is_measure) {
        return None;
    }
    let mut classes: Vec<String> = classes.into_iter().collect();
    classes.sort_by(|one, other| heads.order(name, one, other));
    Some(classes)
}

/// The fields that are heads, with their classes, and those that might be.
fn heads(it: &Description, has_anomaly: bool) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let is_known = |name: &str| CLASSES.contains(&name.to_lowercase().as_str());
    let able = it.fields.iter().filter_map(|(name, field)| {
        Some((name.clone(), classes(it, name, field, is_known(name))?))
    });
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = able.partition(|(name, _)| is_known(name));
    if chosen.is_empty() && it.labels.is_empty() && !has_anomaly {
        let fewest = (0..others.len()).min_by_key(|index| others[*index].1.len());
        chosen.extend(fewest.map(|index| others.remove(index)));
    }
    (chosen, others.into_iter().map(|(name, _)| name).collect())
}

fn division(it: &Description, heads: &[(String, Vec<String>)]) -> Division {
    let named = |names: &'static [&str]| {
        let field =
            |name: &&str| it.fields.iter().find(|(field, _)| field.to_lowercase() == **name);
        names.iter().filter_map(field).filter(|(name, field)| {
            field.texts == it.texts && !heads.iter().any(|(head, _)| head == *name)
        })
    };
    // What is compared as text, such as `3/1/2024`, is in no order of time; equal times stay together, which many of one would not divide.
    let is_time = |(_, field): &(&String, &Field)| {
        10 * field.most() <= it.texts && Scale::of(field.values()) != Scale::Text
    };
    if let Some((name, _)) = named(&TIMES).find(is_time) {
        return Division::Order(name.clone());
    }
    let repeats = it.repeats.masked as f64 / it.texts.max(1) as f64;
    let is_group =
        |(_, field): &(&String, &Field)| field.distinct >= 10 && 5 * field.distinct <= 4 * it.texts;
    match named(&GROUPS).next().filter(is_group).filter(|_| repeats >= MANY_REPEATS) {
        Some((name, _)) => Division::Groups(name.clone()),
        None => Division::Random,
    }
}
