//! `plan` and `explain`.

use crate::world::{World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn a_plan_says_what_would_run_and_why_and_check_exits_with_3() {
    let world = World::new();
    snapshot!(
        world.pipeline(["plan", FILE]),
        world.pipeline(["plan", FILE, "tokenize", "--check"])
    );
}

#[test]
fn after_a_run_everything_is_cached_and_check_exits_with_0() {
    snapshot!(World::trained().pipeline(["plan", FILE, "--check"]));
}

#[test]
fn a_changed_parameter_runs_only_what_depends_on_it() {
    let world = World::trained();
    snapshot!(
        world.pipeline(["plan", FILE, "--set", "stage.train.epochs=2", "--set", "seed=8"]),
        world.pipeline(["plan", FILE, "--set", "stage.evaluate.split=train"])
    );
}

#[test]
fn a_changed_source_file_is_named() {
    let world = World::trained();
    let events = world.read("experiments/data/events.toml").replace("db-07", "db-08");
    world.write("experiments/data/events.toml", events);
    snapshot!(world.pipeline(["plan", FILE]));
}

#[test]
fn a_training_for_which_there_is_not_enough_memory_is_foreseen() {
    let world = World::new();
    let large = [
        "stage.init_model.hidden_size=16384",
        "stage.init_model.num_hidden_layers=512",
        "stage.init_model.num_attention_heads=64",
    ];
    snapshot!(
        world.pipeline([
            "plan",
            FILE,
            "--set",
            "stage.train.batch_size=65536",
            "--set",
            "stage.tokenize.max_length=8192"
        ]),
        world.pipeline(
            ["plan", FILE].into_iter().chain(large.iter().flat_map(|size| ["--set", size]))
        ),
    );
    let plan = world.pipeline(["plan", FILE, "--json"]).json();
    let train = plan["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .find(|node| node["stage"] == "train")
        .cloned()
        .expect("there");
    assert!(
        train["memory_bytes"]
            .as_u64()
            .is_some_and(|bytes| (1_000_000..100_000_000).contains(&bytes)),
        "{train}"
    );
}

fn train_of(plan: &serde_json::Value) -> serde_json::Value {
    plan["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .find(|node| node["stage"] == "train")
        .cloned()
        .expect("there")
}

#[test]
fn a_plan_estimates_a_training_from_what_bench_measured() {
    let world = World::new();
    let before = train_of(&world.pipeline(["plan", FILE, "--json"]).json());
    assert_eq!(world.pipeline(["bench", FILE, "--steps", "1"]).code, Some(0));
    let after = train_of(&world.pipeline(["plan", FILE, "--json"]).json());
    assert!(
        before["time"].is_null()
            && after["time"]["total_s"].as_f64().is_some_and(|seconds| seconds > 0.0),
        "{before} {after}"
    );
    assert_eq!(
        [&after["time"]["measured_by"], &after["time"]["steps"]],
        [&serde_json::json!("bench"), &serde_json::json!(4)]
    );
    assert_eq!(before["key"], after["key"]);
    snapshot!(
        world.pipeline(["plan", FILE]),
        world.pipeline([
            "run",
            FILE,
            "--dry-run",
            "--threads",
            "1",
            "--sweep",
            "train.learning_rate=1e-3,2e-3"
        ]),
        world.pipeline(["plan", FILE, "--set", "stage.init_model.hidden_size=64"]),
    );
}

#[test]
fn texts_that_nobody_has_counted_leave_the_duration_of_a_step() {
    let world = World::trained();
    let line = r#"{"text": "one two", "entities": [], "anomaly": 0}"#;
    world.write("experiments/lines.jsonl", format!("{line}\n").repeat(20));
    world.child("lines", "[stage.corpus]\nkind = \"read_corpus\"\npath = \"lines.jsonl\"\n");
    snapshot!(world.pipeline(["plan", "experiments/lines.toml", "train"]));
}

#[test]
fn what_is_remembered_of_speeds_can_be_deleted_or_damaged() {
    let world = World::trained();
    let plan = || {
        train_of(&world.pipeline(["plan", FILE, "--json", "--set", "stage.train.epochs=2"]).json())
    };
    assert_eq!(plan()["time"]["measured_by"], "training");
    world.write("outputs/cache/speeds.json", "[");
    assert!(plan()["time"].is_null());
    assert_eq!(world.pipeline(["bench", FILE, "--steps", "1"]).code, Some(0));
    assert_eq!(plan()["time"]["measured_by"], "bench");
}

#[test]
fn activation_checkpointing_needs_less_memory_and_keeps_the_key() {
    let world = World::trained();
    let on = ["--set", "stage.train.activation_checkpointing=true"];
    assert_eq!(world.pipeline(["plan", FILE, "--check"].into_iter().chain(on)).code, Some(0));
    let bytes = |more: &[&str]| {
        let plan = world
            .pipeline(["plan", FILE, "--json", "--set", "stage.train.epochs=2"].iter().chain(more))
            .json();
        train_of(&plan)["memory_bytes"].as_u64().expect("a size")
    };
    assert!(bytes(&on) < bytes(&[]));
}

#[test]
fn a_sweep_fans_out_behind_the_swept_stage() {
    snapshot!(World::trained().pipeline([
        "plan",
        FILE,
        "--sweep",
        "train.learning_rate=1e-3,2e-3",
        "--seeds",
        "2"
    ]));
}

#[test]
fn a_plan_of_many_nodes_is_summed_up_by_stage() {
    snapshot!(World::trained().pipeline([
        "plan",
        FILE,
        "--sweep",
        "train.learning_rate=1e-3,2e-3,3e-3",
        "--seeds",
        "10"
    ]));
}

#[test]
fn a_plan_as_json_has_a_node_for_each_line_with_its_changes() {
    let plan =
        World::trained().pipeline(["plan", FILE, "--json", "--set", "stage.train.epochs=2"]).json();
    let action = |stage: &str| {
        let nodes = plan["nodes"].as_array().expect("nodes");
        nodes.iter().find(|node| node["stage"] == stage).expect("there")["action"].clone()
    };
    assert_eq!(plan["pending"], 3);
    assert_eq!(
        [action("tokenize"), action("train"), action("evaluate")],
        ["cached", "run", "maybe"]
    );
}

#[test]
fn an_unknown_stage_is_nothing_selected_and_exit_code_4() {
    let world = World::new();
    snapshot!(
        world.pipeline(["plan", FILE, "trian"]),
        world.pipeline(["run", FILE, "zebra"]),
        world.pipeline(["run", FILE, "--rerun", "trian"]),
        world.pipeline(["explain", FILE, "trian"]),
    );
}

#[test]
fn explain_shows_the_parts_of_a_key_and_what_changed() {
    let world = World::trained();
    snapshot!(
        world.pipeline(["explain", FILE, "train", "--set", "stage.train.epochs=2"]),
        world.pipeline(["explain", FILE, "corpus"]),
        World::new().pipeline(["explain", FILE, "tokenize"])
    );
}

#[test]
fn explain_as_json_names_the_nearest_result() {
    let world = World::trained();
    let nodes = world
        .pipeline(["explain", FILE, "train", "--json", "--set", "stage.train.epochs=2"])
        .json();
    assert_eq!(nodes[0]["nearest"]["key"], world.key("train"));
}
