//! What an axis varies, by its name.

use super::names::{NAME_RULE, SEED, STAGE_KEYS, is_name};
use super::path::{self, AxisTarget, Named, RESERVED_RULE, ValuePath, Word};
use super::reader::Reader;
use super::syntax::{Entry, Node, NodeData, Table};
use crate::base::diagnostics::{Diagnostic, Span, quoted};

pub(super) const AXIS_RULE: &str = "an axis is `stage.parameter` or `params.name`";

pub(super) fn not_two_words(words: &[Word], span: Span) -> Diagnostic {
    let message = format!("the axis {} is not two words", quoted(&path::text(words)));
    Diagnostic::new("bad-axis", message).at(span)
}

/// What an axis varies; the stage need not exist.
pub(super) fn target(reader: &mut Reader<'_>, words: &[Word], span: Span) -> Option<AxisTarget> {
    let problem = match path::named(words) {
        Some(Named::Value(ValuePath { stage: Some((stage, stage_span)), .. }))
            if !is_name(stage) =>
        {
            bad_stage(stage, *stage_span).help(NAME_RULE)
        }
        Some(Named::Value(value)) if !value.members.is_empty() => {
            let message = format!(
                "part of a value cannot be swept: {} is below the axis `{}`",
                quoted(&path::text(words)),
                value.target()
            );
            Diagnostic::new("bad-axis", message).at(span).help("sweep whole values")
        }
        Some(Named::Value(ValuePath { stage: Some(_), name: (name, _), .. }))
            if STAGE_KEYS.contains(&&**name) =>
        {
            let message = format!("{} cannot be swept: it is no parameter", quoted(name));
            Diagnostic::new("bad-axis", message).at(span)
        }
        Some(Named::Value(value)) => return Some(value.target()),
        _ => match words {
            [(stage, _), (first, at), _, ..] if &**stage == "stage" => {
                bad_stage(first, *at).help(RESERVED_RULE)
            }
            [(first, at), _, ..] if &**first != "stage" => {
                bad_stage(first, *at).help(RESERVED_RULE)
            }
            [(seed, _)] if &**seed == SEED => {
                let message = "seeds are no axis, but replicates of each point";
                let diagnostic = Diagnostic::new("bad-axis", message).at(span);
                diagnostic
                    .help("`--seeds 2`, or `seeds = 2` in `[sweep]`, runs each point with two")
            }
            _ => not_two_words(words, span).help(AXIS_RULE),
        },
    };
    reader.problems.push(problem);
    None
}

/// What a table gives to paths of two words, each table within the other: what each names, where that stands, and what it is given.
///
/// * `rule`: how that is written
pub(super) fn each(
    reader: &mut Reader<'_>,
    table: Table,
    rule: &str,
) -> Vec<(AxisTarget, Span, Node)> {
    let mut found = Vec::new();
    for entry in table.entries {
        first_word(reader, entry, &[], rule, &mut found);
    }
    found
}

fn first_word(
    reader: &mut Reader<'_>,
    Entry { name, name_span, node }: Entry,
    before: &[Word],
    rule: &str,
    found: &mut Vec<(AxisTarget, Span, Node)>,
) {
    let words = [before, &[(name.clone(), name_span)]].concat();
    let table = match node.data {
        NodeData::Table(table) => table,
        NodeData::Invalid => return,
        _ => {
            let message = format!("{} is no `stage.parameter`", quoted(&name));
            let diagnostic = Diagnostic::new("bad-axis", message).at(name_span);
            return reader.problems.push(diagnostic.help(rule));
        }
    };
    for entry in table.entries {
        if before.is_empty() && &*name == "stage" {
            first_word(reader, entry, &words, rule, found);
            continue;
        }
        let span = joined(name_span, entry.name_span);
        let words = [&words[..], &[(entry.name, entry.name_span)]].concat();
        if let Some(target) = target(reader, &words, span) {
            found.push((target, span, entry.node));
        }
    }
}

/// Where two words of a path stand: on one line, the caret stands below both.
pub(super) fn joined(first: Span, second: Span) -> Span {
    let are_close = second.start.checked_sub(first.end).is_some_and(|gap| gap <= 3)
        && second.source == first.source;
    if are_close { Span { start: first.start, ..second } } else { second }
}

fn bad_stage(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new("bad-axis", format!("{} cannot be the name of a stage", quoted(name))).at(span)
}
