//! Cutting what no tokenizer should see in one piece.
//!
//! A tokenizer's work for one word grows faster than the word. Hundreds of thousands of letters, dashes or ideographs without a break are no
//! word, and nobody can say where a model would cut them; so they are cut here, every [`LONGEST`] characters.

/// The longest run without a break that stays whole, in characters.
pub const LONGEST: usize = 10_000;

/// Where a pre-tokenizer breaks a text by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// Between letters, numbers, white space and everything else, as that of GPT-2 and ModernBERT does.
    Classes,
    /// Between white space and everything else.
    Spaces,
    /// Not even there.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Number,
    Letter,
    Other,
}

impl Class {
    /// * `before`: that of the character before
    fn of(character: char, before: Option<Self>) -> Self {
        // What is put onto a letter becomes one with it when a tokenizer composes them.
        if is_combining(character) {
            return before.unwrap_or(Self::Other);
        }
        // Roman numerals are both, and count as numbers.
        match character {
            _ if character.is_whitespace() => Self::Space,
            _ if character.is_numeric() => Self::Number,
            _ if character.is_alphabetic() => Self::Letter,
            _ => Self::Other,
        }
    }
}

fn is_combining(character: char) -> bool {
    matches!(
        character,
        '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{3099}'..='\u{309a}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

impl Breaks {
    fn between(self, before: Class, after: Class) -> bool {
        match self {
            Self::Classes => before != after,
            Self::Spaces => (before == Class::Space) != (after == Class::Space),
            Self::Nowhere => false,
        }
    }

    /// Cuts every run of more than [`LONGEST`] characters without a break into pieces of that length and a rest, and a text nowhere else. The
    /// pieces follow each other without gaps; a text that needs no cut is one piece. It looks no further than the end of a piece.
    pub fn pieces(self, text: &str) -> Pieces<'_> {
        Pieces { breaks: self, rest: Some(text), run: 0, before: None }
    }

    /// Where the last word of a text begins, with the white space before it, in bytes: whatever follows the text may make another word of it.
    pub fn last_word(self, text: &str) -> usize {
        let (mut begin, mut space, mut before) = (0, 0, None);
        for (at, character) in text.char_indices() {
            let class = Class::of(character, before);
            if before.is_some_and(|before| self.between(before, class)) {
                begin = if before == Some(Class::Space) { space } else { at };
                space = at;
            }
            before = Some(class);
        }
        begin
    }

    /// How many runs of a text are cut.
    pub fn long_runs(self, text: &str) -> usize {
        // Most texts are shorter than any run that is cut.
        if text.len() <= LONGEST {
            return 0;
        }
        let mut pieces = self.pieces(text);
        let mut runs = 0;
        while pieces.next().is_some() {
            // The first cut of a run counts it.
            runs += usize::from(pieces.rest.is_some() && pieces.run == 1);
        }
        runs
    }
}

/// See [`Breaks::pieces`].
pub struct Pieces<'a> {
    breaks: Breaks,
    rest: Option<&'a str>,
    /// Cuts in the run that the last piece ended in.
    run: usize,
    before: Option<Class>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        if text.len() <= LONGEST {
            return Some(text);
        }
        let mut length = 0; // of the run so far
        for (at, character) in text.char_indices() {
            let class = Class::of(character, self.before);
            if self.before.is_some_and(|before| self.breaks.between(before, class)) {
                (length, self.run) = (0, 0);
            }
            if length == LONGEST {
                self.run += 1;
                let (piece, rest) = text.split_at(at);
                self.rest = Some(rest);
                return Some(piece);
            }
            self.before = Some(class);
            length += 1;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths(breaks: Breaks, text: &str) -> Vec<usize> {
        breaks.pieces(text).map(|piece| piece.chars().count()).collect()
    }

    #[test]
    fn a_long_run_is_cut_and_what_stands_around_it_is_not() {
        let text = format!("so {}, and", "漢".repeat(2 * LONGEST + 5));
        assert_eq!(lengths(Breaks::Classes, &text), [3 + LONGEST, LONGEST, 5 + 5]);
        assert_eq!(Breaks::Classes.long_runs(&text), 1);
    }

    #[test]
    fn a_run_of_the_greatest_length_stays_whole() {
        assert_eq!(lengths(Breaks::Classes, &"-".repeat(LONGEST)), [LONGEST]);
        assert_eq!(lengths(Breaks::Classes, &"-".repeat(LONGEST + 1)), [LONGEST, 1]);
    }

    #[test]
    fn what_breaks_a_run_is_what_the_pre_tokenizer_breaks_at() {
        let mixed = "a1".repeat(LONGEST);
        assert_eq!(Breaks::Classes.long_runs(&mixed), 0);
        assert_eq!(Breaks::Spaces.long_runs(&mixed), 1);
        let words = "ab ".repeat(LONGEST);
        assert_eq!(Breaks::Spaces.long_runs(&words), 0);
        assert_eq!(Breaks::Nowhere.long_runs(&words), 1);
    }

    #[test]
    fn accents_beside_their_letters_break_nothing() {
        assert_eq!(Breaks::Classes.long_runs(&"e\u{301}".repeat(LONGEST)), 1);
    }

    #[test]
    fn the_last_word_begins_with_the_white_space_before_it() {
        let behind = |breaks: Breaks, text: &'static str| &text[breaks.last_word(text)..];
        assert_eq!(behind(Breaks::Classes, "one  two"), "  two");
        assert_eq!(behind(Breaks::Classes, "one  "), "  ");
        assert_eq!(behind(Breaks::Classes, "one two7"), "7");
        assert_eq!(behind(Breaks::Spaces, "one two7"), " two7");
        assert_eq!(behind(Breaks::Classes, " one"), " one");
        assert_eq!(behind(Breaks::Nowhere, "one two"), "one two");
        assert_eq!(behind(Breaks::Classes, ""), "");
    }

    #[test]
    fn every_long_run_is_counted_once() {
        let long = |character: &str| character.repeat(3 * LONGEST);
        let text = [long("x"), long("-"), long("漢"), " x".repeat(LONGEST)].concat();
        assert_eq!(Breaks::Classes.long_runs(&text), 3);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(parts in prop::collection::vec(("[a1 -]{1,3}|漢", 1_usize..9_000), 0..5)) {
            let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
            for breaks in [Breaks::Classes, Breaks::Spaces, Breaks::Nowhere] {
                prop_assert_eq!(breaks.pieces(&text).collect::<String>(), text.clone());
                let most = breaks.long_runs(&text);
                prop_assert_eq!(most > 0, breaks.pieces(&text).count() > 1);
            }
        }
    }
}
