//! A project in a temporary folder, the program run in it, and what it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::mini::EVENTS;
use crate::common::{Folder, program};
pub use crate::common::{files_below, names};

/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);

const SETTINGS: &str = "[profile.default]\nthreads = 1\ndevice = \"cpu\"\n";

/// Six stages and 36 steps in about a quarter of a second, with a checkpoint at every third step.
const SMALL: &str = r#"
version = 1
seed = 7
[stage.corpus]
kind = "generate_corpus"
templates = "templates.toml"
samples = 60
duplicates = "keep"
anomaly_ratio = 0.4
split = { train = 0.8, validation = 0.2 }
[stage.init_model]
corpus = "@corpus"
vocab_size = 300
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 48
[stage.tokenize]
model = "@init_model"
corpus = "@corpus"
max_length = 48
[stage.train]
model = "@init_model"
data = "@tokenize"
epochs = 3
batch_size = 4
learning_rate = 1e-3
evaluate_every = 4
keep_best = "loss"
checkpoint_every = 3
[stage.evaluate]
model = "@train"
data = "@tokenize"
[stage.plot]
history = "@train"
evaluation = "@evaluate"
"#;

pub const SWEEP: &str = r#"
extends = "small.toml"
[sweep]
method = "grid"
objective = "max evaluate.ner.span_f1"
[sweep.over]
train.learning_rate = [1e-3, 3e-3]
"#;

/// The same with other texts: every stage differs, and none of its results may be those of `small.toml`.
const CHANGED: &str = "extends = \"small.toml\"\nname = \"small\"\n[stage.corpus]\nsamples = 50\n";

/// Trains long enough to be caught at it.
pub const LONG: &str = "extends = \"small.toml\"\n[stage.train]\nepochs = 40\n";

pub struct Project {
    folder: Folder,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The bytes of results or of other files, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

impl Project {
    pub fn new() -> Self {
        let project = Self { folder: Folder::in_memory() };
        project.fill(project.root());
        project
    }

    /// Writes the experiments into `folder`.
    pub fn fill(&self, folder: &Path) {
        let files =
            [("pipeline.toml", SETTINGS), ("templates.toml", EVENTS), ("small.toml", SMALL)];
        for (name, text) in files.into_iter().chain([
            ("sweep.toml", SWEEP),
            ("long.toml", LONG),
            ("changed.toml", CHANGED),
        ]) {
            fs::write(folder.join(name), text).expect("writable");
        }
    }

    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    pub fn outputs(&self) -> PathBuf {
        self.root().join("outputs")
    }

    pub fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        command(self.root(), arguments)
    }

    pub fn pipeline(&self, arguments: &[&str]) -> Ended {
        finish(start(&mut self.command(arguments)))
    }

    /// Runs an experiment that is expected to end well.
    pub fn run(&self, file: &str) -> Ended {
        let ended = self.pipeline(&["run", file]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }

    /// Runs `small.toml` as if it had once stood there with this rate, and with a schedule that leaves a state to go on from.
    pub fn run_with_rate(&self, rate: &str) {
        let train = format!("learning_rate = {rate}\nschedule = \"constant\"");
        self.write("small.toml", &SMALL.replace("learning_rate = 1e-3", &train));
        self.run("small.toml");
        self.write("small.toml", SMALL);
    }

    /// What was published for an experiment of this name: see [`published_in`].
    pub fn results(&self, name: &str) -> Files {
        published_in(&self.outputs().join(name))
    }

    /// Whether everything in the store is what its manifest says.
    pub fn assert_verifies(&self, what: &str) {
        let ended = self.pipeline(&["verify"]);
        assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
    }

    /// What no run should leave lying about.
    pub fn litter(&self) -> Vec<String> {
        let mut found: Vec<String> = names(&self.outputs().join("store/tmp"))
            .into_iter()
            .map(|name| format!("tmp/{name}"))
            .collect();
        found.extend(
            names(&self.outputs().join("checkpoints"))
                .into_iter()
                .map(|name| format!("checkpoints/{name}")),
        );
        for name in files_below(self.root()).into_keys() {
            let last = name.rsplit('/').next().unwrap_or_default();
            if last.starts_with(".new-")
                || last.ends_with(".new")
                || last.starts_with(".writing-")
                || last.ends_with(".incomplete")
            {
                found.push(name);
            }
        }
        found
    }

    /// The events of all runs, the oldest run first.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let mut events = Vec::new();
        let runs = self.outputs().join("runs");
        for run in names(&runs) {
            let text = fs::read_to_string(runs.join(run).join("events.jsonl")).unwrap_or_default();
            events.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
        events
    }

    /// Every file of every entry, manifests included, by its name below the store.
    pub fn entry_files(&self) -> Vec<String> {
        let files = files_below(&self.outputs().join("store"));
        files.into_keys().filter(|name| !name.starts_with("tmp/") && name.contains('/')).collect()
    }
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    program(folder, folder, arguments)
}

pub fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started")
}

/// Waits for the end, and fails the test if there is none.
pub fn finish(mut child: Child) -> Ended {
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = reader(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = reader(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = wait(&mut child);
    let text =
        |thread: std::thread::JoinHandle<String>| thread.join().expect("reading does not fail");
    Ended {
        code: status.code(),
        signal: status.signal(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().expect("it is ours");
            panic!("the program hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is ours");
}

/// Reads the events of a `run --json` until one is as wanted; everything after is read by [`finish`].
pub fn until(child: &mut Child, wanted: impl Fn(&serde_json::Value) -> bool) -> bool {
    let mut lines = BufReader::with_capacity(1, child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    let mut found = false;
    while !found && lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        found = serde_json::from_str(&line).is_ok_and(|event| wanted(&event));
        line.clear();
    }
    child.stdout = Some(lines.into_inner());
    found
}

/// True at the progress of a training that has made this many steps.
pub fn trained(steps: u64) -> impl Fn(&serde_json::Value) -> bool {
    move |event| {
        let steps_so_far = match event["event"].as_str() {
            Some("stage_progress") => &event["done"], // at most one a second
            Some("evaluated") => &event["step"],
            _ => return false,
        };
        event["stage"] == "train" && steps_so_far.as_u64() >= Some(steps)
    }
}

/// The results of an undisturbed run.
pub fn undisturbed(file: &str) -> &'static Files {
    static SMALL: OnceLock<Files> = OnceLock::new();
    static SWEEP: OnceLock<Files> = OnceLock::new();
    static LONG: OnceLock<Files> = OnceLock::new();
    static CHANGED: OnceLock<Files> = OnceLock::new();
    let (cell, name) = match file {
        "small.toml" => (&SMALL, "small"),
        "sweep.toml" => (&SWEEP, "sweep"),
        "long.toml" => (&LONG, "long"),
        _ => (&CHANGED, "small"),
    };
    cell.get_or_init(|| {
        let project = Project::new();
        project.run(file);
        let results = project.results(name);
        assert!(
            results.keys().any(|name| name.ends_with("model.safetensors")) && !results.is_empty()
        );
        results
    })
}

/// What was published, but for what holds clocks, the record and the report, which name the run, and the command in a model's card, which names
/// the file.
pub fn published_in(folder: &Path) -> Files {
    let mut files = files_below(folder);
    let is_of_the_run = |name: &str| name == "published.json" || name == "report.html";
    files.retain(|name, _| !name.ends_with("timing.csv") && !is_of_the_run(name));
    for (_, card) in files.iter_mut().filter(|(name, _)| name.ends_with("model/README.md")) {
        let lines = card.split_inclusive(|byte| *byte == b'\n');
        *card = lines
            .filter(|line| !line.starts_with(b"    pipeline run "))
            .flatten()
            .copied()
            .collect();
    }
    files
}

/// Fails with the names of the files that differ.
pub fn assert_same(found: &Files, expected: &Files, what: &str) {
    let mut differing: Vec<&String> = found
        .iter()
        .filter(|(name, bytes)| expected.get(*name) != Some(bytes))
        .map(|(name, _)| name)
        .collect();
    differing.extend(expected.keys().filter(|name| !found.contains_key(*name)));
    assert!(differing.is_empty(), "{what}: {differing:?} are not what an undisturbed run leaves");
}

/// Runs once more, and checks that all is as if nothing had happened.
pub fn assert_recovers(project: &Project, file: &str, name: &str, what: &str) {
    let ended = project.pipeline(&["run", file]);
    assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
    assert_same(&project.results(name), undisturbed(file), what);
    assert_eq!(project.litter(), [""; 0], "{what}");
    project.assert_verifies(what);
}

/// A sequence that looks random and is the same for the same seed.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

pub fn seed() -> u64 {
    std::env::var("PIPELINE_FAULT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
