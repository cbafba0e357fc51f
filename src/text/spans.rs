//! From labels back to entities in characters: the one way in which predictions are read, for scores, `predictions.csv` and `predict`.

use super::{Entity, LabelSet, labels::Tag};
use crate::base::IGNORE;

/// An entity as scores compare it: right when its type and both its ends are. Ordered by its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first character.
    pub start: u32,
    /// The character after its last one.
    pub end: u32,
    /// Its number in [`LabelSet::types`].
    pub kind: u32,
}

impl Span {
    /// `None` where `set` has no such type.
    pub(super) fn of(entity: &Entity, set: &LabelSet) -> Option<Self> {
        let offset =
            |at| u32::try_from(at).expect("a tokenized text has fewer than 2^32 characters");
        let kind = set.types().binary_search(&entity.label).ok()?;
        let kind = u32::try_from(kind).expect("fewer than 2^32 types");
        Some(Self { start: offset(entity.start), end: offset(entity.end), kind })
    }

    /// The same with its type's name.
    ///
    /// # Panics
    /// When `set` has no such type.
    #[must_use]
    pub fn entity(self, set: &LabelSet) -> Entity {
        Entity {
            start: self.start as usize,
            end: self.end as usize,
            label: set.types()[self.kind as usize].clone(),
        }
    }
}

/// Reads the entities that the labels of one text say, strictly as IOB2: an entity begins at `B-X` and goes on over `I-X`; an `I-X` that
/// follows anything else begins none.
///
/// White space at either end of a span is left out, since no token shows it, and an entity of nothing else is dropped.
///
/// * `labels`: `(tokens,)`, numbers in `set`, [`IGNORE`] at tokens that do not count, which do not end an entity either
/// * `starts`, `ends`: `(tokens,)`, the characters that each token shows: see [`align::TokenSpan`](super::align::TokenSpan)
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn read(labels: &[u32], starts: &[u32], ends: &[u32], set: &LabelSet) -> Vec<Span> {
    assert!(
        labels.len() == starts.len() && labels.len() == ends.len(),
        "a label and two offsets for each token"
    );
    let mut found: Vec<Span> = Vec::new();
    let mut open = false;
    let mut past = 0;
    for ((label, &start), &end) in
        labels.iter().zip(starts).zip(ends).filter(|((label, _), _)| **label != IGNORE)
    {
        match set.tag(*label) {
            // Tokens may be pieces of one character; the first entity that has it keeps it.
            Tag::Begin(_) if start < past => open = false,
            Tag::Begin(kind) => {
                found.push(Span { start, end, kind });
                open = true;
            }
            Tag::Inside(kind) => match found.last_mut() {
                Some(last) if open && last.kind == kind && start < end => {
                    // So far there was white space alone.
                    if last.start == last.end {
                        last.start = start;
                    }
                    last.end = last.end.max(end);
                }
                Some(last) if open && last.kind == kind => {}
                _ => open = false,
            },
            Tag::Outside => open = false,
        }
        if let Some(last) = found.last().filter(|_| open) {
            past = last.end;
        }
    }
    found.retain(|span| span.start < span.end);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::align::{align, visible};
    use proptest::prelude::*;

    fn set() -> LabelSet {
        LabelSet::of(["LOC", "PER"])
    }

    fn labels(names: &[&str]) -> Vec<u32> {
        names.iter().map(|name| set().index(name).unwrap_or(IGNORE)).collect()
    }

    /// What tokens with these characters and labels say of `text`.
    fn told(text: &str, tokens: &[(usize, usize)], names: &[&str]) -> Vec<Entity> {
        let text: Vec<char> = text.chars().collect();
        let shown = tokens.iter().map(|token| visible(&text, *token));
        let (starts, ends): (Vec<u32>, Vec<u32>) =
            shown.map(|(start, end)| (start as u32, end as u32)).unzip();
        let found = read(&labels(names), &starts, &ends, &set());
        found.into_iter().map(|span| span.entity(&set())).collect()
    }

    fn person(start: usize, end: usize) -> Entity {
        Entity { start, end, label: "PER".into() }
    }

    #[test]
    fn the_leading_space_of_the_first_token_is_not_part_of_the_entity() {
        let tokens = [(0, 0), (0, 2), (2, 6), (6, 11), (0, 0)];
        let found = told("to Ann Lee ", &tokens, &["-", "O", "B-PER", "I-PER", "-"]);
        assert_eq!(found, [person(3, 10)]);
    }

    #[test]
    fn tokens_of_white_space_at_either_end_are_not_part_of_the_entity_and_alone_are_none() {
        let tokens = [(0, 1), (1, 3), (3, 5), (5, 6), (6, 8), (8, 9)];
        let labels = ["B-PER", "I-PER", "I-PER", "I-PER", "I-PER", "B-PER"];
        assert_eq!(told("  a  b   ", &tokens, &labels), [person(2, 6)]);
    }

    #[test]
    fn an_inside_label_of_another_type_ends_the_entity_and_begins_none() {
        let tokens = [(0, 1), (1, 2), (2, 3), (3, 4)];
        let found = told("abcd", &tokens, &["B-PER", "I-LOC", "I-PER", "I-LOC"]);
        assert_eq!(found, [person(0, 1)]);
    }

    proptest! {
        #[test]
        fn entities_on_token_bounds_survive_the_way_through_labels(
            words in prop::collection::vec(("[a-zé🦀]{1,4}", 0_usize..5), 1..15),
        ) {
            // Each word is a token with its leading space; 0 and 1 begin an entity, 2 goes on with one, more stay outside.
            let (mut text, mut entities, mut starts, mut ends) = (String::new(), Vec::<Entity>::new(), Vec::new(), Vec::new());
            let mut open = false;
            for (word, role) in &words {
                let start = text.chars().count();
                text.push_str(if start == 0 { "" } else { " " });
                let first = text.chars().count();
                text.push_str(word);
                let end = text.chars().count();
                starts.push(u32::try_from(start).unwrap());
                ends.push(u32::try_from(end).unwrap());
                match role {
                    0 | 1 => {
                        entities.push(Entity { start: first, end, label: ["LOC", "PER"][*role].into() });
                        open = true;
                    }
                    2 if open => entities.last_mut().unwrap().end = end,
                    _ => open = false,
                }
            }
            let text: Vec<char> = text.chars().collect();
            let tokens: Vec<_> = starts.iter().zip(&ends).map(|(start, end)| Some(visible(&text, (*start as usize, *end as usize)))).collect();
            let starts: Vec<u32> = tokens.iter().flatten().map(|token| token.0 as u32).collect();
            let aligned = align(&entities, &tokens, None, &set());
            let found: Vec<Entity> = read(&aligned, &starts, &ends, &set()).into_iter().map(|span| span.entity(&set())).collect();
            prop_assert_eq!(found, entities);
        }

        #[test]
        fn any_labels_give_spans_inside_the_text_in_order(
            labels in prop::collection::vec(0_u32..7, 8),
            text in "[a ]{8}",
        ) {
            let text: Vec<char> = text.chars().collect();
            let (starts, ends): (Vec<u32>, Vec<u32>) = (0..8)
                .map(|token| visible(&text, (token, token + 1)))
                .map(|(start, end)| (start as u32, end as u32))
                .unzip();
            let found = read(&labels, &starts, &ends, &set());
            let shown = |at: u32| !text[at as usize].is_whitespace();
            prop_assert!(found.iter().all(|span| span.start < span.end && shown(span.start) && shown(span.end - 1)));
            prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
