//! The values of a JSON file, one at a time: the elements of its array, or values one after the other.
//!
//! Only brackets and strings are looked at; what is inside a value is for whoever reads it. So a mistake in one costs no other, and a file may be
//! larger than memory.

use std::io::{self, BufRead};

use super::pieces::{Piece, too_long};
use super::problems::{Malformed, Spot};
use super::source::LINE_LIMIT_BYTES;
use crate::base::problem::{Position, Problem};

pub(super) struct Values<'s> {
    source: &'s mut dyn BufRead,
    at: Position,
    state: State,
    /// How many values there were.
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Values without an array around them.
    Loose,
    /// Before the first element.
    Opened,
    /// After an element.
    Between,
    Ended,
    /// Whatever follows would be called wrong as well.
    Broken,
}

impl<'s> Values<'s> {
    pub(super) fn of(source: &'s mut dyn BufRead) -> Self {
        let at = Position { line: 1, column: 1 };
        Self { source, at, state: State::Start, count: 0 }
    }

    /// # Errors
    /// Those of the source.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<Piece, Malformed>>> {
        loop {
            if self.state == State::Broken {
                return Ok(None);
            }
            let byte = self.skip_space()?;
            match (self.state, byte) {
                (State::Broken, _) | (State::Ended | State::Start | State::Loose, None) => {
                    return Ok(None);
                }
                (State::Ended, Some(_)) => {
                    return Ok(Some(Err(self.broken("something follows the end of the array"))));
                }
                (State::Start, Some(b'[')) => {
                    self.take()?;
                    self.state = State::Opened;
                }
                (State::Opened | State::Between, Some(b']')) => {
                    self.take()?;
                    self.state = State::Ended;
                }
                (State::Between, Some(b',')) => {
                    self.take()?;
                    match self.skip_space()? {
                        Some(b']' | b',') => {
                            return Ok(Some(Err(self.broken("a value is missing here"))));
                        }
                        _ => self.state = State::Opened,
                    }
                }
                (State::Between, Some(_)) => {
                    let message = "expected `,` or `]` after a value of the array";
                    return Ok(Some(Err(self.broken(message))));
                }
                (State::Opened | State::Between, None) => {
                    return Ok(Some(Err(self.broken("the file ends before its array does"))));
                }
                (State::Start | State::Loose | State::Opened, Some(byte)) => {
                    let is_loose = self.state != State::Opened;
                    self.state = if is_loose { State::Loose } else { State::Between };
                    return self.value(byte).map(Some);
                }
            }
        }
    }

    /// The value that begins here.
    fn value(&mut self, first: u8) -> io::Result<Result<Piece, Malformed>> {
        let start = self.at;
        self.count += 1;
        let line = self.count;
        let mut bytes = Vec::new();
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let is_nested = matches!(first, b'{' | b'[' | b'"');
        let mut is_long = false;
        loop {
            let Some(byte) = self.peek()? else {
                return Ok(if is_nested {
                    Err(self.broken("the file ends inside a value"))
                } else {
                    Ok(Piece { bytes, start, line })
                });
            };
            if !is_nested && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}')) {
                // A bracket that closes nothing would be met again and again.
                if bytes.is_empty() {
                    return Ok(Err(self.broken("a value is missing here")));
                }
                return Ok(Ok(Piece { bytes, start, line }));
            }
            self.take()?;
            if bytes.len() == LINE_LIMIT_BYTES {
                is_long = true;
                bytes = Vec::new();
            }
            if !is_long {
                bytes.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            if is_nested && depth == 0 && !in_string {
                return Ok(if is_long {
                    Err(too_long(start))
                } else {
                    Ok(Piece { bytes, start, line })
                });
            }
        }
    }

    /// What is wrong here, after which nothing can be made out.
    fn broken(&mut self, message: &str) -> Malformed {
        self.state = State::Broken;
        Problem::new(Spot { position: self.at, excerpt: String::new() }, message)
    }

    /// The next byte that is no white space, which is not taken.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() || byte == 0 => self.take()?,
                other => return Ok(other),
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.source.fill_buf() {
                Ok(available) => return Ok(available.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes past the byte that was last seen.
    fn take(&mut self) -> io::Result<()> {
        let Some(byte) = self.peek()? else { return Ok(()) };
        self.source.consume(1);
        match byte {
            b'\n' => self.at = Position { line: self.at.line + 1, column: 1 },
            // The bytes of a character after its first.
            0x80..=0xbf => {}
            _ => self.at.column += 1,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Result<(String, String), String>> {
        let mut source = text.as_bytes();
        let mut values = Values::of(&mut source);
        let mut found = Vec::new();
        while let Some(value) = values.next().unwrap() {
            found.push(match value {
                Ok(piece) => Ok((String::from_utf8(piece.bytes).unwrap(), piece.start.to_string())),
                Err(problem) => Err(format!("{}: {}", problem.place.position, problem.message)),
            });
        }
        found
    }

    #[test]
    fn values_are_known_by_their_numbers_wherever_they_stand() {
        let lines = |text: &str| {
            let mut source = text.as_bytes();
            let mut values = Values::of(&mut source);
            std::iter::from_fn(|| Some(values.next().unwrap()?.unwrap().line)).collect::<Vec<_>>()
        };
        assert_eq!(lines("[[1], [2], [3]]"), [1, 2, 3]);
        assert_eq!(lines("[\n[1],\n[2],\n\n[3]]"), [1, 2, 3]);
    }

    fn value(text: &str, place: &str) -> Result<(String, String), String> {
        Ok((text.into(), place.into()))
    }

    #[test]
    fn elements_of_an_array_and_loose_values_are_found_with_their_places() {
        assert_eq!(
            values("[ {\"a\": \"]}\\\"\"},\n \"é\" , [1], 7 ]\n"),
            [
                value("{\"a\": \"]}\\\"\"}", "1:3"),
                value("\"é\"", "2:2"),
                value("[1]", "2:8"),
                value("7", "2:13")
            ]
        );
        assert_eq!(values("{\"a\": 1}\n{}"), [value("{\"a\": 1}", "1:1"), value("{}", "2:1")]);
        assert_eq!((values("[]"), values(" ")), (vec![], vec![]));
    }

    #[test]
    fn what_is_wrong_between_values_ends_them_and_is_said_once() {
        for (text, problem) in [
            ("[1 2]", "1:4: expected `,` or `]` after a value of the array"),
            ("[1, ]", "1:5: a value is missing here"),
            ("[1", "1:3: the file ends before its array does"),
            ("[1] 2", "1:5: something follows the end of the array"),
        ] {
            assert_eq!(values(text), [value("1", "1:2"), Err(problem.into())], "{text}");
        }
        assert_eq!(values("[{"), [Err("1:3: the file ends inside a value".into())]);
        assert_eq!(values("}"), [Err("1:1: a value is missing here".into())]);
    }
}
