//! Texts with their entities marked, for a terminal.

use std::fmt::Write as _;

use crate::base::visible;

/// A part of a text and what it is: in characters, half-open.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    pub start: usize,
    pub end: usize,
    pub label: &'a str,
}

/// Background colours of labels, with black on them, so that they are read on light and dark.
const COLOURS: [u8; 6] = [114, 117, 222, 183, 210, 159];

/// `text` on one line with its marks: coloured, or as `[words](LABEL)`.
///
/// * `marks`: in the text's order, none overlapping
/// * `number`: of a label, which decides its colour
#[must_use]
pub fn marked(
    text: &str,
    marks: &[Mark<'_>],
    color: bool,
    number: impl Fn(&str) -> usize,
) -> String {
    let characters: Vec<char> = text.chars().collect();
    let part = |start: usize, end: usize| {
        let end = end.min(characters.len());
        let part: String = characters[start.min(end)..end].iter().collect();
        visible::line(&part).into_owned()
    };
    let (mut line, mut at) = (String::new(), 0);
    for mark in marks {
        line += &part(at, mark.start);
        let inside = part(mark.start, mark.end);
        let label = visible::line(mark.label);
        if color {
            let colour = COLOURS[number(mark.label) % COLOURS.len()];
            write!(line, "\x1b[30;48;5;{colour}m{inside} \x1b[1m{label}\x1b[0m").expect("a string");
        } else {
            write!(line, "[{inside}]({label})").expect("a string");
        }
        at = mark.end;
    }
    line + &part(at, characters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Mark<'static>; 2] =
        [Mark { start: 0, end: 5, label: "NODE" }, Mark { start: 10, end: 12, label: "N" }];

    #[test]
    fn marks_without_colours_are_brackets() {
        assert_eq!(
            marked("nöde7 has 12 fans", &MARKS, false, |_| 0),
            "[nöde7](NODE) has [12](N) fans"
        );
        assert_eq!(marked("plain", &[], false, |_| 0), "plain");
    }

    #[test]
    fn what_a_text_does_to_a_terminal_is_written_out() {
        assert_eq!(marked("a\x1b[31m\nb", &[], true, |_| 0), "a\\u001b[31m\\u000ab");
    }

    #[test]
    fn each_label_has_its_colour() {
        let line = marked("nöde7 has 12", &MARKS, true, |label| usize::from(label == "N"));
        assert!(line.contains("48;5;114m") && line.contains("48;5;117m"), "{line}");
    }
}
