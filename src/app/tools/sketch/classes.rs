//! Which fields of a file say a class of each text, and why others do not.

use std::collections::BTreeSet;
use std::fmt;

use super::seen::Seen;
use crate::text::Field;
use crate::text::readers::{Classes, Findings, Heads};
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
pub(super) const TIMES: [&str; 8] =
    ["timestamp", "time", "datetime", "date", "ts", "created_at", "created", "at"];

/// The most classes of a field that is taken for a head where nobody asked for it.
const MOST_CLASSES: usize = 300;

/// The most classes that a head tells apart.
const MOST_OF_HEAD: usize = 1000;

/// How many texts there are of each class, on average.
const TEXTS_PER_CLASS: usize = 5;

/// A field that may be a head.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) field: String,
    /// In the order in which the head has them.
    pub(super) classes: Vec<String>,
}

/// Why a field is no head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// So many texts have none.
    Missing {
        without: usize,
        texts: usize,
    },
    Time,
    /// Texts, or several classes at once.
    NoClasses,
    /// Wherever it is something at all.
    One {
        class: String,
        without: usize,
    },
    Measure(String),
    TooMany(usize),
    TooFewTexts {
        classes: usize,
        texts: usize,
    },
    /// Where a model would read the answer.
    InText {
        inside: usize,
        texts: usize,
    },
}

impl Unfit {
    /// Whether it is a head all the same where somebody asks for it.
    fn gives_way(&self) -> bool {
        match self {
            Self::Missing { without, texts } => without < texts,
            Self::TooMany(classes) => *classes <= MOST_OF_HEAD,
            Self::Time | Self::Measure(_) | Self::TooFewTexts { .. } | Self::InText { .. } => true,
            Self::NoClasses | Self::One { .. } => false,
        }
    }
}

impl fmt::Display for Unfit {
    /// As a sentence goes on after the field.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { without, texts } => {
                write!(formatter, "is missing in {without} of {texts} texts")
            }
            Self::Time => formatter.write_str("says when"),
            Self::NoClasses => formatter.write_str("holds something else than one name of a class"),
            Self::One { class, without: 0 } => write!(formatter, "is `{class}` in all texts"),
            Self::One { class, without } => {
                write!(formatter, "is `{class}`, or missing ({without} texts)")
            }
            Self::Measure(value) => write!(formatter, "is a measure, such as {value}"),
            Self::TooMany(values) => write!(formatter, "has {values} values"),
            Self::TooFewTexts { classes, texts } => write!(
                formatter,
                "has {} in {}, fewer than {TEXTS_PER_CLASS} texts for each",
                format::counted(*classes, "value"),
                format::counted(*texts, "text")
            ),
            Self::InText { inside, texts } => write!(
                formatter,
                "stands in the text itself ({inside} of {texts}), where a model would read the answer"
            ),
        }
    }
}

/// The heads of a file, and what else there is to say of its fields.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) heads: Vec<Candidate>,
    /// Fields that might be heads.
    pub(super) others: Vec<Candidate>,
    /// Fields that are none although they are called as classes are, or are one against this.
    pub(super) unfit: Vec<(String, Unfit)>,
}

impl Chosen {
    /// The fields that are called as classes are; where there are neither such nor other labels, the one with the fewest classes.
    pub(super) fn likely(seen: &Seen, has_labels: bool) -> Self {
        let is_known = |name: &str| {
            CLASSES.contains(&name.to_lowercase().as_str()) || seen.findings.chosen.contains(name)
        };
        let mut chosen = Self::default();
        // What it says of its questions, and not of texts.
        let is_of_prodigy = |name: &str| name == "answer" || name.starts_with('_');
        for (name, field) in &seen.description.fields {
            match classes(seen, name, field, is_known(name)) {
                (candidate, None) if is_known(name) => chosen.heads.push(candidate),
                (candidate, None) if !is_of_prodigy(name) => chosen.others.push(candidate),
                (_, Some(unfit)) if is_known(name) => chosen.unfit.push((name.clone(), unfit)),
                (_, Some(_) | None) => {}
            }
        }
        if chosen.heads.is_empty() && !has_labels {
            let others = &mut chosen.others;
            let fewest = (0..others.len()).min_by_key(|index| others[*index].classes.len());
            chosen.heads.extend(fewest.map(|index| others.remove(index)));
        }
        chosen
    }

    /// The fields that somebody named.
    ///
    /// # Errors
    /// The first that is none, or can be no head.
    pub(super) fn asked(seen: &Seen, names: &[String]) -> Result<Self, NoHead> {
        let mut chosen = Self::default();
        for name in names {
            let field = seen.description.fields.get(name);
            let field = field.ok_or_else(|| NoHead { field: name.clone(), why: None })?;
            let (candidate, unfit) = classes(seen, name, field, true);
            match unfit {
                Some(unfit) if !unfit.gives_way() => {
                    return Err(NoHead { field: name.clone(), why: Some(unfit) });
                }
                unfit => chosen.unfit.extend(unfit.map(|unfit| (name.clone(), unfit))),
            }
            if chosen.heads.iter().all(|head| head.field != *name) {
                chosen.heads.push(candidate);
            }
        }
        Ok(chosen)
    }
}

/// A field that somebody named, and which is no head.
#[derive(Debug)]
pub(super) struct NoHead {
    pub(super) field: String,
    /// `None` where there is no such field.
    pub(super) why: Option<Unfit>,
}

/// Why a field of texts is no head; nothing of what may be one.
pub(super) fn reasons(seen: &Seen) -> Vec<(&str, Unfit)> {
    let fields = seen.description.fields.iter();
    fields
        .filter_map(|(name, field)| Some((name.as_str(), classes(seen, name, field, false).1?)))
        .collect()
}

/// The classes that a field says, and what speaks against them.
///
/// * `is_known`: whether its name is one that classes have
fn classes(seen: &Seen, name: &str, field: &Field, is_known: bool) -> (Candidate, Option<Unfit>) {
    let texts = seen.description.texts;
    let mut candidate = Candidate { field: name.to_owned(), classes: Vec::new() };
    let heads = Heads::of(Some(&Classes::Fields(vec![name.to_owned()])));
    let mut classes = BTreeSet::new();
    for value in field.values() {
        // As `read_corpus` reads it: a list of several is no class.
        match heads.class(name, value, &mut Findings::default()) {
            Ok(class) => classes.extend(class),
            Err(_) => return (candidate, Some(Unfit::NoClasses)),
        }
        if classes.len() > MOST_OF_HEAD {
            return (candidate, Some(Unfit::TooMany(field.distinct)));
        }
    }
    candidate.classes = classes.into_iter().collect();
    candidate.classes.sort_by(|one, other| heads.order(name, one, other));
    if let [one, other] = candidate.classes.as_mut_slice()
        && *other == format!("not {one}")
    {
        // The last one is the positive one.
        std::mem::swap(one, other);
    }
    let classes = &candidate.classes;
    // A measure is no class; a column of numbers in which some are missing comes as 0.0 and 1.0.
    let is_measure = |class: &&String| {
        let is_float = |it: f64| it.is_finite() && (!is_known || it.fract() != 0.0);
        class.parse::<i64>().is_err() && class.parse().is_ok_and(is_float)
    };
    let inside = seen.in_text.get(name).copied().unwrap_or(0);
    let unfit = if TIMES.contains(&name.to_lowercase().as_str()) {
        Some(Unfit::Time)
    } else if classes.len() < 2 {
        Some(match classes.first() {
            None => Unfit::Missing { without: texts, texts },
            Some(class) => Unfit::One { class: class.clone(), without: texts - field.texts },
        })
    } else if let Some(value) = classes.iter().find(is_measure) {
        Some(Unfit::Measure(value.clone()))
    } else if TEXTS_PER_CLASS * classes.len() > field.texts {
        Some(Unfit::TooFewTexts { classes: classes.len(), texts: field.texts })
    } else if classes.len() > MOST_CLASSES {
        Some(Unfit::TooMany(classes.len()))
    } else if 2 * field.texts < texts {
        Some(Unfit::Missing { without: texts - field.texts, texts })
    } else if 10 * inside >= 9 * field.texts {
        Some(Unfit::InText { inside, texts: field.texts })
    } else {
        None
    };
    (candidate, unfit)
}
