//! An experiment for a file of labelled texts: what lies in the file decides it, and each choice says why.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

pub use self::seen::DataFiles;
use self::seen::Seen;
use crate::base::problem::Problem;
use crate::base::visible;
use crate::text::readers::{Classes, Findings, Heads, NamedNumbers};
use crate::text::{ANOMALY, Description, Field, Scale, check_head_name, head_name};
use crate::view::format;

mod seen;
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

/// Below this many texts there is nothing to validate on.
const FEWEST: usize = 10;

/// What an experiment on a file would be.
pub struct Sketch {
    seen: Seen,
    /// Fields that become heads, with their classes.
    heads: Vec<(String, Vec<String>)>,
    /// Fields that might.
    others: Vec<String>,
    /// Whether texts have classes of the head [`ANOMALY`], which needs no mention.
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
    /// Looks at files.
    ///
    /// * `text`: the field of the texts, where somebody said it
    ///
    /// # Errors
    /// When it cannot be read, or has nothing to learn from.
    pub fn of(data: &DataFiles<'_>, text: Option<&str>) -> Result<Self, Problem<()>> {
        let path = data.named;
        let seen = Seen::of(data, text)?;
        let description = &seen.description;
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
        let (mut heads, others) = heads(&seen, has_anomaly);
        if description.labels.is_empty() && heads.is_empty() && !has_anomaly {
            return Err(without_labels(path, description));
        }
        let named = NamedNumbers::beside(data.first());
        for (field, classes) in &mut heads {
            let names = named.of(field).unwrap_or_default();
            let is_number = |class: &String| class.parse().is_ok_and(|it: usize| it < names.len());
            if classes.iter().all(is_number) {
                *classes = names.to_vec();
            }
        }
        let division = division(description, &heads);
        let is_other = |name: &String| match &division {
            Division::Order(field) | Division::Groups(field) => name != field,
            Division::Random => true,
        };
        let others = others.into_iter().filter(is_other).collect();
        Ok(Self { seen, heads, others, has_anomaly, division })
    }

    /// What was seen, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let Seen { description: it, problems, format, .. } = &self.seen;
        let mut text = format!("{}, {}", format.name(), format::counted(it.texts, "text"));
        if let (Some(half), Some(most)) = (it.words.quantile(0.5), it.words.quantile(0.95)) {
            write!(text, "; half of them up to {half} words long, 95 % up to {most}")
                .expect("a string");
        }
        if let Some(field) = &self.seen.longest {
            write!(text, "\nthe text: `{field}`, whose strings are the longest (`--text` names another field)")
                .expect("a string");
        }
        if let Some(first) = problems.first() {
            let left_out = format::counted(problems.count(), "text");
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
        let it = &self.seen.description;
        it.repeats.masked as f64 / it.texts.max(1) as f64
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

/// What there is to say where nothing in a file is a label.
fn without_labels(path: &Path, it: &Description) -> Problem<()> {
    let several =
        |value: &str| serde_json::from_str(value).is_ok_and(|it: Vec<String>| it.len() > 1);
    let listed = it.fields.iter().find(|(_, field)| field.values().any(several));
    let known: Vec<String> = it.fields.keys().map(|name| format!("`{name}`")).collect();
    let fields = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let help = match listed {
        Some((name, _)) => format!(
            "`{name}` holds lists of several labels, and a head tells one of several classes: write a field of true and false for each label, and name these in `classes` of `read_corpus`"
        ),
        None => format!(
            "a model needs entities, or a field that says each text's class; fields are {fields}: name one with `classes = [\"...\"]` of `read_corpus`"
        ),
    };
    let message = format!("`{}` has texts, and no labels", path.display());
    Problem { place: (), message, help: Some(help) }
}

/// The fields that are heads, with their classes, and those that might be.
fn heads(seen: &Seen, has_anomaly: bool) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let it = &seen.description;
    let is_known = |name: &str| {
        CLASSES.contains(&name.to_lowercase().as_str()) || seen.findings.chosen.contains(name)
    };
    let able = it.fields.iter().filter_map(|(name, field)| {
        Some((name.clone(), classes(it, name, field, is_known(name))?))
    });
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = able.partition(|(name, _)| is_known(name));
    // Their files would have one name where case does not count.
    let mut taken = BTreeSet::new();
    chosen.retain(|(field, _)| taken.insert(name(field).to_lowercase()));
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

/// What the head of a field is called: as the field, where that is a name for one.
fn name(field: &str) -> String {
    if check_head_name(field).is_ok() { field.to_owned() } else { head_name(field) }
}
