//! Reads `[[sweep.skip]]`: regions of points that are left out.

use std::collections::HashSet;

use super::axis;
use super::experiment::{Condition, Skip, What};
use super::path::AxisTarget;
use super::reader::{Place, Reader, mismatch};
use super::syntax::{Entry, Node, NodeData, Table};
use crate::base::diagnostics::{Diagnostic, Span, quoted};

/// What a condition is.
const RULE: &str =
    "a condition is `stage.parameter = value`, `= [values]` or `= { min = 1, max = 2 }`";

/// All regions of one text.
pub(super) fn read(reader: &mut Reader<'_>, node: Node) -> Option<Vec<Skip>> {
    let NodeData::Array { items, .. } = node.data else {
        let diagnostic = mismatch("`skip`", "tables", &node);
        reader.problems.push(diagnostic.help("write `[[sweep.skip]]` above each region"));
        return None;
    };
    let mut skips = Vec::with_capacity(items.len());
    for item in items {
        let span = item.span;
        let NodeData::Table(table) = item.data else {
            reader.problems.push(mismatch("a region to skip", "a table", &item).help(RULE));
            continue;
        };
        let mut conditions = Vec::new();
        for (target, span, node) in axis::each(reader, table, RULE) {
            conditions.extend(what(reader, node).map(|what| (target, Condition { what, span })));
        }
        let mut seen = HashSet::new();
        conditions.retain(|(target, _): &(AxisTarget, _)| seen.insert(target.clone()));
        if conditions.is_empty() {
            let message = "a region to skip has no condition, and would be everything";
            reader.problems.push(Diagnostic::new("empty-skip", message).at(span).help(RULE));
        } else {
            skips.push(Skip { conditions, span });
        }
    }
    Some(skips)
}

fn what(reader: &mut Reader<'_>, node: Node) -> Option<What> {
    let place = Place::Plain("`[sweep]`");
    match node.data {
        NodeData::Invalid => None,
        NodeData::Table(table) => between(reader, node.span, table),
        NodeData::Array { items, .. } => {
            Some(What::Among(items.into_iter().map(|item| reader.value(item, place)).collect()))
        }
        _ => Some(What::Among(vec![reader.value(node, place)])),
    }
}

/// `{ min = 1, max = 2 }`, or one of the two.
fn between(reader: &mut Reader<'_>, span: Span, table: Table) -> Option<What> {
    let (mut min, mut max) = (None, None);
    let is_empty = table.entries.is_empty();
    for Entry { name, name_span, node } in table.entries {
        let number = match node.data {
            NodeData::Integer(value) => Some(value as f64),
            NodeData::Float(value) if value.is_finite() => Some(value),
            _ => None,
        };
        match (&*name, number) {
            ("min", Some(number)) => min = Some(number),
            ("max", Some(number)) => max = Some(number),
            ("min" | "max", None) => {
                reader.problems.push(mismatch(&quoted(&name), "a number", &node));
                return None;
            }
            _ => {
                let message = format!("a range has `min` and `max`, and no {}", quoted(&name));
                reader.problems.push(Diagnostic::new("unknown-key", message).at(name_span));
                return None;
            }
        }
    }
    if is_empty || min.zip(max).is_some_and(|(min, max)| min > max) {
        let diagnostic = Diagnostic::new("bad-range", "the range holds no number").at(span);
        reader.problems.push(diagnostic.help(RULE));
        return None;
    }
    Some(What::Between { min, max })
}
