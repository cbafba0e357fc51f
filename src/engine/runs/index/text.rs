//! A line of one of the two files: a letter that says what it is, a checksum, and what follows on that, in parts with tabs between.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A line: in memory as long as no file has it, and else where it lies.
#[derive(Clone)]
pub(super) enum Text {
    Written(Arc<str>),
    There { file: Arc<File>, at: u64, length: usize },
}

/// Tells half a line, and one that was damaged; against who writes another on purpose it is none.
pub(super) fn checksum(content: &str) -> u32 {
    crc32c::crc32c(content.as_bytes())
}

/// A line with its end.
pub(super) fn line(letter: char, content: &str) -> String {
    format!("{letter} {:08x} {content}\n", checksum(content))
}

/// The letter of a line, its checksum, and what follows on that; `None` where it is not what was written.
pub(super) fn taken_apart(line: &str) -> Option<(&str, u32, &str)> {
    let (letter, rest) = line.strip_suffix('\n')?.split_once(' ')?;
    let (said, content) = rest.split_once(' ')?;
    let found = checksum(content);
    (u32::from_str_radix(said, 16) == Ok(found)).then_some((letter, found, content))
}

/// A part of what follows on a checksum.
pub(super) fn part(content: &str, number: usize) -> Option<&str> {
    content.split('\t').nth(number)
}

impl Text {
    /// The line; nothing where its file was changed meanwhile.
    pub(super) fn line(&self) -> Cow<'_, str> {
        let (file, at, length) = match self {
            Self::Written(line) => return Cow::Borrowed(line),
            Self::There { file, at, length } => (file, at, length),
        };
        let mut bytes = vec![0; *length];
        let read = file.read_exact_at(&mut bytes, *at);
        Cow::Owned(read.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default())
    }

    /// A part of the line; nothing where there is no such line any more.
    pub(super) fn part(&self, number: usize) -> String {
        let line = self.line();
        let found = taken_apart(&line).and_then(|(.., content)| part(content, number));
        found.unwrap_or_default().to_owned()
    }
}
