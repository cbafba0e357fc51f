//! Where texts stand in their files, as messages say it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Example, Split};

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its number among those of the corpus.
    pub file: u16,
    pub line: u32,
}

impl Place {
    #[must_use]
    pub fn of(example: &Example) -> Self {
        Self { file: example.file, line: u32::try_from(example.line).unwrap_or(u32::MAX) }
    }
}

/// What the files of a corpus are called; none where nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNames {
    names: Vec<String>,
    /// Whether the split does not say which file a line is of.
    several: bool,
}

impl FileNames {
    /// As much of the end of each path as tells it from the others.
    ///
    /// * `several`: whether a split has texts of more than one of them
    #[must_use]
    pub fn of(paths: &[PathBuf], several: bool) -> Self {
        let end = |path: &PathBuf, parts: usize| {
            let all: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            all[all.len().saturating_sub(parts)..].join("/")
        };
        let longest = paths.iter().map(|path| path.iter().count()).max().unwrap_or(1).max(1);
        let ends = |parts| paths.iter().map(move |path| end(path, parts));
        let are_apart = |parts: &usize| ends(*parts).collect::<BTreeSet<_>>().len() == paths.len();
        let parts = (1..longest).find(are_apart).unwrap_or(longest);
        Self { names: ends(parts).collect(), several }
    }

    /// The number of the file of this place in the list of all.
    #[must_use]
    pub fn number(place: usize) -> u16 {
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    #[must_use]
    pub fn get(&self, file: u16) -> Option<&str> {
        self.names.get(usize::from(file)).map(String::as_str)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn said(&self, file: u16) -> Option<&str> {
        self.get(file).filter(|_| self.several)
    }

    /// `line 3`, with its file where there are several.
    #[must_use]
    pub fn line(&self, Place { file, line }: Place) -> String {
        match self.said(file) {
            Some(name) => format!("line {line} of `{name}`"),
            None => format!("line {line}"),
        }
    }

    /// `lines 3 and 5`, with their files where there are several.
    #[must_use]
    pub fn lines(&self, [one, other]: [Place; 2]) -> String {
        match self.several {
            true => format!("{} and {}", self.line(one), self.line(other)),
            false => format!("lines {} and {}", one.line, other.line),
        }
    }

    /// `line 3 of validation`, with its file where there are several.
    #[must_use]
    pub fn line_in(&self, split: Split, Place { file, line }: Place) -> String {
        match self.said(file) {
            Some(name) => format!("line {line} of `{name}` ({split})"),
            None => format!("line {line} of {split}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_as_much_of_its_path_as_tells_it_from_the_others() {
        let of = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let names = FileNames::of(&paths, paths.len() > 1);
            let place = |file| names.line_in(Split::Test, Place { file, line: 3 });
            [place(0), place(1)]
        };
        assert_eq!(of(&["x/a.csv"])[0], "line 3 of test");
        assert_eq!(
            of(&["x/a.csv", "x/b.csv"]),
            ["line 3 of `a.csv` (test)", "line 3 of `b.csv` (test)"]
        );
        assert_eq!(
            of(&["x/a.csv", "y/a.csv"]),
            ["line 3 of `x/a.csv` (test)", "line 3 of `y/a.csv` (test)"]
        );
        assert_eq!(of(&["a.csv", "a.csv"])[1], "line 3 of `a.csv` (test)");
    }
}
