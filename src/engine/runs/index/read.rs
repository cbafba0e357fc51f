//! What the index is to know of a run, from its record and its entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::indexed::{About, AboutTrial, Head, IndexedRun, Part, Shape, Stamp};
use crate::engine::plan::Fingerprint;
use crate::engine::runs::records::{all, read};
use crate::engine::runs::results::{Results, TrialResults, TrialStatus};
use crate::engine::stage::StageKind;
use crate::engine::store::{Store, StoreError};

/// A run that was just read, and what names its values.
pub(super) struct Fresh {
    pub(super) run: IndexedRun,
    pub(super) shapes: Vec<Shape>,
}

/// The values of a trial, by name.
type Named = BTreeMap<String, Value>;

impl Fresh {
    /// Reads a run; `None` where its record cannot be read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(
        store: &Store,
        kinds: &'static [StageKind],
        id: &str,
        stamp: Stamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(record) = read(&all(store).join(id)).filter(|record| record.id == id) else {
            return Ok(None);
        };
        let results = Results::read(record, store, kinds)?;
        let mut is_whole = true;
        let (mut shapes, mut values) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
        for trial in &results.trials {
            let scores = results.scores(trial).unwrap_or_else(|_| {
                is_whole = false;
                Default::default()
            });
            let mut of_trial = [Named::new(), Named::new(), parameters(&results, trial)];
            for (name, score) in scores {
                let is_detail = results.label_prefix(&name).is_some();
                let part = if is_detail { Part::Detail } else { Part::Score };
                of_trial[part as usize].insert(name, serde_json::json!(score));
            }
            for (part, named) in Part::ALL.into_iter().zip(of_trial) {
                let (names, of_part): (Vec<String>, Vec<Value>) = named.into_iter().unzip();
                let shape = Shape::of(part, names);
                values[part as usize].push((shape.digest.clone(), of_part));
                shapes.push(shape);
            }
        }
        let head = head(&results, stamp, is_whole);
        Ok(Some(Self { run: IndexedRun::new(head, &about(&results), values), shapes }))
    }
}

fn head(results: &Results, stamp: Stamp, is_whole: bool) -> Head {
    let run = &results.run;
    Head {
        id: run.id.clone(),
        stamp,
        experiment: run.experiment.clone(),
        file: run.file.clone(),
        results: run.asked.results.clone(),
        status: run.status,
        started: run.started.clone(),
        best: best(results),
        entries: results.deciding_entries(),
        is_whole,
    }
}

/// The places of the trials that stand for the run.
fn best(results: &Results) -> Vec<usize> {
    let trials = || results.trials.iter().enumerate();
    let is_chosen = |of: &TrialResults| results.run.best.iter().any(|label| **label == *of.label);
    let chosen: Vec<usize> =
        trials().filter(|(_, of)| is_chosen(of)).map(|(place, _)| place).collect();
    let points: BTreeSet<String> = results.trials.iter().map(TrialResults::of_point).collect();
    match chosen.is_empty() && points.len() == 1 {
        true => (0..results.trials.len()).collect(),
        false => chosen,
    }
}

fn about(results: &Results) -> About {
    let run = &results.run;
    let mut places = HashMap::new();
    let mut place = |of: &TrialResults| {
        let next = places.len();
        *places.entry(of.point.label.clone()).or_insert(next)
    };
    let trial = |of: &TrialResults| {
        let own = results.made_with(of).filter(|(node, _)| node.label == *of.label);
        let elapsed: Vec<u64> = own.filter_map(|(node, _)| node.elapsed_ms).collect();
        AboutTrial {
            label: of.label.to_string(),
            point: of.of_point(),
            place: place(of),
            level: of.level,
            status: of.status.name().to_owned(),
            is_done: of.status == TrialStatus::Done,
            elapsed_ms: (!elapsed.is_empty()).then(|| elapsed.iter().sum()),
            seeds: of.seeds.clone(),
            fold: of.fold,
        }
    };
    let sweep = results.sweep.as_ref();
    About {
        program: run.program.clone(),
        command: run.asked.command.clone(),
        elapsed_ms: run.elapsed_ms,
        objective: run.asked.objective.clone(),
        has_rungs: sweep.is_some_and(|shape| shape.rungs > 1),
        has_finalists: sweep.is_some_and(|shape| shape.has_finalists),
        headlines: results.headlines(),
        trials: results.trials.iter().map(trial).collect(),
    }
}

/// What the stages of a trial were made with, by stage and name, as far as their entries tell.
fn parameters(results: &Results, trial: &TrialResults) -> Named {
    let mut named = Named::new();
    for (node, fingerprint) in results.made_with(trial) {
        let Some(Fingerprint { parameters, commit, .. }) = fingerprint else { continue };
        flatten(&node.stage, parameters, &mut named);
        if let Some(commit) = commit {
            named.insert(format!("{}.commit", node.stage), commit.as_str().into());
        }
    }
    named
}

fn flatten(path: &str, parameters: &Map<String, Value>, named: &mut Named) {
    for (name, value) in parameters {
        let path = format!("{path}.{name}");
        match value {
            Value::Null => {}
            Value::Object(table) => flatten(&path, table, named),
            value => drop(named.insert(path, value.clone())),
        }
    }
}
