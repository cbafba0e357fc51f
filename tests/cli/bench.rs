//! `bench`.

use serde_json::json;

use crate::world::{OF_LINES, World, snapshot};

#[test]
fn a_training_step_of_an_experiment_is_measured_before_and_after_its_run() {
    let world = World::new();
    let bench =
        || world.pipeline(["bench", "experiments/mini.toml", "--steps", "1", "--json"]).json();
    let (before, _, after) = (bench(), world.pipeline(["run", "experiments/mini.toml"]), bench());
    assert_eq!([&before["synthetic"], &after["synthetic"]], [true, false]);
    // The number of texts is known before they are made.
    assert!(before["total_steps"].as_u64().is_some_and(|steps| steps > 0), "{before}");
    assert_eq!(before["total_steps"], after["total_steps"]);
    assert!(after["step_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{after}");
}

#[test]
fn the_figures_of_a_measurement_agree_with_each_other() {
    let found = World::new()
        .pipeline(["bench", "experiments/mini.toml", "--steps", "3", "--threads", "1", "--json"])
        .json();
    let figure = |name: &str| found[name].as_f64().unwrap_or_else(|| panic!("`{name}` of {found}"));
    let near = |left: f64, right: f64| (left - right).abs() < 1e-6 * right;
    assert_eq!([&found["threads"], &found["steps"]], [&json!(1), &json!(3)]);
    assert!(near(figure("tokens_per_s"), figure("tokens_per_step") / figure("step_s")), "{found}");
    assert!(near(figure("floor_ratio"), figure("step_s") / figure("floor_s")), "{found}");
    assert!(figure("matmul_gflops") > 0.0 && figure("inference_texts_per_s") > 0.0, "{found}");
    assert_eq!(
        found["peak_rss_gib"].as_f64().is_some_and(|gib| gib > 0.0),
        cfg!(target_os = "linux"),
        "{found}"
    );
}

#[test]
fn texts_of_a_length_and_layers_computed_again_are_measured_when_asked_for() {
    let world = World::new();
    let arguments = [
        "bench",
        "experiments/mini.toml",
        "--steps",
        "2",
        "--length",
        "40",
        "--batch-size",
        "2",
        "--json",
    ];
    let found = world
        .pipeline(
            arguments.into_iter().chain(["--set", "stage.train.activation_checkpointing=true"]),
        )
        .json();
    assert_eq!(
        [&found["length"], &found["tokens_per_step"], &found["activation_checkpointing"]],
        [&json!(40), &json!(80.0), &json!(true)]
    );
    let part = |pass: &str, part: &str| {
        found["profile_s"][pass][part].as_f64().is_some_and(|seconds| seconds > 0.0)
    };
    assert!(
        part("forward", "global_attention")
            && part("backward", "norms")
            && part("update", "optimiser"),
        "{found}"
    );
}

#[test]
fn texts_that_have_labels_for_one_head_alone_are_measured_with_that_head() {
    let entities =
        r#"{"text": "node7 lost power", "entities": [{"start": 0, "end": 5, "label": "NODE"}]}"#;
    let classes = r#"{"text": "node7 lost power", "entities": [], "anomaly": 1}"#;
    for line in [entities, classes] {
        let world = World::empty();
        world.write("experiments/one.toml", OF_LINES);
        world.write("experiments/lines.jsonl", line);
        let run = world.pipeline(["run", "experiments/one.toml", "--set", "train.epochs=1"]);
        assert_eq!(run.code, Some(0), "{run}");
        let bench = world.pipeline(["bench", "experiments/one.toml", "--steps", "1", "--json"]);
        assert_eq!(bench.code, Some(0), "{bench}");
        assert_eq!(bench.json()["synthetic"], json!(false), "{bench}");
    }
}

#[test]
fn a_step_trains_what_the_experiment_trains() {
    let world = World::new();
    let bench = |set: &str| {
        world
            .pipeline(["bench", "experiments/mini.toml", "--steps", "1", "--json", "--set", set])
            .json()
    };
    let all = bench("stage.train.freeze=[]");
    let adapters = bench("stage.train.lora={ rank = 2 }");
    let frozen = bench("stage.train.freeze=[\"encoder\"]");
    let trains_all = [&all, &adapters, &frozen].map(|found| found["trains_all_weights"].clone());
    assert_eq!(trains_all, [json!(true), json!(false), json!(false)]);
    let parameters = |found: &serde_json::Value| found["parameters"].as_u64();
    assert!(parameters(&adapters) > parameters(&all), "{adapters}");
    assert!(frozen["profile_s"]["backward"]["linear_layers"].is_null(), "{frozen}");
}

#[test]
fn the_parts_of_a_step_are_listed_when_asked_for() {
    let shot =
        World::new().pipeline(["bench", "experiments/mini.toml", "--steps", "1", "--profile"]);
    let lines = |pass: &str| shot.stdout.lines().filter(|line| line.starts_with(pass)).count();
    // Of the two layers the first is global and the second local.
    assert_eq!([lines("forward"), lines("backward"), lines("update")], [7, 7, 2], "{shot}");
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
        world.pipeline(["bench", "--length", "2"]),
        world.pipeline(["bench", "--model", "base", "--set", "stage.train.batch_size=1"]),
    );
}
