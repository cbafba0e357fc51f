//! An experiment for a file of labelled texts: what lies in the file decides it, and each choice says why.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use crate::base::disk::regular;
use crate::base::problem::{Help as _, Problem};
use crate::base::visible;
use crate::text::readers::{
    self, Classes, Findings, Format, Heads, Nested, Note, Options, Problems, ReadError, Rules,
    Shipped,
};
use crate::text::{Description, Example, Field, Lengths, Scale, check_head_name};
use crate::view::format;

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

/// Below this many texts there is nothing to validate on.
const FEWEST: usize = 10;

/// What an experiment on a file would be.
pub struct Sketch {
    reading: Reading,
    format: Format,
    description: Description,
    /// Lengths in tokens, as far as they can be told before there is a tokenizer.
    tokens: Lengths,
    /// Fields that become heads, with their classes.
    heads: Vec<(String, Vec<String>)>,
    /// Fields that might.
    others: Vec<String>,
    /// Whether texts have the class `anomaly`, which needs no mention.
    has_anomaly: bool,
    division: Division,
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
        let (reading, Seen { format, description, tokens, .. }) = read(path)?;
        if description.texts < FEWEST {
            return Err(Problem {
                place: (),
                message: format!(
                    "`{}` has {}, which is too few to train and to validate on",
                    path.display(),
                    format::counted(description.texts, "text")
                ),
                help: Some(format!("label {FEWEST} or more")),
            });
        }
        let has_anomaly = description.classes.contains_key("anomaly");
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
        Ok(Self { reading, format, description, tokens, heads, others, has_anomaly, division })
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
        let labels: Vec<String> =
            it.labels.iter().map(|(name, of)| format!("{name} {}", of.entities)).collect();
        if !labels.is_empty() {
            write!(text, "\nentities: {}", labels.join(", ")).expect("a string");
        }
        for (name, classes) in &self.heads {
            write!(text, "\nclasses of `{name}`: {}", classes.join(", ")).expect("a string");
        }
        if self.has_anomaly {
            let counts: Vec<String> = it.classes["anomaly"]
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            write!(text, "\nclasses of `anomaly`: {}", counts.join(", ")).expect("a string");
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

    /// The experiment.
    ///
    /// * `file`: how it names the file of texts
    /// * `name`: its own
    #[must_use]
    pub fn to_toml(&self, file: &str, name: &str) -> String {
        let mut text = format!("# Trains on {}.\n#\n", visible::line(file));
        for line in self.summary().lines() {
            writeln!(text, "#     {line}").expect("a string");
        }
        write!(
            text,
            "#\n#     pipeline data experiments/{name}.toml    what is in it\n#     pipeline run  experiments/{name}.toml    trains, scores and draws; results lie in outputs/{name}/\nversion = 1\nseed    = 42\n\n"
        )
        .expect("a string");
        text += &self.corpus(file);
        text += &self.model();
        text += &self.training();
        text
    }

    /// Below this many texts a third part would have none.
    fn has_test(&self) -> bool {
        self.description.texts >= 30
    }

    fn corpus(&self, file: &str) -> String {
        let mut text = format!(
            "[stage.corpus]\nkind   = \"read_corpus\"\npath   = {}\nformat = \"{}\"\n",
            quoted(file),
            self.format.name()
        );
        text += match self.reading {
            Reading::Plain => "",
            Reading::Rules(Shipped::Syslog) => {
                "rules  = \"syslog\"    # or a file of your own: the README says how\n"
            }
            Reading::Rules(Shipped::Apache) => {
                "rules  = \"apache\"    # or a file of your own: the README says how\n"
            }
            Reading::Markup => "markup = true    # texts hold their entities as `[Ada](PER)`\n",
            Reading::Outermost => {
                "nested = \"outermost\"    # entities overlap, and a token has one label: those inside of others are left out\n"
            }
        };
        if !self.heads.is_empty() {
            text += "# The last of two classes is the positive one: turn them round where it is the other.\n";
            let heads = self.heads.iter().map(|(name, classes)| {
                let classes: Vec<String> = classes.iter().map(|class| quoted(class)).collect();
                format!("{} = [{}]", key(name), classes.join(", "))
            });
            let heads: Vec<String> = heads.collect();
            writeln!(text, "classes = {{ {} }}", heads.join(", ")).expect("a string");
        }
        if !self.others.is_empty() {
            let names: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
            writeln!(text, "# Fields that could be classes too: {}.", names.join(", "))
                .expect("a string");
        }
        writeln!(text, "# The split: {}.", visible::line(&self.reason())).expect("a string");
        text += if self.has_test() {
            "split  = { train = 0.7, validation = 0.15, test = 0.15 }\n"
        } else {
            "split  = { train = 0.7, validation = 0.3 }\n"
        };
        match &self.division {
            Division::Order(field) => writeln!(text, "order  = {}", quoted(field)),
            Division::Groups(field) => writeln!(text, "by     = {}", quoted(field)),
            Division::Random => Ok(()),
        }
        .expect("a string");
        text + "\n"
    }

    /// How much of a text is read at once.
    fn lengths(&self) -> String {
        let quantile = |share| self.tokens.quantile(share).unwrap_or(16);
        let tokens = quantile(0.99).next_multiple_of(32).clamp(32, 512);
        if quantile(0.95) > tokens {
            return format!(
                "max_length = {tokens}    # tokens that are read at once; 95 % of the texts have up to about {}
overlap    = {}     # tokens that neighbouring windows of a longer text share, so that nothing is cut: as many as the longest entity has",
                quantile(0.95),
                tokens / 8
            );
        }
        let longest = self.description.words.quantile(0.99).unwrap_or(16);
        format!(
            "max_length = {tokens}    # tokens; 99 % of the texts have up to {longest} words, and `pipeline data` counts what is cut"
        )
    }

    fn model(&self) -> String {
        let lengths = self.lengths();
        format!(
            "# A small encoder from random weights: it needs no download, and shows in minutes whether all is well. For good scores take a
# pretrained one in its place (600 MB from the Hugging Face hub, once), with learning_rate = 2e-5 and 3 epochs:
#
#     [stage.model]
#     kind     = \"fetch_model\"
#     repo     = \"answerdotai/ModernBERT-base\"
#     revision = \"8949b909ec900327062f0ebf497f51aef5e6f0c8\"
[stage.model]
kind                = \"init_model\"
corpus              = \"@corpus\"
vocab_size          = 4000
hidden_size         = 128
num_hidden_layers   = 4
num_attention_heads = 4
intermediate_size   = 192

[stage.tokenize]
model      = \"@model\"
corpus     = \"@corpus\"
{lengths}

"
        )
    }

    fn training(&self) -> String {
        let epochs = (12_000 / self.description.texts.max(1)).clamp(2, 10);
        let looks = if self.repeats() > 0.0 { "masked" } else { "lookup" };
        let test = if self.has_test() {
            "# For the last look: choose by the validation split, and report this one.
[stage.evaluate_test]
kind  = \"evaluate\"
model = \"@train\"
data  = \"@tokenize\"
split = \"test\"

"
        } else {
            ""
        };
        // Texts that are said to have no entities have no tags to learn.
        let it = &self.description;
        let ner = if it.with_entities > 0 && it.labels.is_empty() {
            "ner_weight    = 0    # the texts have no entities: classes alone are learnt\n"
                .to_owned()
        } else {
            let tokens = |(inside, all)| {
                format!(
                    "decode        = \"tokens\"    # {inside} of {all} entities begin or end inside a word\n"
                )
            };
            it.many_inside_words().map(tokens).unwrap_or_default()
        };
        format!(
            "[stage.train]
model         = \"@model\"
data          = \"@tokenize\"
epochs        = {epochs}
batch_size    = 16
learning_rate = 1e-3
warmup_ratio  = 0.1
{ner}
# What a model has to beat: seconds each.
[stage.majority]
kind   = \"baseline\"
method = \"majority\"
corpus = \"@corpus\"

[stage.{looks}]
kind   = \"baseline\"
method = \"{looks}\"
corpus = \"@corpus\"

[stage.linear]
kind   = \"baseline\"
method = \"linear\"
corpus = \"@corpus\"

[stage.evaluate]
model     = \"@train\"
data      = \"@tokenize\"
split     = \"validation\"
baselines = [\"@majority\", \"@{looks}\", \"@linear\"]

{test}[stage.plot]
history    = \"@train\"
evaluation = \"@evaluate\"
corpus     = \"@corpus\"
"
        )
    }
}

/// What was seen of a file.
struct Seen {
    format: Format,
    description: Description,
    findings: Findings,
    tokens: Lengths,
    /// Texts that have entities.
    labelled: usize,
    /// Texts with brackets as they stand around entities that are written into them.
    brackets: usize,
}

/// Reads a file in the way that finds labels in it.
fn read(path: &Path) -> Result<(Reading, Seen), Problem<()>> {
    let plain = match look(path, &Options::default()) {
        Ok(plain) => plain,
        // It may be that entities overlap, and nothing else.
        Err(problem) => {
            let options = Options { nested: Nested::Outermost, ..Options::default() };
            let seen = look(path, &options).map_err(|_| problem)?;
            return Ok((Reading::Outermost, seen));
        }
    };
    if plain.format == Format::Lines {
        return shipped(path).map(|(shipped, seen)| (Reading::Rules(shipped), seen));
    }
    let is_many = |texts: usize| 10 * texts >= plain.description.texts;
    if plain.description.labels.is_empty() && is_many(plain.brackets) {
        let options = Options { markup: true, ..Options::default() };
        // A link has brackets, too; what follows them is no name.
        let is_name =
            |name: &String| name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
        let is_renamed = |note: &Note| matches!(note, Note::Label { .. });
        if let Ok(marked) = look(path, &options)
            && is_many(marked.labelled)
            && marked.description.labels.keys().all(is_name)
            && !marked.findings.notes.keys().any(is_renamed)
        {
            return Ok((Reading::Markup, marked));
        }
    }
    Ok((Reading::Plain, plain))
}

/// About how many tokens a text has: two to three for a word, one for two characters where words are identifiers, and the two that stand around
/// it.
fn tokens(text: &str) -> usize {
    let (words, characters) = (text.split_whitespace().count(), text.chars().count());
    (words * 5 / 2).max(characters / 2) + 2
}

/// Reads a file and describes it.
fn look(path: &Path, options: &Options) -> Result<Seen, Problem<()>> {
    let mut description = Description::default();
    let (mut lengths, mut labelled, mut brackets) = (Lengths::default(), 0, 0);
    let mut problems = Problems::default();
    let mut each = |read: Result<Example, readers::Malformed>| {
        match read {
            Ok(example) => {
                description.add(&example);
                lengths.add(tokens(&example.text));
                labelled += usize::from(example.entities.iter().flatten().next().is_some());
                brackets += usize::from(example.text.contains("]("));
            }
            Err(problem) => problems.push(path, problem),
        }
        if problems.count() > 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (guess, findings) =
        readers::read(path, None, options, &mut each).map_err(|error| match error {
            ReadError::Io { error, .. } => Problem {
                place: (),
                message: format!("cannot read `{}`: {}", path.display(), regular::reason(&error)),
                help: None,
            },
            error => Problem {
                place: (),
                message: error.to_string(),
                help: error.help().map(Cow::into_owned),
            },
        })?;
    match problems.first() {
        Some(first) => Err(Problem {
            place: (),
            message: format!("`{}` was read as {}: {first}", path.display(), guess.format.name()),
            help: Some("`format`, `fields` and `labels` of `read_corpus` say what a file is where it does not show: `pipeline kinds read_corpus`".to_owned()),
        }),
        None if description.texts == 0 => Err(Problem {
            place: (),
            message: format!("`{}` has no texts", path.display()),
            help: None,
        }),
        None => Ok(Seen {
            format: guess.format,
            description,
            findings,
            tokens: lengths,
            labelled,
            brackets,
        }),
    }
}

/// The rules that come with the program and find most in a log.
fn shipped(path: &Path) -> Result<(Shipped, Seen), Problem<()>> {
    let mut best: Option<(Shipped, Seen)> = None;
    for shipped in [Shipped::Syslog, Shipped::Apache] {
        let options = Options { rules: Some(Rules::shipped(shipped)), ..Options::default() };
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
    if 2 * field.texts < it.texts
        || check_head_name(name).is_err()
        || TIMES.contains(&name.to_lowercase().as_str())
    {
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
    // What is compared as text, such as `3/1/2024`, is in no order of time.
    let is_time = |(_, field): &(&String, &Field)| {
        2 * field.distinct > it.texts && Scale::of(field.values()) != Scale::Text
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

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A TOML key, bare where it can be.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
    if is_bare && !name.is_empty() { name.to_owned() } else { quoted(name) }
}
