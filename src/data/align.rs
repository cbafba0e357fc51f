//! From entities in characters to one label for each token.
//!
//! A token belongs to the entity in which its first character that is no white space lies: ModernBERT's BPE puts the leading space into the
//! word's token, so the token's own start is one before the entity's. The first token of an entity is `B-X`, every later one `I-X`. A token
//! of white space alone belongs to an entity only in its middle. A token that begins before an entity and reaches into it stays outside.
//!
//! An entity that truncation cut, even by one token, is labelled `O` throughout: half of it would be a wrong example.

use super::{Entity, IGNORE, LabelSet};

/// A token as alignment sees it: its characters in the text, half-open. `None` is a special token.
pub type TokenSpan = Option<(usize, usize)>;

/// Labels of one text, and what happened to its entities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment {
    /// `(tokens,)`, [`IGNORE`] at special tokens
    pub labels: Vec<u32>,
    /// Entities that truncation cut or left out: their tokens are `O`.
    pub cut: usize,
    /// Entities inside one token with other text before them, or of white space alone: no token is theirs.
    pub unaligned: usize,
}

/// Labels the tokens of one text.
///
/// * `text`: the text's characters
/// * `entities`: ascending, without overlap, inside the text
/// * `tokens`: `(tokens,)`, those that are kept, ascending but for special ones
/// * `cut_at`: the first character, white space skipped, of the first token that truncation dropped; `None` when all are kept
/// * `labels`: a type that is not among them is labelled `O`
#[must_use]
pub fn align(
    text: &[char],
    entities: &[Entity],
    tokens: &[TokenSpan],
    cut_at: Option<usize>,
    labels: &LabelSet,
) -> Alignment {
    let outside = labels.outside();
    let mut alignment = Alignment {
        labels: tokens.iter().map(|token| if token.is_some() { outside } else { IGNORE }).collect(),
        cut: 0,
        unaligned: 0,
    };
    let mut next = 0;
    for entity in entities {
        if cut_at.is_some_and(|cut| cut < entity.end) {
            alignment.cut += 1;
            continue;
        }
        let Some((begin, inside)) = labels.begin_and_inside(&entity.label) else {
            alignment.unaligned += 1;
            continue;
        };
        // Entities and tokens both ascend, so each token is looked at once, and once more where an entity ends.
        while next < tokens.len()
            && tokens[next]
                .is_none_or(|token| anchor(text, token).is_none_or(|first| first < entity.start))
        {
            next += 1;
        }
        let mut found = None;
        while next < tokens.len() {
            if let Some(token) = tokens[next] {
                match anchor(text, token) {
                    Some(first) if first >= entity.end => break,
                    Some(_) => {
                        let from = found.map_or(next, |last: usize| last + 1);
                        let label = if found.is_some() { inside } else { begin };
                        // White space between two tokens of the entity is inside it.
                        for (between, token) in
                            alignment.labels[from..next].iter_mut().zip(&tokens[from..next])
                        {
                            if token.is_some() {
                                *between = inside;
                            }
                        }
                        alignment.labels[next] = label;
                        found = Some(next);
                    }
                    None => {}
                }
            }
            next += 1;
        }
        alignment.unaligned += usize::from(found.is_none());
    }
    alignment
}

/// The first character of `token` that is no white space.
pub(crate) fn anchor(text: &[char], token: (usize, usize)) -> Option<usize> {
    let end = token.1.min(text.len());
    (token.0.min(end)..end).find(|index| !text[*index].is_whitespace())
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
        let alignment = align(&text.chars().collect::<Vec<_>>(), entities, tokens, cut_at, &labels);
        alignment
            .labels
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

    #[test]
    fn entities_without_a_token_are_counted() {
        let labels = LabelSet::of(["PER"]);
        let text: Vec<char> = "ab ".chars().collect();
        let alignment = align(
            &text,
            &[entity(1, 2, "PER"), entity(2, 3, "PER")],
            &[Some((0, 2)), Some((2, 3))],
            None,
            &labels,
        );
        assert_eq!((alignment.unaligned, alignment.cut), (2, 0));
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
                tokens.push(Some((start, start + length)));
                start += length;
            }
            tokens.push(None);
            let labels = LabelSet::of(["LOC", "PER"]);
            let alignment = align(&text, &entities, &tokens, cut_at, &labels);
            prop_assert_eq!(alignment.labels.len(), tokens.len());
            let mut previous = "O".to_owned();
            for (token, label) in tokens.iter().zip(&alignment.labels) {
                let Some(token) = *token else {
                    prop_assert_eq!(*label, IGNORE);
                    continue;
                };
                let name = &labels.names()[*label as usize];
                if let Some((prefix, kind)) = name.split_once('-') {
                    let inside = |at: usize| entities.iter().any(|entity| entity.label == kind && (entity.start..entity.end).contains(&at));
                    prop_assert!(anchor(&text, token).map_or(prefix == "I", inside), "{name} at {token:?} of {entities:?}");
                    prop_assert!(prefix == "B" || previous.ends_with(&format!("-{kind}")), "{name} after {previous}");
                }
                previous.clone_from(name);
            }
        }
    }
}
