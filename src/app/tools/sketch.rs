//! An experiment for a file of labelled texts: what lies in the file decides it, and each choice says why.

use std::collections::BTreeSet;
use std::path::Path;

use self::classes::{Candidate, Chosen, NoHead, TIMES, Unfit, reasons};
pub use self::seen::DataFiles;
use self::seen::Seen;
use crate::base::problem::Problem;
use crate::base::visible;
use crate::text::readers::{Format, NamedNumbers};
use crate::text::{ANOMALY, Field, Scale, check_head_name, head_name};
use crate::view::format;

mod classes;
mod seen;
mod summary;
mod written;

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

/// Texts that are equal once numbers are masked, as a share: from here on a random split is warned of.
const MANY_REPEATS: f64 = 0.2;

/// Below this many texts there is nothing to validate on.
const FEWEST: usize = 10;

/// What an experiment on a file would be.
pub struct Sketch {
    seen: Seen,
    chosen: Chosen,
    /// Whether texts have classes of the head [`ANOMALY`], which needs no mention.
    has_anomaly: bool,
    division: Division,
}

/// What a person says of a file beside where it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The field of the texts.
    pub text: Option<&'a str>,
    /// The fields of their classes; where there are none, those that are likely.
    pub classes: &'a [String],
}

/// How the texts are divided.
enum Division {
    /// By the time in this field, which so many texts do not have.
    Order { field: String, without: usize },
    /// By the values of this field.
    Groups(String),
    /// Although this field would say when, if it were in an order.
    Random { unordered: Option<String> },
}

impl Sketch {
    /// Looks at files.
    ///
    /// # Errors
    /// When it cannot be read, or has nothing to learn from.
    pub fn of(data: &DataFiles<'_>, asked: Asked<'_>) -> Result<Self, Problem<()>> {
        let path = data.named;
        let seen = Seen::of(data, asked.text)?;
        has_fields(path, &seen, asked)?;
        let description = &seen.description;
        let different = description.texts - description.repeats.equal;
        if different < FEWEST {
            let has = match description.repeats.equal {
                0 => format::counted(description.texts, "text"),
                _ => format::counted(different, "different text"),
            };
            let divide = match seen.format {
                Format::Conll => ", and end each text with an empty line",
                _ => "",
            };
            return Err(Problem {
                place: (),
                message: format!(
                    "`{}` has {has}, which is too few to train and to validate on",
                    path.display(),
                ),
                help: Some(format!("label {FEWEST} or more{divide}")),
            });
        }
        let has_anomaly = description.classes.contains_key(ANOMALY);
        let has_labels = has_anomaly || !description.labels.is_empty();
        let mut chosen = match asked.classes {
            [] => Chosen::likely(&seen, has_labels),
            names => {
                // It is a head anyway.
                let others = names.iter().filter(|name| !has_anomaly || *name != ANOMALY);
                Chosen::asked(&seen, &others.cloned().collect::<Vec<_>>())
                    .map_err(|none| no_head(path, &seen, &none))?
            }
        };
        if chosen.heads.is_empty() && !has_labels {
            return Err(without_labels(path, &seen));
        }
        // Their files would have one name where case does not count.
        let mut taken = BTreeSet::new();
        chosen.heads.retain(|head| taken.insert(name(&head.field).to_lowercase()));
        let named = NamedNumbers::beside(data.first());
        for Candidate { field, classes } in &mut chosen.heads {
            let names = named.of(field).unwrap_or_default();
            let is_number = |class: &String| class.parse().is_ok_and(|it: usize| it < names.len());
            if classes.iter().all(is_number) {
                *classes = names.to_vec();
            }
        }
        let division = division(&seen, &chosen.heads);
        chosen.others.retain(|it| match &division {
            Division::Order { field, .. } | Division::Groups(field) => it.field != *field,
            Division::Random { .. } => true,
        });
        Ok(Self { seen, chosen, has_anomaly, division })
    }

    fn repeats(&self) -> f64 {
        let it = &self.seen.description;
        it.repeats.masked as f64 / it.texts.max(1) as f64
    }
}

/// Refuses names of fields where texts have none.
fn has_fields(path: &Path, seen: &Seen, asked: Asked<'_>) -> Result<(), Problem<()>> {
    let has_text = seen.format != Format::Conll && seen.format != Format::Lines;
    let option = match (asked.text, asked.classes) {
        (Some(_), _) if !has_text => "--text",
        (None, [_, ..]) if seen.description.fields.is_empty() => "--classes",
        _ => return Ok(()),
    };
    let (file, format) = (path.display(), seen.format.name());
    let message = format!("`{file}` was read as {format}, in which no text has fields");
    Err(Problem::new((), message).help(format!("leave out `{option}`")))
}

/// What is wrong with a field that was to be a head.
fn no_head(path: &Path, seen: &Seen, none: &NoHead) -> Problem<()> {
    let (file, field) = (path.display(), visible::line(&none.field));
    match &none.why {
        Some(why) => Problem::new((), format!("`{field}` of `{file}` {why}"))
            .help("`--classes` takes fields that say one of several classes of each text"),
        None => {
            let there = listed(seen.description.fields.keys());
            Problem::new((), format!("`{file}` has no field `{field}`"))
                .help(format!("`--classes` names some of {there}"))
        }
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", visible::line(name))).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What there is to say where nothing in a file is a label.
fn without_labels(path: &Path, seen: &Seen) -> Problem<()> {
    let several =
        |value: &str| serde_json::from_str(value).is_ok_and(|it: Vec<String>| it.len() > 1);
    let fields = &seen.description.fields;
    let why = reasons(seen);
    let holds_several = |(_, field): &(&String, &Field)| field.values().any(several);
    let help = match fields.iter().find(holds_several) {
        Some((name, _)) => format!(
            "`{name}` holds lists of several labels, and a head tells one of several classes: write a field of true and false for each label, and name these by `--classes`"
        ),
        None => {
            let needs = "a model needs entities, or a field that says each text's class";
            let why: Vec<String> =
                why.iter().map(|(name, why)| format!("`{}` {why}", visible::line(name))).collect();
            match why.as_slice() {
                [] => format!("{needs}, and there are no fields"),
                why => format!("{needs}: {}; `--classes` names one all the same", why.join("; ")),
            }
        }
    };
    let stands_inside = |it: &&(&str, Unfit)| matches!(it.1, Unfit::InText { .. });
    let message = match why.iter().find(stands_inside) {
        Some((name, _)) => format!(
            "`{}` has texts, and no label that does not stand in its own text, as `{}` does",
            path.display(),
            visible::line(name)
        ),
        None => format!("`{}` has texts, and no labels", path.display()),
    };
    Problem { place: (), message, help: Some(help) }
}

fn division(seen: &Seen, heads: &[Candidate]) -> Division {
    let it = &seen.description;
    let is_log = seen.format == Format::Lines;
    let named = |names: &'static [&str]| {
        let field =
            |name: &&str| it.fields.iter().find(|(field, _)| field.to_lowercase() == **name);
        let is_head = |name: &String| heads.iter().any(|head| head.field == *name);
        names.iter().filter_map(field).filter(move |(name, _)| !is_head(name))
    };
    let is_whole = |(_, field): &(&String, &Field)| field.texts == it.texts;
    // Of a log, lines without a time are those that no rule fits, such as what follows an exception.
    let is_on_most = |field: &Field| is_log && 2 * field.texts >= it.texts;
    // Equal times stay together, which many of one would not divide; lines of a log that follow each other are alike, so that it is worth it.
    let most = if is_log { 3 } else { 10 };
    let is_divisible = |(_, field): &(&String, &Field)| most * field.most() <= it.texts;
    let mut times = named(&TIMES)
        .filter(|it| is_whole(it) || is_on_most(it.1))
        .filter(is_divisible)
        .collect::<Vec<_>>();
    // What is compared as text, such as `3/1/2024`, is in no order of time.
    let unordered = times.iter().find(|(_, field)| Scale::of(field.values()) == Scale::Text);
    let unordered = unordered.map(|(name, _)| (*name).clone());
    times.retain(|(_, field)| Scale::of(field.values()) != Scale::Text);
    if let Some((name, field)) = times.first() {
        return Division::Order { field: (*name).clone(), without: it.texts - field.texts };
    }
    let repeats = it.repeats.masked as f64 / it.texts.max(1) as f64;
    let is_group =
        |(_, field): &(&String, &Field)| field.distinct >= 10 && 5 * field.distinct <= 4 * it.texts;
    let group = named(&GROUPS).find(is_whole).filter(is_group);
    match group.filter(|_| repeats >= MANY_REPEATS) {
        Some((name, _)) => Division::Groups(name.clone()),
        None => Division::Random { unordered },
    }
}

/// What the head of a field is called: as the field, where that is a name for one.
fn name(field: &str) -> String {
    if check_head_name(field).is_ok() { field.to_owned() } else { head_name(field) }
}
