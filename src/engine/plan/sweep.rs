//! What the axes of a sweep vary, and what is wrong with its axes, seeds and objective.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::draft::Draft;
use super::folds::{check_folds, folded};
use super::points::Points;
use super::trials::Trials;
use super::validate::names_text;
use super::value_text;
use super::wires::Graph;
use crate::base::diagnostics::{Diagnostic, Span, quoted, suggest};
use crate::engine::spec::{
    Along, Axis, AxisTarget, Choose, Experiment, Objective, SEED, Sweep, Value,
};
use crate::engine::stage::covered;

/// What a sweep spans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepShape {
    /// Each axis and its values, in the order of the file.
    pub axes: Vec<(String, Vec<Json>)>,
    /// What each axis takes its values from; records of old programs do not say it.
    #[serde(default)]
    pub along: Vec<Along>,
    /// What is added to seeds by any trial; empty without replicates.
    pub seeds: Vec<u64>,
    /// How many rungs there are; at least one.
    pub rungs: usize,
    /// Whether the best point is one of finalists with fresh seeds.
    pub has_finalists: bool,
    /// The stage whose corpus is divided into folds, and into how many.
    pub folds: Option<(String, usize)>,
    /// How many points there are; each has a trial for each fold and seed.
    pub points: usize,
    pub objective: Option<Objective>,
    /// Which of the points is the best.
    pub choose: Choose,
}

/// The axes of a file and its own values along them, by which the distance of points from these is measured; without axes where nobody asks for it.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// Of each axis; `None` where the file leaves that to a default.
    pub own: Vec<Option<Value>>,
}

impl Home {
    #[must_use]
    pub fn of(experiment: &Experiment) -> Self {
        let asked =
            experiment.sweep.as_ref().filter(|sweep| sweep.choice() == Choose::OneStandardError);
        let axes = asked.map(|sweep| sweep.axes.clone()).unwrap_or_default();
        let own = axes.iter().map(|axis| experiment.given(&axis.target)).collect();
        Self { axes, own }
    }
}

/// What each axis of the file varies.
pub(super) struct Axes<'a> {
    /// In the order of the file. Without a target where an axis leads nowhere, of which somebody has complained.
    pub(super) list: Vec<(&'a Axis, Option<Target>)>,
    by_target: HashMap<Target, usize>,
    /// Of each parameter that some rung sets, what each rung sets it to.
    of_rungs: HashMap<Target, Vec<Option<&'a Value>>>,
    /// Whether everything that rungs set is there.
    has_all_of_rungs: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// The number of the draft.
    Stage(usize, Arc<str>),
    Params(Arc<str>),
}

/// The stage is there, as the reader has seen; its kind must have such a metric.
fn check_objective(
    objective: &Objective,
    span: Span,
    graph: &Graph<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let (stage, metric) = objective.path();
    let draft = graph.position(stage).map(|number| &graph.drafts[number]);
    let Some((kind, _)) = draft.and_then(|draft| draft.kind.as_ref()) else { return };
    let names = kind.output.metric_names;
    if has_metric(names, metric) {
        return;
    }
    let message =
        format!("stage `{stage}` of kind `{}` has no metric {}", kind.name, quoted(metric));
    let named = names_near(names, metric);
    let (tables, numbers): (Vec<&str>, Vec<&str>) =
        named.iter().map(String::as_str).partition(|name| name.ends_with('.'));
    let table = format!("{}.", metric.trim_end_matches('.'));
    let help = match suggest(metric, numbers) {
        _ if tables.contains(&&*table) => {
            format!("it is a table of numbers, and one of them is `{stage}.{table}` and its name")
        }
        Some(near) => format!("did you mean `{stage}.{near}`?"),
        None if names.is_empty() => match other_stage(metric, graph) {
            Some(stage) => format!("did you mean `{stage}.{metric}`?"),
            None => "an objective is a metric of a stage that evaluates".to_owned(),
        },
        None => {
            format!("it has {}", names_text(names.iter().map(|name| name.trim_end_matches('.'))))
        }
    };
    found.push(Diagnostic::new("unknown-metric", message).at(span).help(help));
}

/// The names as they read for what `metric` is about: a `*` is the first part of it, where no other name has that.
fn names_near(names: &[&str], metric: &str) -> Vec<String> {
    let head = metric.split('.').next().unwrap_or_default();
    let begins = |name: &&str| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.'));
    let is_taken = names.iter().any(begins);
    let named = names.iter().filter(|name| !(is_taken && name.starts_with('*')));
    named.map(|name| name.replacen('*', head, 1)).collect()
}

fn has_metric(names: &[&str], metric: &str) -> bool {
    covered(names, metric).is_some()
}

/// A stage that measures what was asked of another.
fn other_stage<'a>(metric: &str, graph: &Graph<'a>) -> Option<&'a str> {
    let measures = |draft: &&Draft<'_>| {
        draft.kind.as_ref().is_some_and(|(kind, _)| has_metric(kind.output.metric_names, metric))
    };
    graph.drafts.iter().find(measures).map(|draft| &*draft.declaration.name)
}

impl<'a> Axes<'a> {
    pub(super) fn resolve(
        experiment: &'a Experiment,
        graph: &Graph<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let Some(sweep) = &experiment.sweep else {
            return Self {
                list: Vec::new(),
                by_target: HashMap::new(),
                of_rungs: HashMap::new(),
                has_all_of_rungs: true,
            };
        };
        let list: Vec<_> = sweep
            .axes
            .iter()
            .map(|axis| {
                (
                    axis,
                    target(&axis.target, axis.span, "this axis sweeps", experiment, graph, found),
                )
            })
            .collect();
        let mut of_rungs: HashMap<Target, Vec<Option<&Value>>> = HashMap::new();
        let mut has_all_of_rungs = true;
        for (number, rung) in sweep.rungs.iter().enumerate() {
            for (name, span, value) in &rung.parameters {
                match target(name, *span, "this rung sets", experiment, graph, found) {
                    Some(target) => {
                        let values = of_rungs.entry(target);
                        values.or_insert_with(|| vec![None; sweep.rungs.len()])[number] =
                            Some(value);
                    }
                    None => has_all_of_rungs = false,
                }
            }
        }
        check_seeds(sweep.replicates(), graph, found);
        if let Some(folds) = sweep.folds {
            found.extend(check_folds(folds, sweep, graph));
        }
        if let Some((objective, span)) = &sweep.objective {
            check_objective(objective, *span, graph, found);
        }
        let numbered = list.iter().enumerate();
        let by_target =
            numbered.filter_map(|(number, (_, target))| Some((target.clone()?, number))).collect();
        Self { list, by_target, of_rungs, has_all_of_rungs }
    }

    /// Whether each leads somewhere.
    pub(super) fn are_complete(&self) -> bool {
        self.by_target.len() == self.list.len() && self.has_all_of_rungs
    }

    /// The axis that sweeps a parameter of a stage.
    pub(super) fn of_parameter(&self, stage: usize, parameter: &str) -> Option<usize> {
        if self.list.is_empty() {
            return None;
        }
        self.by_target.get(&Target::Stage(stage, parameter.into())).copied()
    }

    /// What each rung sets a parameter of a stage to, where some do.
    pub(super) fn of_rungs(&self, stage: usize, parameter: &str) -> Option<&[Option<&'a Value>]> {
        if self.of_rungs.is_empty() {
            return None;
        }
        self.of_rungs.get(&Target::Stage(stage, parameter.into())).map(Vec::as_slice)
    }

    /// The axis that sweeps a param.
    pub(super) fn of_param(&self, param: &str) -> Option<usize> {
        self.by_target.get(&Target::Params(param.into())).copied()
    }
}

impl SweepShape {
    pub(super) fn of(sweep: &Sweep, trials: &Trials<'_>, graph: &Graph<'_>) -> Self {
        let points = trials.points;
        let divided = folded(graph).ok().map(|number| &graph.drafts[number].declaration.name);
        Self {
            axes: spanned(sweep, points),
            along: sweep.axes.iter().map(|axis| axis.along).collect(),
            seeds: trials.addends().to_vec(),
            rungs: sweep.rungs.len().max(1),
            has_finalists: sweep.finalists.is_some(),
            folds: sweep.folds.and_then(|folds| Some((divided?.to_string(), folds.count))),
            points: points.list().len(),
            objective: sweep.objective.as_ref().map(|(objective, _)| objective.clone()),
            choose: sweep.choice(),
        }
    }
}

/// Each axis with the values that points have, in the order in which the file lists them; those of a range in that of the points.
fn spanned(sweep: &Sweep, points: &Points) -> Vec<(String, Vec<Json>)> {
    let mut spanned = points.spanned();
    for (number, (axis, (_, values))) in sweep.axes.iter().zip(&mut spanned).enumerate() {
        if axis.along.is_range() {
            continue;
        }
        let place = |value: &Value| axis.values.iter().position(|listed| listed.is_same(value));
        let places = points.values(number).map(|value| place(value).unwrap_or(axis.values.len()));
        let mut placed: Vec<(usize, Json)> = places.zip(std::mem::take(values)).collect();
        placed.sort_by_key(|(place, _)| *place);
        values.extend(placed.into_iter().map(|(_, value)| value));
    }
    spanned
}

/// What an axis sweeps, or a rung sets; `None` where there is no such thing, of which the reader has complained unless it takes a kind to know.
///
/// * `span`: the place of its name
/// * `user`: what of the file names it
fn target(
    name: &AxisTarget,
    span: Span,
    user: &str,
    experiment: &Experiment,
    graph: &Graph<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let (stage, parameter) = match name {
        AxisTarget::Params(name) => {
            return experiment
                .params
                .contains_key(&**name)
                .then(|| Target::Params(Arc::clone(name)));
        }
        AxisTarget::Stage { stage, parameter } => (stage, parameter),
    };
    let number = graph.position(stage)?;
    let (kind, schema) = graph.drafts[number].kind.as_ref()?;
    if kind.outputs.is_some_and(|outputs| *outputs.parameter == **parameter) {
        let message = format!(
            "`{parameter}` decides what stage `{stage}` can be wired to, and cannot be swept"
        );
        found.push(Diagnostic::new("unknown-axis", message).at(span));
        return None;
    }
    if schema.property(parameter).is_some() {
        let seeds = experiment.sweep.as_ref().and_then(Sweep::replicates);
        if let Some(seeds) = seeds.filter(|_| kind.replicated && &**parameter == SEED) {
            found.push(two_seeds(name, span, seeds));
        }
        return Some(Target::Stage(number, Arc::clone(parameter)));
    }
    if graph.drafts[number].wires.iter().any(|wire| *wire.name == **parameter)
        || kind.ports.iter().any(|port| *port.name == **parameter)
    {
        let message = format!(
            "`{parameter}` is an input of stage `{stage}`, and only parameters can be swept"
        );
        found.push(Diagnostic::new("unknown-axis", message).at(span));
        return None;
    }
    let message = format!("stage `{stage}` has no parameter {}, which {user}", quoted(parameter));
    let diagnostic = Diagnostic::new("unknown-axis", message).at(span);
    let known = || schema.properties.iter().map(|property| property.name.as_str());
    found.push(match suggest(parameter, known()) {
        Some(near) => diagnostic.help(format!("did you mean `{stage}.{near}`?")),
        None => diagnostic.help(format!("kind `{}` has {}", kind.name, names_text(known()))),
    });
    None
}

/// Replicates need a training to replicate.
///
/// * `seeds`: where they are asked for
fn check_seeds(seeds: Option<Span>, graph: &Graph<'_>, found: &mut Vec<Diagnostic>) {
    if let Some(seeds) = seeds
        && !graph.drafts.iter().any(Draft::is_replicated)
    {
        let kinds = names_text(graph.kinds.iter().filter(|it| it.replicated).map(|it| it.name));
        let message = format!("`seeds` changes nothing, since no stage is of kind {kinds}");
        found.push(Diagnostic::new("idle-axis", message).at(seeds));
    }
}

/// Both an axis and `seeds` decide the seed of a training.
///
/// * `span`: of the axis
/// * `seeds`: where they are asked for
pub(super) fn two_seeds(axis: &AxisTarget, span: Span, seeds: Span) -> Diagnostic {
    Diagnostic::new(
        "two-seeds",
        format!("the axis `{axis}` and `seeds` both set the seed of training"),
    )
    .at(span)
    .label(seeds, "replicates are asked for here")
    .help("`seeds` makes replicates within every point; keep one of the two")
}

/// Whatever the values of the axes are resolved to, by axis and value, and what they would be without the axis.
#[derive(Default)]
pub(super) struct Effects {
    /// Of the axes that some parameter uses.
    of: BTreeMap<usize, Vec<String>>,
    /// Axes of one value which is what the file has without them.
    idle: BTreeSet<usize>,
}

impl Effects {
    /// A parameter uses an axis.
    pub(super) fn uses(&mut self, axis: usize, points: &Points) -> &mut Vec<String> {
        self.of.entry(axis).or_insert_with(|| vec![String::new(); points.values(axis).len()])
    }

    /// The only value of an axis is what there is without it.
    pub(super) fn is_idle(&mut self, axis: usize) {
        self.idle.insert(axis);
    }

    /// An axis must reach a stage.
    pub(super) fn check_use(
        &self,
        axes: &Axes<'_>,
        graph: &Graph<'_>,
        found: &mut Vec<Diagnostic>,
    ) {
        // A stage without a kind may use an axis in a way that nobody can tell.
        if graph.drafts.iter().any(|draft| draft.kind.is_none()) {
            return;
        }
        for (number, (axis, target)) in axes.list.iter().enumerate() {
            let (Some(Target::Params(name)), None) = (target, self.of.get(&number)) else {
                continue;
            };
            let message =
                format!("axis `{}` changes nothing: no parameter refers to it", axis.target);
            let help = format!(
                "write `\"@params.{name}\"` as the value of a parameter, or sweep `stage.parameter` itself"
            );
            found.push(Diagnostic::new("idle-axis", message).at(axis.span).help(help));
        }
    }

    /// Each value of an axis must change something.
    pub(super) fn check(
        &self,
        experiment: &Experiment,
        graph: &Graph<'_>,
        axes: &Axes<'_>,
        points: &Points,
        found: &mut Vec<Diagnostic>,
    ) {
        for (number, effects) in &self.of {
            let (axis, Some(target)) = &axes.list[*number] else { continue };
            let values: Vec<&Value> = points.values(*number).collect();
            check_effects(axis, &values, effects, found);
            let [value] = axis.values.as_slice() else { continue };
            let is_idle = match target {
                Target::Params(name) => experiment.params.get(&**name) == Some(value),
                Target::Stage(..) => self.idle.contains(number),
            };
            if is_idle {
                found.push(one_idle_value(axis, value, target, graph, experiment));
            }
        }
    }
}

/// Says which values of an axis have no effect of their own.
///
/// * `effects`: for each value, whatever it changes
fn check_effects(axis: &Axis, values: &[&Value], effects: &[String], found: &mut Vec<Diagnostic>) {
    let distinct: BTreeSet<&String> = effects.iter().collect();
    if effects.len() > 1 && distinct.len() == 1 {
        let message = format!(
            "axis `{}` changes nothing: all of its values have the same effect",
            axis.target
        );
        found.push(Diagnostic::new("idle-axis", message).at(axis.span));
        return;
    }
    let mut first: HashMap<&String, usize> = HashMap::new();
    for (number, effect) in effects.iter().enumerate() {
        let earlier = *first.entry(effect).or_insert(number);
        if earlier != number {
            let (one, other) =
                (value_text(&values[earlier].to_json()), value_text(&values[number].to_json()));
            let message =
                format!("axis `{}` has values of the same effect, {one} and {other}", axis.target);
            found.push(
                Diagnostic::new("idle-value", message)
                    .at(values[number].span)
                    .label(values[earlier].span, "the same as this"),
            );
        }
    }
}

/// An axis whose only value is what there is without it.
fn one_idle_value(
    axis: &Axis,
    value: &Value,
    target: &Target,
    graph: &Graph<'_>,
    experiment: &Experiment,
) -> Diagnostic {
    let without = match target {
        Target::Params(name) => experiment.params.get(&**name).map(|value| value.span),
        Target::Stage(stage, parameter) => {
            let declaration = graph.drafts[*stage].declaration;
            let seed = experiment.seed.filter(|_| &**parameter == SEED).map(|(_, span)| span);
            declaration.parameter(parameter).map(|parameter| parameter.value.span).or(seed)
        }
    };
    let value = value_text(&value.to_json());
    let help = "list the values to compare, or leave the axis out";
    let diagnostic = |reason: &str| {
        Diagnostic::new(
            "idle-axis",
            format!("axis `{}` changes nothing: {value} {reason}", axis.target),
        )
        .at(axis.span)
    };
    match without {
        Some(span) => diagnostic("is what there is without it").label(span, "the same").help(help),
        None => diagnostic("is the default").help(help),
    }
}
