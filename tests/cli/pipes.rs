//! Named pipes where files are expected: nothing waits for their other end.

use std::path::Path;

use crate::world::{MINI, World};

const FILE: &str = "experiments/mini.toml";

/// Puts a named pipe in the place of whatever is at `name`.
fn pipe(world: &World, name: impl AsRef<Path>) {
    let path = world.path(name);
    std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
    let _ = std::fs::remove_file(&path);
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
}

/// Every command is killed after a minute, and then has no exit code.
fn refuses(world: &World, arguments: &[&str], name: &str) {
    let shot = world.pipeline(arguments);
    assert!(
        shot.code == Some(2)
            && shot.stderr.contains(name)
            && shot.stderr.contains("it is a named pipe, not a file"),
        "{shot}"
    );
}

#[test]
fn an_experiment_that_is_a_pipe_is_refused_and_so_is_what_it_reads() {
    let world = World::new();
    pipe(&world, "experiments/pipe.toml");
    for command in ["check", "plan", "run", "show", "graph"] {
        refuses(&world, &[command, "experiments/pipe.toml"], "pipe.toml");
    }
    world.write("experiments/child.toml", "extends = \"pipe.toml\"\n");
    refuses(&world, &["check", "experiments/child.toml"], "pipe.toml");
    pipe(&world, "experiments/mini.toml.lock");
    refuses(&world, &["plan", FILE], "mini.toml.lock");
    std::fs::remove_file(world.path("experiments/mini.toml.lock")).expect("removed");
    pipe(&world, "experiments/data/events.toml");
    refuses(&world, &["run", FILE], "events.toml");
}

#[test]
fn corpora_and_models_that_are_pipes_are_refused() {
    let world = World::new();
    pipe(&world, "experiments/lines.jsonl");
    pipe(&world, "experiments/model/config.json");
    world.write("experiments/model/model.safetensors", "x");
    world.write("experiments/model/tokenizer.json", "{}");
    world.write(
        "experiments/read.toml",
        "version = 1\n[stage.corpus]\nkind = \"read_corpus\"\npath = \"lines.jsonl\"\nsplit = { train = 0.8, validation = 0.2 }\n",
    );
    refuses(&world, &["run", "experiments/read.toml"], "lines.jsonl");
    world.write("experiments/model.toml", "version = 1\n[stage.fetch_model]\npath = \"model\"\n");
    refuses(&world, &["run", "experiments/model.toml"], "config.json");
}

#[test]
fn settings_that_are_a_pipe_a_folder_or_a_link_to_nothing_are_refused_by_name() {
    let world = World::new();
    pipe(&world, "pipeline.toml");
    let commands = [&["run", FILE][..], &["plan", FILE], &["check", FILE], &["gc"], &["verify"]];
    for arguments in commands {
        refuses(&world, arguments, "pipeline.toml");
    }
    std::fs::remove_file(world.path("pipeline.toml")).expect("removed");
    let refused = |why: &str| {
        for arguments in commands {
            let shot = world.pipeline(arguments);
            let said = format!("pipeline.toml`: {why}");
            assert!(shot.code == Some(2) && shot.stderr.contains(&said), "{shot}");
        }
    };
    std::os::unix::fs::symlink("nowhere", world.path("pipeline.toml")).expect("a link");
    refused("there is no such file");
    std::fs::remove_file(world.path("pipeline.toml")).expect("removed");
    std::fs::create_dir(world.path("pipeline.toml")).expect("a folder");
    refused("is a directory");
    assert!(!world.path("outputs").exists());
}

#[test]
fn records_and_caches_that_are_pipes_keep_no_command_waiting() {
    let world = World::trained();
    let run = world.latest_run();
    let latest = world.names("outputs/cache/latest");
    for name in latest
        .iter()
        .map(|name| format!("latest/{name}"))
        .chain(["digests.json", "speeds.json"].map(str::to_owned))
    {
        pipe(&world, format!("outputs/cache/{name}"));
    }
    pipe(&world, format!("outputs/runs/{run}/run.json"));
    pipe(&world, format!("outputs/runs/{run}/events.jsonl"));
    pipe(&world, "outputs/store/tmp/run-1-0.lock");
    world.write("experiments/other.toml", MINI);
    for arguments in [&["plan", FILE][..], &["gc"], &["show", FILE], &["verify"]] {
        let shot = world.pipeline(arguments);
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    let shot = world.pipeline(["show", &run]);
    assert_eq!(shot.code, Some(4), "{shot}");
    let shot = world.pipeline(["run", "experiments/other.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
}
