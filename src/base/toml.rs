//! TOML as people write it: the `toml` crate reads it, as far as it can be read, and says what is wrong where.
//!
//! Before it does, the tokens tell what the crate leaves to its caller: whether something is nested so deep that walking the tree would take the
//! stack, and where a bracket stands that nothing closes. What follows such a bracket was not meant to be inside, so nothing of it is read.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::problem::Problem;

/// Arrays, tables and the words of a key may be nested this deep.
pub const DEEPEST: usize = 64;

/// What is wrong at a place in a text.
pub type Mistake = Problem<Range<usize>>;

/// What could be read of a text.
#[derive(Debug)]
pub struct Reading<T> {
    pub root: T,
    /// Sorted. Where there are any, not all of the text need be in what was read.
    pub mistakes: Vec<Mistake>,
    /// What follows one of the mistakes is not where it was meant to be.
    pub is_cut: bool,
}

/// Reads a whole file.
#[must_use]
pub fn document(text: &str) -> Reading<DeTable<'_>> {
    let cut = cut(text, true);
    let is_cut = cut.is_some();
    let (root, errors) = match &cut {
        Some(Cut::TooDeep(_)) => (DeTable::new(), Vec::new()),
        _ => {
            let (root, errors) = DeTable::parse_recoverable(text);
            (root.into_inner(), errors)
        }
    };
    Reading { root, mistakes: sorted(text, errors, cut), is_cut }
}

/// Reads one value; `None` where it has no end.
#[must_use]
pub fn value(text: &str) -> Reading<Option<Spanned<DeValue<'_>>>> {
    let cut = cut(text, false);
    if cut.is_some() {
        return Reading { root: None, mistakes: sorted(text, Vec::new(), cut), is_cut: true };
    }
    let (root, errors) = DeValue::parse_recoverable(text);
    Reading { root: Some(root), mistakes: sorted(text, errors, None), is_cut: false }
}

/// The first mistake of each line: what follows on it is most often a consequence.
pub fn one_per_line(text: &str, mistakes: &mut Vec<Mistake>) {
    let mut last = None;
    mistakes.retain(|mistake| {
        let start = mistake.place.start;
        let is_first = last.is_none_or(|last: usize| text[last..start].contains('\n'));
        last = Some(start);
        is_first
    });
}

fn sorted(text: &str, errors: Vec<Error>, cut: Option<Cut>) -> Vec<Mistake> {
    let cut = cut.map(|cut| match cut {
        Cut::TooDeep(place) => Problem::new(place, format!("nested more than {DEEPEST} deep")),
        Cut::NeverClosed(place) => {
            Problem::new(place, "this bracket is never closed").help("add the one that closes it")
        }
    });
    let end = cut.as_ref().map_or(usize::MAX, |mistake: &Mistake| mistake.place.start);
    let mistake = |error: Error| {
        let place = error.span().unwrap_or(0..0);
        // Between the bytes of a character nothing can be pointed at.
        let place = text.floor_char_boundary(place.start)..text.ceil_char_boundary(place.end);
        let help = decimal(text, place.start);
        Problem { place, message: error.message().to_owned(), help }
    };
    let mut mistakes: Vec<Mistake> =
        errors.into_iter().map(mistake).filter(|mistake| mistake.place.start < end).collect();
    mistakes.sort_by_key(|mistake| mistake.place.start);
    mistakes.extend(cut);
    mistakes
}

/// What to write where `0,001` was meant as a number.
fn decimal(text: &str, comma: usize) -> Option<String> {
    let is_digit = |character: char| character.is_ascii_digit();
    let rest = text[comma..].strip_prefix(',')?;
    let digits = &rest[..rest.find(|character| !is_digit(character)).unwrap_or(rest.len())];
    let whole = &text[text[..comma].trim_end_matches(is_digit).len()..comma];
    (!digits.is_empty() && !whole.is_empty())
        .then(|| format!("write `{whole}.{digits}`: decimals have a point"))
}

/// Why what follows a place is not read.
enum Cut {
    TooDeep(Range<usize>),
    NeverClosed(Range<usize>),
}

fn cut(text: &str, is_document: bool) -> Option<Cut> {
    // Brackets that are open, each with the words of the key that leads to it.
    let mut open: Vec<(Range<usize>, usize)> = Vec::new();
    let (mut depth, mut words) = (0, 0);
    // The bracket of a header closes on its line, or not at all.
    let (mut is_start, mut is_header) = (is_document, false);
    for token in Source::new(text).lex() {
        let place = token.span().start()..token.span().end();
        match token.kind() {
            TokenKind::Newline if is_header || open.is_empty() => {
                open.clear();
                (depth, words, is_start, is_header) = (0, 0, is_document, false);
            }
            TokenKind::Newline | TokenKind::Whitespace | TokenKind::Comment | TokenKind::Eof => {}
            kind => {
                match kind {
                    TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                        is_header |= is_start && kind == TokenKind::LeftSquareBracket;
                        depth += 1 + words;
                        open.push((place.clone(), std::mem::take(&mut words)));
                    }
                    TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                        words = open.pop().map_or(0, |(_, words)| words);
                        depth = depth.saturating_sub(1 + words);
                    }
                    TokenKind::Dot => words += 1,
                    TokenKind::Comma => words = 0,
                    _ => {}
                }
                is_start = false;
            }
        }
        if depth + words > DEEPEST {
            return Some(Cut::TooDeep(place));
        }
    }
    let (place, _) = open.into_iter().next().filter(|_| !is_header)?;
    Some(Cut::NeverClosed(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: &str) -> Vec<usize> {
        document(text).mistakes.into_iter().map(|mistake| mistake.place.start).collect()
    }

    #[test]
    fn nothing_is_read_of_what_is_nested_too_deep() {
        let (arrays, words) = ("[".repeat(70), vec!["b"; 70].join("."));
        for text in [
            format!("a = {arrays}"),
            format!("{words} = 1"),
            format!("[{words}]"),
            format!("a = {{ {} = [{arrays}", &words[..20]),
        ] {
            let reading = document(&text);
            assert!(reading.is_cut && reading.root.is_empty(), "{text}");
            assert_eq!(reading.mistakes.len(), 1, "{text}");
        }
        assert_eq!(starts(&format!("a = {0}1{1}", "[".repeat(60), "]".repeat(60))), [0_usize; 0]);
    }

    #[test]
    fn a_bracket_that_is_never_closed_is_pointed_at_and_what_it_swallowed_is_not() {
        assert_eq!(starts("a = 1\nb = [1,\n[c]\nd = 2\n"), [10]);
        assert_eq!(starts("a = three\nb = { c = [2]\n").len(), 2);
        assert_eq!(starts("[a.\"b]c\"]\nd = [[1], # ]\n 2]\n[[e]]\n"), [0_usize; 0]);
    }

    #[test]
    fn the_header_that_is_never_closed_swallows_nothing() {
        assert_eq!(starts("[a\nb = 1\n[c\n").len(), 2);
        assert!(!document("[a\nb = 1\n").is_cut);
    }
}
