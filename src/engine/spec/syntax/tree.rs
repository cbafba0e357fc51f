//! The tree that a text becomes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::diagnostics::Span;

#[derive(Debug)]
pub(in crate::engine::spec) struct Node {
    pub span: Span,
    pub data: NodeData,
}

#[derive(Debug)]
pub(in crate::engine::spec) enum NodeData {
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// `tables` is true for `[[name]]`.
    Array {
        items: Vec<Node>,
        tables: bool,
    },
    Table(Table),
    /// Complained about already.
    Invalid,
}

impl NodeData {
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::Array { tables: true, .. } => "an array of tables",
            Self::Array { .. } => "an array",
            Self::Table(_) => "a table",
            Self::Invalid => "something unreadable",
        }
    }
}

/// How a table came to be, which decides what may add to it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::spec) enum Shape {
    /// Named on the way to another: `a` in `[a.b]`.
    Implicit,
    /// `[a]`.
    Header,
    /// `a` in `a.b = 1`.
    Dotted,
    /// `{ ... }`.
    Inline,
}

#[derive(Debug)]
pub(in crate::engine::spec) struct Entry {
    pub name: Arc<str>,
    pub name_span: Span,
    pub node: Node,
}

/// Entries in the order of the file; names are unique.
#[derive(Debug)]
pub(in crate::engine::spec) struct Table {
    pub entries: Vec<Entry>,
    pub shape: Shape,
    /// Made when a table grows beyond what is searched quickly without it.
    index: HashMap<Arc<str>, usize>,
}

impl Table {
    const INDEXED: usize = 16;

    pub fn new(shape: Shape) -> Self {
        Self { entries: Vec::new(), shape, index: HashMap::new() }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        if self.entries.len() < Self::INDEXED {
            self.entries.iter().position(|entry| &*entry.name == name)
        } else {
            self.index.get(name).copied()
        }
    }

    /// Adds an entry, whose name must be new, and returns its position.
    pub fn insert(&mut self, name: Arc<str>, name_span: Span, node: Node) -> usize {
        let position = self.entries.len();
        self.entries.push(Entry { name: name.clone(), name_span, node });
        match self.entries.len() {
            ..Self::INDEXED => {}
            Self::INDEXED => {
                self.index = self
                    .entries
                    .iter()
                    .enumerate()
                    .map(|(at, entry)| (entry.name.clone(), at))
                    .collect()
            }
            _ => {
                self.index.insert(name, position);
            }
        }
        position
    }
}
