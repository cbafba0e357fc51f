//! From entities in characters to one label for each token.
//!
//! A token belongs to the entity in which its first character that is no white space lies: ModernBERT's BPE puts the leading space into the
//! word's token, so the token's own start is one before the entity's. The first token of an entity is `B-X`, every later one `I-X`. A token
//! of white space alone belongs to an entity only in its middle. A token that begins before an entity and reaches into it stays outside.
//!
//! An entity that truncation cut, even by one token, is labelled `O` throughout: half of it would be a wrong example.

use super::{Entity, LabelSet};
use crate::base::IGNORE;

/// The characters that a token shows, without white space at its ends, half-open; empty where it is white space alone. `None` is a special token.
pub type TokenSpan = Option<(usize, usize)>;

/// Labels the tokens of one text: `(tokens,)`, [`IGNORE`] at special tokens.
///
/// * `entities`: ascending, without overlap, inside the text
/// * `tokens`: `(tokens,)`, those that are kept, ascending but for special ones
/// * `cut_at`: the first character, white space skipped, of the first token that truncation dropped; `None` when all are kept
/// * `labels`: a type that is not among them is labelled `O`
#[must_use]
pub fn align(
    entities: &[Entity],
    tokens: &[TokenSpan],
    cut_at: Option<usize>,
    labels: &LabelSet,
) -> Vec<u32> {
    let outside = labels.outside();
    let mut aligned: Vec<u32> =
        tokens.iter().map(|token| if token.is_some() { outside } else { IGNORE }).collect();
    let mut next = 0;
    for entity in entities.iter().filter(|entity| !is_cut(entity, cut_at)) {
        let Some((begin, inside)) = labels.begin_and_inside(&entity.label) else { continue };
        // Entities and tokens both ascend, so each token is looked at once, and once more where an entity ends.
        while next < tokens.len()
            && tokens[next].and_then(first).is_none_or(|first| first < entity.start)
        {
            next += 1;
        }
        let mut found = None;
        while next < tokens.len() {
            match tokens[next].and_then(first) {
                Some(first) if first >= entity.end => break,
                Some(_) => {
                    let from = found.map_or(next, |last: usize| last + 1);
                    // White space between two tokens of the entity is inside it.
                    for (between, token) in aligned[from..next].iter_mut().zip(&tokens[from..next])
                    {
                        if token.is_some() {
                            *between = inside;
                        }
                    }
                    aligned[next] = if found.is_some() { inside } else { begin };
                    found = Some(next);
                }
                None => {}
            }
            next += 1;
        }
    }
    aligned
}

/// Whether truncation took any of an entity's characters; `cut_at` as in [`align`].
#[must_use]
pub fn is_cut(entity: &Entity, cut_at: Option<usize>) -> bool {
    cut_at.is_some_and(|cut| cut < entity.end)
}

/// What a token with these characters shows of the text: see [`TokenSpan`].
#[must_use]
pub fn visible(text: &[char], token: (usize, usize)) -> (usize, usize) {
    let end = token.1.min(text.len());
    let characters = token.0.min(end)..end;
    let is_shown = |index: &usize| !text[*index].is_whitespace();
    match (characters.clone().find(is_shown), characters.clone().rfind(is_shown)) {
        (Some(first), Some(last)) => (first, last + 1),
        _ => (characters.start, characters.start),
    }
}

fn first(token: (usize, usize)) -> Option<usize> {
    (token.0 < token.1).then_some(token.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entity(start: usize, end: usize, label: &str) -> Entity {
        Entity { start, end, label: label.into() }
    }

    fn names(
        text: &str,
        entities: &[Entity],
        tokens: &[TokenSpan],
        cut_at: Option<usize>,
    ) -> Vec<String> {
        let labels = LabelSet::of(["LOC", "PER"]);
        let text: Vec<char> = text.chars().collect();
        let tokens: Vec<_> =
            tokens.iter().map(|token| token.map(|token| visible(&text, token))).collect();
        align(entities, &tokens, cut_at, &labels)
            .iter()
            .map(|label| labels.names().get(*label as usize).map_or("-", String::as_str).to_owned())
            .collect()
    }

    #[test]
    fn a_leading_space_belongs_to_the_word_and_the_word_begins_the_entity() {
        let tokens = [None, Some((0, 2)), Some((2, 6)), Some((6, 10)), None];
        assert_eq!(
            names("to Ann Lee", &[entity(3, 10, "PER")], &tokens, None),
            ["-", "O", "B-PER", "I-PER", "-"]
        );
    }

    #[test]
    fn pieces_of_one_character_begin_an_entity_once() {
        let tokens = [Some((0, 1)), Some((0, 1)), Some((0, 1)), Some((1, 2))];
        assert_eq!(
            names("🦀b", &[entity(0, 1, "PER"), entity(1, 2, "LOC")], &tokens, None),
            ["B-PER", "I-PER", "I-PER", "B-LOC"]
        );
    }

    #[test]
    fn white_space_alone_is_inside_only_between_two_tokens_of_an_entity() {
        let tokens =
            [Some((0, 2)), Some((2, 3)), Some((3, 5)), Some((5, 6)), Some((6, 8)), Some((8, 9))];
        assert_eq!(
            names("  a  b  c", &[entity(2, 6, "LOC")], &tokens, None),
            ["O", "B-LOC", "I-LOC", "I-LOC", "O", "O"]
        );
    }

    #[test]
    fn neighbouring_entities_each_begin() {
        let tokens = [Some((0, 1)), Some((1, 2)), Some((2, 3))];
        assert_eq!(
            names("abc", &[entity(0, 1, "PER"), entity(1, 3, "PER")], &tokens, None),
            ["B-PER", "B-PER", "I-PER"]
        );
    }

    #[test]
    fn a_token_that_begins_before_the_entity_stays_outside_and_the_next_one_begins_it() {
        let tokens = [Some((0, 3)), Some((3, 5))];
        assert_eq!(names("(abcd", &[entity(1, 5, "PER")], &tokens, None), ["O", "B-PER"]);
    }

    #[test]
    fn an_entity_cut_by_truncation_is_outside_throughout() {
        let tokens = [None, Some((0, 2)), Some((2, 4)), None];
        let entities = [entity(0, 2, "LOC"), entity(2, 6, "PER")];
        assert_eq!(names("aabbcc", &entities, &tokens, Some(4)), ["-", "B-LOC", "O", "-"]);
        assert_eq!(
            names("aabbcc", &[entity(2, 4, "PER")], &tokens, Some(4)),
            ["-", "O", "B-PER", "-"]
        );
    }

    proptest! {
        #[test]
        fn no_token_is_labelled_outside_its_entity(
            text in "[ab \u{3000}é🦀]{0,30}",
            steps in prop::collection::vec((1_usize..4, 0_usize..3, 0_usize..3), 0..12),
            cuts in prop::collection::vec(0_usize..4, 0..30),
            cut_at in prop::option::of(0_usize..30),
        ) {
            let text: Vec<char> = text.chars().collect();
            let (mut entities, mut position) = (Vec::new(), 0);
            for (length, gap, kind) in steps {
                let start = position + gap;
                if start + length > text.len() { break; }
                entities.push(entity(start, start + length, ["LOC", "PER", "X"][kind]));
                position = start + length;
            }
            let (mut tokens, mut start) = (vec![None], 0);
            for length in cuts {
                if start + length > text.len() { break; }
                tokens.push(Some(visible(&text, (start, start + length))));
                start += length;
            }
            tokens.push(None);
            let labels = LabelSet::of(["LOC", "PER"]);
            let aligned = align(&entities, &tokens, cut_at, &labels);
            prop_assert_eq!(aligned.len(), tokens.len());
            let mut previous = "O".to_owned();
            for (token, label) in tokens.iter().zip(&aligned) {
                let Some(token) = *token else {
                    prop_assert_eq!(*label, IGNORE);
                    continue;
                };
                let name = &labels.names()[*label as usize];
                if let Some((prefix, kind)) = name.split_once('-') {
                    let inside = |at: usize| entities.iter().any(|entity| entity.label == kind && (entity.start..entity.end).contains(&at));
                    prop_assert!(first(token).map_or(prefix == "I", inside), "{name} at {token:?} of {entities:?}");
                    prop_assert!(prefix == "B" || previous.ends_with(&format!("-{kind}")), "{name} after {previous}");
                }
                previous.clone_from(name);
            }
        }
    }
}
