//! Quotes of a table that close elsewhere than they were meant to: one too many makes a single cell of all rows up to the next, and each of them would
//! read as part of a text.

/// A quote that opens a cell of several lines and never closes, or closes where text follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray {
    /// The line in which it opens, from 1.
    pub(super) opened: usize,
    /// The line in which it closes; `None` where the file ends before.
    pub(super) closed: Option<usize>,
}

/// Follows the quotes of a table as it is read.
pub(super) struct Quotes {
    delimiter: u8,
    state: State,
    line: usize,
    opened: usize,
    strays: Vec<Stray>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// A cell begins.
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted cell, which another one makes a part of the text.
    Closed,
}

impl Quotes {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::Start, line: 1, opened: 1, strays: Vec::new() }
    }

    /// Takes the next bytes of the table.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (self.state, *byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Quoted, _) | (State::Closed, b'"') => State::Quoted,
                (State::Start, b'"') => {
                    self.opened = self.line;
                    State::Quoted
                }
                (_, byte) if byte == self.delimiter || byte == b'\n' || byte == b'\r' => {
                    State::Start
                }
                (State::Closed, _) => {
                    if self.line > self.opened {
                        self.strays.push(Stray { opened: self.opened, closed: Some(self.line) });
                    }
                    State::Plain
                }
                (State::Start | State::Plain, _) => State::Plain,
            };
            self.line += usize::from(*byte == b'\n');
        }
    }

    /// The table has ended.
    pub(super) fn end(&mut self) {
        if self.state == State::Quoted {
            self.strays.push(Stray { opened: self.opened, closed: None });
            self.state = State::Plain;
        }
    }

    /// Takes out the first stray quote of a row that ends in `line`.
    pub(super) fn until(&mut self, line: usize) -> Option<Stray> {
        let count = self.strays.iter().take_while(|stray| stray.opened <= line).count();
        self.strays.drain(..count).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strays(text: &str) -> Vec<(usize, Option<usize>)> {
        let mut quotes = Quotes::new(b',');
        // Byte by byte: what is read at once is no matter.
        text.as_bytes().chunks(1).for_each(|byte| quotes.follow(byte));
        quotes.end();
        quotes.strays.iter().map(|stray| (stray.opened, stray.closed)).collect()
    }

    #[test]
    fn quotes_that_close_at_the_end_of_their_cell_are_none() {
        for text in [
            "a,b\n",
            "\"a\nb\",c\n",
            "\"a\"\"\nb\"\r\n",
            "5\" disk,a \"b\" c\n",
            "\"a\"",
            "\"a\" b\n",
        ] {
            assert_eq!(strays(text), [], "{text}");
        }
    }

    #[test]
    fn one_that_takes_other_lines_with_it_is() {
        assert_eq!(strays("t\n\"a,x\nb,y\n"), [(2, None)]);
        assert_eq!(strays("t\n\"a,x\nb,y\n\"c,z\nd\n"), [(2, Some(4))]);
    }
}
