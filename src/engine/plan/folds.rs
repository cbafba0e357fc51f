//! The stage whose corpus a sweep's `folds` divide.

use super::draft::Draft;
use super::validate::names_text;
use super::wires::Graph;
use crate::base::diagnostics::Diagnostic;
use crate::engine::spec::{AxisTarget, Folds, Sweep};

/// The parameter of the kinds that divide a corpus.
pub(super) const FOLD: &str = "fold";
/// The parameter that tells which of several stages of such kinds does.
const SPLIT: &str = "split";

/// The number of the stage that is divided: the only one of a kind that can be, or the only one of these with a `split`. Else those that could be.
pub(super) fn folded(graph: &Graph<'_>) -> Result<usize, Vec<usize>> {
    let is_of_kind = |draft: &Draft<'_>| {
        draft.kind.as_ref().is_some_and(|(_, schema)| schema.property(FOLD).is_some())
    };
    let all: Vec<usize> =
        (0..graph.drafts.len()).filter(|number| is_of_kind(&graph.drafts[*number])).collect();
    let has_split = |number: &&usize| graph.drafts[**number].declaration.parameter(SPLIT).is_some();
    match (all.as_slice(), all.iter().filter(has_split).collect::<Vec<_>>().as_slice()) {
        ([only], _) => Ok(*only),
        (_, [only]) => Ok(**only),
        _ => Err(all),
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
            let has_fold = |kind: &&crate::engine::stage::StageKind| {
                kind.schema()["properties"].get(FOLD).is_some()
            };
            let kinds = names_text(graph.kinds.iter().filter(has_fold).map(|kind| kind.name));
            let message = format!("`folds` divides nothing, since no stage is of kind {kinds}");
            return Some(Diagnostic::new("idle-axis", message).at(folds.span));
        }
        Err(several) => {
            let names = several.iter().map(|number| &*graph.drafts[*number].declaration.name);
            let message =
                format!("`folds` divides one corpus, and there are {}", names_text(names));
            let help = "give the one that is to be divided a `split`, and no other";
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
