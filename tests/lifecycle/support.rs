//! A project in a temporary folder with a training of a few steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pipeline::base::problem::Help;
use pipeline::engine::exec::{Cancel, Event, Options, Outcome, RunOutcome, execute};
use pipeline::engine::plan::{Forecast, NodeId, Plan, PlanError, Points};
use pipeline::engine::runs::{Asked, Known, NewRun, RunRecord, RunStatus};
use pipeline::engine::spec::{Experiment, Overrides};
use pipeline::engine::store::Store;
use pipeline::stages;

use crate::common::log::{Log, messages};
pub use crate::common::names;

/// What a stage called `train` is made from: four steps an epoch.
const UPSTREAM: &str = r#"
version = 1

[stage.corpus]
kind = "generate_corpus"
templates = "TEMPLATES"
samples = 40
split = SPLIT

[stage.init_model]
corpus = "@corpus"
vocab_size = 400
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 16

[stage.tokenize]
model = "@init_model"
corpus = "@corpus"
max_length = 32

[stage.train]
model = "@init_model"
data = "@tokenize"
batch_size = 8
"#;

pub struct Ran {
    pub plan: Plan,
    pub outcome: RunOutcome,
    pub events: Vec<Event>,
}

pub struct Project {
    folder: tempfile::TempDir,
    pub options: Options,
    pub split: &'static str,
}

impl Project {
    pub fn new() -> Self {
        let options = Options { jobs: 2, threads: 2, ..Options::default() };
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            options,
            split: "{ train = 0.8, validation = 0.2 }",
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn outputs(&self) -> PathBuf {
        self.path().join("outputs")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.outputs()).expect("opens")
    }

    /// The file of the training with more lines in the table of `train`.
    pub fn write(&self, train: &str) -> PathBuf {
        let file = self.path().join("small.toml");
        let templates =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data/security_events.toml");
        let text = UPSTREAM
            .replace("TEMPLATES", templates.to_str().expect("UTF-8"))
            .replace("SPLIT", self.split);
        let rate = if train.contains("learning_rate") { "" } else { "learning_rate = 1e-3\n" };
        fs::write(&file, format!("{text}{rate}{train}\n")).expect("writable");
        file
    }

    pub fn plan(&self, train: &str) -> Plan {
        self.try_plan(train).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_plan(&self, train: &str) -> Result<Plan, PlanError> {
        let overrides = Overrides { folder: self.path().to_owned(), ..Overrides::default() };
        let experiment = Experiment::read(&self.write(train), &overrides)?;
        Plan::build(&experiment, stages::ALL, &Points::of(&experiment), self.store().digests(), &[])
    }

    /// What is wrong with a file.
    pub fn mistakes(&self, train: &str) -> String {
        self.try_plan(train).map_or_else(|error| error.to_string(), |_| "no mistakes".to_owned())
    }

    pub fn run(&self, train: &str) -> Ran {
        self.run_with(train, &Cancel::new(), &|_| {})
    }

    /// Runs with a record, as the command does.
    pub fn run_with(&self, train: &str, cancel: &Cancel, react: &(dyn Fn(&Event) + Sync)) -> Ran {
        let plan = self.plan(train);
        let store = self.store();
        let new = NewRun {
            experiment: &plan.name,
            file: &plan.file,
            resolved: "",
            started: jiff::Timestamp::now(),
            asked: &Asked::default(),
        };
        let record = RunRecord::begin(&store, &new).expect("writable");
        let log = Log::new(react);
        let outcome = execute(&plan, &store, &self.options, &log, cancel).expect("it can start");
        record
            .finish(
                RunStatus::Done,
                outcome.exit_code(),
                0,
                outcome.records(&plan),
                outcome.fingerprints(),
            )
            .expect("writable");
        Ran { plan, outcome, events: log.into_events() }
    }

    /// What `plan` says of `train`.
    pub fn forecast(&self, train: &str) -> String {
        let plan = self.plan(train);
        let forecast = Forecast::of(&plan, &Known::of(&self.store()), &[]);
        let id = train_of(&plan);
        match forecast.continuations.get(&id) {
            Some(continuation) => format!("{}; {continuation}", forecast.node(id)),
            None => forecast.node(id).to_string(),
        }
    }

    pub fn checkpoints(&self) -> Vec<String> {
        names(&self.outputs().join("checkpoints"))
    }
}

pub fn train_of(plan: &Plan) -> NodeId {
    plan.node_of(0, "train").expect("a stage of the plan")
}

impl Ran {
    fn train(&self) -> &pipeline::engine::exec::NodeResult {
        &self.outcome.nodes[train_of(&self.plan).index()]
    }

    pub fn outcome(&self) -> &Outcome {
        &self.train().outcome
    }

    /// Every file of the trained model that holds no clock.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entry =
            self.train().entry.as_ref().unwrap_or_else(|| panic!("no entry: {:?}", self.outcome()));
        let files = entry.manifest().files.iter().filter(|file| !file.volatile);
        files
            .map(|file| {
                (file.path.clone(), fs::read(entry.folder().join(&file.path)).expect("readable"))
            })
            .collect()
    }

    /// The steps that this run made.
    pub fn steps(&self) -> usize {
        let entry = self.train().entry.as_ref().expect("it has an entry");
        fs::read_to_string(entry.folder().join("timing.csv"))
            .expect("readable")
            .lines()
            .count()
            .saturating_sub(1)
    }

    /// The message of a failed `train`.
    pub fn error(&self) -> String {
        match self.outcome() {
            Outcome::Failed { error, .. } => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// What is said to help.
    pub fn help(&self) -> String {
        match self.outcome() {
            Outcome::Failed { error, .. } => error.help().expect("a remedy").into_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub fn messages(&self) -> Vec<String> {
        messages(&self.events)
    }
}
