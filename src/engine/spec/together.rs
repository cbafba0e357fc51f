//! Reads `[[sweep.together]]`: axes that move from entry to entry as one.

use std::collections::HashMap;

use super::axis;
use super::experiment::{Along, Axis};
use super::path::AxisTarget;
use super::reader::{Place, Reader, mismatch};
use super::syntax::{Node, NodeData};
use super::value::Value;
use crate::base::diagnostics::{Diagnostic, quoted};

/// What moves together.
const RULE: &str = "each `stage.parameter` has a list of equal length: the first values of all are one entry, then the second ones";

/// The axes of all tables of one text.
pub(super) fn read(reader: &mut Reader<'_>, node: Node) -> Option<Vec<Axis>> {
    let NodeData::Array { items, .. } = node.data else {
        let diagnostic = mismatch("`together`", "tables", &node);
        reader.problems.push(diagnostic.help("write `[[sweep.together]]` above what moves as one"));
        return None;
    };
    let mut all = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let span = item.span;
        let NodeData::Table(table) = item.data else {
            reader.problems.push(mismatch("what moves together", "a table", &item).help(RULE));
            continue;
        };
        let is_empty = table.entries.is_empty();
        let mut axes = Vec::new();
        for (target, span, node) in axis::each(reader, table, RULE) {
            if let Some(values) = values(reader, &target, node) {
                let (along, together) = (Along::Choice, Some(number));
                axes.push(Axis { target, span, along, values, together });
            }
        }
        if is_empty {
            let diagnostic = Diagnostic::new("empty-list", "nothing moves together here").at(span);
            reader.problems.push(diagnostic.help(RULE));
        }
        wrong(&axes).into_iter().for_each(|problem| reader.problems.push(problem));
        all.extend(axes);
    }
    Some(all)
}

fn values(reader: &mut Reader<'_>, target: &AxisTarget, node: Node) -> Option<Vec<Value>> {
    let axis = quoted(&target.to_string());
    match node.data {
        NodeData::Array { items, .. } if items.is_empty() => {
            let message = format!("the axis {axis} has no values");
            reader.problems.push(Diagnostic::new("empty-list", message).at(node.span));
            None
        }
        NodeData::Array { items, .. } => {
            let place = Place::Plain("`[sweep]`");
            Some(items.into_iter().map(|item| reader.value(item, place)).collect())
        }
        NodeData::Invalid => None,
        _ => {
            let problem = mismatch(&format!("the axis {axis}"), "an array of values", &node);
            reader.problems.push(problem.help(RULE));
            None
        }
    }
}

/// What is wrong with the axes of one table.
fn wrong(axes: &[Axis]) -> Option<Diagnostic> {
    let first = axes.first()?;
    let count = first.values.len();
    if let Some(other) = axes.iter().find(|axis| axis.values.len() != count) {
        let message = format!(
            "{} has {} values and {} has {count}, but they move together",
            quoted(&other.target.to_string()),
            other.values.len(),
            quoted(&first.target.to_string()),
        );
        let diagnostic = Diagnostic::new("unequal-lengths", message).at(other.span);
        return Some(diagnostic.label(first.span, "together with this").help(RULE));
    }
    let is_constant = |axis: &&Axis| axis.values.iter().all(|value| *value == axis.values[0]);
    if let Some(constant) = axes.iter().find(is_constant).filter(|_| count > 1) {
        let target = &constant.target;
        let message = format!("{} has the same value in every entry", quoted(&target.to_string()));
        let help = "what does not move is written where it belongs, such as under `[stage.train]`";
        return Some(Diagnostic::new("idle-axis", message).at(constant.span).help(help));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for entry in 0..count {
        let values: Vec<_> = axes.iter().map(|axis| axis.values[entry].to_json()).collect();
        let text = serde_json::Value::Array(values).to_string();
        if let Some(earlier) = seen.insert(text, entry) {
            let message = format!("entries {} and {} are the same", earlier + 1, entry + 1);
            let diagnostic = Diagnostic::new("repeated-value", message);
            return Some(diagnostic.at(first.values[entry].span).help("every point is run once"));
        }
    }
    None
}
