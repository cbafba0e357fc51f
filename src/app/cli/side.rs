//! What people name on the command line: an experiment file, a run, a trial or a point of one, as `ls` prints them, or the folder of results of a run or a
//! trial.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::args::{Changes, Place};
use super::behind::{Behind, run_behind, trial_behind};
use super::compare::replicates;
use super::project::Project;
use super::root::Root;
use super::{Failure, project};
use crate::app::tools::Replicate;
use crate::base::diagnostics::{quoted, suggest};
use crate::engine::plan::Fingerprint;
use crate::engine::runs::{Results, RunFile, TrialResults, Unreadable, find_run, list_runs};
use crate::engine::spec::{Experiment, Origin};
use crate::engine::stage::Scores;
use crate::engine::store::Store;
use crate::stages;
use crate::view;

/// Labels that a message names.
const NAMED: usize = 8;

/// What was named.
pub struct Side {
    /// As one may type it.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    pub results: Results,
    /// Those of the run's trials that are meant.
    pub trials: Vec<usize>,
    /// What each stage is made with, as far as that is known: several things where trials differ in it.
    pub made: BTreeMap<String, Vec<Fingerprint>>,
    /// How the points of a sweep are chosen, where all of it is meant: what stands there, and where.
    pub sweep: BTreeMap<String, (String, String)>,
    /// Where the values of an experiment file stand.
    origins: BTreeMap<String, String>,
}

/// Splits `RUN:LABEL`.
pub fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once(':').map_or((word, None), |(run, label)| (run, Some(label)))
}

/// The run that a word names, and the label behind it; `None` where there is no such run.
pub fn run_of<'w>(store: &Store, word: &'w str) -> Option<(RunFile, Option<&'w str>)> {
    let (id, label) = split(word);
    Some((find_run(store, id)?, label))
}

impl Side {
    /// What a word names.
    pub fn of(word: &str, place: &Place) -> Result<Self, Failure> {
        let path = Path::new(word);
        if path.is_dir() {
            return match run_behind(path)? {
                Behind::Run(store, run) => {
                    let label = trial_behind(path);
                    Self::of_run(*run, label.as_deref(), word.trim_end_matches('/'), &store)
                }
                Behind::Gone(made) => Err(Failure::not_found(format!(
                    "{} was made by the run `{}`, whose record is gone",
                    quoted(word),
                    made.run
                ))),
                Behind::Nothing => {
                    Err(Failure::not_found(format!("{} is no folder of results", quoted(word))))
                }
            };
        }
        if path.is_file() || word.ends_with(".toml") {
            return Self::of_file(word, place);
        }
        let store = project::open_store(&Root::here(place)?)?;
        match run_of(&store, word) {
            Some((run, label)) => Self::of_run(run, label, word, &store),
            None => Err(no_run(&store, word)),
        }
    }

    /// An experiment as it stands in a file, with what the store has of its results.
    fn of_file(word: &str, place: &Place) -> Result<Self, Failure> {
        let (project, plan) = Project::plan(Path::new(word), place, &Changes::default(), &[])?;
        let results = Results::planned(&plan, &project.store, stages::ALL)?;
        let trials = whole(&results, word)?;
        let mut side = Self::new(word, String::new(), results, trials);
        for id in plan.ids() {
            let node = plan.node(id);
            let is_meant = side.trials.iter().any(|trial| {
                plan.node_of(side.results.trials[*trial].index, &node.stage) == Some(id)
            });
            if let Some(fingerprint) = plan.fingerprint(id).filter(|_| is_meant) {
                side.add(&node.stage, &fingerprint);
            }
        }
        let there = side
            .trials
            .iter()
            .filter(|trial| side.results.has_results(&side.results.trials[**trial]));
        side.what = match there.count() {
            0 => "as it stands in the file; nothing of it has run".to_owned(),
            _ if side.is_one_of_several() => "the best point of what has run of it".to_owned(),
            _ => "as it stands in the file".to_owned(),
        };
        side.set_origins(project.experiment.origins().into_iter().map(|origin| {
            let place = format!("{}:{}:{}", origin.file, origin.line, origin.column);
            (origin, place)
        }));
        Ok(side)
    }

    fn of_run(
        run: RunFile,
        label: Option<&str>,
        word: &str,
        store: &Store,
    ) -> Result<Self, Failure> {
        let what = format!("{}, {}", run.file.display(), run.status.name());
        // What stands there is what the run was told; where it says nothing, a default held.
        let resolved = crate::engine::runs::folder_of(store, &run.id).join("experiment.toml");
        let overrides = project::overrides(&Changes::default())?;
        let written = Experiment::read(&resolved, &overrides).ok();
        let (file, set) = (run.file.display().to_string(), run.asked.overrides.set.clone());
        let results = Results::read(run, store, stages::ALL)?;
        let trials = match label {
            Some(label) => labelled(&results, label)?,
            None => whole(&results, word)?,
        };
        let mut side = Self::new(word, what, results, trials);
        let mut made: Vec<(String, Fingerprint)> = Vec::new();
        for trial in &side.trials {
            let nodes = side.results.made_with(&side.results.trials[*trial]);
            made.extend(nodes.filter_map(|(node, with)| Some((node.stage.clone(), with?.clone()))));
        }
        made.iter().for_each(|(stage, with)| side.add(stage, with));
        let is_set = |path: &str| {
            let end = path.strip_prefix("stage.").unwrap_or(path);
            let names = |set: &String| set.split('=').next().unwrap_or_default().trim().to_owned();
            set.iter().map(names).any(|set| set == path || set == end)
        };
        let written = written.iter().flat_map(Experiment::origins).map(|origin| {
            let place = if is_set(&origin.path) { "--set".to_owned() } else { file.clone() };
            (origin, place)
        });
        side.set_origins(written);
        if label.is_some() {
            side.sweep.clear();
        }
        Ok(side)
    }

    fn new(name: &str, what: String, results: Results, trials: Vec<usize>) -> Self {
        let (made, sweep, origins) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), what, results, trials, made, sweep, origins }
    }

    /// Whether it is a point among others.
    fn is_one_of_several(&self) -> bool {
        self.trials.len() < self.results.trials.len()
    }

    /// Takes note of where values stand: those of an axis where the axis does, and not where the value does that it takes the place of.
    fn set_origins(&mut self, origins: impl Iterator<Item = (Origin, String)>) {
        for (Origin { path, value, .. }, place) in origins {
            let Some(of_sweep) = path.strip_prefix("sweep.") else {
                self.origins.entry(path).or_insert(place);
                continue;
            };
            let axis = of_sweep.strip_prefix("over.").or(of_sweep.strip_prefix("together."));
            if let Some(axis) = axis.filter(|axis| !axis.starts_with("params.")) {
                self.origins.insert(format!("stage.{axis}"), place.clone());
            }
            self.sweep.insert(path, (value, place));
        }
    }

    fn add(&mut self, stage: &str, with: &Fingerprint) {
        let known = self.made.entry(stage.to_owned()).or_default();
        if !known.contains(with) {
            known.push(with.clone());
        }
    }

    /// Where a parameter's value comes from: a place in a file, the command line, or `default`.
    pub fn origin(&self, stage: &str, parameter: &str) -> &str {
        let path = format!("stage.{stage}.{parameter}");
        // A table stands in one place, whatever is asked of it.
        let above = path.match_indices('.').map(|(dot, _)| &path[..dot]).rev();
        let mut paths =
            std::iter::once(path.as_str()).chain(above).filter(|it| it.matches('.').count() >= 2);
        let known = paths.find_map(|path| self.origins.get(path));
        known.map_or("default", String::as_str)
    }

    /// Whether a stage belongs to it, whatever is left of it.
    pub fn has_stage(&self, stage: &str) -> bool {
        self.meant().any(|of| self.results.made_with(of).any(|(node, _)| node.stage == stage))
    }

    /// The trials that are meant.
    pub fn meant(&self) -> impl Iterator<Item = &TrialResults> {
        self.trials.iter().map(|trial| &self.results.trials[*trial])
    }

    /// The trials that have scores, with what compares them.
    pub fn replicates(&self) -> Result<Vec<(Replicate, Scores)>, Unreadable> {
        replicates(&self.results, self.meant())
    }
}

/// The trials of a run or a file as a whole: of its only point, or of the best one.
fn whole(results: &Results, word: &str) -> Result<Vec<usize>, Failure> {
    let points: BTreeSet<String> = results.trials.iter().map(TrialResults::of_point).collect();
    if points.len() <= 1 {
        return Ok((0..results.trials.len()).collect());
    }
    // A record says what was chosen; of a file it follows from what the store has.
    let best = match results.run.best.as_slice() {
        [] => view::best_trials(results)
            .map_err(|error| Failure::failed(format!("the scores cannot be read: {error}")))?,
        best => best.to_vec(),
    };
    if !best.is_empty() {
        let numbered = results.trials.iter().enumerate();
        let meant = numbered.filter(|(_, of)| best.iter().any(|label| **label == *of.label));
        return Ok(meant.map(|(at, _)| at).collect());
    }
    let run = if results.run.id.is_empty() { "RUN" } else { &results.run.id };
    let example = points.first().map_or("", String::as_str);
    Err(Failure::usage(format!(
        "{} has {} points, and no objective says which is meant",
        quoted(word),
        points.len()
    ))
    .with_help(format!(
        "name one, as in `{run}:{example}`; `pipeline ls points {word}` lists them"
    )))
}

/// The trial or the trials of the point with a label.
fn labelled(results: &Results, label: &str) -> Result<Vec<usize>, Failure> {
    let with = |is_it: &dyn Fn(&TrialResults) -> bool| -> Vec<usize> {
        let numbered = results.trials.iter().enumerate();
        numbered.filter(|(_, trial)| is_it(trial)).map(|(at, _)| at).collect()
    };
    let trials = with(&|of| *of.label == *label);
    let found = if trials.is_empty() { with(&|of| of.of_point() == *label) } else { trials };
    if !found.is_empty() {
        return Ok(found);
    }
    let run = &results.run.id;
    let failure =
        Failure::not_found(format!("the run `{run}` has no trial and no point {}", quoted(label)));
    let labels = results.trials.iter().flat_map(|of| [of.label.to_string(), of.of_point()]);
    let labels: BTreeSet<String> = labels.filter(|label| !label.is_empty()).collect();
    Err(failure.with_help(match suggest(label, labels.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{run}:{near}`?"),
        None if labels.is_empty() => format!("it is no sweep, so `{run}` names all of it"),
        None => {
            let named: Vec<String> =
                labels.iter().take(NAMED).map(|label| format!("`{label}`")).collect();
            let more = if labels.len() > NAMED { ", ..." } else { "" };
            format!("it has {}{more}", named.join(", "))
        }
    }))
}

/// That a word names nothing, and what it may mean.
pub fn no_run(store: &Store, word: &str) -> Failure {
    let (id, _) = split(word);
    let failure = Failure::not_found(format!(
        "{} is no experiment file and no run in `{}`",
        quoted(word),
        store.outputs().display()
    ));
    let runs = list_runs(store).unwrap_or_default();
    match (suggest(id, runs.iter().rev().map(|run| run.id.as_str())), runs.last()) {
        (Some(near), _) => failure.with_help(format!("did you mean `{near}`?")),
        (None, Some(run)) => {
            failure.with_help(format!("the latest run is `{}`; `pipeline ls` lists all", run.id))
        }
        (None, None) => failure,
    }
}
