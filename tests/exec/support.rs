//! A project in a temporary folder, and what its runs do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pipeline::engine::exec::{Cancel, Event, Options, Outcome, RunOutcome, execute};
use pipeline::engine::plan::{CacheKey, Plan, Points};
use pipeline::engine::spec::{Experiment, Overrides};
use pipeline::engine::store::Store;

use crate::common::log::{Log, messages};
pub use crate::common::names;
use crate::kinds;

/// A finished run.
pub struct Ran {
    pub outcome: RunOutcome,
    pub events: Vec<Event>,
}

impl Ran {
    /// The stages that ran, in order of their beginning.
    pub fn started(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|event| {
                if let Event::StageStarted { name, .. } = event {
                    Some(name.to_string())
                } else {
                    None
                }
            })
            .collect()
    }

    /// How each stage ended, in a word.
    pub fn ends(&self) -> BTreeMap<String, &'static str> {
        let end = |outcome: &Outcome| match outcome {
            Outcome::Cached => "cached",
            Outcome::Built { .. } => "built",
            Outcome::Reused { .. } => "reused",
            Outcome::Failed { .. } => "failed",
            Outcome::NotRun { .. } => "not run",
            Outcome::Cancelled { .. } => "cancelled",
        };
        self.outcome.nodes.iter().map(|node| (node.name.to_string(), end(&node.outcome))).collect()
    }

    pub fn end(&self, stage: &str) -> &'static str {
        self.ends()[stage]
    }

    pub fn outcome_of(&self, stage: &str) -> &Outcome {
        &self
            .outcome
            .nodes
            .iter()
            .find(|node| &*node.name.stage == stage)
            .expect("a stage of the plan")
            .outcome
    }

    /// What the stages said.
    pub fn messages(&self) -> Vec<String> {
        messages(&self.events)
    }

    pub fn text(&self, stage: &str) -> String {
        let node = self
            .outcome
            .nodes
            .iter()
            .find(|node| &*node.name.stage == stage)
            .expect("a stage of the plan");
        fs::read_to_string(node.entry.as_ref().expect("it has an entry").folder().join("text"))
            .expect("readable")
    }
}

pub struct Project {
    _folder: Option<tempfile::TempDir>,
    root: PathBuf,
    pub options: Options,
}

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { root: folder.path().to_owned(), _folder: Some(folder), options: Self::options() }
    }

    /// A project that another process made.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), _folder: None, options: Self::options() }
    }

    fn options() -> Options {
        Options { jobs: 4, threads: 4, ..Options::default() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn outputs(&self) -> PathBuf {
        self.root.join("outputs")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.outputs()).expect("opens")
    }

    pub fn plan(&self, stages: &str) -> Plan {
        // Several processes and threads may be at it.
        let file = self.root.join(format!(
            "{}-{:?}.toml",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::write(&file, format!("version = 1\n{stages}")).expect("writable");
        let overrides = Overrides { folder: self.root.clone(), ..Overrides::default() };
        let experiment = Experiment::read(&file, &overrides)
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        match Plan::build(
            &experiment,
            kinds::ALL,
            &Points::of(&experiment),
            self.store().digests(),
            &[],
        ) {
            Ok(plan) => plan,
            Err(pipeline::engine::plan::PlanError::Diagnostics(error)) => {
                panic!("{}", error.render(false))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn key(&self, stages: &str, stage: &str) -> CacheKey {
        let plan = self.plan(stages);
        plan.node(plan.node_of(0, stage).expect("a stage of the plan"))
            .identity
            .key()
            .expect("a key")
    }

    /// The folder of a stage's entry.
    pub fn folder(&self, stages: &str, stage: &str) -> PathBuf {
        self.store()
            .get(&self.key(stages, stage))
            .expect("readable")
            .expect("there")
            .folder()
            .to_owned()
    }

    pub fn run(&self, stages: &str) -> Ran {
        self.run_with(stages, &Cancel::new(), &|_| {})
    }

    /// Runs, and does something at some event.
    pub fn run_with(&self, stages: &str, cancel: &Cancel, react: &(dyn Fn(&Event) + Sync)) -> Ran {
        let log = Log::new(react);
        let outcome = execute(&self.plan(stages), &self.store(), &self.options, &log, cancel)
            .expect("it can start");
        Ran { outcome, events: log.into_events() }
    }

    /// Names in the store's folder for what is unfinished.
    pub fn temporary(&self) -> Vec<String> {
        names(&self.outputs().join("store/tmp"))
    }
}

/// Changes one bit of a file in the store.
pub fn flip(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mut bytes = fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
    fs::write(path, bytes).expect("writable");
}

/// Every file of every entry with its content, but for what holds clocks.
pub fn contents(store: &Store) -> BTreeMap<(CacheKey, String), Vec<u8>> {
    let mut found = BTreeMap::new();
    for key in store.keys().expect("readable") {
        let entry = store.get(&key).expect("readable").expect("complete");
        for file in entry.manifest().files.iter().filter(|file| !file.volatile) {
            found.insert(
                (key, file.path.clone()),
                fs::read(entry.folder().join(&file.path)).expect("readable"),
            );
        }
    }
    found
}
