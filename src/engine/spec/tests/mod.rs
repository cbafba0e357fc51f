mod hostile;
mod meaning;
mod mistakes;
mod pins;
mod properties;
mod searches;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::source::Files;
use super::{Data, Experiment, Overrides, Parameter, Reading, StageDeclaration, Value, chain};

/// Files in memory.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(bytes[..bytes.len().min(usize::try_from(limit + 1).unwrap_or(usize::MAX))].to_vec())
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn beside(&self, path: &Path) -> Vec<String> {
        let beside = self.0.keys().filter(|other| other.parent() == path.parent());
        beside.filter_map(|other| Some(other.file_name()?.to_str()?.to_owned())).collect()
    }
}

/// Reads the first of the files.
fn read(files: &[(&str, &str)]) -> Reading {
    read_with(files, &Overrides::default())
}

fn read_with(files: &[(&str, &str)], overrides: &Overrides) -> Reading {
    chain::read(&Memory::of(files), Path::new(files[0].0), overrides)
}

fn good(files: &[(&str, &str)]) -> Experiment {
    good_with(files, &Overrides::default())
}

fn good_with(files: &[(&str, &str)], overrides: &Overrides) -> Experiment {
    let Reading { experiment, diagnostics } = read_with(files, overrides);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    experiment.expect("a file without mistakes is an experiment")
}

fn set(texts: &[&str]) -> Overrides {
    Overrides {
        set: texts.iter().map(|text| (*text).to_owned()).collect(),
        folder: "here".into(),
        ..Overrides::default()
    }
}

fn sweep(texts: &[&str], seeds: Option<&str>) -> Overrides {
    Overrides {
        sweep: texts.iter().map(|text| (*text).to_owned()).collect(),
        seeds: seeds.map(str::to_owned),
        folder: "here".into(),
        ..Overrides::default()
    }
}

fn stage<'a>(experiment: &'a Experiment, name: &str) -> &'a StageDeclaration {
    experiment.stages.iter().find(|stage| &*stage.name == name).expect("the stage exists")
}

fn value<'a>(experiment: &'a Experiment, name: &str, parameter: &str) -> &'a Value {
    &stage(experiment, name).parameter(parameter).expect("the parameter exists").value
}

/// Everything but spans and folders, without the order of stages, parameters and axes.
fn meaning(experiment: &Experiment) -> serde_json::Value {
    let parameters = |list: &[Parameter]| -> BTreeMap<String, serde_json::Value> {
        list.iter()
            .map(|parameter| (parameter.name.to_string(), tagged(&parameter.value)))
            .collect()
    };
    let stages: BTreeMap<String, serde_json::Value> = experiment
        .stages
        .iter()
        .map(|stage| {
            let after: Vec<&str> = stage.after.iter().map(|(name, _)| &**name).collect();
            let limits = (stage.retry.map(|(retry, _)| retry), stage.timeout.map(|(timeout, _)| timeout));
            (
                stage.name.to_string(),
                serde_json::json!({ "kind": &*stage.kind, "after": after, "limits": limits, "parameters": parameters(&stage.parameters) }),
            )
        })
        .collect();
    let params: BTreeMap<&str, serde_json::Value> =
        experiment.params.iter().map(|(name, value)| (name.as_str(), tagged(value))).collect();
    let sweep = experiment.sweep.as_ref().map(|sweep| {
        let axes: BTreeMap<String, Vec<serde_json::Value>> =
            sweep.axes.iter().map(|axis| (axis.target.to_string(), axis.values.iter().map(tagged).collect())).collect();
        let objective = sweep.objective.as_ref().map(|(objective, _)| (objective.maximize, objective.metric.clone()));
        serde_json::json!({ "axes": axes, "objective": objective, "seeds": sweep.seeds.as_ref().map(|seeds| &seeds.addends) })
    });
    serde_json::json!({
        "name": experiment.name,
        "about": experiment.about,
        "seed": experiment.seed.map(|(seed, _)| seed),
        "params": params,
        "stages": stages,
        "sweep": sweep,
    })
}

/// A value with its type, so that a string `@x` and a reference, or 1 and 1.0, are told apart.
fn tagged(value: &Value) -> serde_json::Value {
    match &value.data {
        Data::Array(items) => items.iter().map(tagged).collect(),
        Data::Table(entries) => serde_json::Value::Object(
            entries.iter().map(|(name, _, value)| (name.to_string(), tagged(value))).collect(),
        ),
        other => serde_json::json!({ other.describe(): value.to_json() }),
    }
}
