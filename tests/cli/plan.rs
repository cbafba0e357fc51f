//! `plan` and `explain`.

use crate::world::{World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn a_plan_says_what_would_run_and_why_and_check_exits_with_3() {
    let world = World::new();
    snapshot!(world.pipeline(["plan", FILE]), world.pipeline(["plan", FILE, "tokenize", "--check"]));
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
    let large = ["stage.init_model.hidden_size=16384", "stage.init_model.num_hidden_layers=512", "stage.init_model.num_attention_heads=64"];
    snapshot!(
        world.pipeline(["plan", FILE, "--set", "stage.train.batch_size=65536", "--set", "stage.tokenize.max_length=8192"]),
        world.pipeline(["plan", FILE].into_iter().chain(large.iter().flat_map(|size| ["--set", size]))),
    );
    let plan = world.pipeline(["plan", FILE, "--json"]).json();
    let train = plan["nodes"].as_array().expect("nodes").iter().find(|node| node["stage"] == "train").cloned().expect("there");
    assert!(train["memory_bytes"].as_u64().is_some_and(|bytes| (1_000_000..100_000_000).contains(&bytes)), "{train}");
}

#[test]
fn a_sweep_fans_out_behind_the_swept_stage() {
    snapshot!(World::trained().pipeline(["plan", FILE, "--sweep", "train.learning_rate=1e-3,2e-3", "--seeds", "2"]));
}

#[test]
fn a_plan_of_many_nodes_is_summed_up_by_stage() {
    snapshot!(World::trained().pipeline(["plan", FILE, "--sweep", "train.learning_rate=1e-3,2e-3,3e-3", "--seeds", "10"]));
}

#[test]
fn a_plan_as_json_has_a_node_for_each_line_with_its_changes() {
    let plan = World::trained().pipeline(["plan", FILE, "--json", "--set", "stage.train.epochs=2"]).json();
    let action = |stage: &str| {
        let nodes = plan["nodes"].as_array().expect("nodes");
        nodes.iter().find(|node| node["stage"] == stage).expect("there")["action"].clone()
    };
    assert_eq!(plan["pending"], 3);
    assert_eq!([action("tokenize"), action("train"), action("evaluate")], ["cached", "run", "maybe"]);
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
    let nodes = world.pipeline(["explain", FILE, "train", "--json", "--set", "stage.train.epochs=2"]).json();
    assert_eq!(nodes[0]["nearest"]["key"], world.key("train"));
}
