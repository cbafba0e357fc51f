//! A run as TensorBoard follows it: event files in `outputs/runs/<id>/tensorboard/`, which grow while it goes.
//!
//! | where | what |
//! |---|---|
//! | at the top | the experiment, caveats, and pictures, of a sweep those that compare its points; without one the final scores too |
//! | `<label>/` | of a sweep's trial: its values, its final scores, its pictures, how it ended |
//! | `<stage>/`, `<label>/<stage>/` | the curves of a training |
//!
//! 1. [`TensorBoard::begin`] writes what was asked for, and [`TensorBoard::plan`] what a sweep compares;
//! 2. [`TensorBoard::event`] adds what a training tells as it comes; a stage that ended, or was there, adds what its result has: a history in
//!    place of what came so far, unless that is as good, and scores to every trial that has them;
//! 3. [`TensorBoard::finish`] adds how trials ended, caveats and pictures.
//!
//! What is in the cache waits until something else happens. Where nothing does, and an earlier run has published the same results, its event
//! files get second names: they take no room, and no time.
//!
//! Nothing here decides anything, and nothing ends a run: what cannot be written is said once, and then there is no more of it.

mod files;
mod summary;
mod trials;
mod wire;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use self::files::{Files, now};
use self::summary::Value;
use self::trials::{experiment, hparams};
use super::results::Published;
use crate::base::disk::regular;
use crate::engine::exec::{Event, NodeName};
use crate::engine::plan::{CacheKey, NodeId, Plan};
use crate::engine::runs::{self, Results, RunStatus, TrialResults, TrialStatus, scores_of};
use crate::engine::stage::{Caveat, Evaluated, Progress, Score, Scores, Signal};
use crate::engine::store::{Entry, Store};

/// Points of curves that are written of results in one run, shared by its trainings; a viewer shows a thousand of each.
const POINTS: usize = 200_000;
const POINTS_OF_ONE: std::ops::RangeInclusive<usize> = 50..=1000;

/// Pictures of the trials of a sweep that are written in one run, in bytes: of more, those of the best trial alone. A viewer reads all of them.
const PICTURES: u64 = 16 << 20;

/// In the folder of a run.
const FOLDER: &str = "tensorboard";

/// Writes what a run tells.
pub struct TensorBoard(Mutex<State>);

struct State {
    files: Files,
    run: String,
    /// Nothing is written any more.
    is_broken: bool,
    /// What came of nodes as it went, by their titles.
    live: HashMap<String, Live>,
    /// The trials of each node of the plan.
    trials: Vec<Vec<u32>>,
    /// Trials by label, and those of their stages whose scores are written.
    begun: HashMap<Arc<str>, HashSet<String>>,
    /// Of each curve that is written of a result.
    most_points: usize,
    is_planned: bool,
    /// What was there, as long as nothing else happened.
    cached: Option<Vec<(NodeName, CacheKey)>>,
}

/// What came of a training as it went.
#[derive(Default)]
struct Live {
    first: Option<u64>,
    points: usize,
    /// Steps, tags and values, since a history has not all of them.
    told: Vec<(u64, String, f64)>,
}

/// How much of what came of a training is kept.
const MOST_TOLD: usize = 100_000;

impl Live {
    fn keep(&mut self, step: u64, group: &str, numbers: &[(&str, f64)]) {
        if self.told.len() < MOST_TOLD {
            let told = numbers.iter().map(|(name, value)| (step, tag(group, name), *value));
            self.told.extend(told);
        }
    }
}

/// The plan that is carried out, and where its results are.
#[derive(Clone, Copy)]
struct Here<'a> {
    plan: &'a Plan,
    store: &'a Store,
}

impl TensorBoard {
    /// * `folder`: of the run; one for event files is made in it
    /// * `run`: its id
    /// * `resolved`: the experiment, as TOML
    #[must_use]
    pub fn begin(folder: &Path, run: &str, command: &str, resolved: &str) -> Self {
        let mut files = Files::new(folder.join(FOLDER));
        let fence = "````";
        let text = format!("`{command}`\n\n{fence}toml\n{resolved}{fence}\n");
        files.add("", 0, &[Value::text("experiment", &text)]);
        Self(Mutex::new(State {
            files,
            run: run.to_owned(),
            is_broken: false,
            live: HashMap::new(),
            trials: Vec::new(),
            begun: HashMap::new(),
            most_points: 0,
            is_planned: false,
            cached: Some(Vec::new()),
        }))
    }

    /// Takes note of the plan that is carried out from now on.
    pub fn plan(&self, plan: &Plan) {
        self.open(|state| {
            state.plan(plan);
            Ok(())
        });
    }

    /// Takes note that another plan comes after this one. The text is a warning.
    #[must_use]
    pub fn end(&self, plan: &Plan, store: &Store) -> Option<String> {
        self.open(|state| {
            state.catch_up(Here { plan, store });
            state.files.write_old()
        })
    }

    /// Takes note of an event. The text is a warning.
    #[must_use]
    pub fn event(&self, event: &Event, plan: &Plan, store: &Store) -> Option<String> {
        self.open(|state| {
            state.event(event, Here { plan, store });
            if state.cached.is_some() { Ok(()) } else { state.files.write_old() }
        })
    }

    /// Takes note of how the run ended. The text is a warning.
    #[must_use]
    pub fn finish(
        &self,
        plan: &Plan,
        store: &Store,
        results: &Results,
        published: Option<&Published>,
        caveats: &[Caveat],
    ) -> Option<String> {
        self.open(|state| {
            if let Some(earlier) = published.and_then(|published| published.by.as_deref())
                && state.cached.is_some()
                && runs::find_run(store, earlier).is_some_and(|run| run.status == RunStatus::Done)
                && state.files.link(&runs::folder_of(store, earlier).join(FOLDER))?
            {
                return Ok(());
            }
            state.catch_up(Here { plan, store });
            state.finish(plan, results);
            state.caveats(caveats);
            if let Some(published) = published {
                state.pictures(results, published)?;
            }
            state.files.write()
        })
    }

    fn open(&self, write: impl FnOnce(&mut State) -> io::Result<()>) -> Option<String> {
        // A panic elsewhere must not silence the rest of the run.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_broken {
            return None;
        }
        let error = write(&mut state).err()?;
        state.is_broken = true;
        Some(format!("nothing more is written for TensorBoard: {error}"))
    }
}

/// Where the curves of a stage go.
fn folder_of(stage: &str, label: &str) -> String {
    if label.is_empty() { stage.to_owned() } else { format!("{label}/{stage}") }
}

fn tag(group: &str, name: &str) -> String {
    format!("{group}/{name}")
}

fn scalars(group: &str, numbers: &[(&str, f64)]) -> Vec<Value> {
    numbers.iter().map(|(name, value)| Value::scalar(&tag(group, name), *value)).collect()
}

/// The numbers of a step of a training.
fn of_step<'n>(numbers: &'n [(Cow<'static, str>, f64)]) -> Vec<(&'n str, f64)> {
    numbers.iter().map(|(name, value)| (&**name, *value)).collect()
}

/// The scores of an evaluation on the way that are defined.
fn of_evaluation(metrics: &[(String, Option<f64>)]) -> Vec<(&str, f64)> {
    metrics.iter().filter_map(|(name, value)| Some((&**name, (*value)?))).collect()
}

impl State {
    fn plan(&mut self, plan: &Plan) {
        let mut trials = vec![Vec::new(); plan.nodes.len()];
        for trial in &plan.trials {
            let nodes = plan.stages().iter().filter_map(|stage| plan.node_of(trial.index, stage));
            nodes.for_each(|node| trials[node.index()].push(trial.index));
        }
        self.trials = trials;
        let trainings = plan.nodes.iter().filter(|node| node.kind.replicated).count();
        let most = POINTS / trainings.max(1);
        self.most_points = most.clamp(*POINTS_OF_ONE.start(), *POINTS_OF_ONE.end());
        if !self.is_planned && plan.sweep.is_some() {
            self.files.add("", 0, &[experiment(plan, now())]);
        }
        self.is_planned = true;
    }

    fn event(&mut self, event: &Event, here: Here<'_>) {
        match event {
            Event::StageProgress { name, done, unit, numbers, .. } if *unit == Progress::STEPS => {
                let numbers = of_step(numbers);
                let live = self.live.entry(name.to_string()).or_default();
                live.first = live.first.or(Some(*done));
                live.points += 1;
                live.keep(*done, &name.kind, &numbers);
                self.told(name, *done, scalars(&name.kind, &numbers), here);
            }
            Event::Evaluated { name, step, split, metrics } => {
                let defined = of_evaluation(metrics);
                self.live.entry(name.to_string()).or_default().keep(*step, split, &defined);
                self.told(name, *step, scalars(split, &defined), here);
            }
            Event::StageCached { name, key } | Event::StageReused { name, key, .. } => {
                match &mut self.cached {
                    Some(cached) => cached.push((name.clone(), *key)),
                    None => self.ended(name, key, here),
                }
            }
            Event::StageFinished { name, key, .. } => self.ended(name, key, here),
            Event::StageStarted { .. } | Event::StageFailed { .. } | Event::StageNotRun { .. } => {
                self.catch_up(here);
            }
            _ => {}
        }
    }

    /// Writes what was there from the beginning.
    fn catch_up(&mut self, here: Here<'_>) {
        for (name, key) in self.cached.take().unwrap_or_default() {
            self.ended(&name, &key, here);
        }
    }

    /// Writes what a training told on its way.
    fn told(&mut self, name: &NodeName, step: u64, values: Vec<Value>, here: Here<'_>) {
        if let Some(&[trial]) = self.trials.get(name.node).map(Vec::as_slice) {
            self.begin(trial, here.plan);
        }
        self.files.add(&folder_of(&name.stage, &name.label), step, &values);
    }

    /// Writes what the result of a stage has. What cannot be read is said by who needs it.
    fn ended(&mut self, name: &NodeName, key: &CacheKey, here: Here<'_>) {
        let Here { plan, store } = here;
        let id = NodeId(u32::try_from(name.node).expect("a plan numbers its nodes in 32 bits"));
        let node = plan.node(id);
        let Ok(Some(entry)) = store.get(key) else { return };
        self.replay(name, node.instance.replay(entry.folder()));
        let output = &node.kind.output;
        if output.metrics.is_some()
            && let Ok((scores, _)) = scores_of(output, &node.stage, &entry)
        {
            for trial in self.trials[name.node].clone() {
                self.begin(trial, plan);
                self.scores(&plan.trials[trial as usize].label, &scores, plan);
            }
        }
    }

    /// Writes a curve from what a result has of it, unless what came of it as it went is as good; with it what the result does not have.
    fn replay(&mut self, name: &NodeName, signals: Vec<Signal>) {
        let is_step = |signal: &Signal| matches!(signal, Signal::Progress(_));
        let steps = signals.iter().filter(|signal| is_step(signal)).count();
        let live = self.live.remove(&name.to_string());
        let enough = steps.min(self.most_points);
        let is_good = |live: &Live| live.first.is_some_and(|it| it <= 1) && live.points >= enough;
        if signals.is_empty() || live.as_ref().is_some_and(is_good) {
            return;
        }
        let folder = folder_of(&name.stage, &name.label);
        if live.is_some() {
            self.files.start_anew(&folder);
        }
        let (every, mut number) = (steps.div_ceil(self.most_points), 0);
        let mut written = HashSet::new();
        for signal in signals {
            let (step, group, numbers) = match &signal {
                Signal::Progress(Progress { done, numbers, .. }) => {
                    number += 1;
                    if number % every != 0 && number != 1 && number != steps {
                        continue;
                    }
                    (*done, &*name.kind, of_step(numbers))
                }
                Signal::Evaluated(Evaluated { step, split, metrics }) => {
                    (*step, &**split, of_evaluation(metrics))
                }
                Signal::Message(..) | Signal::Device(_) => continue,
            };
            self.files.add(&folder, step, &scalars(group, &numbers));
            written.extend(numbers.iter().map(|(name, _)| tag(group, name)));
        }
        for (step, tag, value) in live.into_iter().flat_map(|live| live.told) {
            if !written.contains(&tag) {
                self.files.add(&folder, step, &[Value::scalar(&tag, value)]);
            }
        }
    }

    /// Says what a trial is, once.
    fn begin(&mut self, trial: u32, plan: &Plan) {
        let trial = &plan.trials[trial as usize];
        if self.begun.contains_key(&trial.label) {
            return;
        }
        self.begun.insert(Arc::clone(&trial.label), HashSet::new());
        let (group, values) = hparams(plan, trial, &self.run);
        self.files.add(&trial.label, 0, &[Value::session_start(now(), &group, &values)]);
    }

    /// Writes the final scores of a trial that are not written yet.
    fn scores(&mut self, trial: &Arc<str>, scores: &Scores, plan: &Plan) {
        let written = self.begun.entry(Arc::clone(trial)).or_default();
        let is_told = |stage: &str, path: &str| {
            plan.kind_of(stage).is_some_and(|kind| !kind.output.is_detail(path))
        };
        let (mut values, mut stages) = (Vec::new(), HashSet::new());
        for (name, score) in scores {
            let Some((stage, path)) = name.split_once('.') else { continue };
            if !written.contains(stage) && is_told(stage, path) {
                stages.insert(stage.to_owned());
                values.extend(score.map(|score| Value::scalar(name, Score::value(score))));
            }
        }
        written.extend(stages);
        self.files.add(trial, 0, &values);
    }

    /// Writes how trials ended, and what of their scores came by no event.
    fn finish(&mut self, plan: &Plan, results: &Results) {
        for of in &results.trials {
            let succeeded = match of.status {
                TrialStatus::Done => true,
                TrialStatus::Failed => false,
                TrialStatus::Interrupted | TrialStatus::NotRun => continue,
            };
            self.begin(of.index, plan);
            if let Ok(scores) = results.scores(of) {
                self.scores(&of.label, &scores, plan);
            }
            self.files.add(&of.label, 0, &[Value::session_end(now(), succeeded)]);
        }
    }

    fn caveats(&mut self, caveats: &[Caveat]) {
        if !caveats.is_empty() {
            let text: String =
                caveats.iter().map(|caveat| format!("- {}\n", caveat.message)).collect();
            self.files.add("", 0, &[Value::text("caveats", &text)]);
        }
    }

    /// Those of each trial, where they are not too large in sum, and of a sweep those that compare its points.
    fn pictures(&mut self, results: &Results, published: &Published) -> io::Result<()> {
        let of_trials: Vec<Vec<(String, &Entry, &str)>> =
            results.trials.iter().map(|of| pictures_of(results, of)).collect();
        let size =
            |(_, entry, file): &(String, &Entry, &str)| entry.file(file).map_or(0, |it| it.size);
        let are_few = of_trials.iter().flatten().map(size).sum::<u64>() <= PICTURES;
        let best = published.best.as_deref();
        for (of, pictures) in results.trials.iter().zip(&of_trials) {
            if are_few || results.sweep.is_none() || best == Some(&*of.label) {
                for (name, entry, file) in pictures {
                    self.picture(&of.label, name, &entry.folder().join(file))?;
                }
            }
        }
        if results.sweep.is_some() {
            for name in pictures_in(&published.folder)? {
                self.picture("", &name, &published.folder.join(&name))?;
            }
        }
        Ok(())
    }

    fn picture(&mut self, folder: &str, name: &str, path: &Path) -> io::Result<()> {
        if let Some(name) = name.strip_suffix(".png")
            && let Some(picture) = Value::picture(name, &regular::read(path)?)
        {
            self.files.add(folder, 0, &[picture]);
        }
        Ok(())
    }
}

/// What a trial has as pictures.
fn pictures_of<'a>(
    results: &'a Results,
    of: &'a TrialResults,
) -> Vec<(String, &'a Entry, &'a str)> {
    let mut files = results.files(of, false);
    files.retain(|(name, ..)| name.ends_with(".png"));
    files
}

/// The names of pictures at the top of a folder, sorted.
fn pictures_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in folder.read_dir()? {
        let name = file?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".png") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_from_a_history_loses_nothing_of_what_was_told_on_the_way() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let board = TensorBoard::begin(folder.path(), "run", "pipeline run x", "");
        let mut state = board.0.into_inner().expect("nobody has panicked");
        state.most_points = 50;
        let name =
            NodeName { node: 0, stage: "train".into(), label: "".into(), kind: "train".into() };
        let live = state.live.entry(name.to_string()).or_default();
        live.keep(4, "train", &[("loss", 0.5), ("tokens_per_s", 900.0)]);
        live.keep(4, "validation", &[("ner.span_f1", 0.9)]);
        let step = |done| {
            let (unit, numbers) = (Progress::STEPS, vec![("loss".into(), 1.0)]);
            Signal::Progress(Progress { done, total: 4, unit, numbers })
        };
        state.replay(&name, (1..=4).map(step).collect());
        state.files.write().expect("written");
        let file =
            std::fs::read_dir(folder.path().join(FOLDER).join("train")).expect("a folder").next();
        let bytes = std::fs::read(file.expect("a file").expect("listed").path()).expect("read");
        let count = |tag: &str| bytes.windows(tag.len()).filter(|it| *it == tag.as_bytes()).count();
        let tags = ["train/loss", "train/tokens_per_s", "validation/ner.span_f1"];
        assert_eq!(tags.map(count), [4, 1, 1]);
    }
}
