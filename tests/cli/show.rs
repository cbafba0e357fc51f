//! `show`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::world::{World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn a_file_is_shown_after_extends_and_overrides() {
    let world = World::new();
    world.child("child", "about = \"a child\"\n[stage.train]\nepochs = 5\n");
    snapshot!(world.pipeline([
        "show",
        "experiments/child.toml",
        "--set",
        "stage.train.batch_size=8"
    ]));
}

#[test]
fn origins_say_where_each_value_was_written() {
    let world = World::new();
    world.child("child", "[stage.train]\nepochs = 5\n");
    snapshot!(world.pipeline([
        "show",
        "experiments/child.toml",
        "--origins",
        "--set",
        "stage.train.batch_size=8"
    ]));
}

#[test]
fn a_file_as_json_has_every_value_with_its_place() {
    let shown = World::new().pipeline(["show", FILE, "--json"]).json();
    let epochs = shown["values"]
        .as_array()
        .expect("values")
        .iter()
        .find(|value| value["path"] == "stage.train.epochs")
        .cloned();
    assert_eq!(epochs.expect("there")["line"], 25);
}

#[test]
fn a_run_is_shown_with_its_stages() {
    let world = World::trained();
    let id = world.latest_run();
    snapshot!(world.pipeline(["show", &id]));
    assert_eq!(world.pipeline(["show", &id, "--json"]).json()["status"], "done");
}

#[test]
fn an_entry_is_shown_by_the_first_digits_of_its_key() {
    let world = World::trained();
    let key = world.key("tokenize");
    let (short, whole) = (world.pipeline(["show", &key[..8]]), world.pipeline(["show", &key]));
    assert_eq!(short.stdout, whole.stdout);
    // What it was made on is another machine everywhere.
    let is_of_machine = |line: &&str| {
        line.contains("made with processor") || line.contains("made with instructions")
    };
    assert_eq!(short.stdout.lines().filter(is_of_machine).count(), 2, "{short}");
    let lines: Vec<&str> = short.stdout.lines().filter(|line| !is_of_machine(line)).collect();
    snapshot!(lines.join("\n"));
    assert_eq!(world.pipeline(["show", &key, "--json"]).json()["artifact"], "encoded");
}

#[test]
fn what_is_nothing_says_what_it_was_taken_for() {
    let world = World::trained();
    let mistyped = world.latest_run().replace("mini", "mimi");
    snapshot!(
        world.pipeline(["show", &mistyped]),
        world.pipeline(["show", "nothing"]),
        world.pipeline(["show", "experiments/mimi.toml"]),
        world.pipeline(["show", "experiments"]),
        World::new().pipeline(["show", "abcd"]),
    );
}

#[test]
fn a_damaged_entry_says_how_to_mend_it() {
    let world = World::trained();
    let key = world.key("corpus");
    std::fs::remove_file(world.entry("corpus").join("train.jsonl")).expect("removed");
    snapshot!(world.pipeline(["show", &key[..12]]), world.pipeline(["plan", FILE]));
}

#[test]
fn a_run_whose_process_was_killed_has_died() {
    let world = World::new();
    let mut child = world
        .process(["run", FILE, "--json", "--set", "stage.train.epochs=99999"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut events = BufReader::new(child.stdout.take().expect("piped")).lines();
    let begun = |line: &std::io::Result<String>| {
        let event: serde_json::Value =
            serde_json::from_str(line.as_ref().expect("readable")).expect("JSON");
        event["event"] == "stage_started" && event["stage"] == "train"
    };
    assert!(events.any(|line| begun(&line)), "the training begins");
    let id = world.latest_run();
    let status = || world.pipeline(["show", &id, "--json"]).json()["status"].clone();
    assert_eq!(status(), "running");
    child.kill().expect("ours");
    child.wait().expect("it ends");
    assert_eq!(status(), "died");
    assert!(world.read(&format!("outputs/runs/{id}/run.json")).contains("\"running\""));
    // Whoever reads the record alone learns of it from the next run on.
    world.pipeline(["run", FILE]);
    assert!(world.read(&format!("outputs/runs/{id}/run.json")).contains("\"died\""));
}

#[test]
fn a_trial_and_a_point_of_a_run_are_shown_as_ls_names_them() {
    let world = World::new();
    let sweep = "[sweep]\nseeds = 2\nobjective = \"min evaluate.loss\"\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n";
    world.child("rates", sweep);
    let ended = world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let id = world.latest_run();
    // The sweep as its run has told it: the best first, and the scores of that.
    let whole = world.pipeline(["show", &id]);
    let (_, table) = whole.stdout.split_once("2 points, best first by min").expect("a table");
    let told = table.split("best point: ").next().expect("a part");
    assert!(
        told.contains("\n  train.learning_rate  evaluate.loss") && told.contains(" ± "),
        "{whole}"
    );
    assert!(ended.stdout.contains(told), "{ended}\n{whole}");
    // What `best/` holds is a trial.
    let best = world.pipeline(["show", "outputs/rates/best"]);
    let label = world.read("outputs/rates/best/trial.txt");
    let trial = format!("outputs/rates/trials/{}", label.trim_end());
    assert!(best.stdout.starts_with(&format!("trial {trial}\n")), "{best}");
    assert_eq!(best.stdout, world.pipeline(["show", &trial]).stdout);
    let show = |label: &str| world.pipeline(["show", &format!("{id}:learning_rate={label}")]);
    let trial = show("1e-3,seed=1");
    assert!(
        trial.stdout.starts_with(&format!("trial {id}:learning_rate=1e-3,seed=1\n")),
        "{trial}"
    );
    assert!(trial.stdout.contains("train [learning_rate=1e-3,seed=1]"), "{trial}");
    assert!(!trial.stdout.contains("seed=0") && !trial.stdout.contains("mean"), "{trial}");
    assert!(trial.stdout.contains("token_accuracy "), "{trial}");
    let point = show("2e-3");
    assert!(point.stdout.starts_with(&format!("point {id}:learning_rate=2e-3\n")), "{point}");
    assert!(point.stdout.contains("  mean ± sd of 2 trials:\n"), "{point}");
    assert!(!point.stdout.contains("learning_rate=1e-3"), "{point}");
    let json = world.pipeline(["show", &format!("{id}:learning_rate=2e-3"), "--json"]).json();
    assert_eq!(json["trials"][1]["trial"], "learning_rate=2e-3,seed=1");
    assert!(json["trials"][1]["metrics"]["evaluate.loss"].is_number(), "{json}");
    let mistyped = show("3e-3");
    assert_eq!(mistyped.code, Some(4), "{mistyped}");
    assert!(mistyped.stderr.contains("did you mean"), "{mistyped}");
}
