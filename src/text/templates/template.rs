//! Templates as they are read, and the values that fill them.

/// Templates and the values that fill them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) normal: Vec<Template>,
    pub(super) anomaly: Vec<Template>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) pieces: Vec<Piece>,
    /// What is drawn, in the order of first use: the number of its placeholder.
    pub(super) draws: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A number in [`Template::draws`].
    Draw(usize),
}
