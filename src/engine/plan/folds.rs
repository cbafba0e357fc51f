//! The stage whose corpus a sweep's `folds` divide.

use super::validate::names_text;
use super::wires::Graph;
use crate::base::diagnostics::Diagnostic;
use crate::engine::spec::{AxisTarget, FOLD, Folds, Sweep};

/// The number of the stage that is divided: the only one of a kind that can be, or the only one of these that is asked to divide. Else those that
/// could be.
pub(super) fn folded(graph: &Graph<'_>) -> Result<usize, Vec<usize>> {
    let all = graph.drafts.iter().enumerate().filter_map(|(number, draft)| {
        let asks = draft.kind.as_ref()?.0.divided_by?;
        Some((number, draft.declaration.parameter(asks).is_some()))
    });
    let all: Vec<(usize, bool)> = all.collect();
    let asked: Vec<usize> =
        all.iter().filter(|(_, asks)| *asks).map(|(number, _)| *number).collect();
    match (all.as_slice(), asked.as_slice()) {
        ([(only, _)], _) | (_, [only]) => Ok(*only),
        _ => Err(all.into_iter().map(|(number, _)| number).collect()),
    }
}

/// Folds need one corpus that is divided, and nothing else that says what of it validates.
pub(super) fn check_folds(folds: Folds, sweep: &Sweep, graph: &Graph<'_>) -> Option<Diagnostic> {
    // A stage without a kind may be the one.
    if graph.drafts.iter().any(|draft| draft.kind.is_none()) {
        return None;
    }
    let number = match folded(graph) {
        Ok(number) => number,
        Err(none) if none.is_empty() => {
            let divided = graph.kinds.iter().filter(|kind| kind.divided_by.is_some());
            let kinds = names_text(divided.map(|kind| kind.name));
            let message = format!("`folds` divides nothing, since no stage is of kind {kinds}");
            return Some(Diagnostic::new("idle-axis", message).at(folds.span));
        }
        Err(several) => {
            let names = several.iter().map(|number| &*graph.drafts[*number].declaration.name);
            let message =
                format!("`folds` divides one corpus, and there are {}", names_text(names));
            let asks = graph.drafts[several[0]].kind.as_ref().and_then(|(kind, _)| kind.divided_by);
            let asks = asks.unwrap_or_default();
            let help = format!("give the one that is to be divided a `{asks}`, and no other");
            let diagnostic = Diagnostic::new("several-corpora", message).at(folds.span);
            return Some(diagnostic.help(help));
        }
    };
    let stage = graph.drafts[number].declaration;
    let declared = stage.parameter(FOLD).map(|declared| declared.value.span);
    let is_swept = |target: &AxisTarget| {
        let AxisTarget::Stage { stage: of, parameter } = target else { return false };
        *of == stage.name && **parameter == *FOLD
    };
    let axis = sweep.axes.iter().find(|axis| is_swept(&axis.target)).map(|axis| axis.span);
    let place = declared.or(axis)?;
    let message = format!("`folds` and `{FOLD}` both say what of stage `{}` validates", stage.name);
    let diagnostic = Diagnostic::new("two-folds", message).at(place);
    Some(diagnostic.label(folds.span, "every fold is asked for here").help("keep one of the two"))
}
