//! The events of a run that somebody follows, line by line as they are written.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::base::disk::regular;

/// How much is read at once.
const BLOCK: usize = 1 << 20;

/// Where in a run's `events.jsonl` its reader is.
pub struct Following {
    path: PathBuf,
    file: Option<File>,
    /// How much of it was read.
    at: u64,
    /// A line that is not whole yet.
    begun: Vec<u8>,
}

impl Following {
    /// * `folder`: that of the run's record
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join("events.jsonl"), file: None, at: 0, begun: Vec::new() }
    }

    /// Hands out the lines that were written since, and of them those that are whole; none where there is no file yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn lines(&mut self, mut line: impl FnMut(&[u8])) -> io::Result<()> {
        if self.file.is_none() {
            match regular::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        // A cursor of the file's would stay where the file once ended, of one that was cut.
        file.seek(SeekFrom::Start(self.at))?;
        let mut block = vec![0; BLOCK];
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                return Ok(());
            }
            self.at += read as u64;
            let mut rest = &block[..read];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.begun.extend_from_slice(&rest[..end]);
                line(&self.begun);
                self.begun.clear();
                rest = &rest[end + 1..];
            }
            self.begun.extend_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_line_comes_once_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut following = Following::of(folder.path());
        let mut lines = || {
            let mut lines = Vec::new();
            let take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
            following.lines(take).expect("readable");
            lines
        };
        assert!(lines().is_empty(), "there is no file yet");
        let path = folder.path().join("events.jsonl");
        let mut file = File::options().create(true).append(true).open(path).expect("created");
        file.write_all(b"one\ntw").expect("written");
        assert_eq!(lines(), ["one"]);
        assert!(lines().is_empty());
        file.write_all(b"o\n\nthree\n").expect("written");
        assert_eq!(lines(), ["two", "", "three"]);
    }
}
