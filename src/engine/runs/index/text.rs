//! A line of one of the two files: a letter that says what it is, a checksum, and what follows on that, in parts with tabs between.

use std::ops::Range;
use std::sync::Arc;

/// A line, and the lines that it was read with.
#[derive(Clone)]
pub(super) struct Text {
    lines: Arc<String>,
    place: Range<usize>,
}

/// Tells half a line, and one that was damaged; against who writes another on purpose it is none.
pub(super) fn checksum(content: &str) -> u32 {
    crc32c::crc32c(content.as_bytes())
}

/// A line with its end.
pub(super) fn line(letter: char, content: &str) -> String {
    format!("{letter} {:08x} {content}\n", checksum(content))
}

/// The letter of a line, the checksum that it says, and what follows on that.
fn divided(line: &str) -> Option<(&str, &str, &str)> {
    let (letter, rest) = line.strip_suffix('\n')?.split_once(' ')?;
    let (said, content) = rest.split_once(' ')?;
    Some((letter, said, content))
}

/// The letter of a line, its checksum, and what follows on that; `None` where it is not what was written.
pub(super) fn taken_apart(line: &str) -> Option<(&str, u32, &str)> {
    let (letter, said, content) = divided(line)?;
    let found = checksum(content);
    (u32::from_str_radix(said, 16) == Ok(found)).then_some((letter, found, content))
}

/// A part of what follows on a checksum.
pub(super) fn part(content: &str, number: usize) -> Option<&str> {
    content.split('\t').nth(number)
}

impl Text {
    /// One that no file has yet.
    pub(super) fn new(line: String) -> Self {
        let place = 0..line.len();
        Self { lines: Arc::new(line), place }
    }

    /// Each of some lines, those that are empty left out.
    ///
    /// * `from`: where the first of them begins
    pub(super) fn each(lines: String, from: usize) -> Vec<Self> {
        let lines = Arc::new(lines);
        let mut end = from;
        let place = |line: &str| {
            let start = end;
            end += line.len();
            (line != "\n").then_some(start..end)
        };
        let places = lines[from..].split_inclusive('\n').filter_map(place);
        places.map(|place| Self { lines: Arc::clone(&lines), place }).collect()
    }

    pub(super) fn line(&self) -> &str {
        &self.lines[self.place.clone()]
    }

    /// A part of a line that is what was written; nothing where it has no such part.
    pub(super) fn part(&self, number: usize) -> &str {
        divided(self.line()).and_then(|(.., content)| part(content, number)).unwrap_or_default()
    }
}
