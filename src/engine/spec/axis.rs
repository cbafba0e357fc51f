//! What an axis varies, by its name.

use super::names::{NAME_RULE, STAGE_KEYS, is_name};
use super::path::{self, AxisTarget, Named, RESERVED_RULE, ValuePath, Word};
use super::reader::Reader;
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
            [(seed, _)] if &**seed == "seed" => {
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

fn bad_stage(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new("bad-axis", format!("{} cannot be the name of a stage", quoted(name))).at(span)
}
