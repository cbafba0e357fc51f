//! Entities written into the text: `[Ada](PER) wrote to [Rome](LOC)`.
//!
//! A bracket that no `](label)` closes is text as it stands, and `\[` is a bracket that opens nothing, so that any text can be written.

use super::findings::Findings;
use super::labels::label_of_span;
use super::options::Options;
use crate::text::Entity;

/// The text without its marks, and the entities that they say; offsets in characters.
pub(super) fn read(marked: &str) -> (String, Vec<Entity>) {
    let (mut text, mut length, mut entities) = (String::with_capacity(marked.len()), 0, Vec::new());
    let mut rest = marked;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\[") {
            text.push('[');
            length += 1;
            rest = after;
        } else if let Some((inside, label, after)) = mark(rest) {
            let start = length;
            text.push_str(inside);
            length += inside.chars().count();
            entities.push(Entity { start, end: length, label: label.to_owned() });
            rest = after;
        } else {
            text.push(character);
            length += 1;
            rest = &rest[character.len_utf8()..];
        }
    }
    (text, entities)
}

/// The same entities with names that BIO labels allow.
///
/// # Errors
/// The label that can be none.
pub(super) fn named(
    entities: Vec<Entity>,
    options: &Options,
    findings: &mut Findings,
) -> Result<Vec<Entity>, String> {
    findings.has_entities = true;
    let mut name = |entity: Entity| {
        let label = label_of_span(entity.label, &options.labels, findings)
            .map_err(|problem| format!("a label of the text {problem}"))?;
        Ok(Entity { label, ..entity })
    };
    entities.into_iter().map(&mut name).collect()
}

/// Whether a text holds what looks like a mark: after brackets, a label in capitals or of words that begin with one, which no link of Markdown is.
pub(super) fn is_marked(text: &str) -> bool {
    let label = |at: usize| mark(&text[at..]).map(|(_, label, _)| label);
    let is_word = |word: &str| {
        word.starts_with(|it: char| it.is_ascii_uppercase())
            && word.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    let is_name = |label: &str| label.split([' ', '-']).all(is_word);
    // Of texts with thousands of brackets the first say it.
    text.match_indices('[').take(8).filter_map(|(at, _)| label(at)).any(is_name)
}

/// How far apart a bracket and what closes it may be, so that brackets without end cost little.
const LONGEST: usize = 1000;

/// What `[inside](label)` at the start of `text` holds, and what follows it.
fn mark(text: &str) -> Option<(&str, &str, &str)> {
    let inside = text.strip_prefix('[')?;
    let near = &inside[..inside.floor_char_boundary(LONGEST)];
    let end = near.find(['[', ']']).filter(|end| near[*end..].starts_with(']'))?;
    let (inside, after) = (&inside[..end], &inside[end + 1..]);
    let after = after.strip_prefix('(')?;
    let near = &after[..after.floor_char_boundary(LONGEST)];
    let end = near.find(')')?;
    let (label, after) = (after[..end].trim(), &after[end + 1..]);
    (!inside.is_empty() && !label.is_empty()).then_some((inside, label, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_entities_and_other_brackets_stay() {
        let (text, entities) = read("[Ada](PER) wrote [1] to \\[Rome](LOC) and [Köln](LOC) [x");
        assert_eq!(text, "Ada wrote [1] to [Rome](LOC) and Köln [x");
        let found: Vec<_> = entities
            .iter()
            .map(|entity| (entity.start, entity.end, entity.label.as_str()))
            .collect();
        assert_eq!(found, [(0, 3, "PER"), (33, 37, "LOC")]);
    }

    #[test]
    fn a_link_is_no_mark_that_anybody_is_told_of() {
        assert!(is_marked("see [1], [Ada](PER)") && is_marked("[Ada](First Name) wrote"));
        assert!(!is_marked("see [the manual](https://example.org) [1]"));
    }
}
