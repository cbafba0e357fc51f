//! A text while it is changed, whose entities stay where they belong.

use std::ops::Range;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::text::{Entity, Example};

/// A text in characters with its entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub text: Vec<char>,
    /// In the text's order; they never overlap.
    pub entities: Vec<Entity>,
}

/// Characters in the place of others, all of them outside of entities, inside one, or an entity as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Never empty.
    pub range: Range<usize>,
    pub with: Vec<char>,
}

impl Draft {
    pub(super) fn of(example: &Example) -> Self {
        Self { text: example.text.chars().collect(), entities: example.entities().to_vec() }
    }

    /// The entity that a character belongs to.
    pub(super) fn entity_of(&self, at: usize) -> Option<&Entity> {
        let next = self.entities.partition_point(|entity| entity.end <= at);
        self.entities.get(next).filter(|entity| entity.start <= at)
    }

    /// Whether no character of it belongs to an entity.
    pub(super) fn is_outside(&self, range: &Range<usize>) -> bool {
        let next = self.entities.partition_point(|entity| entity.end <= range.start);
        self.entities.get(next).is_none_or(|entity| entity.start >= range.end)
    }

    /// What stands between white space.
    pub(super) fn words(&self) -> Vec<Range<usize>> {
        let mut words: Vec<Range<usize>> = Vec::new();
        let mut is_open = false;
        for (at, character) in self.text.iter().enumerate() {
            match words.last_mut() {
                _ if character.is_whitespace() => is_open = false,
                Some(word) if is_open => word.end = at + 1,
                _ => {
                    words.push(at..at + 1);
                    is_open = true;
                }
            }
        }
        words
    }

    /// Puts characters in the place of others, and moves the entities along.
    ///
    /// * `edits`: in any order; they do not overlap
    pub(super) fn apply(&mut self, mut edits: Vec<Edit>) {
        edits.sort_by_key(|edit| edit.range.start);
        let mut text = Vec::with_capacity(self.text.len());
        let (mut at, mut shift) = (0, 0_isize);
        // Where what comes later begins in the old text, and by how much it moves.
        let mut shifts = vec![(0, 0)];
        for Edit { range, with } in edits {
            text.extend_from_slice(&self.text[at..range.start]);
            shift += with.len().cast_signed() - range.len().cast_signed();
            text.extend(with);
            at = range.end;
            shifts.push((at, shift));
        }
        text.extend_from_slice(&self.text[at..]);
        self.text = text;
        let moved = |at: usize| {
            let (_, shift) = shifts[shifts.partition_point(|(from, _)| *from <= at) - 1];
            at.checked_add_signed(shift).expect("no more is taken out before it than there was")
        };
        for entity in &mut self.entities {
            (entity.start, entity.end) = (moved(entity.start), moved(entity.end));
        }
    }
}

/// So many of the candidates as are a share of `all`, one at least where the share is not 0, in any order.
pub(super) fn share_of<T>(
    mut candidates: Vec<T>,
    all: usize,
    share: f64,
    stream: &mut ChaCha8Rng,
) -> Vec<T> {
    if share <= 0.0 {
        return Vec::new();
    }
    let count = ((share * all as f64).round() as usize).clamp(1, all.max(1)).min(candidates.len());
    let left = candidates.partial_shuffle(stream, count).1.len();
    // The chosen ones stand behind the others.
    candidates.split_off(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str, entities: &[(usize, usize)]) -> Draft {
        let entity = |(start, end): &(usize, usize)| Entity {
            start: *start,
            end: *end,
            label: "X".to_owned(),
        };
        Draft { text: text.chars().collect(), entities: entities.iter().map(entity).collect() }
    }

    fn edit(range: Range<usize>, with: &str) -> Edit {
        Edit { range, with: with.chars().collect() }
    }

    fn covered(draft: &Draft) -> Vec<String> {
        let text = |entity: &Entity| draft.text[entity.start..entity.end].iter().collect();
        draft.entities.iter().map(text).collect()
    }

    #[test]
    fn entities_move_with_what_changes_before_them_and_grow_with_what_changes_inside() {
        let mut draft = draft("näher an Ada, dann Bo!", &[(9, 12), (19, 21)]);
        draft.apply(vec![
            edit(19..21, "Björn"),
            edit(0..5, "n"),
            edit(10..11, "dd"),
            edit(13..14, ""),
        ]);
        assert_eq!(draft.text.iter().collect::<String>(), "n an Adda,dann Björn!");
        assert_eq!(covered(&draft), ["Adda", "Björn"]);
    }

    #[test]
    fn what_touches_an_entity_stays_outside_of_it() {
        let mut draft = draft("aXb", &[(1, 2)]);
        draft.apply(vec![edit(0..1, "aa"), edit(2..3, "bb")]);
        assert_eq!(covered(&draft), ["X"]);
        assert!(draft.is_outside(&(0..2)) && !draft.is_outside(&(0..3)));
        assert_eq!(draft.entity_of(2), Some(&draft.entities[0]));
        assert_eq!(draft.entity_of(3), None);
    }

    #[test]
    fn words_are_what_stands_between_white_space() {
        assert_eq!(draft(" a,b  cc\u{a0}d", &[]).words(), [1..4, 6..8, 9..10]);
    }

    #[test]
    fn a_share_is_rounded_and_one_at_least() {
        let mut stream = crate::base::rng::Rng::new(1).stream("test");
        let mut count =
            |share, all| share_of((0..10).collect::<Vec<_>>(), all, share, &mut stream).len();
        assert_eq!(
            [count(0.0, 10), count(0.01, 10), count(0.26, 10), count(1.0, 20)],
            [0, 1, 3, 10]
        );
    }
}
