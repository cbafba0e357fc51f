//! An experiment for a file of labelled texts: what lies in the file decides it, and each choice says why.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use crate::base::disk::regular;
use crate::base::problem::{Help as _, Problem};
use crate::base::visible;
use crate::text::readers::{self, Format, Options, Problems, ReadError, Rules, Shipped};
use crate::text::{Description, Example, Field, check_head_name};
use crate::view::format;

/// Names of fields that are most likely a text's class.
const CLASSES: [&str; 15] = [
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

/// What an experiment on a file would be.
pub struct Sketch {
    format: Format,
    rules: Option<Shipped>,
    description: Description,
    /// Fields that become heads, with their classes.
    heads: Vec<(String, Vec<String>)>,
    /// Fields that might.
    others: Vec<String>,
    /// Whether texts have the class `anomaly`, which needs no mention.
    has_anomaly: bool,
    division: Division,
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
        let (format, description) = look(path, &Options::default())?;
        let (rules, description) = match format {
            Format::Lines => {
                let (shipped, description) = shipped(path)?;
                (Some(shipped), description)
            }
            _ => (None, description),
        };
        let has_anomaly = description.classes.contains_key("anomaly");
        let (heads, others) = heads(&description, has_anomaly);
        if description.with_entities == 0 && heads.is_empty() && !has_anomaly {
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
        Ok(Self { format, rules, description, heads, others, has_anomaly, division })
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

    fn corpus(&self, file: &str) -> String {
        let mut text = format!(
            "[stage.corpus]\nkind   = \"read_corpus\"\npath   = {}\nformat = \"{}\"\n",
            quoted(file),
            self.format.name()
        );
        if let Some(rules) = self.rules {
            let name = match rules {
                Shipped::Syslog => "syslog",
                Shipped::Apache => "apache",
            };
            writeln!(text, "rules  = \"{name}\"    # or a file of your own: the README says how")
                .expect("a string");
        }
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
        // Below this many texts a third part would have none.
        let has_test = self.description.texts >= 30;
        text += if has_test {
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

    fn model(&self) -> String {
        let longest = self.description.words.quantile(0.99).unwrap_or(16);
        // Two to three tokens for a word, as identifiers have them, and the two that stand around a text.
        let tokens = (longest * 5 / 2 + 2).next_multiple_of(32).clamp(32, 512);
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
max_length = {tokens}    # tokens; 99 % of the texts have up to {longest} words, and `pipeline data` counts what is cut

"
        )
    }

    fn training(&self) -> String {
        let epochs = (12_000 / self.description.texts.max(1)).clamp(2, 10);
        let looks = if self.repeats() > 0.0 { "masked" } else { "lookup" };
        format!(
            "[stage.train]
model         = \"@model\"
data          = \"@tokenize\"
epochs        = {epochs}
batch_size    = 16
learning_rate = 1e-3
warmup_ratio  = 0.1

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

[stage.plot]
history    = \"@train\"
evaluation = \"@evaluate\"
corpus     = \"@corpus\"
"
        )
    }
}

/// Reads a file and describes it.
fn look(path: &Path, options: &Options) -> Result<(Format, Description), Problem<()>> {
    let mut description = Description::default();
    let mut problems = Problems::default();
    let mut each = |read: Result<Example, readers::Malformed>| {
        match read {
            Ok(example) => description.add(&example),
            Err(problem) => problems.push(path, problem),
        }
        if problems.count() > 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (guess, _) =
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
        None => Ok((guess.format, description)),
    }
}

/// The rules that come with the program and find most in a log.
fn shipped(path: &Path) -> Result<(Shipped, Description), Problem<()>> {
    let mut best: Option<(Shipped, Description)> = None;
    for shipped in [Shipped::Syslog, Shipped::Apache] {
        let options = Options { rules: Some(Rules::shipped(shipped)), ..Options::default() };
        let Ok((_, description)) = look(path, &options) else { continue };
        let found = |it: &Description| it.fields.values().map(|field| field.texts).sum::<usize>();
        if best.as_ref().is_none_or(|(_, best)| found(&description) > found(best)) {
            best = Some((shipped, description));
        }
    }
    best.ok_or_else(|| Problem {
        place: (),
        message: format!(
            "`{}` holds raw lines, of which no shipped rules make texts",
            path.display()
        ),
        help: Some("write rules for them: the README shows a file".to_owned()),
    })
}

/// The fields that are heads, with their classes, and those that might be.
fn heads(it: &Description, has_anomaly: bool) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let is_class = |(name, field): &(&String, &Field)| {
        (2..=MOST_CLASSES).contains(&field.distinct)
            && 5 * field.distinct <= field.texts
            && 2 * field.texts >= it.texts
            && check_head_name(name).is_ok()
            && !TIMES.contains(&name.to_lowercase().as_str())
    };
    let able: Vec<(&String, &Field)> = it.fields.iter().filter(is_class).collect();
    let is_known = |(name, _): &&(&String, &Field)| CLASSES.contains(&name.to_lowercase().as_str());
    let mut chosen: Vec<&(&String, &Field)> = able.iter().filter(is_known).collect();
    if chosen.is_empty() && it.with_entities == 0 && !has_anomaly {
        chosen.extend(able.iter().min_by_key(|(_, field)| field.distinct));
    }
    let names: BTreeSet<&str> = chosen.iter().map(|(name, _)| name.as_str()).collect();
    let others = able.iter().filter(|(name, _)| !names.contains(name.as_str()));
    let others = others.map(|(name, _)| (*name).clone()).collect();
    let head = |(name, field): &&(&String, &Field)| {
        ((*name).clone(), field.values().map(str::to_owned).collect())
    };
    (chosen.iter().map(head).collect(), others)
}

fn division(it: &Description, heads: &[(String, Vec<String>)]) -> Division {
    let named = |names: &[&str]| {
        let field =
            |name: &&str| it.fields.iter().find(|(field, _)| field.to_lowercase() == **name);
        names.iter().filter_map(field).find(|(name, field)| {
            field.texts == it.texts && !heads.iter().any(|(head, _)| head == *name)
        })
    };
    if let Some((name, _)) = named(&TIMES).filter(|(_, field)| 2 * field.distinct > it.texts) {
        return Division::Order(name.clone());
    }
    let repeats = it.repeats.masked as f64 / it.texts.max(1) as f64;
    let is_group =
        |(_, field): &(&String, &Field)| field.distinct >= 10 && 5 * field.distinct <= 4 * it.texts;
    match named(&GROUPS).filter(is_group).filter(|_| repeats >= MANY_REPEATS) {
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
