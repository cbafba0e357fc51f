//! `pipeline.toml`: where outputs stand, and profiles.

use crate::world::{World, snapshot};

const FILE: &str = "experiments/mini.toml";

/// Whether all is there that the experiment needs.
fn is_done(world: &World, arguments: &[&str]) -> bool {
    let shot = world.pipeline(["plan", "--check"].iter().chain(arguments));
    assert!(matches!(shot.code, Some(0 | 3)), "{shot}");
    shot.code == Some(0)
}

#[test]
fn outputs_stand_beside_the_settings_that_are_nearest_to_the_experiment() {
    let world = World::new();
    world.write("pipeline.toml", "");
    world.write("elsewhere/pipeline.toml", "");
    let world = world.inside("elsewhere/deep");
    let shot = world.pipeline(["run", "../../experiments/mini.toml"]);
    assert!(shot.stdout.ends_with("results: ../../outputs/mini\n"), "{shot}");
    assert!(world.path("outputs/mini/loss.png").is_file(), "{shot}");
    assert_eq!(world.names("elsewhere"), ["deep", "pipeline.toml"]);
    world.write("experiments/pipeline.toml", "");
    assert!(
        !is_done(&world, &["../../experiments/mini.toml"]),
        "there is nothing beside the nearer one"
    );
}

#[test]
fn settings_above_the_current_folder_count_where_the_experiment_has_none() {
    let world = World::new();
    world.write("work/pipeline.toml", "");
    let world = world.inside("work/deep");
    let shot = world.pipeline(["run", "../../experiments/mini.toml", "corpus"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(world.names("work"), ["deep", "outputs", "pipeline.toml"]);
    assert_eq!(world.names("."), ["experiments", "work"]);
}

#[test]
fn without_settings_outputs_stand_above_experiments_wherever_a_command_is_started() {
    let world = World::new().inside("here");
    let whole = world.path("experiments/mini.toml").display().to_string();
    assert_eq!(world.pipeline(["run", &whole]).code, Some(0));
    assert_eq!(world.names("."), ["experiments", "here", "outputs"]);
    assert!(is_done(&world, &["../experiments/mini.toml"]));
    let world = world.inside("experiments");
    assert!(is_done(&world, &["mini.toml"]));
    let shot = world.pipeline(["verify"]);
    assert!(
        shot.stdout.starts_with("6 entries"),
        "a command without a file finds them too: {shot}"
    );
}

#[test]
fn an_experiment_in_a_folder_of_its_own_has_its_outputs_beside_it() {
    let world = World::new();
    world.write("own/mini.toml", world.read("experiments/mini.toml"));
    world.write("own/data/events.toml", world.read("experiments/data/events.toml"));
    world.pipeline(["run", "own/mini.toml", "corpus"]);
    assert_eq!(world.names("own"), ["data", "mini.toml", "outputs"]);
}

#[test]
fn an_experiment_among_results_belongs_to_the_outputs_that_it_lies_in() {
    let world = World::trained();
    world.write("outputs/mini/copy.toml", "extends = \"../../experiments/mini.toml\"\n");
    assert!(is_done(&world.inside("here"), &["../outputs/mini/copy.toml"]));
}

#[test]
fn root_says_where_outputs_stand_and_must_be_there() {
    let world = World::new();
    world.write("pipeline.toml", "");
    world.write("other/pipeline.toml", "[profile.default]\nthreads = 3\n");
    let shot = world.pipeline(["run", FILE, "corpus", "--json", "--root", "other"]);
    assert!(shot.stdout.contains("\"threads\":3"), "the settings are those of that root: {shot}");
    assert!(world.path("other/outputs/store").is_dir() && !world.path("outputs").exists());
    assert!(is_done(&world, &[FILE, "corpus", "--root", "other"]));
    assert!(!is_done(&world, &[FILE, "corpus"]));
    snapshot!(
        world.pipeline(["gc", "--root", "./other/."]),
        world.pipeline(["plan", FILE, "--root", "nowhere"]),
        world.pipeline(["verify", "--root", FILE]),
    );
}

#[test]
fn looking_creates_nothing() {
    let world = World::new();
    let look = || {
        for arguments in [
            &["plan", FILE][..],
            &["plan", FILE, "--json"],
            &["check", FILE],
            &["explain", FILE, "train"],
            &["graph", FILE],
            &["show", FILE],
            &["run", FILE, "--dry-run"],
            &["gc"],
            &["verify"],
        ] {
            let shot = world.pipeline(arguments);
            assert_eq!(shot.code, Some(0), "{shot}");
        }
    };
    look();
    assert_eq!(world.names("."), ["experiments"]);
    std::fs::create_dir(world.path("outputs")).expect("created");
    look();
    assert_eq!(world.names("outputs"), [""; 0], "nor where there is a folder for it");
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
