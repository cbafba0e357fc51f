//! What a sweep needs to be one, when all that the files say of it is put together.

use std::collections::BTreeMap;

use super::experiment::{Axis, Choose, Method, Skip, StageDeclaration, Sweep};
use super::path::AxisTarget;
use super::problems::Problems;
use super::value::Value;
use crate::base::diagnostics::{Diagnostic, Span, quoted};

/// Holds a sweep against what its method needs, and against its stages.
pub(super) fn check(
    sweep: &Sweep,
    stages: &[StageDeclaration],
    params: &BTreeMap<String, Value>,
    problems: &mut Problems,
) {
    check_method(sweep, problems);
    check_late(sweep, stages, problems);
    check_choice(sweep, &|target| given(target, stages, params), problems);
    sweep.skip.iter().for_each(|skip| check_skip(skip, &sweep.axes, problems));
}

/// Holds what a method needs against what there is.
fn check_method(sweep: &Sweep, problems: &mut Problems) {
    let name = sweep.method.name();
    let problem = |message: String, span: Span| Diagnostic::new("search", message).at(span);
    if sweep.method == Method::Grid {
        const CHOOSES: &str = "a method that chooses points is `random`, `tpe`, `gp` or `auto`";
        for axis in sweep.axes.iter().filter(|axis| axis.along.is_range()) {
            let (axis, from, span) =
                (quoted(&axis.target.to_string()), axis.along.name(), axis.span);
            let message = format!("a grid cannot draw the axis {axis} from `{from}`");
            let help = "a grid takes an array of values, or `{ choice = [...] }`";
            problems.push(problem(message, span).help(help).help(CHOOSES));
        }
        for (key, given) in [("points", sweep.points), ("parallel", sweep.parallel)] {
            let Some(given) = given else { continue };
            let message = format!("`{key}` is not for a grid, which tries every combination");
            problems.push(problem(message, given.span).help(CHOOSES));
        }
        return;
    }
    if !problems.is_empty() {
        // What is missing may be what could not be read.
        return;
    }
    if sweep.axes.is_empty() {
        let message = format!("`method = \"{name}\"` has no axis to search along");
        let help =
            "add one, such as `train.learning_rate = { log = [1e-5, 1e-3] }` under `[sweep.over]`";
        problems.push(problem(message, sweep.span).help(help));
    }
    if sweep.objective.is_none() {
        let message = format!("`method = \"{name}\"` needs an `objective`");
        let help = "write what is to be best, as in `objective = \"max evaluate.ner.span_f1\"`";
        problems.push(problem(message, sweep.span).help(help));
    }
    if sweep.points.is_none() {
        let message = format!("`method = \"{name}\"` needs `points`: how many are to be tried");
        problems.push(problem(message, sweep.span).help("write `points = 30`"));
    }
}

/// To be the best of several points takes an objective.
fn check_late(sweep: &Sweep, stages: &[StageDeclaration], problems: &mut Problems) {
    if sweep.objective.is_some() || sweep.axes.is_empty() {
        return;
    }
    for span in stages.iter().filter_map(|stage| stage.at_best) {
        let message = "`at = \"best\"` in a sweep without an `objective`";
        let help = "write what is to be best, as in `objective = \"max evaluate.ner.span_f1\"` below `[sweep]`";
        problems.push(Diagnostic::new("no-objective", message).at(span).help(help));
    }
}

/// What a file gives what an axis varies, without the sweep; `None` where it leaves that to a default.
pub(super) fn given(
    target: &AxisTarget,
    stages: &[StageDeclaration],
    params: &BTreeMap<String, Value>,
) -> Option<Value> {
    match target {
        AxisTarget::Params(name) => params.get(&**name).cloned(),
        AxisTarget::Stage { stage, parameter } => {
            let stage = stages.iter().find(|known| known.name == *stage)?;
            stage.parameter(parameter)?.value.resolve(params).ok()
        }
    }
}

/// What `choose` needs to say which point is the best.
///
/// * `given`: what the file gives an axis without the sweep
fn check_choice(
    sweep: &Sweep,
    given: &dyn Fn(&AxisTarget) -> Option<Value>,
    problems: &mut Problems,
) {
    let Some((choose, span)) = sweep.choose.filter(|_| problems.is_empty()) else { return };
    let name = choose.name();
    let diagnostic = |message: String| Diagnostic::new("choose", message).at(span);
    if sweep.objective.is_none() {
        let help = "write what is to be best, as in `objective = \"max evaluate.ner.span_f1\"`";
        let message =
            format!("`choose = \"{name}\"` chooses by the `objective`, and there is none");
        problems.push(diagnostic(message).help(help));
    }
    if choose == Choose::Mean {
        return;
    }
    if sweep.replicates() < 2 {
        let message = format!("`choose = \"{name}\"` needs two seeds: one shows no error");
        problems.push(diagnostic(message).help("write `seeds = 3`"));
    }
    for axis in sweep.axes.iter().filter(|axis| given(&axis.target).is_none()) {
        let name = quoted(&axis.target.to_string());
        let message = format!(
            "the file gives {name} no value of its own, to which the chosen point is to be near"
        );
        let place = match &axis.target {
            AxisTarget::Stage { stage, .. } => format!("[stage.{stage}]"),
            AxisTarget::Params(_) => "[params]".to_owned(),
        };
        let help = format!("write one under `{place}`, such as what it was before the sweep");
        let diagnostic = Diagnostic::new("choose", message).at(axis.span);
        problems.push(diagnostic.label(span, "it is chosen so here").help(help));
    }
}

/// A region to leave out lies along axes, and among their values.
fn check_skip(skip: &Skip, axes: &[Axis], problems: &mut Problems) {
    for (target, condition) in &skip.conditions {
        let name = target.to_string();
        let Some(axis) = axes.iter().find(|axis| axis.target == *target) else {
            let message = format!("{} is no axis of the sweep, along which to skip", quoted(&name));
            let names: Vec<String> = axes.iter().map(|axis| axis.target.to_string()).collect();
            let diagnostic = Diagnostic::new("unknown-axis", message).at(condition.span);
            let near = problems.near(&name, names.iter().map(String::as_str));
            problems.push(diagnostic.meant(near, || format!("the axes are {}", names.join(", "))));
            continue;
        };
        if !axis.along.is_range() && !axis.values.iter().any(|value| condition.what.holds(value)) {
            let message = format!("no value of the axis {} is skipped by this", quoted(&name));
            problems.push(Diagnostic::new("idle-skip", message).at(condition.span));
        }
    }
}
