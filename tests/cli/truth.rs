//! Scores hold predictions against what the corpus says, whatever the tokens can say.

use serde_json::Value;

use crate::world::{OF_LINES, World};

fn base() -> String {
    OF_LINES.replace("epochs = 30", "epochs = 40")
}

fn line(text: &str, entities: &[(usize, usize, &str)], anomaly: u8) -> String {
    let entity = |(start, end, label): &(usize, usize, &str)| serde_json::json!({"start": start, "end": end, "label": label});
    let entities: Vec<Value> = entities.iter().map(entity).collect();
    let line = serde_json::json!({"text": text, "entities": entities, "anomaly": anomaly, "id": 7, "host": "web-1"});
    format!("{line}\n")
}

fn world(lines: &str) -> World {
    let world = World::empty();
    world.write("experiments/base.toml", base());
    world.write("experiments/lines.jsonl", lines);
    world
}

fn metrics(world: &World) -> Value {
    serde_json::from_str(&world.read("outputs/base/metrics.json")).expect("JSON")
}

/// The count of the caveat with this code, of those of the split that is scored or of all.
fn caveat(metrics: &Value, code: &str) -> Option<u64> {
    let caveats = metrics["caveats"].as_array().expect("a list");
    caveats.iter().find(|caveat| caveat["code"] == code)?["count"].as_u64()
}

#[test]
fn an_entity_that_is_cut_off_is_missed_and_counted() {
    let lines: String = (0..6)
        .map(|row| {
            let text =
                format!("Bea called about the crates that left the old port of Lyon on day {row}.");
            line(&text, &[(0, 3, "PER"), (54, 58, "LOC")], row % 2)
        })
        .collect();
    let world = world(&lines);
    let run = |length: &str| {
        let set = format!("stage.tokenize.max_length={length}");
        let shot = world.pipeline(["run", "experiments/base.toml", "--set", &set]);
        assert_eq!(shot.code, Some(0), "{shot}");
        metrics(&world)
    };
    let short = run("8");
    let ner = &short["ner"];
    assert_eq!([&ner["entities"], &ner["cut"], &ner["inside_tokens"]], [12, 6, 0]);
    assert!(ner["span_recall"].as_f64().expect("defined") <= 0.5, "{ner}");
    assert_eq!(caveat(&short, "entities_cut"), Some(6));
    let long = run("64");
    assert_eq!([&long["ner"]["entities"], &long["ner"]["cut"]], [12, 0]);
    assert_eq!(caveat(&long, "entities_cut"), None);
    let sweep = ["run", "experiments/base.toml", "--sweep", "tokenize.max_length=8,64"];
    let shot = world.pipeline(sweep);
    let whose = "caveat: evaluate [max_length=8]: 6 of 6 train texts are longer than 8 tokens";
    assert!(shot.stdout.contains(whose), "{shot}");
    let f1 = |metrics: &Value| metrics["ner"]["span_f1"].as_f64().expect("defined");
    assert!(f1(&long) > f1(&short), "{long}\n{short}");
}

#[test]
fn an_entity_that_begins_inside_a_token_is_missed_counted_and_listed() {
    // What stands around the path is in all lines, so that it becomes a token with its first character.
    let lines: String = (0..6)
        .map(|row| line(&format!("R stat(/srv/run/p{row}) failed"), &[(7, 18, "PATH")], row % 2))
        .collect();
    let world = world(&format!("\n{lines}")); // a line without a text, so that the text's number is not that of its line
    let shot = world.pipeline(["run", "experiments/base.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let metrics = metrics(&world);
    let ner = &metrics["ner"];
    assert_eq!([&ner["entities"], &ner["inside_tokens"]], [6, 6], "{shot}");
    assert_eq!(ner["span_recall"], 0.0);
    assert_eq!(caveat(&metrics, "entities_inside_tokens"), Some(6));
    assert!(
        shot.stderr.contains("line 2: given \"/srv/run/p0\" for PATH, tokens show \""),
        "{shot}"
    );
    // What the model finds is what the scores compare.
    let predictions = world.read("outputs/base/predictions.csv");
    assert!(
        !predictions.contains(r#"[{""start"":7,""end"":18,""label"":""PATH""}]","[{""start"":7,"#),
        "{predictions}"
    );
}

#[test]
fn offsets_in_another_unit_are_said_with_what_to_set_and_then_are_right() {
    let cases = [
        ("bytes", "bytes", line("Café near Zürich opened again today.", &[(11, 18, "PLACE")], 0)),
        ("utf16", "UTF-16 units", line("🚚 Parcel left Marseille depot.", &[(15, 24, "PLACE")], 0)),
    ];
    for (name, units, text) in cases {
        let world = world(&text);
        let run = ["run", "experiments/base.toml", "--set", "stage.train.epochs=1"];
        let shot = world.pipeline(run);
        let remedy = format!("offsets = \"{name}\"");
        assert!(shot.stderr.contains(&format!("look like {units}")), "{shot}");
        assert!(shot.stderr.contains(&remedy), "{shot}");
        assert_eq!(caveat(&metrics(&world), "offsets_unit"), Some(2), "{shot}");
        world.write(
            "experiments/base.toml",
            base().replace("[stage.init_model]", &format!("{remedy}\n[stage.init_model]")),
        );
        let shot = world.pipeline(run);
        assert_eq!(shot.code, Some(0), "{shot}");
        assert_eq!(caveat(&metrics(&world), "offsets_unit"), None, "{shot}");
        assert_eq!(metrics(&world)["ner"]["inside_tokens"], 0, "{shot}");
    }
}

#[test]
fn predictions_keep_the_fields_of_the_corpus_and_leave_the_texts_out_where_asked() {
    let world = world(&line("Bea left Lyon", &[(0, 3, "PER")], 0));
    world.pipeline(["run", "experiments/base.toml", "--set", "stage.train.epochs=1"]);
    let with = world.read("outputs/base/predictions.csv");
    assert!(with.starts_with("id,text,anomaly,") && with.contains("Bea left Lyon"), "{with}");
    assert!(with.contains(",host\n") && with.contains(",web-1\n"), "{with}");
    let set = ["--set", "stage.train.epochs=1", "--set", "stage.evaluate.texts=false"];
    let shot = world.pipeline(["run", "experiments/base.toml"].into_iter().chain(set));
    assert_eq!(shot.code, Some(0), "{shot}");
    let without = world.read("outputs/base/predictions.csv");
    assert!(without.starts_with("id,anomaly,") && !without.contains("Bea"), "{without}");
    assert!(without.contains("7,") && without.contains(",web-1\n"), "{without}");
}

#[test]
fn labels_that_contradict_each_other_are_a_caveat_of_every_score() {
    let lines = [
        line("Bea left Lyon", &[(0, 3, "PER")], 0),
        line("Bea left Lyon", &[], 1),
        line("Cid left Rome", &[(0, 3, "PER")], 1),
    ];
    let world = world(&lines.concat());
    let shot = world.pipeline(["run", "experiments/base.toml", "--set", "stage.train.epochs=1"]);
    assert_eq!(caveat(&metrics(&world), "contradicting_labels"), Some(2), "{shot}");
    let key: Value =
        serde_json::from_str(&world.read("outputs/base/published.json")).expect("JSON");
    let key = key["keys"][""]["evaluate"].as_str().expect("a key").to_owned();
    for shown in [world.pipeline(["show", &key]), world.pipeline(["show", &world.latest_run()])] {
        assert!(
            shown.stdout.contains("caveat: 2 train texts have equals with other labels"),
            "{shown}"
        );
        assert!(shown.stdout.contains("span_f1"), "{shown}");
    }
}
