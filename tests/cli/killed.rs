//! Trainings of low rank and on masked tokens that are killed end in the bits of those that are not.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::{Running, World};

const FILE: &str = "experiments/killed.toml";

const STAGES: &str = r#"[stage.pretrain]
model = "@init_model"
data = "@tokenize"
epochs = 15
learning_rate = 1e-3
checkpoint_every = 1

[stage.train]
model = "@pretrain"
lora = { rank = 2, alpha = 4.0 }
epochs = 15
checkpoint_every = 1
"#;

fn world() -> World {
    let world = World::new();
    world.child("killed", STAGES);
    world
}

/// Runs until a stage has saved states, and kills it there.
fn kill_in(world: &World, stage: &str) {
    let plan = world.pipeline(["plan", FILE, "--json"]).json();
    let nodes = plan["nodes"].as_array().expect("a list");
    let node = nodes.iter().find(|node| node["stage"] == stage).expect("the stage");
    let key = node["key"].as_str().expect("a key");
    let saved = world.path(format!("outputs/checkpoints/{key}"));
    let mut command = world.process(["run", FILE, "--quiet"]);
    let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let begun = Instant::now();
    let is_saved = || {
        let files = std::fs::read_dir(&saved).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(".checkpoint")).count() > 1
    };
    while !is_saved() {
        assert!(begun.elapsed() < Duration::from_secs(120), "`{stage}` has saved nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.kill().expect("a kill");
    running.wait().expect("an end");
    let entry = world.path(format!("outputs/store/{}/{key}", &key[..2]));
    assert!(!entry.exists(), "`{stage}` ended before it was killed");
}

/// What a training leaves that no clock is in.
fn left(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let names = ["model/model.safetensors", "history.csv", "metrics.json", "predictions.csv"];
    let read = |name: &str| {
        let path = PathBuf::from("outputs/killed").join(name);
        (path.clone(), std::fs::read(world.path(&path)).expect("readable"))
    };
    names.map(read).into()
}

#[test]
fn low_rank_and_masked_tokens_go_on_after_a_kill_to_the_same_bits() {
    let undisturbed = world();
    assert_eq!(undisturbed.pipeline(["run", FILE, "--quiet"]).code, Some(0));
    let killed = world();
    for stage in ["pretrain", "train"] {
        kill_in(&killed, stage);
    }
    let ran = killed.pipeline(["run", FILE]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(left(&killed) == left(&undisturbed), "{ran}");
}
