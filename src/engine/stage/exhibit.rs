//! What an artifact has to show of itself in a report: numbers and texts under names of its own. Who lays them out need not know what was measured.

use std::fmt;
use std::path::Path;

use super::StageError;

/// What can be read of an artifact to be shown.
pub struct Shown<T: 'static> {
    /// The files that it is read from. Where none of them is there, there is nothing.
    pub files: &'static [&'static str],
    /// Reads it from the artifact's folder.
    pub read: fn(&Path) -> Result<Vec<T>, StageError>,
}

impl<T> Shown<T> {
    pub const NOTHING: Self = Self { files: &[], read: |_| Ok(Vec::new()) };
}

// Derived, they would ask the same of what is shown.
impl<T> Clone for Shown<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shown<T> {}

impl<T> fmt::Debug for Shown<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shown").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Something to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Exhibit {
    Plot(Plot),
    Matrix(Matrix),
    Table(Table),
    Mistakes(Mistakes),
}

/// Lines over a common axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    pub title: String,
    /// What the axes show.
    pub x: String,
    pub y: String,
    /// Whether both axes go from 0 to 1.
    pub is_of_shares: bool,
    pub lines: Vec<Line>,
}

/// One of its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub name: String,
    pub style: LineStyle,
    /// By x.
    pub points: Vec<[f64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStyle {
    /// So many points that single ones say little.
    Line,
    /// Few points, each of which is to be seen.
    Dots,
    /// What the others are to be held against.
    Guide,
}

/// How often something was taken for something: a row for each truth, a column for each answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    pub title: String,
    /// What is counted, such as `tokens`.
    pub noun: String,
    pub labels: Vec<String>,
    /// `(labels, labels)`, row by row.
    pub counts: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Count(u64),
    Score(f64),
    Nothing,
}

/// Texts with a wrong answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mistakes {
    /// How many texts were answered, and how many of them with a mistake.
    pub texts: usize,
    pub wrong: usize,
    /// How many of these have a mistake in each label, by name.
    pub by_label: Vec<(String, usize)>,
    /// The worst first, and some of every label.
    pub shown: Vec<Mistake>,
}

/// A text with a wrong answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mistake {
    /// What the text is called, where it has a name.
    pub name: String,
    /// Empty where it is not known. Of a long one the part around its first mistake.
    pub text: String,
    /// What was left out of it, in characters: before, and behind.
    pub left_out: [usize; 2],
    pub truth: Vec<Span>,
    pub predicted: Vec<Span>,
    /// Answers to the whole text, wrong or not.
    pub answers: Vec<Answer>,
    /// The labels that have a mistake in it.
    pub labels: Vec<String>,
}

/// A part of a text: in characters, half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub label: String,
    /// Whether truth and answer agree in it.
    pub is_right: bool,
}

/// An answer to a question about a whole text.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub question: String,
    /// Empty where it is not known.
    pub truth: String,
    pub predicted: String,
    pub score: f64,
}
