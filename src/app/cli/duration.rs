//! How long the trainings of a plan will take on this machine, as far as something was measured on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::training::Training;
use crate::app::tools::{Effort, Estimate, Job, Speed, SpeedSource, Speeds, Texts, machine};
use crate::engine::exec::{Outcome, RunOutcome};
use crate::engine::plan::{NodeId, Plan};
use crate::engine::store::Store;
use crate::view::format;

/// The durations of the trainings to run. Nothing of it is part of the plan, which is the same on any machine.
pub struct Outlook {
    /// Those that go on from what an earlier run made.
    resumed: BTreeSet<NodeId>,
    /// `None` where nothing is known.
    estimates: BTreeMap<NodeId, Option<Estimate>>,
}

impl Outlook {
    /// * `trainings`: those to run
    /// * `threads`: what the run would use
    pub fn of(
        trainings: &[(NodeId, Training)],
        plan: &Plan,
        store: &Store,
        threads: usize,
    ) -> Self {
        if trainings.is_empty() {
            return Self { resumed: BTreeSet::new(), estimates: BTreeMap::new() };
        }
        let (speeds, machine) = (Speeds::read(&file(store)), machine());
        // A sweep asks for the same many times.
        let mut known: HashMap<Training, Option<Estimate>> = HashMap::new();
        let mut estimate = |training: Training| {
            *known.entry(training).or_insert_with(|| {
                speeds.estimate(&job(&training, plan, store)?, &machine, threads)
            })
        };
        let resumed = trainings
            .iter()
            .filter(|(_, training)| training.steps_made > 0)
            .map(|(id, _)| *id)
            .collect();
        Self {
            resumed,
            estimates: trainings.iter().map(|(id, training)| (*id, estimate(*training))).collect(),
        }
    }

    pub fn estimate(&self, id: NodeId) -> Option<Estimate> {
        self.estimates.get(&id).copied().flatten()
    }

    /// A line for each stage that trains, or one for all where they are many; empty where none does.
    pub fn text(&self, plan: &Plan) -> String {
        const STAGES: usize = 10;
        let mut text = String::new();
        let trains = |ids: Vec<NodeId>| -> Vec<NodeId> {
            ids.into_iter().filter(|id| self.estimates.contains_key(id)).collect()
        };
        let stages = plan.by_stage().into_iter().map(|(stage, ids)| (stage, trains(ids)));
        let stages: Vec<_> = stages.filter(|(_, ids)| !ids.is_empty()).collect();
        let groups: Vec<(String, Vec<NodeId>)> = if stages.len() > STAGES {
            let all: Vec<NodeId> = stages.into_iter().flat_map(|(_, ids)| ids).collect();
            vec![(format!("{} trainings", all.len()), all)]
        } else {
            let title = |stage: &str, ids: &[NodeId]| match ids {
                [only] => plan.node(*only).title(),
                several => format!("{stage} ×{}", several.len()),
            };
            stages.into_iter().map(|(stage, ids)| (title(stage, &ids), ids)).collect()
        };
        for (title, ids) in groups {
            let estimates: Option<Vec<Estimate>> =
                ids.iter().map(|id| self.estimates[id]).collect();
            match estimates {
                Some(estimates) => {
                    let resumed = ids.iter().any(|id| self.resumed.contains(id));
                    writeln!(text, "time: {}", line(&title, &estimates, resumed))
                }
                None => {
                    writeln!(text, "time: not known for {title} on this machine: `pipeline bench {}` measures a step", plan.file.display())
                }
            }
            .expect("a string");
        }
        text
    }
}

/// * `estimates`: of the trainings of a stage, at least one
/// * `resumed`: some steps are made
fn line(title: &str, estimates: &[Estimate], resumed: bool) -> String {
    let Estimate { step_s, measured_by, threads, .. } = estimates[0];
    let by = match measured_by {
        SpeedSource::Bench => "`pipeline bench`",
        SpeedSource::Training => "a training here",
    };
    let scaled = if estimates.iter().any(|estimate| estimate.scaled) {
        ", scaled from another model or batch"
    } else {
        ""
    };
    let basis = format!(
        "measured by {by} with {threads} {}{scaled}",
        if threads == 1 { "thread" } else { "threads" }
    );
    let totals: Option<(Vec<u64>, Vec<f64>)> =
        estimates.iter().map(|estimate| Some((estimate.steps?, estimate.total_s?))).collect();
    let seconds = |seconds: f64| {
        format::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    };
    match totals {
        Some((steps, totals)) => {
            let (steps, total) =
                (format::grouped(steps.iter().sum()), seconds(totals.iter().sum()));
            let left = if resumed { " that are left" } else { "" };
            format!(
                "about {total} for {title} on the CPU ({steps} steps{left} of about {}, {basis})",
                seconds(step_s)
            )
        }
        None => format!(
            "about {} for a step of {title} on the CPU ({basis}); how many there are is known once it has its texts",
            seconds(step_s)
        ),
    }
}

fn job(training: &Training, plan: &Plan, store: &Store) -> Option<Job> {
    let Training {
        batch_size,
        gradient_accumulation,
        activation_checkpointing,
        epochs,
        evaluate_every,
        ..
    } = *training;
    let shape = training.shape(plan, store).ok()?;
    let effort =
        Effort::of(&shape, batch_size, gradient_accumulation, activation_checkpointing).ok()?;
    Some(Job {
        effort,
        epochs,
        evaluate_every,
        texts: texts(training, plan, store),
        steps_made: training.steps_made,
    })
}

/// The texts of a training: those that are there, else those that there will be.
pub fn texts(training: &Training, plan: &Plan, store: &Store) -> Option<Texts> {
    let encoded = training.encoded(plan, store).and_then(|folder| Texts::of_encoded(&folder).ok());
    encoded.or_else(|| texts_to_generate(training, plan))
}

/// How many texts there will be, where the corpus' parameters say it.
fn texts_to_generate(training: &Training, plan: &Plan) -> Option<Texts> {
    let tokenize = plan.node(training.data);
    let (_, corpus) = tokenize.inputs.iter().find(|(port, _)| *port == "corpus")?;
    let corpus = plan.node(*corpus);
    if corpus.kind.name != "generate_corpus" {
        return None;
    }
    let parameters = corpus.instance.parameters();
    let samples = parameters["samples"].as_f64()?;
    let count = |split: &str| {
        parameters["split"][split].as_f64().map(|fraction| (samples * fraction).round() as usize)
    };
    Some(Texts { train: count("train")?, validation: count("validation")?, tokens_per_text: None })
}

/// Remembers what a measurement found; failing to costs only the estimate.
pub fn remember(store: &Store, found: impl IntoIterator<Item = Speed>) {
    let mut found = found.into_iter().peekable();
    if found.peek().is_none() {
        return;
    }
    let path = file(store);
    let mut speeds = Speeds::read(&path);
    found.for_each(|speed| speeds.remember(speed));
    let _ = speeds.write(&path);
}

/// Remembers what the steps of the trainings took that a run on the CPU has made.
pub fn remember_run(plan: &Plan, outcome: &RunOutcome, store: &Store, threads: usize) {
    let mut known: HashMap<Training, Option<Speed>> = HashMap::new();
    let built = plan
        .ids()
        .zip(&outcome.nodes)
        .filter(|(_, result)| matches!(result.outcome, Outcome::Built { .. }));
    for (id, result) in built {
        let (Some(training), Some(entry)) = (Training::of(plan, id), &result.entry) else {
            continue;
        };
        let Training { batch_size, gradient_accumulation, activation_checkpointing, .. } = training;
        known.entry(training).or_insert_with(|| {
            Speed::of_training(
                entry.folder(),
                batch_size,
                gradient_accumulation,
                activation_checkpointing,
                threads,
            )
            .ok()?
        });
    }
    remember(store, known.into_values().flatten());
}

fn file(store: &Store) -> PathBuf {
    store.cache().join("speeds.json")
}
