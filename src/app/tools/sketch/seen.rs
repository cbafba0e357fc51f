//! What is seen of a file when it is read in the way that finds labels in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::base::disk::regular;
use crate::base::problem::Problem;
use crate::text::readers::{
    self, Columns, Encoding, Findings, Format, NamedNumbers, Nested, Note, Options, Problems,
    Purpose, ReadError, Rules, Scheme, Shipped,
};
use crate::text::{Description, Example, Lengths, Offsets};

/// Of fewer texts for each that cannot be read, a file is taken for something else than it was read as.
const TEXTS_PER_PROBLEM: usize = 20;

/// How many texts are looked at to find out which of their fields is the text.
const LOOKED_AT: usize = 1000;

/// How many lines of a log show which rules fit it.
const LINES_TRIED: usize = 20_000;

/// Numbers that may stand for labels of entities.
const NUMBERED_LABELS: usize = 256;

/// The last column in which tags are looked for.
const LAST_COLUMN: i32 = 12;

/// The files that a person names.
pub struct DataFiles<'p> {
    /// As they were named: one, or a pattern that stands for several.
    pub named: &'p Path,
    /// One of them at least.
    pub paths: Vec<PathBuf>,
}

impl DataFiles<'_> {
    /// The one that stands for them, where one is enough.
    pub(super) fn first(&self) -> &Path {
        self.paths.first().map_or(self.named, PathBuf::as_path)
    }
}

/// A file as it was read, and how that was.
pub(super) struct Seen {
    /// What has to be said of it beside its format.
    pub(super) options: Options,
    pub(super) shipped: Option<Shipped>,
    /// The field of the text, where that was told from the lengths of strings.
    pub(super) longest: Option<String>,
    pub(super) format: Format,
    /// What cannot be read, and is left out.
    pub(super) problems: Problems,
    pub(super) description: Description,
    /// Lengths in tokens, as far as they can be told before there is a tokenizer.
    pub(super) tokens: Lengths,
    pub(super) findings: Findings,
    /// Texts that have entities.
    labelled: usize,
    /// Texts without a word.
    pub(super) blank: usize,
    /// Texts in which the value of a field stands, by field.
    pub(super) in_text: BTreeMap<String, usize>,
    /// Entities of texts with other characters than ASCII, and those of them that break a word.
    placed: usize,
    misplaced: usize,
    /// Texts with brackets as they stand around entities that are written into them.
    brackets: usize,
    /// Every word is a number.
    is_of_numbers: bool,
    /// What was read is ASCII.
    is_ascii: bool,
}

impl Seen {
    /// Reads a file in the way that finds labels in it.
    ///
    /// * `text`: the field of the texts, where somebody said it
    ///
    /// # Errors
    /// When it can be read in no way.
    pub(super) fn of(data: &DataFiles<'_>, text: Option<&str>) -> Result<Self, Problem<()>> {
        let mut options = Options::default();
        options.fields.text = text.map(str::to_owned);
        let mut seen = look(data, &options);
        let mut longest = None;
        if seen.is_err() {
            longest = longest_strings(data).filter(|_| text.is_none());
            if longest.is_some() {
                options.fields.text.clone_from(&longest);
                seen = look(data, &options);
            }
        }
        if seen.is_err() {
            seen = in_other_words(data, &options, seen);
        }
        let as_read =
            |seen: &Result<Self, _>| seen.as_ref().map_or(&options, |it| &it.options).clone();
        let latin = Options { encoding: Encoding::Latin1, ..as_read(&seen) };
        // A file that is UTF-8 but for some damage has other characters, too, that can be read.
        let may_be_latin = match &seen {
            Ok(it) => it.is_ascii && it.options.encoding == Encoding::Utf8,
            Err(_) => !is_utf8(data),
        };
        if may_be_latin && let Some(better) = better(data, &latin, &seen) {
            seen = Ok(better);
        }
        // It may be that entities overlap, and nothing else.
        let outermost = Options { nested: Nested::Outermost, ..as_read(&seen) };
        if let Some(better) = better(data, &outermost, &seen) {
            seen = Ok(better);
        }
        let seen = labelled(data, in_units(data, &options, seen))?;
        Ok(Self { longest, ..seen })
    }

    /// Nothing yet.
    fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            shipped: None,
            longest: None,
            format: Format::Lines,
            problems: Problems::default(),
            description: Description::default(),
            tokens: Lengths::default(),
            findings: Findings::default(),
            labelled: 0,
            blank: 0,
            in_text: BTreeMap::new(),
            placed: 0,
            misplaced: 0,
            brackets: 0,
            is_of_numbers: true,
            is_ascii: true,
        }
    }

    fn add(&mut self, example: &Example) {
        let is_number =
            |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
        let text = &example.text;
        let inside_words = self.description.inside_words;
        self.description.add(example);
        self.tokens.add(tokens(text));
        let entities = example.entities.iter().flatten().count();
        self.labelled += usize::from(entities > 0);
        self.blank += usize::from(text.trim().is_empty());
        self.brackets += usize::from(text.contains("]("));
        self.is_of_numbers &= text.split_whitespace().all(is_number);
        if !text.is_ascii() {
            self.is_ascii = false;
            self.placed += entities;
            self.misplaced += self.description.inside_words - inside_words;
        }
        for (name, _) in example.fields.iter().filter(|(_, value)| stands_in(text, value)) {
            *self.in_text.entry(name.clone()).or_default() += 1;
        }
    }

    /// What speaks against how it was read.
    fn mistakes(&self) -> usize {
        self.misplaced + self.problems.count()
    }
}

/// The same file with offsets of another unit, where that leaves less than half of the mistakes.
fn in_units(
    data: &DataFiles<'_>,
    options: &Options,
    plain: Result<Seen, Problem<()>>,
) -> Result<Seen, Problem<()>> {
    let counts_otherwise = match &plain {
        Err(_) => true,
        Ok(it) if matches!(it.format, Format::Conll | Format::Lines | Format::LabelStudio) => false,
        Ok(it) if it.problems.count() > 0 => !it.description.labels.is_empty(),
        // Some entities are parts of words anyway.
        Ok(it) => 20 * it.misplaced > it.placed,
    };
    if !counts_otherwise {
        return plain;
    }
    let options = plain.as_ref().map_or(options, |it| &it.options);
    let in_unit = |offsets| {
        let options = Options { offsets, ..options.clone() };
        let seen = look(data, &options);
        let outermost = Options { nested: Nested::Outermost, ..options };
        better(data, &outermost, &seen).or(seen.ok())
    };
    let most = plain.as_ref().map_or(usize::MAX, Seen::mistakes);
    let others = [Offsets::Utf16, Offsets::Bytes].into_iter().filter_map(in_unit);
    match others.min_by_key(Seen::mistakes) {
        Some(other) if other.mistakes() < most.div_ceil(2) => Ok(other),
        _ => plain,
    }
}

/// Whether all files are UTF-8, so that they are in no other encoding.
fn is_utf8(data: &DataFiles<'_>) -> bool {
    data.paths.iter().all(|path| readers::is_utf8(path).unwrap_or(false))
}

/// Reads a file again that could not be read as it is, with what may be missing: which field is the text, its encoding, and what numbers are called.
fn in_other_words(
    data: &DataFiles<'_>,
    options: &Options,
    plain: Result<Seen, Problem<()>>,
) -> Result<Seen, Problem<()>> {
    let named = NamedNumbers::beside(data.first());
    let tags = named.of_tags();
    let utf16 = Options { encoding: Encoding::Utf16, ..options.clone() };
    let tags = tags.map(|names| Options { label_names: names.to_vec(), ..options.clone() });
    let label = |number: usize| (number.to_string(), format!("LABEL_{number}"));
    let numbered = Options { labels: (0..NUMBERED_LABELS).map(label).collect(), ..options.clone() };
    let outermost = Options { nested: Nested::Outermost, ..numbered.clone() };
    let utf16 = (!is_utf8(data)).then_some(utf16);
    let mut attempts = utf16.into_iter().chain(tags).chain([numbered, outermost]);
    attempts.find_map(|options| look(data, &options).ok()).map_or(plain, Ok)
}

/// What is seen of a file when it is read otherwise, if more of it can be read then.
fn better(
    data: &DataFiles<'_>,
    options: &Options,
    plain: &Result<Seen, Problem<()>>,
) -> Option<Seen> {
    let problems = |seen: &Seen| seen.problems.count();
    let most = plain.as_ref().map_or(usize::MAX, problems);
    let otherwise = || look(data, options).ok().filter(|seen| problems(seen) < most);
    if most > 0 { otherwise() } else { None }
}

/// The field that is most likely the text of a file in which none is called as one: the one whose strings are the longest, if they are of several words.
fn longest_strings(data: &DataFiles<'_>) -> Option<String> {
    let options = Options { purpose: Purpose::Names, ..Options::default() };
    let (mut texts, mut has_text) = (0, false);
    let mut lengths: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let read = readers::read(data.first(), None, &options, &mut |found| {
        texts += 1;
        if let Ok(example) = found {
            has_text |= !example.text.is_empty();
            for (name, value) in example.fields {
                // A list or an object is no text.
                if !value.starts_with(['[', '{']) {
                    let (characters, words) = lengths.entry(name).or_default();
                    *characters += value.chars().count();
                    *words += value.split_whitespace().count();
                }
            }
        }
        if texts < LOOKED_AT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    read.ok().filter(|_| !has_text)?;
    // The first row of a table without a header is no name.
    let is_name = |name: &str| name.split_whitespace().count() <= 3;
    let of_words =
        lengths.into_iter().filter(|(name, (_, words))| *words >= 2 * texts && is_name(name));
    of_words.max_by_key(|(_, (characters, _))| *characters).map(|(name, _)| name)
}

/// The same file, read so that labels are found that its lines say in another way.
fn labelled(data: &DataFiles<'_>, plain: Result<Seen, Problem<()>>) -> Result<Seen, Problem<()>> {
    let is_unlabelled = |it: &Seen| {
        it.format == Format::Conll
            && (it.is_of_numbers
                || it.description.labels.is_empty()
                || it.findings.all_tagged().is_some())
    };
    if plain.as_ref().map_or(true, is_unlabelled)
        && let Some(seen) = tagged(data)
    {
        return Ok(seen);
    }
    let plain = plain?;
    if plain.format == Format::Conll && plain.is_of_numbers {
        return numbered(data, &plain.options);
    }
    if let Some(words) = plain.findings.all_tagged() {
        return Err(Problem {
            place: (),
            message: format!(
                "`{}` says of each of its {words} words that it is part of an entity, as a column of parts of speech would",
                data.named.display()
            ),
            help: Some(match plain.format {
                Format::Conll => "`columns = { token = 0, tag = 1 }` of `read_corpus` says which columns hold words and tags, from 0",
                _ => "`fields = { tags = \"...\" }` of `read_corpus` says which field holds the tags of words",
            }.to_owned()),
        });
    }
    let is_many = |texts: usize| 10 * texts >= plain.description.texts;
    if plain.description.labels.is_empty() && is_many(plain.brackets) {
        let looks_marked = plain.findings.notes.get(&Note::LooksMarked).copied().unwrap_or(0);
        match look(data, &Options { markup: true, ..plain.options.clone() }) {
            Ok(marked) if is_marked(&marked) && is_many(marked.labelled) => return Ok(marked),
            // Nothing else can be learnt from them.
            Err(problem) if is_many(looks_marked) && plain.description.fields.is_empty() => {
                return Err(problem);
            }
            _ => {}
        }
    }
    match plain.format {
        Format::Lines => shipped(data, &plain.options),
        _ => Ok(plain),
    }
}

/// Whether what was read as marks are entities. A link has brackets, too: what follows them is no name, and seldom the same.
fn is_marked(seen: &Seen) -> bool {
    let is_name =
        |name: &String| name.chars().all(|it| it.is_ascii_alphanumeric() || "_-".contains(it));
    let labels = &seen.description.labels;
    let entities: usize = labels.values().map(|of| of.entities).sum();
    labels.keys().all(is_name) && 2 * labels.len() <= entities
}

/// Reads words whose tags stand in another column than the last, with a prefix or in brackets, so that they are no parts of speech: that of the named
/// entities of CoNLL-2012, or the first.
fn tagged(data: &DataFiles<'_>) -> Option<Seen> {
    let with_word = |token: i32| {
        (1..=LAST_COLUMN).filter(move |tag| *tag > token).map(move |tag| Columns { token, tag })
    };
    let columns = [Columns { token: 3, tag: 10 }, Columns { token: 1, tag: -1 }];
    columns.into_iter().chain(with_word(0)).chain(with_word(1)).find_map(|columns| {
        let options = Options { columns, ..Options::default() };
        let seen = look_as(data, Some(Format::Conll), &options, usize::MAX).ok()?;
        let scheme = seen.findings.scheme(None).map(|(scheme, _)| scheme);
        let is_one = !seen.description.labels.is_empty()
            && !seen.is_of_numbers
            && seen.findings.all_tagged().is_none()
            && scheme.is_some_and(|scheme| scheme != Scheme::Plain);
        is_one.then_some(seen)
    })
}

/// Reads a file whose first column numbers the words.
fn numbered(data: &DataFiles<'_>, options: &Options) -> Result<Seen, Problem<()>> {
    let columns = Columns { token: 1, ..Columns::default() };
    let seen = look(data, &Options { columns, ..options.clone() })?;
    // What stands last may be anything, such as the notes of a treebank.
    let is_renamed = |note: &Note| matches!(note, Note::Label { .. });
    let is_note = |label: &String| label.contains('=');
    let labels = &seen.description.labels;
    if labels.is_empty() || labels.keys().any(is_note) || seen.findings.notes.keys().any(is_renamed)
    {
        return Err(Problem {
            place: (),
            message: format!("`{}` numbers its words, and its last column holds no tags", data.named.display()),
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
fn look(data: &DataFiles<'_>, options: &Options) -> Result<Seen, Problem<()>> {
    look_as(data, None, options, usize::MAX)
}

/// The same of a file whose format is known.
///
/// * `most`: how many texts are enough
fn look_as(
    data: &DataFiles<'_>,
    format: Option<Format>,
    options: &Options,
    most: usize,
) -> Result<Seen, Problem<()>> {
    let mut seen = Seen::new(options);
    let mut formats = BTreeSet::new();
    for path in &data.paths {
        let mut each = |read: Result<Example, readers::Malformed>| {
            match read {
                Ok(example) => seen.add(&example),
                Err(problem) => seen.problems.push(path, problem),
            }
            let is_something_else = seen.problems.count() > readers::REPORTED
                && seen.problems.count() * TEXTS_PER_PROBLEM > seen.description.texts;
            let is_enough = is_something_else || seen.description.texts >= most;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = readers::read(path, format, options, &mut each);
        let (guess, found) = read.map_err(|error| match error {
            ReadError::Io { error: reason, .. } if reason.get_ref().is_none() => {
                unreadable(path, &reason)
            }
            error => Problem::helped(&error),
        })?;
        formats.insert(guess.format);
        seen.findings.add(found);
    }
    seen.format = match formats.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => *one,
        several => {
            let names: Vec<&str> = several.iter().map(|format| format.name()).collect();
            let (named, names) = (data.named.display(), names.join(", "));
            let message = format!("`{named}` stands for files of several formats: {names}");
            return Err(Problem::new((), message).help("name those of one"));
        }
    };
    let (problems, texts) = (&seen.problems, seen.description.texts);
    let is_few = problems.count() * TEXTS_PER_PROBLEM <= texts;
    match problems.first() {
        Some(first) if !is_few => Err(Problem {
            place: (),
            message: format!(
                "`{}` was read as {}: {first}",
                data.named.display(),
                seen.format.name()
            ),
            help: Some(match problems.help() {
                Some(help) => format!("{help}; `pipeline kinds read_corpus` has all that an experiment can say of a file"),
                None => "`format`, `fields` and `labels` of `read_corpus` say what a file is where it does not show: `pipeline kinds read_corpus`".to_owned(),
            }),
        }),
        None if texts == 0 => {
            let why: Vec<String> =
                seen.findings.notes.iter().map(|(note, count)| note.said(*count)).collect();
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
            Err(Problem::of(format!("`{}` has no texts{why}", data.named.display())))
        }
        _ => Ok(seen),
    }
}

/// Whether a value stands in a text as a word of it.
fn stands_in(text: &str, value: &str) -> bool {
    let is_of_word = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
    let is_apart = |at: usize| {
        !is_of_word(text[..at].chars().next_back())
            && !is_of_word(text[at + value.len()..].chars().next())
    };
    !value.is_empty() && text.match_indices(value).any(|(at, _)| is_apart(at))
}

/// What is said of a file that the system does not hand out.
fn unreadable(path: &Path, error: &std::io::Error) -> Problem<()> {
    let message = format!("cannot read `{}`: {}", path.display(), regular::reason(error));
    let problem = Problem::new((), message);
    match path.is_dir() {
        true => problem.help(format!("`'{}/*'` stands for the files in it", path.display())),
        false => problem,
    }
}

/// The rules that come with the program and find most in a log.
fn shipped(data: &DataFiles<'_>, options: &Options) -> Result<Seen, Problem<()>> {
    let with = |shipped| Options { rules: Some(Rules::shipped(shipped)), ..options.clone() };
    let mut best: Option<Seen> = None;
    for shipped in Shipped::ALL {
        let Ok(seen) = look_as(data, None, &with(shipped), LINES_TRIED) else { continue };
        let found =
            |it: &Seen| it.description.fields.values().map(|field| field.texts).sum::<usize>();
        if best.as_ref().is_none_or(|best| found(&seen) > found(best)) {
            best = Some(Seen { shipped: Some(shipped), ..seen });
        }
    }
    // Of lines that are no log the rules would make entities of every number.
    let fits = |seen: &Seen| {
        let whole = seen.findings.notes.get(&Note::WholeLine).copied().unwrap_or(0);
        2 * whole <= seen.description.texts
    };
    let shipped = best.and_then(|best| best.shipped);
    let whole = shipped.and_then(|shipped| {
        let seen = look(data, &with(shipped)).ok()?;
        Some(Seen { shipped: Some(shipped), ..seen })
    });
    whole.filter(fits).ok_or_else(|| Problem {
        place: (),
        message: format!(
            "`{}` holds raw lines, which have no labels, and it is no log that shipped rules know",
            data.named.display()
        ),
        help: Some("make JSON lines or CSV of it that say each text's entities or class; where it is a log, write rules for its lines: the README shows a file".to_owned()),
    })
}
