//! Experiment files in a temporary folder, and plans of them.

use std::cell::Cell;
use std::io;
use std::path::Path;

use pipeline::base::diagnostics::Diagnostics;
use pipeline::engine::plan::{CacheKey, Digests, FileDigest, Plan, PlanError, Points};
use pipeline::engine::spec::{Experiment, Overrides, Pin, Pins};

use crate::common::Folder;
use crate::kinds::KINDS;

/// The experiment of which all tests are variants.
pub const SMALL: &str = r#"
version = 1
seed = 42

[params]
max_length = 128

[stage.fetch_model]
repo = "answerdotai/ModernBERT-base"
revision = "8949b909ec900327062f0ebf497f51aef5e6f0c8"

[stage.corpus]
kind = "generate_corpus"
templates = "templates.toml"
samples = 5000
anomaly_ratio = 0.3
split = { train = 0.8, validation = 0.2 }

[stage.tokenize]
model = "@fetch_model"
corpus = "@corpus"
max_length = "@params.max_length"

[stage.train]
model = "@fetch_model"
data = "@tokenize"
epochs = 3
learning_rate = 2e-5

[stage.evaluate]
model = "@train"
data = "@tokenize"

[stage.plot]
history = "@train"
evaluation = "@evaluate"
"#;

/// Digests files without a memo, and counts those into which somebody looks.
struct Direct<'a> {
    looks: &'a Cell<usize>,
}

impl Digests for Direct<'_> {
    fn file(&self, path: &Path) -> io::Result<FileDigest> {
        let bytes = std::fs::read(path)?;
        Ok(FileDigest {
            digest: blake3::hash(&bytes).to_hex().to_string(),
            size: bytes.len() as u64,
        })
    }

    fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.looks.set(self.looks.get() + 1);
        std::fs::read(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(std::fs::read_dir(path)?
            .map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
            .collect())
    }
}

pub struct World {
    pub folder: Folder,
    /// How often a plan looked into a file.
    pub looks: Cell<usize>,
}

impl World {
    pub fn new() -> Self {
        let world = Self { folder: Folder::new(), looks: Cell::new(0) };
        world.write("templates.toml", "one template");
        world
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.folder.write(name, text);
    }

    /// Pins a revision for `experiment.toml`.
    pub fn pin(&self, repo: &str, revision: &str, commit: &str) {
        let pin = Pin { repo: repo.into(), revision: revision.into(), commit: commit.into() };
        Pins::write(&Pins::path_for(&self.folder.path("experiment.toml")), Pins::from_iter([pin]))
            .expect("the folder is writable");
    }

    pub fn plan_selected(&self, name: &str, selected: &[&str]) -> Result<Plan, PlanError> {
        let overrides = Overrides { folder: self.folder.root().to_owned(), ..Overrides::default() };
        let experiment = Experiment::read(&self.folder.path(name), &overrides)?;
        let selected: Vec<String> = selected.iter().map(|name| (*name).to_owned()).collect();
        Plan::build(
            &experiment,
            KINDS,
            &Points::of(&experiment),
            &Direct { looks: &self.looks },
            &selected,
        )
    }

    /// Plans points that somebody chose.
    ///
    /// * `points`: of each, which of the values that the file lists for each axis
    pub fn plan_points(&self, text: &str, points: &[&[usize]]) -> Plan {
        self.write("experiment.toml", text);
        let experiment =
            Experiment::read(&self.folder.path("experiment.toml"), &Overrides::default())
                .expect("a good file");
        let sweep = experiment.sweep.as_ref().expect("a sweep");
        let mut list = Points::none(&experiment);
        for point in points {
            let values = sweep.axes.iter().zip(*point);
            list.add(values.map(|(axis, at)| axis.values[*at].clone()));
        }
        Plan::build(&experiment, KINDS, &list, &Direct { looks: &self.looks }, &[])
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Plans the points of a file when some of them have gone on.
    pub fn plan_levels(&self, text: &str, go_on: impl FnOnce(&mut Points)) -> Plan {
        self.write("experiment.toml", text);
        let experiment =
            Experiment::read(&self.folder.path("experiment.toml"), &Overrides::default())
                .expect("a good file");
        let mut points = Points::of(&experiment);
        go_on(&mut points);
        Plan::build(&experiment, KINDS, &points, &Direct { looks: &self.looks }, &[])
            .unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn plan_file(&self, name: &str) -> Result<Plan, PlanError> {
        self.plan_selected(name, &[])
    }

    /// The codes of the mistakes of a file that cannot be read whole: the reader's, and those that the plan adds.
    pub fn recovered(&self, name: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let overrides = Overrides { folder: self.folder.root().to_owned(), ..Overrides::default() };
        let reading = Experiment::read_recovering(&self.folder.path(name), &overrides);
        let codes =
            |all: &Diagnostics| all.list().iter().map(|diagnostic| diagnostic.code).collect();
        let experiment = reading.experiment.expect("most of it can be read");
        let plan = match Plan::build(
            &experiment,
            KINDS,
            &Points::of(&experiment),
            &Direct { looks: &self.looks },
            &[],
        ) {
            Err(PlanError::Diagnostics(diagnostics)) => codes(&diagnostics),
            other => panic!("{other:?}"),
        };
        (codes(&reading.diagnostics), plan)
    }

    pub fn plan(&self, text: &str) -> Plan {
        self.write("experiment.toml", text);
        self.plan_file("experiment.toml").unwrap_or_else(|error| panic!("{error}"))
    }

    /// The rendered mistakes, without the name of the temporary folder.
    pub fn mistakes(&self, text: &str) -> String {
        self.write("experiment.toml", text);
        match self.plan_file("experiment.toml") {
            Ok(_) => "no mistakes".to_owned(),
            Err(error) => {
                error.to_string().replace(&format!("{}/", self.folder.root().display()), "")
            }
        }
    }
}

/// The key of a stage in a plan without a sweep.
pub fn key(plan: &Plan, stage: &str) -> CacheKey {
    key_in(plan, 0, stage)
}

/// The key of a stage in a trial.
pub fn key_in(plan: &Plan, trial: u32, stage: &str) -> CacheKey {
    let id = plan.node_of(trial, stage).expect("a stage of the plan");
    plan.node(id).identity.key().expect("no commit is unknown")
}

/// How many nodes a stage has.
pub fn count(plan: &Plan, stage: &str) -> usize {
    plan.nodes.iter().filter(|node| &*node.stage == stage).count()
}
