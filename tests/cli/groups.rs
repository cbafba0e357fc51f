//! Scores of some of the texts, and how far they reach where whole groups of texts were held out.

use std::fmt::Write as _;

use serde_json::Value;

use crate::world::{MINI, World, snapshot};

/// Twelve events of ten lines each, half of them anomalies, from two sources.
fn lines(events: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for event in events {
        let (words, anomaly) = match event % 2 {
            0 => (format!("backup {event} finished on"), 0),
            _ => (format!("attack {event} hits"), 1),
        };
        for line in 0..10 {
            let (start, source) = (words.len() + 1, ["east", "west"][line % 2]);
            let end = start + 5;
            writeln!(
                text,
                r#"{{"text": "{words} db-0{line}", "entities": [{{"start": {start}, "end": {end}, "label": "HOST"}}], "anomaly": {anomaly}, "event": "E{event}", "template": "T{event}", "source": "{source}"}}"#
            )
            .expect("a string");
        }
    }
    text
}

/// A world with `experiments/read.toml`, whose corpus is read from those lines.
fn world(corpus: &str, evaluate: &str) -> World {
    let world = World::empty();
    world.write("experiments/lines.jsonl", lines(0..12));
    world.write("experiments/train.jsonl", lines(0..8));
    world.write("experiments/later.jsonl", lines(6..10));
    let generated = "kind = \"generate_corpus\"\ntemplates = \"data/events.toml\"\nsamples = 80\n";
    let text = MINI.replace(generated, &format!("kind = \"read_corpus\"\n{corpus}\n"));
    let text = text.replace("\n[stage.plot]", &format!("{evaluate}\n\n[stage.plot]"));
    world.write("experiments/read.toml", text);
    world
}

fn run(world: &World) -> Value {
    let shot = world.pipeline(["run", "experiments/read.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str(&world.read("outputs/read/metrics.json")).expect("JSON")
}

/// The cells of `groups.csv` by the names of its columns.
fn rows(world: &World) -> Vec<std::collections::BTreeMap<String, String>> {
    let text = world.read("outputs/read/groups.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn texts_are_scored_by_the_values_of_each_field_that_is_asked_for() {
    let world = world(
        "path = \"lines.jsonl\"\nby = \"event\"\nsplit = { train = 0.5, validation = 0.5 }",
        "group_by = [\"event\", \"source\"]",
    );
    let metrics = run(&world);
    let rows = rows(&world);
    for field in ["event", "source"] {
        let of_field: Vec<_> = rows.iter().filter(|row| row["field"] == field).collect();
        let number = |row: &std::collections::BTreeMap<String, String>, name: &str| -> f64 {
            row[name].parse().expect("a number")
        };
        let texts: f64 = of_field.iter().map(|row| number(row, "texts")).sum();
        let right: f64 =
            of_field.iter().map(|row| number(row, "texts") * number(row, "anomaly.accuracy")).sum();
        assert_eq!((texts, of_field.len()), (60.0, if field == "event" { 6 } else { 2 }));
        let whole = metrics["anomaly"]["accuracy"].as_f64().expect("a number");
        assert!((right / texts - whole).abs() < 1e-12, "{rows:?} {metrics}");
    }
    // Texts of one event have one class, by which no F1 is defined where nothing is said to be the other.
    let normal = rows.iter().find(|row| row["field"] == "event").expect("there");
    assert!(normal.contains_key("ner.span_f1") && !normal.contains_key("loss"), "{normal:?}");
    let shown = world.pipeline(["show", "outputs/read"]).stdout;
    assert!(shown.contains("groups.csv\n  field   value  texts  entities  ner.span_f1"), "{shown}");
}

#[test]
fn intervals_are_over_whole_groups_where_the_split_is_by_groups() {
    let split = "path = \"lines.jsonl\"\nsplit = { train = 0.5, validation = 0.5 }";
    let by_text = run(&world(split, ""));
    assert_eq!(by_text.get("intervals_by"), None);
    let by_group = run(&world(&format!("{split}\nby = \"event\""), ""));
    assert_eq!(by_group["intervals_by"], "event");
    let width = |metrics: &Value| {
        let ends = &metrics["intervals"]["anomaly.accuracy"];
        ends[1].as_f64().expect("a number") - ends[0].as_f64().expect("a number")
    };
    // All texts of an event are right or wrong together, or nearly: six events say far less than sixty texts.
    assert!(width(&by_group) > 1.5 * width(&by_text), "{by_group} {by_text}");
    let baseline =
        "\n[stage.majority]\nkind = \"baseline\"\nmethod = \"majority\"\ncorpus = \"@corpus\"\n";
    let world = world(&format!("{split}\nby = {{ validation = \"event\" }}"), baseline);
    let shot = world.pipeline(["run", "experiments/read.toml", "majority"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(
        world.read("outputs/read/majority/metrics.json").contains("\"intervals_by\": \"event\"")
    );
}

#[test]
fn templates_that_training_saw_are_told_from_others_without_being_asked_for() {
    let world = world("train = \"train.jsonl\"\nvalidation = \"later.jsonl\"", "");
    run(&world);
    let told: Vec<[String; 3]> = rows(&world)
        .iter()
        .map(|row| ["field", "value", "texts"].map(|name| row[name].clone()))
        .collect();
    let seen = "template seen in training".to_owned();
    let expected = [("yes", "20"), ("no", "20")];
    assert_eq!(told, expected.map(|(value, texts)| [seen.clone(), value.into(), texts.into()]));
}

#[test]
fn without_both_kinds_there_is_no_file() {
    let world = World::trained();
    assert!(!world.path("outputs/mini/groups.csv").exists());
}

#[test]
fn a_field_that_is_not_there_is_said_with_those_that_there_are() {
    let generated = World::new();
    generated.child("typo", "[stage.evaluate]\ngroup_by = [\"tempalte\"]\n");
    snapshot!(generated.pipeline(["check", "experiments/typo.toml"]));
    let read = world("path = \"lines.jsonl\"", "group_by = [\"sauce\"]");
    snapshot!(read.pipeline(["check", "--data", "experiments/read.toml"]));
    let shot = read.pipeline(["run", "experiments/read.toml"]);
    assert!(shot.code.is_some_and(|code| code > 0), "{shot}");
    assert!(shot.stderr.contains("`group_by` names `sauce`, which is no field"), "{shot}");
    // The corpus is enough to see it.
    assert!(world_has(&read, "tokenize") && !world_has(&read, "train"), "{shot}");
    read.write(
        "experiments/head.toml",
        "extends = \"read.toml\"\n[stage.evaluate]\ngroup_by = [\"anomaly\"]\n",
    );
    let head = read.pipeline(["check", "experiments/head.toml"]);
    assert!(head.code == Some(2) && head.stderr.contains("is a head and no field"), "{head}");
}

#[test]
fn a_field_that_is_not_there_is_said_before_points_are_tried_also_by_what_waits_for_the_best() {
    let world =
        world("path = \"lines.jsonl\"\nsplit = { train = 0.5, validation = 0.3, test = 0.2 }", "");
    let last = |field: &str| {
        format!(
            "extends = \"read.toml\"\n[stage.last]\nkind = \"evaluate\"\nat = \"best\"\nmodel = \"@train\"\n\
             data = \"@tokenize\"\nsplit = \"test\"\ngroup_by = [\"{field}\"]\n\
             [sweep]\nobjective = \"max evaluate.ner.span_f1\"\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n"
        )
    };
    world.write("experiments/best.toml", last("sauce"));
    let shot = world.pipeline(["run", "experiments/best.toml"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    let told = "stage `last` would fail, once the best point is known: `group_by` names `sauce`";
    assert!(shot.stderr.contains(told), "{shot}");
    assert!(world_has(&world, "tokenize") && !world_has(&world, "train"), "{shot}");
    let checked = world.pipeline(["check", "--data", "experiments/best.toml"]);
    assert_eq!(checked.code, Some(2), "{checked}");
    assert!(checked.stderr.contains("stage `last`: `group_by` names `sauce`"), "{checked}");
    world.write("experiments/best.toml", last("source"));
    assert_eq!(world.pipeline(["run", "experiments/best.toml", "--quiet"]).code, Some(0));
}

/// Whether the store has a result of a kind.
fn world_has(world: &World, kind: &str) -> bool {
    let files = crate::common::files_below(&world.path("outputs/store"));
    let manifests = files.iter().filter(|(name, _)| name.ends_with("/manifest.json"));
    let is_of = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).is_ok_and(|it| it["fingerprint"]["kind"] == kind)
    };
    manifests.into_iter().any(|(_, bytes)| is_of(bytes))
}
