//! Words in the place of others of the same meaning.

use std::ops::Range;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::WordNet;
use super::draft::{Draft, Edit, share_of};

/// The shortest word that is replaced: what is shorter is a function word or an abbreviation.
const SHORTEST: usize = 3;

/// Words that hold a sentence together, and that WordNet knows as something else if at all (`have` as the rich).
const FUNCTION_WORDS: &[&str] = &[
    "about", "above", "after", "again", "against", "all", "also", "and", "any", "are", "because",
    "been", "before", "being", "below", "between", "both", "but", "can", "could", "did", "does",
    "doing", "down", "during", "each", "either", "few", "for", "from", "further", "had", "has",
    "have", "having", "her", "here", "hers", "him", "his", "how", "into", "its", "just", "may",
    "might", "more", "most", "must", "neither", "nor", "not", "now", "off", "once", "one", "only",
    "other", "our", "ours", "out", "over", "own", "same", "shall", "she", "should", "since",
    "some", "such", "than", "that", "the", "their", "theirs", "them", "then", "there", "these",
    "they", "this", "those", "through", "too", "two", "under", "until", "very", "via", "was",
    "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with",
    "within", "without", "would", "yes", "yet", "you", "your", "yours",
];

/// Replaces a share of the words outside of entities, as far as they have synonyms.
pub(super) fn replace(draft: &mut Draft, wordnet: &WordNet, share: f64, stream: &mut ChaCha8Rng) {
    let mut words = draft.words();
    words.retain(|word| draft.is_outside(word));
    let all = words.len();
    let candidates: Vec<(Range<usize>, bool, &[String])> = words
        .into_iter()
        .filter_map(|word| candidate(draft, word))
        .filter_map(|(word, is_capital)| {
            let text: String =
                draft.text[word.clone()].iter().map(char::to_ascii_lowercase).collect();
            let synonyms = wordnet.synonyms(&text);
            let is_usable = !synonyms.is_empty() && !FUNCTION_WORDS.contains(&&*text);
            is_usable.then_some((word, is_capital, synonyms))
        })
        .collect();
    let edits = share_of(candidates, all, share, stream)
        .into_iter()
        .map(|(range, is_capital, synonyms)| {
            let chosen = stream.random_range(0..synonyms.len() as u64) as usize;
            let mut with: Vec<char> = synonyms[chosen].chars().collect();
            if let (Some(first), true) = (with.first_mut(), is_capital) {
                *first = first.to_ascii_uppercase();
            }
            Edit { range, with }
        })
        .collect();
    draft.apply(edits);
}

/// What of a word, without punctuation around it, may have synonyms, and whether it begins with a capital: a capital inside a sentence or of more
/// than the first letter is a name's, and what holds other characters (`db-07`, `/var`, `x=1`) is no word of a language.
fn candidate(draft: &Draft, word: Range<usize>) -> Option<(Range<usize>, bool)> {
    let is_mark = |character: &char| "\"'()[]{}<>.,;:!?".contains(*character);
    let letters = &draft.text[word.clone()];
    let before = letters.iter().take_while(|character| is_mark(character)).count();
    let after = letters[before..].iter().rev().take_while(|character| is_mark(character)).count();
    let range = word.start + before..word.end - after;
    let letters = &draft.text[range.clone()];
    let (first, others) = letters.split_first()?;
    let is_word = letters.len() >= SHORTEST
        && first.is_ascii_alphabetic()
        && others.iter().all(char::is_ascii_lowercase);
    let is_capital = first.is_ascii_uppercase();
    (is_word && (!is_capital || begins_sentence(draft, word.start))).then_some((range, is_capital))
}

fn begins_sentence(draft: &Draft, at: usize) -> bool {
    let mut before = draft.text[..at].iter().rev();
    before.find(|character| !character.is_whitespace()).is_none_or(|last| ".!?:".contains(*last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::text::Entity;
    use crate::text::augment::tests::wordnet_folder;

    fn replaced(text: &str, entities: &[(usize, usize)], share: f64) -> Draft {
        let entity = |(start, end): &(usize, usize)| Entity {
            start: *start,
            end: *end,
            label: "X".to_owned(),
        };
        let mut draft =
            Draft { text: text.chars().collect(), entities: entities.iter().map(entity).collect() };
        let wordnet = WordNet::read(wordnet_folder().path()).expect("sound");
        replace(&mut draft, &wordnet, share, &mut Rng::new(2).stream("test"));
        draft
    }

    fn text(text: &str) -> String {
        replaced(text, &[], 1.0).text.into_iter().collect()
    }

    #[test]
    fn words_keep_their_capital_and_the_marks_around_them() {
        assert_eq!(text("Afraid (quickly), afraid."), "Frightened (rapidly), frightened.");
    }

    #[test]
    fn names_identifiers_other_forms_and_function_words_stay() {
        for kept in ["so Afraid", "AFRAID", "/afraid", "afraid-7", "afraid=quickly", "afraids"] {
            assert_eq!(text(kept), kept);
        }
        assert_eq!(text("so. Afraid"), "so. Frightened");
    }

    #[test]
    fn entities_stay_what_they_are_where_they_move() {
        let draft = replaced("quickly quickly afraid", &[(8, 15)], 1.0);
        let Entity { start, end, .. } = draft.entities[0];
        assert_eq!(draft.text.iter().collect::<String>(), "rapidly quickly frightened");
        assert_eq!((start, end), (8, 15));
        let draft = replaced("afraid quickly", &[(7, 14)], 0.01);
        let Entity { start, end, .. } = draft.entities[0];
        assert_eq!(draft.text[start..end].iter().collect::<String>(), "quickly");
        assert_eq!(start, 11);
    }
}
