//! Reads values out of a tree: what every part of an experiment file is made of.

use std::path::Path;
use std::sync::Arc;

use super::names::is_name;
use super::problems::Problems;
use super::syntax::{Entry, Node, NodeData, Table};
use super::value::{Data, Value};
use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};

/// Where a value stands, which decides what a leading `@` may mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The whole value of a parameter or port.
    Parameter,
    /// In a list that is such a value.
    Element,
    /// Deeper inside.
    Nested,
    /// Where no reference may stand; the text says where.
    Plain(&'static str),
}

/// Reads the parts of one text.
pub(super) struct Reader<'a> {
    pub id: SourceId,
    pub text: &'a str,
    pub folder: &'a Arc<Path>,
    pub problems: &'a mut Problems,
}

/// `what` has the wrong type.
pub(super) fn mismatch(what: &str, expected: &str, node: &Node) -> Diagnostic {
    Diagnostic::new(
        "wrong-type",
        format!("{what} expects {expected}, found {}", node.data.describe()),
    )
    .at(node.span)
}

impl Reader<'_> {
    /// A string outside of stages, where no reference may stand.
    pub fn string(
        &mut self,
        what: &'static str,
        node: Node,
        expected: &str,
    ) -> Option<(String, Span)> {
        if !matches!(node.data, NodeData::String(_)) {
            self.problems.push(mismatch(what, expected, &node));
            return None;
        }
        let value = self.value(node, Place::Plain(what));
        match value.data {
            Data::String(text) => Some((text, value.span)),
            _ => None,
        }
    }

    pub fn seed(&mut self, node: &Node) -> Option<(u64, Span)> {
        match node.data {
            NodeData::Integer(value) => match u64::try_from(value) {
                Ok(value) => return Some((value, node.span)),
                Err(_) => {
                    let message = format!("the seed {value} is out of range");
                    self.problems.push(
                        Diagnostic::new("out-of-range", message)
                            .at(node.span)
                            .help("a seed is a whole number from 0"),
                    );
                }
            },
            NodeData::Invalid => {}
            _ => self.problems.push(mismatch("`seed`", "an integer", node)),
        }
        None
    }

    pub fn table(&mut self, what: &str, node: Node) -> Option<Table> {
        match node.data {
            NodeData::Table(table) => Some(table),
            NodeData::Invalid => None,
            _ => {
                self.problems.push(mismatch(what, "a table", &node));
                None
            }
        }
    }

    /// A value with its references.
    pub fn value(&mut self, node: Node, place: Place) -> Value {
        let below = match (place, &node.data) {
            (Place::Plain(_), _) => place,
            (Place::Parameter, NodeData::Array { .. }) => Place::Element,
            _ => Place::Nested,
        };
        let span = node.span;
        let data = match node.data {
            NodeData::Bool(value) => Data::Bool(value),
            NodeData::Integer(value) => Data::Integer(value),
            NodeData::Float(value) => Data::Float(value),
            NodeData::String(text) => self.text(text, span, place),
            NodeData::Array { items, .. } => {
                Data::Array(items.into_iter().map(|item| self.value(item, below)).collect())
            }
            NodeData::Table(table) => {
                let entry = |Entry { name, name_span, node }: Entry| {
                    (name, name_span, self.value(node, below))
                };
                let mut entries: Vec<_> = table.entries.into_iter().map(entry).collect();
                entries.sort_by(|(one, ..), (other, ..)| one.cmp(other));
                Data::Table(entries)
            }
            NodeData::Invalid => Data::Invalid,
        };
        Value { data, span, folder: self.folder.clone() }
    }

    /// A string, which is a reference if it starts with `@`.
    fn text(&mut self, text: String, span: Span, place: Place) -> Data {
        let Some(rest) = text.strip_prefix('@') else { return Data::String(text) };
        if rest.starts_with('@') {
            return Data::String(rest.to_owned());
        }
        let (message, help) = match (place, rest.strip_prefix("params")) {
            (Place::Plain(what), _) => {
                (format!("{what} holds no references, found {}", quoted(&text)), escaped(&text))
            }
            (_, Some(path)) if path.is_empty() || path.starts_with('.') => match path
                .strip_prefix('.')
            {
                Some(path) if path.split('.').all(|word| !word.is_empty()) => {
                    return Data::Param(path.into());
                }
                _ => {
                    (format!("{} names no param", quoted(&text)), "write `@params.name`".to_owned())
                }
            },
            (Place::Parameter | Place::Element, _) if is_name(rest) => {
                return Data::Stage(rest.into());
            }
            (_, _) if is_name(rest) => {
                let help = format!(
                    "write `\"{text}\"` as the whole value of an input; {}",
                    escaped(&text)
                );
                (
                    format!(
                        "{} stands inside a value: only a whole value can refer to a stage",
                        quoted(&text)
                    ),
                    help,
                )
            }
            (_, _) => match rest.split_once('.') {
                Some(("param", path)) => (
                    format!("{} is not a reference", quoted(&text)),
                    format!("did you mean `@params.{path}`?"),
                ),
                Some((stage, _)) if is_name(stage) => (
                    format!("{} is not a reference", quoted(&text)),
                    format!("a stage has exactly one output: write `@{stage}`"),
                ),
                _ => (format!("{} is not a reference", quoted(&text)), escaped(&text)),
            },
        };
        self.problems.push(Diagnostic::new("bad-reference", message).at(span).help(help));
        Data::Invalid
    }
}

fn escaped(text: &str) -> String {
    format!("for a string that starts with `@`, write {}", quoted(&format!("@{text}")))
}
