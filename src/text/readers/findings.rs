//! What a reader did that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::tags::{Evidence, Scheme};
use crate::base::visible;

/// A guess, a repair, or something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// No field is called `text`.
    TextFrom(String),
    /// No field is called `entities`.
    EntitiesFrom(String),
    /// Words and their tags stand in these fields.
    Tokens { tokens: String, tags: String },
    /// What the numbers of this field are called says the file.
    Named(String),
    /// `[text, {"entities": ...}]`
    Pairs,
    /// Cells are divided by something else than commas.
    Delimiter(char),
    /// A label that BIO labels do not allow, or that was to be called otherwise.
    Label { from: String, to: String },
    /// An entity that overlaps another, by what was said of those.
    Nested(&'static str),
    /// A text with a NUL.
    Nul,
    /// Texts that whoever labelled them has refused.
    Answer(String),
    /// A task without an annotation that counts.
    Unannotated,
    /// Further annotations of a task.
    MoreAnnotations,
    /// Offsets of a task that count characters.
    CharactersInstead,
    /// Labels of regions beside their first.
    MoreLabels,
    /// Entities that say another text than stands where they are.
    OtherText,
    /// Sentences whose words are 1, 2, 3 and so on.
    Numbered,
    /// Annotations of other types, such as relations.
    OtherResults(String),
    /// Texts in which `[Ada](PER)` stands.
    LooksMarked,
    /// A line of which no rule says what is what.
    WholeLine,
}

impl Note {
    /// Whether it is about labels that a person may miss.
    #[must_use]
    pub fn warns(&self) -> bool {
        matches!(
            self,
            Self::MoreAnnotations
                | Self::MoreLabels
                | Self::OtherText
                | Self::Numbered
                | Self::OtherResults(_)
                | Self::LooksMarked
                | Self::WholeLine
        )
    }

    /// What there is to say.
    ///
    /// * `count`: how often
    #[must_use]
    pub fn said(&self, count: usize) -> String {
        let plural = |one: &str, many: &str| {
            if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
        };
        let texts = || plural("text", "texts");
        let name = |name: &str| format!("`{}`", visible::line(name));
        match self {
            Self::TextFrom(field) => {
                format!("the text of {} is the field {}", texts(), name(field))
            }
            Self::EntitiesFrom(field) => {
                format!("the entities of {} are the field {}", texts(), name(field))
            }
            Self::Tokens { tokens, tags } => format!(
                "{} have words in {} and their tags in {}",
                texts(),
                name(tokens),
                name(tags)
            ),
            Self::Named(field) => format!("the file names the numbers of {}", name(field)),
            Self::Pairs => format!("{} are pairs `[text, {{\"entities\": ...}}]`", texts()),
            Self::Delimiter(it) => format!("cells are divided by `{}`", it.escape_default()),
            Self::Label { from, to } => format!(
                "the label {} is called {} ({})",
                name(from),
                name(to),
                plural("entity", "entities")
            ),
            Self::Nested(nested) => format!(
                "{} left out, which {} (`nested = \"{}\"`)",
                plural("entity was", "entities were"),
                if count == 1 { "overlaps another" } else { "overlap others" },
                nested
            ),
            Self::Nul => {
                format!("{} a NUL, which is read as U+FFFD", plural("text holds", "texts hold"))
            }
            Self::Answer(answer) => format!(
                "{} left out, whose `answer` is {}",
                plural("text was", "texts were"),
                name(answer)
            ),
            Self::Unannotated => format!(
                "{} left out, which {} no annotation that was not cancelled",
                plural("task was", "tasks were"),
                if count == 1 { "has" } else { "have" }
            ),
            Self::MoreAnnotations => format!(
                "{} left out: of each task the first counts",
                plural("further annotation was", "further annotations were")
            ),
            Self::MoreLabels => format!(
                "{} left out: of each region the first counts",
                plural("further label was", "further labels were")
            ),
            Self::OtherText => format!(
                "{} another text than stands there: are `start` and `end` those of this text?",
                plural("entity says", "entities say")
            ),
            Self::Numbered => format!(
                "the words of {} are 1, 2, 3 and so on: `columns = {{ token = 1 }}` says where the words are",
                plural("sentence", "sentences")
            ),
            Self::CharactersInstead => format!(
                "the offsets of {} count characters, as the texts that stand beside them show",
                plural("task", "tasks")
            ),
            Self::OtherResults(kind) => {
                format!("{} of type {} left out", plural("annotation", "annotations"), name(kind))
            }
            Self::WholeLine => format!(
                "{} whole: no `line` of the rules fits",
                plural("line was kept", "lines were kept")
            ),
            Self::LooksMarked => format!(
                "{} what looks like marked entities, such as `[Ada](PER)`: `markup = true` reads them",
                plural("text holds", "texts hold")
            ),
        }
    }
}

/// What was found in files, beside their texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub notes: BTreeMap<Note, usize>,
    /// Whether anything says where entities are; that there are none says it where it can be about nothing else.
    pub has_entities: bool,
    /// The classes of each head, by name.
    pub classes: BTreeMap<String, BTreeSet<String>>,
    /// Whether tags of words have no prefixes, where there are any.
    pub(super) is_plain: Option<bool>,
    pub(super) evidence: Evidence,
}

impl Findings {
    pub(super) fn note(&mut self, note: Note) {
        *self.notes.entry(note).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        for (note, count) in other.notes {
            *self.notes.entry(note).or_default() += count;
        }
        self.has_entities |= other.has_entities;
        for (head, names) in other.classes {
            self.classes.entry(head).or_default().extend(names);
        }
        self.is_plain = self.is_plain.or(other.is_plain);
        self.evidence.add(other.evidence);
    }

    /// The scheme of the tags of words, where there are any, and how many sequences are none of it and were read as `conlleval` reads them.
    ///
    /// * `asked`: the one that somebody said
    #[must_use]
    pub fn scheme(&self, asked: Option<Scheme>) -> Option<(Scheme, usize)> {
        let found = match self.is_plain? {
            true => Scheme::Plain,
            false => self.evidence.scheme(),
        };
        let scheme = asked.unwrap_or(found);
        Some((scheme, self.evidence.repaired(scheme)))
    }
}
