//! What a sweep needs to be one, when all that the files say of it is put together.

use std::collections::BTreeMap;

use super::experiment::{Axis, Choose, Method, Rung, Skip, StageDeclaration, Sweep};
use super::layer::Unread;
use super::path::AxisTarget;
use super::problems::Problems;
use super::value::Value;
use crate::base::diagnostics::{Diagnostic, Span, quoted};

/// Holds a sweep against what its method needs, and against its stages.
pub(super) fn check(
    sweep: &Sweep,
    unread: &Unread,
    stages: &[StageDeclaration],
    params: &BTreeMap<String, Value>,
    problems: &mut Problems,
) {
    check_method(sweep, problems);
    if !unread.objective {
        check_late(sweep, stages, problems);
    }
    check_rungs(sweep, unread, problems);
    check_choice(sweep, &|target| given(target, stages, params), problems);
    sweep.skip.iter().for_each(|skip| check_skip(skip, &sweep.axes, unread, problems));
}

/// Holds what a method needs against what there is.
fn check_method(sweep: &Sweep, problems: &mut Problems) {
    let name = sweep.method().name();
    let problem = |message: String, span: Span| Diagnostic::new("search", message).at(span);
    if sweep.method() == Method::Grid {
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
        let help = "write what is to be best: `objective = \"max stage.metric\"`";
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
        let help = "write what is to be best: `objective = \"max stage.metric\"` below `[sweep]`";
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
        let help = "write what is to be best: `objective = \"max stage.metric\"`";
        let message =
            format!("`choose = \"{name}\"` chooses by the `objective`, and there is none");
        problems.push(diagnostic(message).help(help));
    }
    if choose == Choose::Mean {
        return;
    }
    if sweep.deciding() < 2 {
        let message = format!("`choose = \"{name}\"` needs two seeds: one shows no error");
        let help =
            if sweep.finalists.is_some() { "write `fresh_seeds = 3`" } else { "write `seeds = 3`" };
        problems.push(diagnostic(message).help(help));
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

/// What decides between points needs several, and something to decide by.
fn check_rungs(sweep: &Sweep, unread: &Unread, problems: &mut Problems) {
    let is_whole = problems.is_empty();
    let finalists = sweep.finalists.map(|finalists| ("finalists", finalists.span));
    let rungs = sweep.rungs.first().map(|rung| ("rung", rung.span));
    for (key, span) in finalists.into_iter().chain(rungs) {
        let diagnostic = |message: String| Diagnostic::new("rungs", message).at(span);
        if sweep.objective.is_none() && !unread.objective {
            let message = format!("`{key}` goes by the `objective`, and there is none");
            let help = "write what is to be best: `objective = \"max stage.metric\"`";
            problems.push(diagnostic(message).help(help));
        }
        if sweep.axes.is_empty() && unread.axes.is_empty() {
            let message = format!("`{key}` has one point to choose from: the sweep has no axis");
            problems.push(diagnostic(message).help(
                "add one, such as `train.learning_rate = [1e-5, 2e-5]` under `[sweep.over]`",
            ));
        }
    }
    if let (Some(fresh), None) = (sweep.fresh_seeds, sweep.finalists) {
        let message = "`fresh_seeds` is of finalists, and there are none";
        let diagnostic = Diagnostic::new("rungs", message).at(fresh.span);
        problems.push(diagnostic.help("write `finalists = 3` beside it, or leave it out"));
    }
    let Some((last, before)) = sweep.rungs.split_last() else { return };
    if before.is_empty() {
        let message = "the only rung is the last one, which is the whole thing";
        let help =
            "write a cheaper `[[sweep.rung]]` above it, such as one with `train.stop_after = 1`";
        problems.push(Diagnostic::new("rungs", message).at(last.span).help(help));
    }
    let said = last.parameters.first().map(|(_, span, _)| *span).or(last.keep.map(|keep| keep.1));
    if let Some(span) = said.filter(|_| !before.is_empty()) {
        let message = "the last rung is the whole thing: it sets nothing but `seeds`";
        let help = "end with an empty `[[sweep.rung]]`";
        problems.push(Diagnostic::new("rungs", message).at(span).help(help));
    }
    for rung in before {
        let message = match (rung.keep, rung.parameters.is_empty() && rung.seeds.is_none()) {
            // What is missing may be what could not be read.
            (None, _) if !is_whole => continue,
            (None, _) => "a rung lacks `keep`: the share of its points that goes on",
            (_, true) => "a rung is no cheaper than the last one: it sets nothing",
            _ => continue,
        };
        let help = "write `keep = 0.33`, and what makes it cheaper, such as `train.stop_after = 1`";
        problems.push(Diagnostic::new("rungs", message).at(rung.span).help(help));
    }
    sweep.rungs.iter().for_each(|rung| check_parameters(rung, &sweep.axes, problems));
}

/// What a rung sets is one parameter of a stage each, and no axis.
fn check_parameters(rung: &Rung, axes: &[Axis], problems: &mut Problems) {
    let mut seen: Vec<&AxisTarget> = Vec::new();
    for (target, span, _) in &rung.parameters {
        let name = quoted(&target.to_string());
        let diagnostic = |message: String| Diagnostic::new("rungs", message).at(*span);
        if let Some(axis) = axes.iter().find(|axis| axis.target == *target) {
            let message = format!("a rung sets {name}, which is an axis of the sweep");
            let diagnostic = diagnostic(message).label(axis.span, "it is varied here");
            problems.push(
                diagnostic.help("a point is the same on all rungs: leave one of the two out"),
            );
        }
        if let AxisTarget::Params(_) = target {
            let message = format!("a rung sets {name}, and only parameters of stages can be set");
            problems.push(diagnostic(message).help("write `stage.parameter = value`"));
        }
        if seen.contains(&target) {
            problems.push(diagnostic(format!("a rung sets {name} twice")).help("leave one out"));
        }
        seen.push(target);
    }
}

/// A region to leave out lies along axes, and among their values.
fn check_skip(skip: &Skip, axes: &[Axis], unread: &Unread, problems: &mut Problems) {
    for (target, condition) in &skip.conditions {
        if unread.axes.contains(target) {
            continue;
        }
        let name = target.to_string();
        let Some(axis) = axes.iter().find(|axis| axis.target == *target) else {
            let message = format!("{} is no axis of the sweep, along which to skip", quoted(&name));
            let targets = axes.iter().map(|axis| &axis.target).chain(&unread.axes);
            let names: Vec<String> = targets.map(AxisTarget::to_string).collect();
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
