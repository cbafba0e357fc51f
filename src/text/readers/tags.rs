//! From a tag for each word to entities of words, whatever the scheme.
//!
//! What begins and ends an entity is decided as `conlleval` decides it, which gives every sequence a meaning: in IOB2 an `I-X` after anything
//! but its own type begins an entity. Such sequences are counted, since a scheme that was told or guessed wrongly shows in them.
//!
//! Reference: `conlleval.pl` of CoNLL-2000, `startOfChunk` and `endOfChunk`; `seqeval.metrics.sequence_labeling`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tags say where an entity begins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `I-X`, and `B-X` only where an entity follows another of its type
    Iob1,
    /// `B-X`, then `I-X`
    Iob2,
    /// `B-X`, `I-X`, `E-X`, and `S-X` for a single word; also spelt BILOU
    Iobes,
    /// `X` for every word; neighbours of one type are one entity
    Plain,
    /// `(X*`, `*`, `*)`, and `(X)` for a single word, as CoNLL-2012 has them
    Brackets,
}

impl Scheme {
    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Iob1 => "iob1",
            Self::Iob2 => "iob2",
            Self::Iobes => "iobes",
            Self::Plain => "plain",
            Self::Brackets => "brackets",
        }
    }

    /// What there is to say of sequences of tags that are none of it, as a sentence goes on; nothing where there are none.
    ///
    /// * `count`: how many they are
    #[must_use]
    pub fn said_of_repairs(self, count: usize) -> String {
        match count {
            0 => String::new(),
            1 => "; 1 sequence of tags is none of it, and was read as `conlleval` reads them"
                .to_owned(),
            count => format!(
                "; {count} sequences of tags are none of it, and were read as `conlleval` reads them"
            ),
        }
    }
}

/// What stands before the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Outside,
    Begin,
    Inside,
    End,
    Single,
}

/// A tag taken apart; `kind` is empty outside of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    prefix: Prefix,
    kind: &'a str,
}

const OUTSIDE: Tag<'static> = Tag { prefix: Prefix::Outside, kind: "" };

impl<'a> Tag<'a> {
    /// `None` where `text` is no tag with a prefix: `B-PER` is one, `PER` and `B-` are none.
    #[must_use]
    pub fn prefixed(text: &'a str) -> Option<Self> {
        if matches!(text, "O" | "o") {
            return Some(OUTSIDE);
        }
        let (prefix, kind) = text.split_once(['-', '_'])?;
        Self::of(prefix, kind)
    }

    /// The same of a tag whose type goes first, as in `PER-B`.
    #[must_use]
    pub fn suffixed(text: &'a str) -> Option<Self> {
        if matches!(text, "O" | "o") {
            return Some(OUTSIDE);
        }
        let (kind, suffix) = text.rsplit_once(['-', '_'])?;
        Self::of(suffix, kind)
    }

    fn of(prefix: &str, kind: &'a str) -> Option<Self> {
        let prefix = match prefix {
            "B" | "b" => Prefix::Begin,
            "I" | "i" | "M" => Prefix::Inside,
            "E" | "L" => Prefix::End,
            "S" | "U" => Prefix::Single,
            _ => return None,
        };
        (!kind.is_empty()).then_some(Self { prefix, kind })
    }

    /// A tag without a prefix.
    #[must_use]
    pub fn plain(text: &'a str) -> Self {
        if matches!(text, "O" | "o" | "_" | "-" | "") {
            return OUTSIDE;
        }
        Self { prefix: Prefix::Inside, kind: text }
    }

    #[must_use]
    pub fn is_outside(self) -> bool {
        self.prefix == Prefix::Outside
    }

    /// Whether `self` begins an entity after `before`.
    fn begins(self, before: Self) -> bool {
        use Prefix::{Begin, End, Inside, Outside, Single};

        match (before.prefix, self.prefix) {
            (_, Outside) => false,
            (_, Begin | Single) | (End | Single | Outside, Inside | End) => true,
            (Begin | Inside, Inside | End) => before.kind != self.kind,
        }
    }
}

/// An entity in words: the first one, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    pub first: usize,
    pub past: usize,
    pub kind: &'a str,
}

/// What the tags seen so far say of their scheme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// `B-X` that does not follow its own type.
    begins: usize,
    /// `B-X` that follows its own type.
    parts: usize,
    /// `I-X` that follows anything but its own type.
    inside: usize,
    /// Of IOBES: an entity that begins without `B` or `S`, or ends without `E` or `S`.
    unfinished: usize,
    iobes: bool,
}

impl Evidence {
    pub(super) fn add(&mut self, other: Self) {
        self.begins += other.begins;
        self.parts += other.parts;
        self.inside += other.inside;
        self.unfinished += other.unfinished;
        self.iobes |= other.iobes;
    }

    /// The scheme of tags with prefixes: IOB1 only where no entity begins with `B-` except after its own type.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Self { iobes: true, .. } => Scheme::Iobes,
            Self { begins: 0, inside, parts, .. } if inside + parts > 0 => Scheme::Iob1,
            _ => Scheme::Iob2,
        }
    }

    /// How many sequences are none of `scheme`, and were read as `conlleval` reads them.
    #[must_use]
    pub fn repaired(self, scheme: Scheme) -> usize {
        match scheme {
            Scheme::Plain | Scheme::Brackets => 0,
            Scheme::Iob1 => self.begins,
            Scheme::Iob2 => self.inside,
            Scheme::Iobes => self.unfinished,
        }
    }
}

/// The entities that the tags of one sentence say.
pub fn chunks<'a>(tags: impl IntoIterator<Item = Tag<'a>>, seen: &mut Evidence) -> Vec<Chunk<'a>> {
    let mut found: Vec<Chunk<'a>> = Vec::new();
    let mut before = OUTSIDE;
    let mut count = 0;
    for (at, tag) in tags.into_iter().enumerate() {
        seen.iobes |= matches!(tag.prefix, Prefix::End | Prefix::Single);
        let begins = tag.begins(before);
        if begins || tag.prefix == Prefix::Outside {
            seen.unfinished += usize::from(matches!(before.prefix, Prefix::Begin | Prefix::Inside));
        }
        if begins {
            match tag.prefix {
                Prefix::Begin if before.kind == tag.kind => seen.parts += 1,
                Prefix::Begin => seen.begins += 1,
                Prefix::Inside => seen.inside += 1,
                _ => {}
            }
            seen.unfinished += usize::from(matches!(tag.prefix, Prefix::Inside | Prefix::End));
            found.push(Chunk { first: at, past: at + 1, kind: tag.kind });
        } else if tag.prefix != Prefix::Outside {
            found.last_mut().expect("what begins none goes on with one").past = at + 1;
        }
        before = tag;
        count = at + 1;
    }
    let open = count > 0 && matches!(before.prefix, Prefix::Begin | Prefix::Inside);
    seen.unfinished += usize::from(open);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &str) -> (Vec<(usize, usize, String)>, Evidence) {
        let mut seen = Evidence::default();
        let tags = tags.split(' ').map(|tag| Tag::prefixed(tag).unwrap());
        let found = chunks(tags, &mut seen);
        (found.iter().map(|chunk| (chunk.first, chunk.past, chunk.kind.to_owned())).collect(), seen)
    }

    fn chunk(first: usize, past: usize, kind: &str) -> (usize, usize, String) {
        (first, past, kind.to_owned())
    }

    #[test]
    fn iob2_is_read_and_an_inside_after_another_type_begins_an_entity_and_is_counted() {
        let (found, seen) = read("B-PER I-PER I-LOC O I-PER B-PER");
        assert_eq!(
            found,
            [chunk(0, 2, "PER"), chunk(2, 3, "LOC"), chunk(4, 5, "PER"), chunk(5, 6, "PER")]
        );
        assert_eq!(seen.scheme(), Scheme::Iob2);
        assert_eq!(seen.repaired(Scheme::Iob2), 2);
    }

    #[test]
    fn iob1_is_seen_where_every_begin_follows_its_own_type() {
        let (found, seen) = read("I-PER I-PER B-PER O I-LOC");
        assert_eq!(found, [chunk(0, 2, "PER"), chunk(2, 3, "PER"), chunk(4, 5, "LOC")]);
        assert_eq!(seen.scheme(), Scheme::Iob1);
        assert_eq!(seen.repaired(Scheme::Iob1), 0);
    }

    #[test]
    fn iobes_and_bilou_are_one_scheme() {
        let (found, seen) = read("S-PER B-LOC I-LOC E-LOC O U-PER B-PER L-PER");
        assert_eq!(
            found,
            [chunk(0, 1, "PER"), chunk(1, 4, "LOC"), chunk(5, 6, "PER"), chunk(6, 8, "PER")]
        );
        assert_eq!((seen.scheme(), seen.repaired(Scheme::Iobes)), (Scheme::Iobes, 0));
    }

    #[test]
    fn plain_tags_of_one_type_side_by_side_are_one_entity() {
        let tags = ["PER", "PER", "O", "LOC", "PER"].map(Tag::plain);
        let found = chunks(tags, &mut Evidence::default());
        assert_eq!(
            found.iter().map(|chunk| (chunk.first, chunk.past)).collect::<Vec<_>>(),
            [(0, 2), (3, 4), (4, 5)]
        );
    }
}
