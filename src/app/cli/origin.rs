//! Experiments as text for who runs them again.

use std::path::Path;

use crate::engine::plan::Plan;
use crate::engine::spec::Experiment;
use crate::stages;
use crate::view::Part;

/// Whether a parameter of a kind is a path.
pub fn is_path(kind: &str, parameter: &str) -> bool {
    stages::ALL
        .iter()
        .find(|known| known.name == kind)
        .is_some_and(|kind| kind.schema()["properties"][parameter]["format"] == "path")
}

/// The experiment that makes a part of the results again, for a file in `folder`, and its pins.
///
/// * `named`: whether the run has a `--name`
pub fn again(
    experiment: &Experiment,
    plan: &Plan,
    named: bool,
    part: Part<'_>,
    folder: &Path,
) -> (String, Option<String>) {
    let (mut one, name) = match part {
        Part::Whole => (experiment.clone(), format!("{}-again", plan.results)),
        Part::Trial(trial, name) => {
            let seed = |stage| Some((stage, plan.seed(trial.index, stage)?));
            let replicates = plan.sweep.as_ref().is_some_and(|sweep| !sweep.seeds.is_empty());
            let seeds: Vec<_> = plan.replicated().filter_map(seed).filter(|_| replicates).collect();
            let base = if named { &plan.results } else { &plan.name };
            (experiment.at(&trial.point.values, &seeds), format!("{base}-{name}"))
        }
    };
    one.name = name;
    let pins = &experiment.pins;
    (one.to_toml_in(folder, &is_path), (!pins.is_empty()).then(|| pins.to_toml()))
}
