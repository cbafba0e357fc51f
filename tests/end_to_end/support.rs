//! A project in a temporary folder, and the binary run in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::{self, Folder};

/// An experiment that takes about a second: the shipped templates, a model of width 192 so that matrix products are above the size from which
/// they use threads, and a few steps.
pub const QUICK: &str = r#"
version = 1
seed    = 42

[stage.corpus]
kind      = "generate_corpus"
templates = "data/security_events.toml"
samples   = 120

[stage.init_model]
corpus              = "@corpus"
vocab_size          = 600
hidden_size         = 192
num_hidden_layers   = 2
num_attention_heads = 3
intermediate_size   = 288

[stage.tokenize]
model  = "@init_model"
corpus = "@corpus"

[stage.train]
model         = "@init_model"
data          = "@tokenize"
epochs        = 2
batch_size    = 16
learning_rate = 1e-3

[stage.evaluate]
model = "@train"
data  = "@tokenize"

[stage.plot]
history    = "@train"
evaluation = "@evaluate"
"#;

pub struct Project {
    folder: Folder,
}

impl Project {
    /// A folder with [`QUICK`] as `quick.toml`, the shipped experiments, and the templates where both expect them.
    pub fn new() -> Self {
        let project = Self { folder: Folder::new() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        for name in
            ["tiny.toml", "small.toml", "large.toml", "sweep.toml", "data/security_events.toml"]
        {
            project.folder.write(
                format!("experiments/{name}"),
                std::fs::read(shipped.join(name)).expect("a shipped file"),
            );
        }
        project.write("experiments/quick.toml", QUICK);
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text);
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        self.folder.read(name)
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).expect("JSON")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        common::program(self.folder.root(), self.folder.root(), arguments)
    }

    /// Runs the binary and expects it to succeed.
    pub fn run(&self, arguments: &[&str]) -> Output {
        succeed(self.command(arguments))
    }

    /// Runs with `--json` and returns how often each stage ended in each way, such as `("train", "stage_finished") -> 9`.
    pub fn outcomes(&self, arguments: &[&str]) -> BTreeMap<(String, String), usize> {
        let output = self.run(&[&["run", "--json"], arguments].concat());
        let mut outcomes = BTreeMap::new();
        for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
            let event: Value = serde_json::from_str(line).expect("a line of JSON");
            let name = event["event"].as_str().unwrap_or_default();
            if ["stage_finished", "stage_cached", "stage_reused"].contains(&name) {
                let stage = event["stage"].as_str().unwrap_or_default();
                *outcomes.entry((stage.to_owned(), name.to_owned())).or_default() += 1;
            }
        }
        outcomes
    }
}

pub fn succeed(mut command: Command) -> Output {
    let output = command.output().expect("the binary starts");
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{}\n{out}\n{error}", output.status);
    output
}
