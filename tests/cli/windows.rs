//! `overlap` of `tokenize`: texts that are longer than what a model reads at once are read whole.

use serde_json::Value;

use crate::world::{OF_LINES, World};

const TEXTS: usize = 6;

/// A text of some windows, with an entity at each end.
fn text(row: usize) -> String {
    let end = if row.is_multiple_of(2) { "Lyon" } else { "Oslo" };
    format!("Bea called about the crates that left the old port of {end} on day {row}.")
}

/// Texts with an entity that no window of eight has whole beside the two short ones, where `long` says so.
fn world(long: bool) -> World {
    let world = World::empty();
    let line = |row: usize| {
        let crates = serde_json::json!({"start": 17, "end": 50, "label": "THING"});
        let (name, place) = (
            serde_json::json!({"start": 0, "end": 3, "label": "PER"}),
            serde_json::json!({"start": 54, "end": 58, "label": "LOC"}),
        );
        let entities = if long { vec![name, crates, place] } else { vec![name, place] };
        let line = serde_json::json!({"text": text(row), "entities": entities, "anomaly": row % 2});
        format!("{line}\n")
    };
    world.write("experiments/lines.jsonl", (0..TEXTS).map(line).collect::<String>());
    let windows = "max_length = 8\noverlap = 3\n[stage.train]";
    world.write("experiments/long.toml", OF_LINES.replace("[stage.train]", windows));
    world
}

fn run(world: &World) {
    let shot = world.pipeline(["run", "experiments/long.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let read = format!("6 train texts are read in {} windows of up to 8 tokens", windows(world));
    assert!(shot.stderr.contains(&read), "{shot}");
}

fn json(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(name)).expect("JSON")
}

fn codes(metrics: &Value) -> Vec<&str> {
    let caveats = metrics["caveats"].as_array().expect("a list");
    caveats.iter().filter_map(|caveat| caveat["code"].as_str()).collect()
}

/// The windows of the training split.
fn windows(world: &World) -> u64 {
    let record = json(world, "outputs/long/published.json");
    let key = record["keys"][""]["tokenize"].as_str().expect("a key");
    let encoding = json(world, &format!("outputs/store/{}/{key}/encoding.json", &key[..2]));
    let train = &encoding["statistics"]["train"];
    assert_eq!((&train["sequences"], &encoding["overlap"]), (&TEXTS.into(), &3.into()));
    train["windows"]["count"].as_u64().expect("a count")
}

#[test]
fn a_long_text_is_read_whole_by_training_evaluation_and_prediction_alike() {
    let world = world(false);
    run(&world);
    let metrics = json(&world, "outputs/long/metrics.json");
    let ner = &metrics["ner"];
    assert_eq!([&ner["entities"], &ner["cut"]], [2 * TEXTS, 0]);
    assert!(ner["span_recall"].as_f64().expect("defined") > 0.9, "both ends are read: {ner}");
    let cut = |code: &&str| code.contains("cut") || *code == "other_windows";
    assert!(!codes(&metrics).iter().any(cut), "{metrics}");
    let heads = json(&world, "outputs/long/model/heads.json");
    assert_eq!([&heads["max_length"], &heads["overlap"]], [8, 3]);

    // As the scores are of whole texts, so is what is predicted, and of both the same.
    let texts: String = (0..TEXTS).map(|row| text(row) + "\n").collect();
    world.write("texts.txt", texts);
    let shot = world.pipeline(["predict", "outputs/long", "texts.txt", "--batch-tokens", "64"]);
    let answers: Vec<Value> =
        shot.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let scored = world.read("outputs/long/predictions.csv");
    let mut scored = csv::Reader::from_reader(scored.as_bytes());
    let names = scored.headers().expect("a header").clone();
    let column = |name: &str| names.iter().position(|it| it == name).expect("a column");
    let rows: Vec<csv::StringRecord> = scored.records().map(|row| row.expect("a row")).collect();
    assert_eq!((answers.len(), rows.len()), (TEXTS, TEXTS));
    for (answer, row) in answers.iter().zip(&rows) {
        let found: Value = serde_json::from_str(&row[column("predicted_entities")]).expect("JSON");
        let place = |it: &Value| (it["start"].clone(), it["end"].clone(), it["label"].clone());
        let places = |all: &Value| all.as_array().expect("a list").iter().map(place).collect();
        let (said, found): (Vec<_>, Vec<_>) = (places(&answer["entities"]), places(&found));
        assert_eq!(said, found, "{answer}");
        let score: f64 = row[column("anomaly_score")].parse().expect("a number");
        let said = answer["anomaly_score"].as_f64().expect("a number");
        assert!((said - score).abs() < 1e-5 && answer.get("truncated").is_none(), "{answer}");
    }
}

#[test]
fn a_training_costs_as_many_steps_as_there_are_windows() {
    let world = world(false);
    run(&world);
    let steps = windows(&world).div_ceil(16);
    assert!(steps > (TEXTS as u64).div_ceil(16));
    let rows = world.read("outputs/long/timing.csv").lines().count() as u64 - 1;
    assert_eq!(rows, 30 * steps);
    let again = ["plan", "experiments/long.toml", "--set", "train.epochs=31"];
    let plan = world.pipeline(again);
    assert!(plan.stdout.contains(&format!("({} steps of about", 31 * steps)), "{plan}");
    // Before they are tokenized, nobody knows how many windows the texts of a generated corpus have.
    let world = World::trained();
    let file = "experiments/mini.toml";
    let plan = world.pipeline(["plan", file, "--set", "tokenize.overlap=3"]);
    assert!(plan.stdout.contains("is known once it has its texts"), "{plan}");
}

#[test]
fn an_entity_longer_than_the_overlap_and_whole_in_no_window_counts_as_cut_once() {
    let world = world(true);
    run(&world);
    let metrics = json(&world, "outputs/long/metrics.json");
    assert_eq!([&metrics["ner"]["entities"], &metrics["ner"]["cut"]], [3 * TEXTS, TEXTS]);
    let caveats = metrics["caveats"].as_array().expect("a list");
    let said = "6 of 18 validation entities are longer than `overlap` = 3 tokens and whole in no window: none learns them";
    assert!(caveats.iter().any(|it| it["message"] == said), "{metrics}");
}

#[test]
fn an_overlap_that_leaves_little_that_is_new_is_refused_with_its_place() {
    let world = World::new();
    world.child("wide", "[stage.tokenize]\nmax_length = 128\noverlap = 97\n");
    let shot = world.pipeline(["check", "experiments/wide.toml"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    for part in [
        "`overlap` = 97 leaves windows of `max_length` = 128 tokens too little that is new",
        "experiments/wide.toml:4:11",
        "set `overlap` to at most 96",
    ] {
        assert!(shot.stderr.contains(part), "{shot}");
    }
    let widest = ["check", "experiments/wide.toml", "--set", "tokenize.overlap=96"];
    assert_eq!(world.pipeline(widest).code, Some(0));
}

#[test]
fn without_an_overlap_keys_stay_and_texts_that_are_cut_are_said_with_what_helps() {
    let world = World::trained();
    let file = "experiments/mini.toml";
    let plan = world.pipeline(["plan", file, "--check", "--set", "tokenize.overlap=0"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let cut = world.pipeline(["check", "--data", file, "--set", "tokenize.max_length=8"]);
    let said = "longer than 8 tokens and were cut: `overlap` in `tokenize` reads them whole";
    assert!(cut.stdout.contains(said), "{cut}");
}

#[test]
fn texts_in_other_windows_than_the_model_learnt_from_are_a_caveat() {
    let world = World::new();
    world.child(
        "other",
        "[stage.windows]\nkind = \"tokenize\"\nmodel = \"@init_model\"\ncorpus = \"@corpus\"\nmax_length = 8\noverlap = 2\n\
         [stage.evaluate]\ndata = \"@windows\"\n",
    );
    let shot = world.pipeline(["run", "experiments/other.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let metrics = json(&world, "outputs/other/metrics.json");
    assert!(codes(&metrics).contains(&"other_windows"), "{metrics}");
}
