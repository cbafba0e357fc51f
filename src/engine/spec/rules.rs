//! What a sweep needs to be one, when all that the files say of it is put together.

use super::experiment::{Axis, Method, Skip, StageDeclaration, Sweep};
use super::problems::Problems;
use crate::base::diagnostics::{Diagnostic, Span, quoted};

/// Holds a sweep against what its method needs, and against its stages.
pub(super) fn check(sweep: &Sweep, stages: &[StageDeclaration], problems: &mut Problems) {
    check_method(sweep, problems);
    check_late(sweep, stages, problems);
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
