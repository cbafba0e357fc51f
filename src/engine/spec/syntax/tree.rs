//! The tree that a text becomes.

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
}
