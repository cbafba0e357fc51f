//! What a reader did that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::look::Look;
use super::tags::{Evidence, Scheme};
use super::years::Period;
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
    /// A label of a span that begins as the tag of a word does.
    Prefixed(String),
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
    /// Tags with their type first, as in `PER-B`.
    TypeFirst,
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
                | Self::Prefixed(_)
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
            Self::Prefixed(label) => prefixed(label, &plural("entity", "entities")),
            Self::Nested(nested) => {
                let overlap = if count == 1 { "overlaps another" } else { "overlap others" };
                let entities = plural("entity was", "entities were");
                format!("{entities} left out, which {overlap} (`nested = \"{nested}\"`)")
            }
            Self::Nul => {
                format!("{} a NUL, which is read as U+FFFD", plural("text holds", "texts hold"))
            }
            Self::Answer(answer) => format!(
                "{} left out, whose `answer` is {}: nothing says what would be right",
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
            Self::TypeFirst => format!("the tags of {} {TYPE_FIRST}", texts()),
            Self::CharactersInstead => {
                let tasks = plural("task", "tasks");
                format!("the offsets of {tasks} count characters, as the texts beside them show")
            }
            Self::OtherResults(kind) => {
                format!("{} of type {} left out", plural("annotation", "annotations"), name(kind))
            }
            Self::WholeLine => {
                let lines = plural("line was kept", "lines were kept");
                format!("{lines} whole: no `line` of the rules fits")
            }
            Self::LooksMarked => {
                format!("{} {LOOKS_MARKED}", plural("text holds", "texts hold"))
            }
        }
    }
}

/// What to say of texts that look marked.
const LOOKS_MARKED: &str =
    "what looks like marked entities, such as `[Ada](PER)`: `markup = true` reads them";

/// What to say of tags with their type first.
const TYPE_FIRST: &str =
    "have their type first, as in `PER-B`: `scheme = \"plain\"` takes them as types instead";

/// What to say of a label that begins as the tag of a word does.
fn prefixed(label: &str, entities: &str) -> String {
    let (from, to) = (visible::line(label), visible::line(label.get(2..).unwrap_or_default()));
    format!(
        "the label `{from}` of {entities} begins as the tag of a word does, and is taken as it is: `labels = {{ \"{from}\" = \"{to}\" }}` calls it otherwise"
    )
}

/// What was found in files, beside their texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub notes: BTreeMap<Note, usize>,
    /// Whether anything says where entities are; that there are none says it where it can be about nothing else.
    pub has_entities: bool,
    /// The classes of each head, by name.
    pub classes: BTreeMap<String, BTreeSet<String>>,
    /// The controls of a tool in which one of several choices was taken.
    pub chosen: BTreeSet<String>,
    /// Which of those that a person called by another name (`id`, `entities`, `tokens`, `tags`) there are.
    pub mapped: BTreeSet<&'static str>,
    /// When the lines of a log were written, where their times say no year.
    pub period: Option<Period>,
    /// What tags of words look like, where there are any that show it.
    pub(super) look: Option<Look>,
    /// Words that have a tag, and those of them that are outside of entities.
    pub(super) tagged: usize,
    pub(super) outside: usize,
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
        self.look = self.look.or(other.look);
        self.chosen.extend(other.chosen);
        self.mapped.extend(other.mapped);
        self.period = other.period.or(self.period);
        self.tagged += other.tagged;
        self.outside += other.outside;
        self.evidence.add(other.evidence);
    }

    /// The scheme of the tags of words, where there are any, and how many sequences are none of it and were read as `conlleval` reads them.
    ///
    /// * `asked`: the one that somebody said
    #[must_use]
    pub fn scheme(&self, asked: Option<Scheme>) -> Option<(Scheme, usize)> {
        let found = match self.look? {
            Look::Plain => Scheme::Plain,
            Look::Brackets => Scheme::Brackets,
            Look::Prefixed | Look::Suffixed => self.evidence.scheme(),
        };
        let scheme = asked.unwrap_or(found);
        Some((scheme, self.evidence.repaired(scheme)))
    }

    /// Whether there are words that have a tag.
    #[must_use]
    pub fn has_tagged_words(&self) -> bool {
        self.tagged > 0
    }

    /// How many words have a type for a tag, where all of them have one, as in a column of parts of speech.
    #[must_use]
    pub fn all_tagged(&self) -> Option<usize> {
        const FEW: usize = 50;
        let is_all = self.look == Some(Look::Plain) && self.outside == 0;
        (is_all && self.tagged >= FEW).then_some(self.tagged)
    }
}
