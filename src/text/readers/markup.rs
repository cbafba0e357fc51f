//! Entities written into the text: `[Ada](PER) wrote to [Rome](LOC)`.
//!
//! A bracket that no `](` closes is text as it stands, and `\[` is a bracket that opens nothing, so that any text can be written. What follows `](` is
//! the label and `)`: where it is something else, such as an address or the rest of the text, that is a mistake.

use super::findings::Findings;
use super::labels::label_of_span;
use super::options::Options;
use super::problems::Misread;
use crate::base::visible;
use crate::text::Entity;

/// The text without its marks.
///
/// # Errors
/// The first mark without a label, at its byte.
pub fn unmarked(marked: &str) -> Result<String, Misread> {
    read(marked).map(|(text, _)| text)
}

/// The text without its marks, and the entities that they say; offsets in characters.
///
/// # Errors
/// The first mark without a label, at its byte.
pub(super) fn read(marked: &str) -> Result<(String, Vec<Entity>), Misread> {
    let (mut text, mut length, mut entities) = (String::with_capacity(marked.len()), 0, Vec::new());
    let mut rest = marked;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\[") {
            text.push('[');
            length += 1;
            rest = after;
        } else if let Some(Mark { inside, label }) = mark(rest) {
            let Some((label, after)) = label else {
                let shown = visible::line(inside);
                let message = format!("`[{shown}](` opens a mark that no label and `)` close");
                return Err(Misread::new(marked.len() - rest.len(), message).help(CLOSE));
            };
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
    Ok((text, entities))
}

/// The help where a mark is none.
const CLOSE: &str = "an entity is written as `[Ada](PER)`, where a label has letters, digits, spaces and `_-.:/&+'`; `\\[` is a bracket of the text";

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
    let label = |at: usize| mark(&text[at..])?.label.map(|(label, _)| label);
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

/// What begins as `[inside](`.
struct Mark<'t> {
    inside: &'t str,
    /// The label, and what follows the mark; nothing where there is none.
    label: Option<(&'t str, &'t str)>,
}

/// What a text begins with, where that is a mark.
fn mark(text: &str) -> Option<Mark<'_>> {
    let inside = text.strip_prefix('[')?;
    let near = &inside[..inside.floor_char_boundary(LONGEST)];
    let end = near.find(['[', ']']).filter(|end| near[*end..].starts_with(']'))?;
    let (inside, after) = (&inside[..end], &inside[end + 1..]);
    let after = after.strip_prefix('(').filter(|_| !inside.is_empty())?;
    let is_of_label = |it: char| it.is_alphanumeric() || " _-.:/&+'".contains(it);
    let end = after.find(|it| !is_of_label(it)).unwrap_or(after.len());
    let (label, rest) = (after[..end].trim(), &after[end..]);
    // An address has it.
    let is_label = !label.is_empty() && !label.contains("//");
    let label = rest.strip_prefix(')').filter(|_| is_label).map(|after| (label, after));
    Some(Mark { inside, label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_entities_and_other_brackets_stay() {
        let (text, entities) =
            read("[Ada](PER) wrote [1] to \\[Rome](LOC) and [Köln](LOC) [x").expect("marks");
        assert_eq!(text, "Ada wrote [1] to [Rome](LOC) and Köln [x");
        let found: Vec<_> = entities
            .iter()
            .map(|entity| (entity.start, entity.end, entity.label.as_str()))
            .collect();
        assert_eq!(found, [(0, 3, "PER"), (33, 37, "LOC")]);
    }

    #[test]
    fn a_mark_without_a_label_is_a_mistake_at_its_place() {
        let wrong = |text: &str| read(text).map_err(|misread| misread.place);
        for text in [
            "née [Ada](PER wrote to [Rome](LOC)",
            "née [Ada](PER",
            "née [Ada]() wrote",
            "née [x](y, z)",
            "née [the manual](https://example.org)",
        ] {
            assert_eq!(wrong(text).err(), Some(5), "{text}");
        }
        for text in ["[Ada](First Name)", "[née](ÉTAT-CIVIL)", "[](PER)", "\\[Ada](PER wrote"] {
            assert!(wrong(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_link_is_no_mark_that_anybody_is_told_of() {
        assert!(is_marked("see [1], [Ada](PER)") && is_marked("[Ada](First Name) wrote"));
        assert!(!is_marked("see [the manual](https://example.org) [1]"));
    }
}
