//! `pipeline.toml`: where outputs stand, and profiles.

use crate::world::{World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn outputs_stand_beside_the_nearest_settings_above_the_current_folder() {
    let world = World::new();
    world.write("pipeline.toml", "");
    let world = world.inside("deep/down");
    let shot = world.pipeline(["run", "../../experiments/mini.toml"]);
    assert!(shot.stdout.ends_with("results: ../../outputs/mini\n"), "{shot}");
    assert!(
        world.path("outputs/mini/loss.png").is_file() && !world.path("deep/down/outputs").exists()
    );
    world.write("deep/pipeline.toml", "");
    let nearer = world.pipeline(["plan", "../../experiments/mini.toml", "--check"]);
    assert_eq!(nearer.code, Some(3), "there is nothing beside the nearer one: {nearer}");
}

#[test]
fn without_settings_outputs_stand_in_the_current_folder() {
    let world = World::new().inside("here");
    world.pipeline(["run", "../experiments/mini.toml", "corpus"]);
    assert_eq!(world.names("."), ["experiments", "here"]);
}

#[test]
fn a_profile_gives_what_the_command_line_does_not() {
    let world = World::new();
    world.write(
        "pipeline.toml",
        "[profile.default]\nthreads = 1\n[profile.big]\nthreads = 3\njobs = 2\noffline = true\n",
    );
    let threads = |arguments: &[&str]| {
        let shot = world.pipeline(["run", FILE, "corpus", "--json"].iter().chain(arguments));
        let first: serde_json::Value =
            serde_json::from_str(shot.stdout.lines().next().unwrap_or_default())
                .unwrap_or_else(|_| panic!("{shot}"));
        (first["threads"].as_u64(), first["jobs"].as_u64())
    };
    assert_eq!(threads(&[]), (Some(1), Some(1)));
    assert_eq!(threads(&["--profile", "big"]), (Some(3), Some(2)));
    assert_eq!(threads(&["--profile", "big", "--threads", "4"]), (Some(4), Some(2)));
}

#[test]
fn settings_that_cannot_be_used_say_where_and_what_is_expected() {
    let world = World::new();
    let with = |text: &str, arguments: &[&str]| {
        world.write("pipeline.toml", text);
        world.pipeline(["run", FILE].iter().chain(arguments))
    };
    snapshot!(
        with("[profile.gpu]\ndevice = \"cuda\"\n", &["--profile", "gpus"]),
        with("", &["--profile", "gpu"]),
        with("[profile.default]\nthread = 4\n", &[]),
        with("[profile.default\n", &[]),
        with("[profile.default]\nthreads = 0\n", &[]),
        with("[profile.default]\ndevice = \"gpu\"\n", &[]),
        with("[profile.default]\nthreads = \"four\"\n", &[]),
    );
}

#[test]
fn how_work_runs_changes_no_key() {
    let world = World::trained();
    let shot =
        world.pipeline(["run", FILE, "--threads", "1", "-j", "1", "--device", "cpu", "--offline"]);
    assert!(shot.stdout.contains("6 cached"), "{shot}");
}
