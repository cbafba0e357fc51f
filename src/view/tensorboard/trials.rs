//! What TensorBoard's HParams plugin is told of a sweep and of a trial.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::summary::{Parameter, ParameterKind, Value};
use crate::engine::plan::{Plan, RUNG, SweepShape, Trial, value_text};

/// Scores beside the objective by which points are compared.
const METRICS: usize = 6;

/// What a sweep varies, and what its points are compared by: the objective first.
pub(super) fn experiment(plan: &Plan, created: f64) -> Value {
    let names = axes(plan);
    let parameters: Vec<Parameter<'_>> =
        names.iter().map(|name| Parameter { name, kind: kind_of(plan, name) }).collect();
    let objective = plan.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
    let mut metrics: Vec<String> = objective.map(|it| it.metric.clone()).into_iter().collect();
    for stage in plan.stages() {
        let headlines = plan.kind_of(stage).map_or(&[][..], |kind| kind.output.headlines);
        let named = headlines.iter().filter(|name| !name.starts_with('*'));
        metrics.extend(named.map(|name| format!("{stage}.{name}")));
    }
    let mut seen = HashSet::new();
    metrics.retain(|metric| seen.insert(metric.clone()));
    metrics.truncate(METRICS);
    let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
    Value::experiment(created, &parameters, &metrics)
}

/// The axes of a sweep; of one that has none, the seeds of its trainings.
fn axes(plan: &Plan) -> Vec<String> {
    let axes = plan.sweep.iter().flat_map(|sweep| &sweep.axes);
    let axes: Vec<String> = axes.map(|(axis, _)| axis.to_string()).collect();
    if axes.is_empty() { plan.replicated().map(seed_of).collect() } else { axes }
}

fn seed_of(stage: &str) -> String {
    format!("{stage}.seed")
}

fn kind_of(plan: &Plan, axis: &str) -> ParameterKind {
    let is_all = |is: fn(&Json) -> bool| {
        let values = plan.trials.iter().flat_map(|trial| &trial.point.values);
        values.filter(|(name, _)| **name == *axis).all(|(_, value)| is(value))
    };
    if is_all(Json::is_number) {
        ParameterKind::Number
    } else if is_all(Json::is_boolean) {
        ParameterKind::Boolean
    } else {
        ParameterKind::Text
    }
}

/// The group of a trial, which is its point on a rung of this run, and what is told of it: the values of its point, else the seeds of its trainings; without a sweep the
/// parameters of the trainings.
///
/// * `run`: a viewer of several runs must not take the point of one for that of another
pub(super) fn hparams(plan: &Plan, trial: &Trial, run: &str) -> (String, Vec<(String, Json)>) {
    let Some(sweep) = &plan.sweep else { return (String::new(), parameters(plan, trial)) };
    if sweep.axes.is_empty() {
        let seed = |stage| Some((seed_of(stage), plan.seed(trial.index, stage)?.into()));
        return (String::new(), plan.replicated().filter_map(seed).collect());
    }
    let value = |(name, value): &(Arc<str>, Json)| {
        let value = match kind_of(plan, name) {
            ParameterKind::Text => value_text(value).into(),
            ParameterKind::Boolean | ParameterKind::Number => value.clone(),
        };
        (name.to_string(), value)
    };
    (format!("{} ({run})", group(sweep, trial)), trial.point.values.iter().map(value).collect())
}

/// Scores of different rungs are no replicates, nor are those of fresh seeds and of the seeds by which a point was chosen.
fn group(sweep: &SweepShape, trial: &Trial) -> String {
    let Trial { level, point, .. } = trial;
    match level.rung + 1 {
        _ if level.is_fresh => format!("{},finalist", point.label),
        rung if rung < sweep.rungs => format!("{},{RUNG}={rung}", point.label),
        _ => point.label.to_string(),
    }
}

fn parameters(plan: &Plan, trial: &Trial) -> Vec<(String, Json)> {
    let mut all = Vec::new();
    for stage in plan.replicated() {
        let Some(node) = plan.node_of(trial.index, stage) else { continue };
        let Json::Object(parameters) = plan.node(node).instance.parameters() else { continue };
        let is_plain = |value: &Json| value.is_number() || value.is_boolean() || value.is_string();
        let plain = parameters.into_iter().filter(|(_, value)| is_plain(value));
        all.extend(plain.map(|(name, value)| (format!("{stage}.{name}"), value)));
    }
    all
}
