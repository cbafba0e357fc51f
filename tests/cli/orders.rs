//! Work orders: `plan --orders` and `stage run`.

use crate::world::{Shot, World, snapshot};

fn orders(world: &World) -> Shot {
    world.pipeline(["plan", "experiments/mini.toml", "--orders"])
}

#[test]
fn orders_are_lines_of_json_that_hold_what_changes_no_result_as_well() {
    let world = World::new();
    world.child(
        "often",
        "[stage.train]\ncheckpoint_every = \"10m\"\nactivation_checkpointing = true\n",
    );
    let shot = world.pipeline(["plan", "experiments/often.toml", "--orders"]);
    let orders: Vec<serde_json::Value> =
        shot.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let train = orders.iter().find(|order| order["stage"] == "train").expect("there");
    assert_eq!(train["parameters"]["checkpoint_every"], "10m");
    assert_eq!(train["parameters"]["activation_checkpointing"], true);
    let corpus = orders.iter().find(|order| order["stage"] == "corpus").expect("there");
    assert_eq!(corpus["parameters"]["templates"], "[folder]/experiments/data/events.toml");
}

#[test]
fn orders_read_from_standard_input_are_worked_off_and_not_published() {
    let world = World::new();
    let planned =
        world.command(["plan", "experiments/mini.toml", "--orders"]).output().expect("runs");
    let mut command = world.command(["stage", "run", "-"]);
    let shot = world.shot("stage run -", command.write_stdin(planned.stdout));
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(!world.path("outputs/mini").exists() && !world.path("outputs/runs").exists());
    snapshot!(orders(&world), world.pipeline(["plan", "experiments/mini.toml"]));
}

#[test]
fn the_last_event_of_orders_names_no_run() {
    let world = World::new();
    let planned = world.command(["plan", "experiments/mini.toml", "corpus", "--orders"]).output();
    let mut command = world.command(["stage", "run", "-", "--json", "--threads", "2"]);
    let shot = world.shot("stage run - --json", command.write_stdin(planned.expect("runs").stdout));
    snapshot!(shot);
}

#[test]
fn a_file_that_holds_no_orders_is_refused_with_its_lines() {
    let world = World::new();
    world.write("no.jsonl", "\n{\"format\": 2}\n{\"format\": 1}\nrun\n");
    world.write("empty.jsonl", "\n");
    let cut: String =
        orders(&world).stdout.lines().skip(1).map(|line| format!("{line}\n")).collect();
    world.write(
        "cut.jsonl",
        cut.replace("[folder]", world.path("").to_string_lossy().trim_end_matches('/')),
    );
    snapshot!(
        world.pipeline(["stage", "run", "no.jsonl"]),
        world.pipeline(["stage", "run", "no.jsonl", "--json"]),
        world.pipeline(["stage", "run", "none.jsonl"]),
        world.pipeline(["stage", "run", "empty.jsonl"]),
        world.pipeline(["stage", "run", "cut.jsonl"]),
        world.pipeline(["stage", "run"]),
        world.pipeline(["plan", "experiments/mini.toml", "--orders", "--json"]),
    );
}
