//! From labels back to entities in characters.

use super::align::anchor;
use super::{Entity, IGNORE, LabelSet, labels::Tag};

/// Reads the entities that the labels of one text say, strictly as IOB2: an entity begins at `B-X` and goes on over `I-X`; an `I-X` that
/// follows anything else begins none, as in the scores.
///
/// White space at either end of a span is left out, and an entity of nothing else is dropped.
///
/// * `text`: the text's characters
/// * `labels`: `(tokens,)`, numbers in `set`, [`IGNORE`] at tokens that do not count, which do not end an entity either
/// * `starts`, `ends`: `(tokens,)`, each token's characters
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn read(
    text: &[char],
    labels: &[u32],
    starts: &[u32],
    ends: &[u32],
    set: &LabelSet,
) -> Vec<Entity> {
    assert!(
        labels.len() == starts.len() && labels.len() == ends.len(),
        "a label and two offsets for each token"
    );
    let mut found: Vec<(u32, usize, usize)> = Vec::new();
    let mut open = false;
    let mut past = 0;
    for ((label, start), end) in
        labels.iter().zip(starts).zip(ends).filter(|((label, _), _)| **label != IGNORE)
    {
        let (start, end) = (*start as usize, *end as usize);
        match set.tag(*label) {
            // Tokens may be pieces of one character; the first entity that has it keeps it.
            Tag::Begin(_) if start < past => open = false,
            Tag::Begin(kind) => {
                found.push((kind, start, end));
                open = true;
            }
            Tag::Inside(kind) => match found.last_mut() {
                Some(last) if open && last.0 == kind => last.2 = last.2.max(end),
                _ => open = false,
            },
            Tag::Outside => open = false,
        }
        if let Some(last) = found.last().filter(|_| open) {
            past = last.2;
        }
    }
    found
        .into_iter()
        .filter_map(|(kind, start, end)| trimmed(text, start, end, &set.types()[kind as usize]))
        .collect()
}

fn trimmed(text: &[char], start: usize, end: usize, label: &str) -> Option<Entity> {
    let start = anchor(text, (start, end))?;
    let end = (start..end.min(text.len())).rfind(|index| !text[*index].is_whitespace())? + 1;
    Some(Entity { start, end, label: label.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::align::align;
    use proptest::prelude::*;

    fn set() -> LabelSet {
        LabelSet::of(["LOC", "PER"])
    }

    fn labels(names: &[&str]) -> Vec<u32> {
        names.iter().map(|name| set().index(name).unwrap_or(IGNORE)).collect()
    }

    #[test]
    fn the_leading_space_of_the_first_token_is_not_part_of_the_entity() {
        let text: Vec<char> = "to Ann Lee ".chars().collect();
        let found = read(
            &text,
            &labels(&["-", "O", "B-PER", "I-PER", "-"]),
            &[0, 0, 2, 6, 0],
            &[0, 2, 6, 11, 0],
            &set(),
        );
        assert_eq!(found, [Entity { start: 3, end: 10, label: "PER".into() }]);
    }

    #[test]
    fn an_inside_label_of_another_type_ends_the_entity_and_begins_none() {
        let text: Vec<char> = "abcd".chars().collect();
        let found = read(
            &text,
            &labels(&["B-PER", "I-LOC", "I-PER", "I-LOC"]),
            &[0, 1, 2, 3],
            &[1, 2, 3, 4],
            &set(),
        );
        assert_eq!(found, [Entity { start: 0, end: 1, label: "PER".into() }]);
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
            let tokens: Vec<_> = starts.iter().zip(&ends).map(|(start, end)| Some((*start as usize, *end as usize))).collect();
            let aligned = align(&text, &entities, &tokens, None, &set());
            prop_assert_eq!(read(&text, &aligned.labels, &starts, &ends, &set()), entities);
        }

        #[test]
        fn any_labels_give_spans_inside_the_text_in_order(
            labels in prop::collection::vec(0_u32..7, 8),
            text in "[a ]{0,8}",
        ) {
            let text: Vec<char> = text.chars().collect();
            let starts: Vec<u32> = (0..8).collect();
            let ends: Vec<u32> = (1..9).collect();
            let found = read(&text, &labels, &starts, &ends, &set());
            prop_assert!(found.iter().all(|entity| entity.start < entity.end && entity.end <= text.len()));
            prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
