//! The words of a text, and which tokens begin one.

use unicode_segmentation::UnicodeSegmentation as _;

/// A word of a text, with its place in characters, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'t> {
    pub text: &'t str,
    pub start: usize,
    pub end: usize,
}

/// The words of a text as UAX 29 has them, white space left out, so that every other character stands alone.
#[must_use]
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut at = 0;
    let word = |text| {
        let start = at;
        at += str::chars(text).count();
        Word { text, start, end: at }
    };
    let mut words: Vec<Word<'_>> = text.split_word_bounds().map(word).collect();
    words.retain(|word| !word.text.trim().is_empty());
    words
}

/// Whether so many entities begin or end inside a word that words are no good places for ends. On logs with up to a twentieth of them, words found far more
/// than tokens did.
#[must_use]
pub fn are_many(inside: usize, all: usize) -> bool {
    const MANY: f64 = 0.1;
    inside as f64 > MANY * all as f64
}

/// How many of these begin or end inside a word of `text`, so that no words give them.
///
/// * `spans`: from the first character to the one after the last
#[must_use]
pub fn inside(text: &str, spans: impl Iterator<Item = (usize, usize)>) -> usize {
    let words = words(text);
    let is_whole = |(start, end): &(usize, usize)| {
        words.binary_search_by_key(start, |word| word.start).is_ok()
            && words.binary_search_by_key(end, |word| word.end).is_ok()
    };
    spans.filter(|span| !is_whole(span)).count()
}

/// Whether a word begins at each token: `(tokens,)`. The others go on with the word of the token before; one that shows several words stands for all of
/// them. What begins at one such token and ends before another one thus begins and ends with words.
///
/// * `starts`, `ends`: `(tokens,)`, the characters that each token shows of `text`: see [`align::TokenSpan`](super::align::TokenSpan)
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn begin_words(text: &str, starts: &[u32], ends: &[u32]) -> Vec<bool> {
    assert_eq!(starts.len(), ends.len(), "two offsets for each token");
    let begins: Vec<usize> = words(text).iter().map(|word| word.start).collect();
    // Tokens may be pieces of one character: only the first of them begins something.
    let mut shown = 0;
    let begins_word = |(&start, &end): (&u32, &u32)| {
        let is_blank = start == end;
        let is_first = start >= shown && begins.binary_search(&(start as usize)).is_ok();
        shown = shown.max(end);
        is_blank || is_first
    };
    starts.iter().zip(ends).map(begins_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_those_of_uax_29_and_every_other_character_stands_alone() {
        let said: Vec<&str> = words("@Ann_Lee can't ping  10.0.0.1 -> \u{1f980}!")
            .iter()
            .map(|word| word.text)
            .collect();
        assert_eq!(said, ["@", "Ann_Lee", "can't", "ping", "10.0.0.1", "-", ">", "\u{1f980}", "!"]);
    }

    #[test]
    fn what_begins_or_ends_inside_a_word_is_counted() {
        let text = "Ann's and l'Italie, db-07";
        let counted = |spans: &[(usize, usize)]| inside(text, spans.iter().copied());
        assert_eq!(counted(&[(0, 5), (10, 18), (20, 25), (0, 9)]), 0);
        assert_eq!(counted(&[(0, 3), (12, 18), (4, 9)]), 3);
    }

    #[test]
    fn a_token_inside_a_word_goes_on_with_it_and_one_of_several_words_stands_for_all() {
        // "un|happ|y :// é" where the last character is two tokens, and the first is special.
        let (starts, ends) = ([0, 0, 2, 6, 8, 12, 12], [0, 2, 6, 7, 11, 13, 13]);
        assert_eq!(
            begin_words("unhappy :// é", &starts, &ends),
            [true, true, false, false, true, true, false]
        );
    }

    proptest! {
        #[test]
        fn what_lies_between_two_begins_is_whole_words(
            text in "[a-c1. :é🦀]{1,30}",
            cuts in prop::collection::btree_set(0_usize..30, 0..12),
        ) {
            use crate::text::align::visible;
            let characters: Vec<char> = text.chars().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < characters.len()).collect();
            cuts.insert(0, 0);
            cuts.push(characters.len());
            let tokens: Vec<(usize, usize)> =
                cuts.windows(2).map(|pair| visible(&characters, (pair[0], pair[1]))).collect();
            let starts: Vec<u32> = tokens.iter().map(|token| token.0 as u32).collect();
            let ends: Vec<u32> = tokens.iter().map(|token| token.1 as u32).collect();
            let begins = begin_words(&text, &starts, &ends);
            let words = words(&text);
            for (at, (start, end)) in tokens.iter().enumerate().filter(|(_, token)| token.0 < token.1) {
                let is_last = begins.get(at + 1).is_none_or(|begins| *begins);
                prop_assert!(!begins[at] || words.iter().any(|word| word.start == *start));
                prop_assert!(!is_last || words.iter().any(|word| word.end == *end));
            }
        }
    }
}
