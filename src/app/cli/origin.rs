//! Experiments as text for who runs them again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use crate::engine::plan::Plan;
use crate::engine::spec::Experiment;
use crate::stages;
use crate::view::Part;

/// Whether a parameter of a kind is a path.
pub fn is_path(kind: &str, parameter: &str) -> bool {
    // A sweep asks this of each trial.
    static PATHS: LazyLock<HashSet<(&str, String)>> = LazyLock::new(|| {
        let mut paths = HashSet::new();
        for kind in stages::ALL {
            let schema = kind.schema();
            let parameters = schema["properties"].as_object().into_iter().flatten();
            let of_paths = parameters.filter(|(_, parameter)| parameter["format"] == "path");
            paths.extend(of_paths.map(|(name, _)| (kind.name, name.clone())));
        }
        paths
    });
    PATHS.contains(&(kind, parameter.to_owned()))
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
            let point = &trial.point;
            let names = point.values.iter().map(|(name, _)| &**name);
            let values = names.zip(point.chosen.iter().map(|value| &**value));
            let seed = |stage| Some((stage, plan.seed(trial.index, stage)?));
            let replicates = plan.sweep.as_ref().is_some_and(|sweep| !sweep.seeds.is_empty());
            let seeds: Vec<_> = plan.replicated().filter_map(seed).filter(|_| replicates).collect();
            let folds = plan.sweep.as_ref().and_then(|sweep| sweep.folds.as_ref());
            let fold = folds.and_then(|(stage, of)| Some((&**stage, [trial.fold?, *of])));
            let base = if named { &plan.results } else { &plan.name };
            (experiment.at(values, &seeds, fold), format!("{base}-{}", name.unwrap_or("again")))
        }
    };
    one.name = name;
    let pins = &experiment.pins;
    (one.to_toml_in(folder, &is_path), (!pins.is_empty()).then(|| pins.to_toml()))
}
