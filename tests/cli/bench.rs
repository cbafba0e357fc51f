//! `bench`.

use crate::world::{World, snapshot};

#[test]
fn a_training_step_of_an_experiment_is_measured_before_and_after_its_run() {
    let world = World::new();
    let bench = || world.pipeline(["bench", "experiments/mini.toml", "--steps", "1", "--json"]).json();
    let (before, _, after) = (bench(), world.pipeline(["run", "experiments/mini.toml"]), bench());
    assert_eq!([&before["synthetic"], &after["synthetic"]], [true, false]);
    assert!(after["step_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{after}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let world = World::new();
    world.write("experiments/texts.toml", "version = 1\n[stage.corpus]\nkind = \"generate_corpus\"\ntemplates = \"data/events.toml\"\n");
    snapshot!(
        world.pipeline(["bench", "experiments/texts.toml"]),
        world.pipeline(["bench", "experiments/mini.toml", "--model", "base"]),
        world.pipeline(["bench", "none.toml"]),
        world.pipeline(["bench", "--steps", "0"]),
    );
}
