//! `init`.

use crate::world::{World, snapshot};

#[test]
fn init_in_an_empty_folder_writes_an_experiment_that_passes_and_refuses_to_write_it_twice() {
    let world = World::empty();
    snapshot!(
        world.pipeline(["init"]),
        world.pipeline(["init"]),
        world.pipeline(["check", "experiments/starter.toml"]),
        world.pipeline(["init", "new folder"]),
    );
}

#[test]
fn the_starter_runs_as_it_is() {
    let world = World::empty();
    world.pipeline(["init"]);
    let small = [
        "stage.corpus.samples=60",
        "stage.train.epochs=1",
        "stage.init_model.hidden_size=32",
        "stage.init_model.num_hidden_layers=2",
    ];
    let shot = world.pipeline(
        ["run", "experiments/starter.toml"]
            .into_iter()
            .chain(small.iter().flat_map(|value| ["--set", value])),
    );
    assert!(shot.code == Some(0) && world.path("outputs/starter/loss.png").is_file(), "{shot}");
}

#[test]
fn every_line_of_the_starter_that_is_commented_out_is_right_too() {
    let world = World::empty();
    world.pipeline(["init"]);
    let text = world.read("experiments/starter.toml");
    let at = text.find("# [sweep]").expect("the starter shows a sweep");
    let swept = format!("{}{}", &text[..at], text[at..].replace("# ", ""));
    world.write("experiments/swept.toml", swept);
    let own: String = text
        .lines()
        .skip_while(|line| !line.starts_with("# [stage.corpus]"))
        .take(4)
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let begin = text.find("[stage.corpus]").expect("there");
    let end = text.find("# Your own texts").expect("there");
    world.write("experiments/own.toml", format!("{}{own}{}", &text[..begin], &text[end..]));
    world.write(
        "experiments/data/lines.jsonl",
        "{\"text\": \"node7 lost power\", \"entities\": [{\"start\": 0, \"end\": 5, \"label\": \"NODE\"}], \"anomaly\": 1}\n",
    );
    snapshot!(world.pipeline(["check", "experiments/swept.toml", "experiments/own.toml"]));
}

#[test]
fn a_file_in_the_way_is_not_overwritten() {
    let world = World::empty();
    world.write("experiments/data/starter_events.toml", "mine");
    let shot = world.pipeline(["init"]);
    assert!(shot.code == Some(2) && !world.path("experiments/starter.toml").exists(), "{shot}");
    assert_eq!(world.read("experiments/data/starter_events.toml"), "mine");
}
