//! Reads `seeds`: the replicates of points.

use std::collections::HashSet;

use super::experiment::Seeds;
use super::reader::{Reader, mismatch};
use super::syntax::{Node, NodeData};
use crate::base::diagnostics::{Diagnostic, Span};

/// More replicates than this are a slip of the finger.
const MOST_SEEDS: i64 = 10_000;

/// `seeds = 3` or `seeds = [0, 5]`.
pub(super) fn seeds(reader: &mut Reader<'_>, node: &Node) -> Option<Seeds> {
    let range = |message: String, span: Span| Diagnostic::new("out-of-range", message).at(span);
    match &node.data {
        NodeData::Integer(count) if (1..=MOST_SEEDS).contains(count) => Some(Seeds {
            addends: (0..u64::try_from(*count).unwrap_or(1)).collect(),
            span: node.span,
        }),
        NodeData::Integer(count) => {
            let help = format!(
                "`seeds` is a number of replicates from 1 to {MOST_SEEDS}, or a list of what each adds to the seed"
            );
            reader
                .problems
                .push(range(format!("`seeds = {count}` is out of range"), node.span).help(help));
            None
        }
        NodeData::Array { items, tables: false } => {
            let (mut addends, mut seen) = (Vec::with_capacity(items.len()), HashSet::new());
            for item in items {
                match item.data {
                    NodeData::Integer(value) => match u64::try_from(value) {
                        Ok(value) if seen.insert(value) => addends.push(value),
                        Ok(value) => {
                            let message = format!("the seed {value} stands twice in the list");
                            reader
                                .problems
                                .push(Diagnostic::new("repeated-value", message).at(item.span));
                        }
                        Err(_) => reader.problems.push(
                            range(format!("the seed {value} is out of range"), item.span)
                                .help("seeds are whole numbers from 0"),
                        ),
                    },
                    NodeData::Invalid => {}
                    _ => reader.problems.push(mismatch("`seeds`", "whole numbers", item)),
                }
            }
            if items.is_empty() {
                reader.problems.push(
                    Diagnostic::new("empty-list", "`seeds` is an empty list")
                        .at(node.span)
                        .help("write `seeds = 3`, or leave it out"),
                );
            }
            (!addends.is_empty()).then_some(Seeds { addends, span: node.span })
        }
        NodeData::Invalid => None,
        _ => {
            reader.problems.push(mismatch(
                "`seeds`",
                "a number of replicates or a list of seeds",
                node,
            ));
            None
        }
    }
}
