//! Answers as words with tags.

use super::predict::FoundEntity;
use crate::text::words::words;

/// The words of a text, each with its tag as of IOB2. A word in which an entity begins or ends is cut there.
///
/// * `entities`: ascending, none overlapping
#[must_use]
pub fn tagged_words(text: &str, entities: &[FoundEntity]) -> Vec<(String, String)> {
    let ends = entities.iter().flat_map(|found| [found.entity.start, found.entity.end]);
    let ends: Vec<usize> = ends.collect();
    let characters: Vec<char> = text.chars().collect();
    let mut tagged = Vec::new();
    for word in words(text) {
        let inside = ends.iter().copied().filter(|end| word.start < *end && *end < word.end);
        let mut at = word.start;
        for end in inside.chain([word.end]) {
            if end == at {
                continue; // one entity ends where the next begins
            }
            let is_inside =
                |found: &&FoundEntity| found.entity.start <= at && end <= found.entity.end;
            let tag = entities.iter().find(is_inside).map_or_else(
                || "O".to_owned(),
                |found| {
                    let begins = found.entity.start == at;
                    format!("{}-{}", if begins { "B" } else { "I" }, found.entity.label)
                },
            );
            let piece: String = characters[at..end].iter().collect();
            tagged.push((piece, tag));
            at = end;
        }
    }
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Entity;

    #[test]
    fn words_are_cut_where_entities_begin_or_end_inside_them() {
        let found = |start, end, label: &str| FoundEntity {
            entity: Entity { start, end, label: label.to_owned() },
            score: 1.0,
        };
        let entities = [found(0, 2, "X"), found(2, 7, "Y"), found(9, 11, "Z")];
        let tagged = tagged_words("\u{fc}ber ab  end", &entities);
        let shown: Vec<String> = tagged.iter().map(|(word, tag)| format!("{word}/{tag}")).collect();
        assert_eq!(shown, ["\u{fc}b/B-X", "er/B-Y", "ab/I-Y", "en/B-Z", "d/O"]);
    }
}
