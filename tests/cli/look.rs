//! `pipeline data`: what is in a corpus.

use crate::world::{World, snapshot};

/// A folder with an experiment on lines of an own file.
fn world(lines: &str) -> World {
    let world = World::new();
    let corpus =
        "[stage.corpus]\nkind = \"read_corpus\"\npath = \"lines.jsonl\"\nsplit = { train = 1.0 }\n";
    world.write("experiments/lines.toml", format!("version = 1\n{corpus}"));
    world.write("experiments/lines.jsonl", lines);
    world
}

const LINES: &str = r#"{"text": "fan 3 slow", "entities": [{"start": 4, "end": 5, "label": "FAN"}], "anomaly": 1, "at": "rack 1"}
{"text": "fan 12 slow", "entities": [{"start": 4, "end": 6, "label": "FAN"}], "anomaly": 1, "at": "rack 2"}
{"text": "all well", "entities": [], "anomaly": 0, "at": "rack 1"}
{"text": "all well", "entities": [], "anomaly": 1, "at": "rack 1"}
"#;

#[test]
fn a_corpus_is_told_in_numbers_and_examples() {
    snapshot!(world(LINES).pipeline(["data", "experiments/lines.toml"]));
}

#[test]
fn entities_of_examples_are_coloured_where_somebody_asks_for_it() {
    let world = world(LINES);
    let examples = |color| world.pipeline(["data", "experiments/lines.toml", "--color", color]);
    assert!(examples("always").stdout.contains("\x1b[1mFAN\x1b[0m"));
    assert!(examples("auto").stdout.contains("[3](FAN)"));
}

#[test]
fn a_long_example_is_shown_as_far_as_it_is_read() {
    let text = format!("{} end", "word ".repeat(200));
    let entities =
        r#"[{"start": 0, "end": 4, "label": "A"}, {"start": 1001, "end": 1004, "label": "B"}]"#;
    let world = world(&format!("{{\"text\": \"{text}\", \"entities\": {entities}}}\n"));
    let shown = world.pipeline(["data", "experiments/lines.toml"]).stdout;
    let last = shown.lines().last().expect("an example");
    assert!(last.starts_with("  [word](A) word ") && last.ends_with("word ..."), "{shown}");
    assert!(last.len() < 420, "{shown}");
}

#[test]
fn a_corpus_is_told_as_json() {
    let told = world(LINES).pipeline(["data", "experiments/lines.toml", "--json"]).json();
    let train = &told["splits"]["train"];
    assert_eq!(train["texts"], 4);
    assert_eq!(train["repeats"]["masked"], 2);
    assert_eq!(train["repeats"]["first"], serde_json::json!([3, 4]));
    assert_eq!(train["classes"]["anomaly"], serde_json::json!({"anomaly": 3, "normal": 1}));
    assert_eq!(train["labels"]["FAN"]["examples"], serde_json::json!(["3", "12"]));
    assert_eq!(train["fields"]["at"]["distinct"], 2);
    assert_eq!(train["words"]["p50"], 2);
}

#[test]
fn a_corpus_that_is_there_is_read_from_the_store_with_its_lengths_in_tokens() {
    let world = World::new();
    let before = world.pipeline(["data", "experiments/mini.toml", "--examples", "0"]);
    assert_eq!(world.pipeline(["run", "experiments/mini.toml", "tokenize"]).code, Some(0));
    let after = world.pipeline(["data", "experiments/mini.toml", "--examples", "0"]);
    let without_tokens: String = after
        .stdout
        .lines()
        .filter(|line| !line.contains("tokens") && !line.contains("longer than"))
        .map(|line| format!("{line}\n"))
        .collect();
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&without_tokens), squeezed(&before.stdout));
    assert!(after.stdout.contains("tokens: longest"), "{after}");
    assert!(after.stdout.contains("longer than 128 (`tokenize`)"), "{after}");
}

#[test]
fn what_makes_no_corpus_and_what_is_not_there_yet_is_refused() {
    let world = World::new();
    world
        .child("made", "[stage.made]\nkind = \"command\"\noutput = \"corpus\"\nrun = [\"true\"]\n");
    snapshot!(
        world.pipeline(["data", "experiments/mini.toml", "train"]),
        world.pipeline(["data", "experiments/made.toml", "made"]),
        world.pipeline(["data", "experiments/none.toml"])
    );
}

#[test]
fn a_corpus_with_mistakes_says_them() {
    snapshot!(world("{\"text\": 3}\n").pipeline(["data", "experiments/lines.toml"]));
}

#[test]
fn several_mistakes_are_several_lines() {
    let shot = world("{\"text\": 3}\n{\"text\": 4}\n").pipeline(["data", "experiments/lines.toml"]);
    assert_eq!((shot.code, shot.stderr.matches("u000a").count()), (Some(2), 0), "{shot}");
    let lines = shot.stderr.lines().filter(|line| line.contains("lines.jsonl:"));
    assert_eq!(lines.count(), 2, "{shot}");
}

#[test]
fn a_file_of_texts_in_the_place_of_an_experiment_is_led_to_init() {
    let shot = world(LINES).pipeline(["data", "experiments/lines.jsonl"]);
    let help = "`pipeline init --data experiments/lines.jsonl`";
    assert!(shot.code == Some(2) && shot.stderr.contains(help), "{shot}");
}

#[test]
fn of_folds_the_first_is_shown_and_said() {
    let world = world(LINES);
    let text = world.read("experiments/lines.toml");
    world.write("experiments/lines.toml", format!("{text}[sweep]\nfolds = 2\n"));
    let shot = world.pipeline(["data", "experiments/lines.toml"]);
    assert!(shot.stdout.contains("this is fold 0 of 0 to 1"), "{shot}");
    let told = world.pipeline(["data", "experiments/lines.toml", "--json"]).json();
    assert_eq!(told["fold"], serde_json::json!({"index": 0, "of": 2}));
}
