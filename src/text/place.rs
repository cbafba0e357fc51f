//! Where texts stand in their files, as messages say it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Example, Split};

/// What the texts of a file are counted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Line,
    /// Of a JSON array.
    Element,
    /// Of Label Studio.
    Task,
    /// Of Parquet.
    Row,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Line => "line",
            Self::Element => "element",
            Self::Task => "task",
            Self::Row => "row",
        })
    }
}

/// A line of a file, or what its texts are counted by instead.
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
    /// What the texts of each are counted by; lines beyond them.
    #[serde(default)]
    units: Vec<Unit>,
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
        Self { names: ends(parts).collect(), several, units: Vec::new() }
    }

    /// Says what the texts of each file are counted by, file by file.
    #[must_use]
    pub fn counted_by(self, units: impl IntoIterator<Item = Unit>) -> Self {
        Self { units: units.into_iter().collect(), ..self }
    }

    /// What the texts of a file are counted by.
    #[must_use]
    pub fn unit(&self, file: u16) -> Unit {
        self.units.get(usize::from(file)).copied().unwrap_or_default()
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

    /// `line 3`, or `task 3`, with its file where there are several.
    #[must_use]
    pub fn line(&self, Place { file, line }: Place) -> String {
        let unit = self.unit(file);
        match self.said(file) {
            Some(name) => format!("{unit} {line} of `{name}`"),
            None => format!("{unit} {line}"),
        }
    }

    /// `lines 3 and 5`, with their files where there are several.
    #[must_use]
    pub fn lines(&self, [one, other]: [Place; 2]) -> String {
        match self.several {
            true => format!("{} and {}", self.line(one), self.line(other)),
            false => format!("{}s {} and {}", self.unit(one.file), one.line, other.line),
        }
    }

    /// `line 3 (validation)`, with its file where there are several: a line of the file from which the text is, and not of the split.
    #[must_use]
    pub fn line_in(&self, split: Split, place: Place) -> String {
        format!("{} ({split})", self.line(place))
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
        assert_eq!(of(&["x/a.csv"])[0], "line 3 (test)");
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
    #[test]
    fn texts_are_called_by_what_their_file_counts() {
        let paths = ["a.json", "b.csv"].map(PathBuf::from);
        let names = FileNames::of(&paths, true).counted_by([Unit::Task, Unit::Line]);
        let places = [0, 1].map(|file| Place { file, line: 3 });
        assert_eq!(names.lines(places), "task 3 of `a.json` and line 3 of `b.csv`");
        let names = FileNames::of(&paths[..1], false).counted_by([Unit::Element]);
        assert_eq!(names.lines([places[0]; 2]), "elements 3 and 3");
        assert_eq!(names.line_in(Split::Train, places[0]), "element 3 (train)");
    }
}
