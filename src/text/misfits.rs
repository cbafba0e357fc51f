//! Entities that no labels of whole tokens give: how many for which reason, the first of them, and what unit their offsets seem to have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::offsets::{Offsets, Ruler};
use super::{Entity, Example};

/// How many are kept to be shown.
const LISTED: usize = 10;

/// The most of a text that is shown, in characters.
const SHOWN: usize = 40;

/// Why the tokens of an entity do not span exactly what the corpus says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    BeginsInside,
    EndsInside,
    /// It begins inside a token and ends inside one.
    BothInside,
    /// White space is at one of its ends, and no token shows that.
    Blank,
    /// Its tokens are also those of the entity before it.
    Shared,
}

impl std::fmt::Display for Cause {
    /// What such entities do.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::BeginsInside => "begin inside a token",
            Self::EndsInside => "end inside a token",
            Self::BothInside => "begin and end inside tokens",
            Self::Blank => "begin or end with white space",
            Self::Shared => "share their first token with another",
        })
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    pub line: usize,
    pub label: String,
    /// The beginning of what the corpus gives.
    pub given: String,
    /// The beginning of what the tokens there show; nothing where there are none.
    pub tokens: String,
    pub cause: Cause,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, label, given, tokens, .. } = self;
        write!(formatter, "line {line}: given {given:?} for {label}, tokens show {tokens:?}")
    }
}

/// All of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfits {
    pub by_cause: BTreeMap<Cause, usize>,
    /// The first of them, in the order of the split.
    pub first: Vec<Misfit>,
    evidence: Evidence,
}

/// A unit that offsets look to be counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitFound {
    pub unit: Offsets,
    /// Entities whose place is another one in this unit.
    pub differ: usize,
    /// Those of them that break a word now, and would not in this unit.
    pub whole: usize,
}

/// What speaks for offsets in another unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Evidence {
    bytes: OfUnit,
    utf16: OfUnit,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfUnit {
    /// Entities with a character before their end that counts for more than one.
    differ: usize,
    /// Those of them that begin or end inside a word, but would not if their offsets counted this unit.
    whole: usize,
}

impl Misfits {
    /// Adds an entity of `example` that its tokens do not span.
    ///
    /// * `text`: the example's characters
    /// * `tokens`: what each token shows, as [`align`](super::align::align) takes them
    pub(super) fn add(
        &mut self,
        example: &Example,
        text: &[char],
        entity: &Entity,
        tokens: &[(usize, usize)],
    ) {
        let cause = cause(text, entity, tokens);
        *self.by_cause.entry(cause).or_default() += 1;
        if self.first.len() < LISTED {
            let overlap = tokens
                .iter()
                .filter(|(start, end)| start < end && *start < entity.end && *end > entity.start);
            let shown =
                overlap.copied().reduce(|all, token| (all.0.min(token.0), all.1.max(token.1)));
            self.first.push(Misfit {
                line: example.line,
                label: entity.label.clone(),
                given: excerpt(&text[entity.start..entity.end]),
                tokens: shown.map_or_else(String::new, |(start, end)| excerpt(&text[start..end])),
                cause,
            });
        }
    }

    /// Looks at what the offsets of a text's entities could count, whether tokens span them or not.
    ///
    /// * `text`: the example's characters
    pub(super) fn weigh(&mut self, text: &[char], entities: &[Entity]) {
        self.evidence.bytes.weigh(Offsets::Bytes, text, entities);
        self.evidence.utf16.weigh(Offsets::Utf16, text, entities);
    }

    /// Adds those of the texts that follow.
    pub(super) fn extend(&mut self, more: Self) {
        for (cause, count) in more.by_cause {
            *self.by_cause.entry(cause).or_default() += count;
        }
        let room = LISTED - self.first.len();
        self.first.extend(more.first.into_iter().take(room));
        self.evidence = self.evidence.and(more.evidence);
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.by_cause.values().sum()
    }

    /// The counts by cause, as a sentence goes on with them: `9 begin inside a token, 4 end inside a token`.
    #[must_use]
    pub fn causes(&self) -> String {
        let parts: Vec<_> =
            self.by_cause.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
        parts.join(", ")
    }

    /// The unit that the offsets of several splits look to be counted in, with how many entities speak for it: where most for which it makes a
    /// difference are broken words, but whole ones in that unit.
    #[must_use]
    pub fn unit<'a>(splits: impl IntoIterator<Item = &'a Self>) -> Option<UnitFound> {
        let sum = splits.into_iter().fold(Evidence::default(), |sum, more| sum.and(more.evidence));
        let found = [(Offsets::Bytes, sum.bytes), (Offsets::Utf16, sum.utf16)];
        found
            .into_iter()
            .filter(|(_, found)| 2 * found.whole > found.differ)
            .max_by_key(|(_, found)| found.whole)
            .map(|(unit, OfUnit { differ, whole })| UnitFound { unit, differ, whole })
    }
}

impl OfUnit {
    fn weigh(&mut self, unit: Offsets, text: &[char], entities: &[Entity]) {
        let Some(first) = text.iter().position(|character| unit.length(*character) > 1) else {
            return;
        };
        let breaks = |at| breaks_word(text, at);
        let mut ruler = None;
        for entity in entities.iter().filter(|entity| entity.end > first) {
            self.differ += 1;
            if !breaks(entity.start) && !breaks(entity.end) {
                continue;
            }
            let ruler = ruler.get_or_insert_with(|| Ruler::new(text.iter().copied(), unit));
            let ends = ruler.character(entity.start).zip(ruler.character(entity.end));
            let is_whole = ends.is_some_and(|(start, end)| {
                start < end
                    && !breaks(start)
                    && !breaks(end)
                    && !text[start].is_whitespace()
                    && !text[end - 1].is_whitespace()
            });
            self.whole += usize::from(is_whole);
        }
    }

    fn and(self, more: Self) -> Self {
        Self { differ: self.differ + more.differ, whole: self.whole + more.whole }
    }
}

impl Evidence {
    fn and(self, more: Self) -> Self {
        Self { bytes: self.bytes.and(more.bytes), utf16: self.utf16.and(more.utf16) }
    }
}

fn cause(text: &[char], entity: &Entity, tokens: &[(usize, usize)]) -> Cause {
    let is_blank = |at: usize| text[at].is_whitespace();
    if is_blank(entity.start) || is_blank(entity.end - 1) {
        return Cause::Blank;
    }
    let begins = tokens.iter().any(|(start, end)| start < end && *start == entity.start);
    let ends = tokens.iter().any(|(start, end)| start < end && *end == entity.end);
    match (begins, ends) {
        (false, true) => Cause::BeginsInside,
        (true, false) => Cause::EndsInside,
        (false, false) => Cause::BothInside,
        (true, true) => Cause::Shared,
    }
}

/// Whether a word goes on over this place.
fn breaks_word(text: &[char], at: usize) -> bool {
    let is_of_word = |at: usize| text.get(at).is_some_and(|character| character.is_alphanumeric());
    at > 0 && is_of_word(at - 1) && is_of_word(at)
}

fn excerpt(characters: &[char]) -> String {
    let mut text: String = characters.iter().take(SHOWN).collect();
    if characters.len() > SHOWN {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The misfits of words as tokens, each with the space before it, as a byte-level tokenizer has them.
    fn misfits(texts: &[(&str, usize, usize)]) -> Misfits {
        let mut found = Misfits::default();
        for (line, (text, start, end)) in texts.iter().enumerate() {
            let characters: Vec<char> = text.chars().collect();
            let mut tokens = Vec::new();
            let mut at = 0;
            for word in text.split(' ') {
                tokens.push((at, at + word.chars().count()));
                at += word.chars().count() + 1;
            }
            let entity = Entity { start: *start, end: *end, label: "PLACE".into() };
            let example = Example {
                text: (*text).to_owned(),
                entities: Some(vec![entity.clone()]),
                classes: BTreeMap::new(),
                fields: BTreeMap::new(),
                file: 0,
                line: line + 1,
            };
            let mut more = Misfits::default();
            if tokens.iter().all(|token| *token != (entity.start, entity.end)) {
                more.add(&example, &characters, &entity, &tokens);
            }
            more.weigh(&characters, example.entities());
            found.extend(more);
        }
        found
    }

    #[test]
    fn every_cause_is_told_apart() {
        let found = misfits(&[
            ("open (/var/lib denied", 6, 14),
            ("in Oslo, at last", 3, 7),
            ("an unknowable fact", 5, 11),
            ("in Oslo at last", 3, 8),
            ("in Oslo at last", 2, 7),
        ]);
        assert_eq!(
            found.causes(),
            "1 begin inside a token, 1 end inside a token, 1 begin and end inside tokens, 2 begin or end with white space"
        );
        assert_eq!(
            found.first[0].to_string(),
            "line 1: given \"/var/lib\" for PLACE, tokens show \"(/var/lib\""
        );
    }

    #[test]
    fn of_many_the_first_ten_are_listed() {
        let found = misfits(&[("in Oslo, at last", 3, 7); 25]);
        assert_eq!((found.count(), found.first.len(), found.first[9].line), (25, 10, 10));
    }

    #[test]
    fn offsets_that_break_words_but_not_in_bytes_look_like_bytes() {
        let found = misfits(&[
            ("Café near Zürich opened", 11, 18),
            ("Café in Lyon opened", 9, 13),
            ("in Oslo, at last", 3, 7),
        ]);
        assert_eq!(
            Misfits::unit([&found]),
            Some(UnitFound { unit: Offsets::Bytes, differ: 2, whole: 2 })
        );
    }

    #[test]
    fn offsets_that_break_words_but_not_in_utf16_units_look_like_those() {
        let found = misfits(&[
            ("🚚 Parcel left Marseille depot", 15, 24),
            ("🚚🚚 Parcel left Lyon depot", 17, 21),
        ]);
        assert_eq!(
            Misfits::unit([&found]),
            Some(UnitFound { unit: Offsets::Utf16, differ: 2, whole: 2 })
        );
    }

    #[test]
    fn misfits_of_right_offsets_look_like_characters() {
        let found = misfits(&[
            ("Café in Oslo, at last", 8, 12),
            ("the Café «Zürich» opened", 10, 16),
            ("in Lyon, at last", 3, 7),
        ]);
        assert_eq!(Misfits::unit([&found]), None);
        assert_eq!(Misfits::unit([]), None);
    }
}
