//! A temporary folder with an experiment that trains in a moment, and the program run in it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use pipeline::engine::runs::{Results, RunFile, TrialResults, find_run};
use pipeline::engine::store::Store;
use pipeline::view;

use crate::common::mini::EVENTS;
pub use crate::common::mini::MINI;
use crate::common::{self, Folder};

/// Trains on `experiments/lines.jsonl` until it knows it by heart.
pub const OF_LINES: &str = r#"version = 1
[stage.corpus]
kind = "read_corpus"
train = "lines.jsonl"
validation = "lines.jsonl"
[stage.init_model]
corpus = "@corpus"
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 48
vocab_size = 400
[stage.tokenize]
model = "@init_model"
corpus = "@corpus"
[stage.train]
model = "@init_model"
data = "@tokenize"
epochs = 30
learning_rate = 3e-3
[stage.evaluate]
model = "@train"
data = "@tokenize"
"#;

pub struct World {
    folder: Folder,
    /// Where the program is started, below the folder.
    inside: PathBuf,
}

impl World {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: Folder::new(), inside: PathBuf::new() }
    }

    /// A folder with `experiments/mini.toml`.
    pub fn new() -> Self {
        let world = Self::empty();
        world.write("experiments/mini.toml", MINI);
        world.write("experiments/data/events.toml", EVENTS);
        world
    }

    /// A folder in which `experiments/mini.toml` was run.
    pub fn trained() -> Self {
        let world = Self::new();
        assert_eq!(world.pipeline(["run", "experiments/mini.toml"]).code, Some(0));
        world
    }

    /// The same folder, with the program started in a folder of it.
    pub fn inside(mut self, folder: &str) -> Self {
        std::fs::create_dir_all(self.path(folder)).expect("created");
        self.inside = folder.into();
        self
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        self.folder.write(name, content);
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    pub fn modified(&self, name: &str) -> std::time::SystemTime {
        std::fs::metadata(self.path(name)).and_then(|file| file.modified()).expect("there")
    }

    /// Writes a child of `mini.toml`.
    pub fn child(&self, name: &str, text: &str) {
        self.write(format!("experiments/{name}.toml"), format!("extends = \"mini.toml\"\n{text}"));
    }

    /// Nothing where there is no such file yet.
    pub fn read_if_there(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        common::names(&self.path(folder))
    }

    /// The id of the latest run.
    pub fn latest_run(&self) -> String {
        let newest = |id: &String| {
            std::fs::metadata(self.path(format!("outputs/runs/{id}/run.json")))
                .and_then(|meta| meta.modified())
                .expect("there")
        };
        self.names("outputs/runs").into_iter().max_by_key(newest).expect("a run")
    }

    /// Holds what a sweep showed at its end against what is made from its record.
    pub fn assert_is_read_back(&self, shot: &Shot) {
        let store = Store::open(&self.path("outputs")).expect("opens");
        let record = find_run(&store, &self.latest_run()).expect("a record");
        let results = Results::read(record, &store, pipeline::stages::ALL).expect("readable");
        let table = view::sweep_table(&results).expect("readable").expect("a sweep");
        let shown = table + &view::caveat_lines(&results.caveats().expect("readable"));
        assert!(shot.stdout.contains(&shown), "{shown}\nis not in\n{shot}");
        // The labels of its nodes tell its trials too: the records of old programs have no more.
        let labelled = RunFile { outline: None, ..results.run.clone() };
        let labelled = Results::read(labelled, &store, pipeline::stages::ALL).expect("readable");
        let trials = |results: &Results| -> BTreeSet<_> {
            let trial = |of: &TrialResults| (of.label.clone(), of.fold, of.seeds.clone());
            results.trials.iter().map(trial).collect()
        };
        assert_eq!(trials(&labelled), trials(&results));
    }

    /// The key of a stage's result, from the results folder's record.
    pub fn key(&self, stage: &str) -> String {
        let record: serde_json::Value =
            serde_json::from_str(&self.read("outputs/mini/published.json")).expect("JSON");
        record["keys"][""][stage].as_str().expect("a key").to_owned()
    }

    pub fn entry(&self, stage: &str) -> PathBuf {
        let key = self.key(stage);
        self.path(format!("outputs/store/{}/{key}", &key[..2]))
    }

    /// The program with its arguments, in a bare environment.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::from_std(self.process(arguments));
        command.env("HF_HUB_OFFLINE", "1");
        command
    }

    /// The same for who connects the streams.
    pub fn process<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> std::process::Command {
        common::program(self.folder.root(), &self.path(&self.inside), arguments)
    }

    pub fn pipeline<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Shot {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let line: Vec<_> =
            arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
        self.shot(&line.join(" "), &mut self.command(&arguments))
    }

    pub fn shot(&self, line: &str, command: &mut Command) -> Shot {
        let output = command
            .timeout(std::time::Duration::from_secs(300))
            .output()
            .expect("the program starts");
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace(&*self.folder.root().to_string_lossy(), "[folder]")
        };
        Shot {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// A program of minutes, which ends with the test that began it, however that ends.
pub struct Running(std::process::Child);

impl Running {
    pub fn start(command: &mut std::process::Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }
}

impl std::ops::Deref for Running {
    type Target = std::process::Child;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command said, and how it ended.
pub struct Shot {
    line: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Shot {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl fmt::Display for Shot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        writeln!(formatter, "$ pipeline {}", self.line)?;
        if !self.stdout.is_empty() {
            writeln!(formatter, "{}", self.stdout.trim_end())?;
        }
        if !self.stderr.is_empty() {
            writeln!(formatter, "--- stderr\n{}", self.stderr.trim_end())?;
        }
        writeln!(formatter, "[exit code {code}]")
    }
}

/// What differs from run to run, and from machine to machine, with what stands for it.
pub const FILTERS: &[(&str, &str)] = &[
    (r"(?m)(^  (evaluate[\w.]*)? +(\w+ (undefined|[\d.e-]+)( {2})?)+\n)+", "  [metrics]\n"),
    (r"damaged-[0-9a-f]{10}-[0-9a-f-]+", "damaged-[short key]"),
    (r"\b[0-9a-f]{2}/([0-9a-f]{64})", "ab/$1"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[moment]"),
    (r"(\d{8}-\d{6}-[a-z]+)(-\d+)? {2,}done {2,}", "$1  done  "), // two runs of one second have longer names
    (r"\d{8}-\d{6}-([a-z]+)(-\d+)?", "[run]-$1"),
    (r"\b[0-9a-f]{64}\b", "[key]"),
    (r"\b[0-9a-f]{16}\b", "[digest]"),
    (r"\b[0-9a-f]{10}\b", "[short key]"),
    (r" *\b[\d.:]+ (ms|s|min|h)\b", " [time]"),
    (r"\b[\d.]+ (B|kB|MB|GB)\b", "[size]"),
    (r#""(at_ms|elapsed_ms|size_bytes)":\d+"#, r#""$1":0"#),
    (r#""metrics":\{"evaluate[^}]*\}"#, r#""metrics":{[metrics]}"#),
    (r"with \d+ threads?\b", "with [n] threads"),
    (r"\x1b", "␛"),
];

/// Holds what commands said against the snapshot of the test's name.
macro_rules! snapshot {
    ($($shot:expr),+ $(,)?) => {{
        let text = [$($shot.to_string()),+].join("\n");
        insta::with_settings!({
            filters => $crate::world::FILTERS.iter().copied(),
            prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true
        }, { insta::assert_snapshot!(text); });
    }};
}
pub(crate) use snapshot;
