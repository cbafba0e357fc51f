//! A text with the spans that truth or answer have in it.

use std::fmt::Write as _;

use super::html::text;
use crate::engine::stage::Span;

/// What a span is that truth and answer do not agree in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Missed,
    Invented,
}

/// * `spans`: in the order of the text. What overlaps another one is told behind the text
#[must_use]
pub fn marked(of: &str, spans: &[Span], wrong: Mark) -> String {
    let characters: Vec<char> = of.chars().collect();
    let part = |start: usize, end: usize| {
        let end = end.min(characters.len());
        text(&characters[start.min(end)..end].iter().collect::<String>())
    };
    let class = |span: &Span| match (span.is_right, wrong) {
        (true, _) => "ok",
        (false, Mark::Missed) => "miss",
        (false, Mark::Invented) => "made",
    };
    let (mut out, mut at, mut others) = (String::new(), 0, String::new());
    for span in spans {
        let inside = part(span.start, span.end);
        let mark = format!(
            "<mark class=\"m {}\">{inside}<span class=lab>{}</span></mark>",
            class(span),
            text(&span.label)
        );
        if span.start < at {
            write!(others, " {mark}").expect("a string");
            continue;
        }
        out += &part(at, span.start);
        out += &mark;
        at = span.end.min(characters.len());
    }
    out + &part(at, characters.len()) + &others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize, is_right: bool) -> Span {
        Span { start, end, label: "<X>".to_owned(), is_right }
    }

    #[test]
    fn spans_are_marked_in_characters_and_their_labels_escaped() {
        assert_eq!(
            marked("\u{fc}b <c", &[span(0, 2, true), span(3, 9, false)], Mark::Missed),
            "<mark class=\"m ok\">\u{fc}b<span class=lab>&lt;X&gt;</span></mark> <mark class=\"m miss\">&lt;c<span class=lab>&lt;X&gt;</span></mark>"
        );
    }

    #[test]
    fn a_span_within_another_is_told_behind_the_text() {
        let html = marked("abc", &[span(0, 3, true), span(1, 2, false)], Mark::Invented);
        assert!(
            html.ends_with(
                "</mark> <mark class=\"m made\">b<span class=lab>&lt;X&gt;</span></mark>"
            ),
            "{html}"
        );
    }
}
