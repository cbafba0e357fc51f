//! Reads `[[sweep.rung]]`: what is tried one after the other, the cheap first.

use super::experiment::Rung;
use super::reader::{Place, Reader, mismatch};
use super::syntax::{Entry, Node, NodeData, Table};
use super::{axis, seeds};
use crate::base::diagnostics::{Diagnostic, Span};

/// What a rung has.
const RULE: &str =
    "a rung has `stage.parameter = value`, `seeds` and `keep`, the share that goes on";

/// All rungs of one text.
pub(super) fn read(reader: &mut Reader<'_>, node: Node) -> Option<Vec<Rung>> {
    let NodeData::Array { items, .. } = node.data else {
        let diagnostic = mismatch("`rung`", "tables", &node);
        reader.problems.push(diagnostic.help("write `[[sweep.rung]]` above each rung"));
        return None;
    };
    let mut rungs = Vec::with_capacity(items.len());
    for item in items {
        let span = item.span;
        match item.data {
            NodeData::Table(table) => rungs.push(rung(reader, span, table)),
            NodeData::Invalid => {}
            _ => reader.problems.push(mismatch("a rung", "a table", &item).help(RULE)),
        }
    }
    Some(rungs)
}

fn rung(reader: &mut Reader<'_>, span: Span, table: Table) -> Rung {
    let mut rung = Rung { parameters: Vec::new(), seeds: None, keep: None, span };
    let mut others = Vec::new();
    for Entry { name, name_span, node } in table.entries {
        match &*name {
            "seeds" => rung.seeds = seeds::seeds(reader, &node),
            "keep" => rung.keep = keep(reader, &node).map(|share| (share, node.span)),
            _ => others.push(Entry { name, name_span, node }),
        }
    }
    for (target, span, node) in axis::each(reader, Table { entries: others }, RULE) {
        let value = reader.value(node, Place::Plain("`[sweep]`"));
        rung.parameters.push((target, span, value));
    }
    rung
}

/// `keep = 0.33`.
fn keep(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    const RULE: &str = "`keep` is a share above 0 and at most 1, such as `keep = 0.33`";
    let share = match node.data {
        NodeData::Float(share) => share,
        NodeData::Integer(share) => share as f64,
        NodeData::Invalid => return None,
        _ => {
            reader.problems.push(mismatch("`keep`", "a number", node).help(RULE));
            return None;
        }
    };
    if share > 0.0 && share <= 1.0 {
        return Some(share);
    }
    let diagnostic = Diagnostic::new("out-of-range", format!("`keep = {share}` is out of range"));
    reader.problems.push(diagnostic.at(node.span).help(RULE));
    None
}
