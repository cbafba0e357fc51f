//! The texts of a stream, line by line, for who answers each line with one of its own.

use std::io::{self, BufRead as _, BufReader, Read};

/// Most lines read before they are handed on, so that memory stays bounded and output begins early.
const CHUNK: usize = 1024;
/// The same in bytes.
const CHUNK_BYTES: usize = 8 << 20;
/// A file fills it; of a stream it takes what is there.
const BUFFER_BYTES: usize = 256 << 10;
/// A longer line is no text.
const LINE_LIMIT_BYTES: u64 = 16 << 20;

/// What a line holds: a text, or why it has none.
pub type Line = Result<String, String>;

/// The texts of a stream: the `text` of each line where the first line that is not blank is a JSON object, else the lines themselves. A blank
/// line is the empty text in both.
pub struct Lines<R> {
    reader: BufReader<R>,
    /// How many lines were read.
    pub number: u64,
    /// Unknown before the first line that is not blank.
    json: Option<bool>,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, input), number: 0, json: None }
    }

    /// The next lines; none at the end. It waits for a line, but not for more of them: what writes a line now and then sees each answered at
    /// once.
    ///
    /// # Errors
    /// When the stream cannot be read; what was read before has been handed on.
    pub fn chunk(&mut self) -> io::Result<Vec<Line>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < CHUNK
            && bytes < CHUNK_BYTES
            && (lines.is_empty() || self.reader.buffer().contains(&b'\n'))
        {
            match self.line() {
                Ok(Some(line)) => {
                    bytes += line.as_ref().map_or(0, String::len);
                    lines.push(line);
                }
                Ok(None) => break,
                Err(error) if lines.is_empty() => return Err(error),
                // It comes again, after these.
                Err(_) => break,
            }
        }
        Ok(lines)
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LINE_LIMIT_BYTES + 1).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 > LINE_LIMIT_BYTES && bytes.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(Err(format!(
                "the line is longer than {} MiB",
                LINE_LIMIT_BYTES >> 20
            ))));
        }
        let line = match String::from_utf8(bytes) {
            Ok(line) => line,
            Err(error) => {
                return Ok(Some(Err(format!(
                    "not UTF-8: byte {}",
                    error.utf8_error().valid_up_to() + 1
                ))));
            }
        };
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Some programs begin a file with a mark of the byte order, which is no part of its first line.
        let line = if self.number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        if line.trim().is_empty() {
            return Ok(Some(Ok(line.to_owned())));
        }
        let json = *self
            .json
            .get_or_insert_with(|| serde_json::from_str::<serde_json::Map<_, _>>(line).is_ok());
        Ok(Some(if json { text_of(line) } else { Ok(line.to_owned()) }))
    }
}

/// The text of a JSON line.
fn text_of(line: &str) -> Line {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| {
        // The line is the stream's, and is said already.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        format!("not a JSON object: {message} at byte {}", error.column())
    })?;
    let text = value["text"].as_str().map(str::to_owned);
    text.ok_or_else(|| {
        if value.is_object() {
            "the object has no `text` that is a string"
        } else {
            "it is no JSON object"
        }
        .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: impl AsRef<[u8]>) -> Vec<Line> {
        let mut lines = Lines::new(input.as_ref());
        std::iter::from_fn(|| {
            Some(lines.chunk().expect("readable")).filter(|chunk| !chunk.is_empty())
        })
        .flatten()
        .collect()
    }

    fn texts(input: impl AsRef<[u8]>) -> Vec<String> {
        lines(input)
            .into_iter()
            .map(|line| line.unwrap_or_else(|reason| format!("!{reason}")))
            .collect()
    }

    #[test]
    fn lines_are_texts_unless_the_first_is_a_json_object() {
        assert_eq!(texts("a b\n{\"text\": \"c\"}"), ["a b", "{\"text\": \"c\"}"]);
        assert_eq!(texts("\n{\"text\": \"c\", \"x\": 1}\n{\"text\": \"d\"}\n"), ["", "c", "d"]);
    }

    #[test]
    fn a_blank_line_is_a_line() {
        assert_eq!(texts("a\r\n\r\n  \nb"), ["a", "", "  ", "b"]);
    }

    #[test]
    fn a_line_without_a_text_says_why_and_the_next_one_is_read() {
        let found = texts(
            "{\"text\": \"c\"}\n{\"txt\": 1}\nnonsense\n{\"text\": 5}\n[1]\n{\"text\": \"d\"}\n",
        );
        let missing = "!the object has no `text` that is a string";
        assert_eq!(
            found,
            [
                "c",
                missing,
                "!not a JSON object: expected ident at byte 2",
                missing,
                "!it is no JSON object",
                "d"
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_said_and_passed_over() {
        assert_eq!(
            texts(b"fine\nbad \xff\nfine again\n"),
            ["fine", "!not UTF-8: byte 5", "fine again"]
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_said_and_passed_over() {
        let limit = usize::try_from(LINE_LIMIT_BYTES).expect("fits");
        let input = |length: usize| [&vec![b'x'; length], &b"\nb"[..]].concat();
        assert_eq!(texts(input(limit + 1)), ["!the line is longer than 16 MiB", "b"]);
        assert_eq!(lines(input(limit))[0].as_ref().map(String::len), Ok(limit));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(texts("\u{feff}{\"text\": \"a\"}\n"), ["a"]);
    }

    #[test]
    fn chunks_are_bounded_and_lose_nothing() {
        let input = "x\n".repeat(3 * CHUNK + 5);
        let mut lines = Lines::new(input.as_bytes());
        let sizes: Vec<usize> = std::iter::from_fn(|| {
            Some(lines.chunk().expect("readable").len()).filter(|size| *size > 0)
        })
        .collect();
        assert_eq!(sizes, [CHUNK, CHUNK, CHUNK, 5]);
    }
}
