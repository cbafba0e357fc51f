//! Experiments as text for who runs them again.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use crate::engine::plan::{FOLD, Plan, RUNG, SEED};
use crate::engine::search::Search;
use crate::engine::spec::{Experiment, LONGEST_NAME, Method, Origin};
use crate::engine::stage::StageKind;
use crate::stages;
use crate::view::{Background, Part, Searched, Setting};

/// Where the parameters of a kind hold paths, such as `path`, `sources[]` or `lookup.path`.
#[derive(Default)]
struct Paths {
    places: HashSet<String>,
    /// Words that have a meaning of their own where a path may stand too, each with its place.
    words: HashSet<(String, String)>,
}

impl Paths {
    /// * `schema`: of what stands at `place`, a part of `root`
    fn add(&mut self, schema: &Value, place: &str, root: &Value) {
        if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            self.add(&root["$defs"][name], place, root);
        }
        if schema["format"] == "path" {
            self.places.insert(place.to_owned());
        }
        let words = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
        let words = words.filter_map(Value::as_str);
        self.words.extend(words.map(|word| (place.to_owned(), word.to_owned())));
        for either in ["anyOf", "oneOf"] {
            let parts = schema[either].as_array().into_iter().flatten();
            parts.for_each(|part| self.add(part, place, root));
        }
        if schema["items"].is_object() {
            self.add(&schema["items"], &format!("{place}[]"), root);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            self.add(property, &place, root);
        }
    }
}

/// Whether a text at a place in the parameters of a kind is a path.
pub fn is_path(kind: &str, place: &str, text: &str) -> bool {
    // A sweep asks this of each trial, and mostly of few kinds.
    static PATHS: LazyLock<HashMap<&str, (&StageKind, OnceLock<Paths>)>> = LazyLock::new(|| {
        stages::ALL.iter().map(|kind| (kind.name, (kind, OnceLock::new()))).collect()
    });
    let Some((kind, paths)) = PATHS.get(kind) else { return false };
    let paths = paths.get_or_init(|| {
        let (schema, mut paths) = (kind.schema(), Paths::default());
        paths.add(&schema, "", &schema);
        paths
    });
    let is_word = || paths.words.contains(&(place.to_owned(), text.to_owned()));
    paths.places.contains(place) && !is_word()
}

/// What a report says of an experiment beside its results.
pub fn background(experiment: &Experiment) -> Background {
    let setting = |origin: Origin| {
        let Origin { path, value, file, line, .. } = origin;
        // What was typed has no lines.
        let is_file = experiment.chain.iter().any(|of| of.to_string_lossy() == *file);
        Setting { path, value, origin: if is_file { format!("{file}:{line}") } else { file } }
    };
    let settings = experiment.origins().into_iter().map(setting).collect();
    let is_auto = experiment.sweep.as_ref().is_some_and(|sweep| sweep.method() == Method::Auto);
    // A file whose axes make no space has no results.
    let search = Search::of(experiment).ok().flatten();
    let searched = search.map(|search| Searched { by: search.method(), is_auto });
    Background { about: experiment.about.clone(), settings, searched }
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
        Part::Whole => (experiment.clone(), named_after(&plan.results, "again")),
        Part::Trial(of, name) => {
            let trial = &plan.trials[of.index as usize];
            let point = &trial.point;
            let names = point.values.iter().map(|(name, _)| &**name);
            let values = names.zip(point.chosen.iter().map(|value| &**value));
            let seed = |stage| Some((stage, plan.seed(trial.index, stage)?));
            let replicates = plan.sweep.as_ref().is_some_and(|sweep| !sweep.seeds.is_empty());
            let seeds: Vec<_> = plan.replicated().filter_map(seed).filter(|_| replicates).collect();
            let folds = plan.sweep.as_ref().and_then(|sweep| sweep.folds.as_ref());
            let fold = folds.and_then(|(stage, of)| Some((&**stage, [trial.fold?, *of])));
            let base = if named { &plan.results } else { &plan.name };
            (
                experiment.at(values, trial.level.rung, &seeds, fold),
                named_after(base, name.unwrap_or(&values_of(&trial.label))),
            )
        }
    };
    one.name = name;
    let pins = &experiment.pins;
    (one.to_toml_in(folder, &is_path), (!pins.is_empty()).then(|| pins.to_toml_in(folder)))
}

/// A trial's label without the names of what is varied, which are the same in all of a sweep: `1e-3,16,rung=1,seed=0`.
fn values_of(label: &str) -> String {
    let value = |part| match str::split_once(part, '=') {
        Some((name, value)) if ![RUNG, FOLD, SEED].contains(&name) => value,
        _ => part,
    };
    let values: Vec<&str> = label.split(',').map(value).collect();
    if label.is_empty() { "trial".to_owned() } else { values.join(",") }
}

/// A name for what makes a part of the results of `base` again. Of one that is too long, a digest tells it from others.
fn named_after(base: &str, part: &str) -> String {
    let name = format!("{base}-{part}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let digest = &blake3::hash(name.as_bytes()).to_hex()[..6];
    let begin = &name[..name.floor_char_boundary(LONGEST_NAME - digest.len() - 1)];
    format!("{begin}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_named_by_its_values_as_far_as_a_name_may_go() {
        let name = |label: &str| named_after("search", &values_of(label));
        assert_eq!(name("rate=1e-3,size=16,rung=1,seed=0"), "search-1e-3,16,rung=1,seed=0");
        assert_eq!(name("seed=3"), "search-seed=3");
        assert_eq!(name(""), "search-trial");
        let [one, two] = ["a", "b"].map(|end| name(&format!("text={}{end}", "é".repeat(70))));
        assert!(one.len() <= LONGEST_NAME && one != two, "{one} {two}");
    }
}
