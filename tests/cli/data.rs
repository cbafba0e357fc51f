//! `check --data`, and what `check` finds inside a local model's folder.

use crate::common::files_below;
use crate::world::{World, snapshot};

/// A child of `mini.toml` whose corpus is read from these lines.
fn reading(lines: &str) -> World {
    let world = World::new();
    world.write("experiments/data/lines.jsonl", lines);
    world.child(
        "lines",
        "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\nby = \"node\"\n",
    );
    world
}

const FILE: &str = "experiments/lines.toml";

#[test]
fn check_with_data_says_what_run_would_fail_with_and_writes_nothing() {
    let world = reading(
        "{\"text\": \"a b\", \"entities\": [], \"anomaly\": 0, \"node\": 1}\n{\"text\": \"a b\", \"anomaly\": 2}\n",
    );
    let before = files_below(&world.path(""));
    let checked = world.pipeline(["check", "--data", FILE]);
    assert_eq!(files_below(&world.path("")), before);
    let ran = world.pipeline(["run", FILE, "corpus"]);
    let message = "data/lines.jsonl:2:28: `anomaly` is `2`, expected 0 (normal) or 1 (anomaly)";
    assert!(ran.stderr.contains(message), "{ran}");
    let place = "--> experiments/lines.toml:4:8\n";
    assert!(ran.stderr.contains(place) && checked.stderr.contains(place), "{ran}{checked}");
    assert!(ran.stderr.contains("path = \"data/lines.jsonl\""), "{ran}");
    snapshot!(
        checked,
        world.pipeline(["check", FILE]),
        world.pipeline(["check", "--json", "--data", FILE])
    );
}

#[test]
fn check_with_data_finds_a_field_that_lines_lack_and_a_part_that_stays_empty() {
    let line = "{\"text\": \"a b\", \"entities\": [], \"anomaly\": 0, \"node\": 1}\n";
    let lacking = reading(&line.replace("node", "host"));
    let empty = reading(line);
    snapshot!(
        lacking.pipeline(["check", "--data", FILE]),
        empty.pipeline(["check", "--data", FILE])
    );
}

#[test]
fn check_with_data_says_what_a_reader_of_the_scores_must_know() {
    let world = World::new();
    let checked = world.pipeline(["check", "--data", "experiments/mini.toml"]);
    let ran = world.pipeline(["run", "experiments/mini.toml", "tokenize", "-j", "1"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let said: Vec<&str> = checked.stdout.lines().skip(1).map(|line| line[24..].trim()).collect();
    assert!(said.len() >= 2, "{checked}");
    for text in said {
        assert!(ran.stderr.contains(text), "{text}\n{ran}");
    }
    snapshot!(checked);
}

#[test]
fn check_with_data_looks_at_tokens_where_the_model_is_here() {
    let world = World::new();
    let cut = ["check", "--data", "experiments/mini.toml", "--set", "tokenize.max_length=8"];
    let shot = world.pipeline(cut);
    assert!(shot.stdout.contains("entities are cut off by `max_length` = 8"), "{shot}");
    world.child("hub", "[stage.init_model]\nkind = \"fetch_model\"\nrepo = \"a/b\"\n");
    let shot = world.pipeline(["check", "--data", "experiments/hub.toml"]);
    assert!(shot.stdout.contains("nothing is said of tokens"), "{shot}");
    assert_eq!(shot.code, Some(0), "{shot}");
}

#[test]
fn check_with_data_finds_a_metric_that_the_data_leave_undefined() {
    let world = World::new();
    let line = |number| format!("{{\"text\": \"a {number}\", \"entities\": [], \"anomaly\": 0}}\n");
    world.write("experiments/data/lines.jsonl", (0..40).map(line).collect::<String>());
    world.child(
        "normal",
        "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n[stage.train]\nner_weight = 0\nkeep_best = \"anomaly.auroc\"\n",
    );
    let shot = world.pipeline(["check", "--data", "experiments/normal.toml"]);
    assert!(shot.stderr.contains("`keep_best` cannot go by `anomaly.auroc`"), "{shot}");
    assert_eq!(shot.code, Some(2), "{shot}");
}

#[test]
fn texts_that_are_all_without_entities_teach_their_classes_alone() {
    let world = World::new();
    let line = |number: usize| {
        format!("{{\"text\": \"a {number}\", \"entities\": [], \"anomaly\": {}}}\n", number % 2)
    };
    world.write("experiments/data/lines.jsonl", (0..40).map(line).collect::<String>());
    let corpus = "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n";
    world.child("bare", corpus);
    let check = |more: &[&str]| {
        world.pipeline([&["check", "--data", "experiments/bare.toml"], more].concat())
    };
    let said = "none of the 32 train texts has an entity";
    let shot = check(&[]);
    assert!(shot.stdout.contains(said) && shot.code == Some(0), "{shot}");
    let shot = check(&["--set", "train.ner_weight=0"]);
    assert!(!shot.to_string().contains(said) && shot.code == Some(0), "{shot}");
    let none = "the corpus has no entities, so there are no tags to learn";
    let shot = check(&["--set", "train.anomaly_weight=0"]);
    assert!(shot.stderr.contains(none) && shot.code == Some(2), "{shot}");
    assert!(shot.stderr.contains("give `anomaly_weight` a value"), "{shot}");
    let metric = "--set=train.keep_best=\"ner.span_f1\"";
    let shot = check(&[metric]);
    assert!(shot.stderr.contains("and none `ner`") && shot.code == Some(2), "{shot}");

    let shot = world.pipeline(["run", "experiments/bare.toml"]);
    assert!(shot.stdout.contains(said) && shot.code == Some(0), "{shot}");
    let heads = world.read("outputs/bare/model/heads.json");
    assert!(heads.contains("\"anomaly\"") && !heads.contains("\"ner\""), "{heads}");
    world.write("texts.txt", "a 7\n");
    let answer = world.pipeline(["predict", "outputs/bare", "texts.txt"]).json();
    assert!(answer["anomaly"].is_u64() && answer["entities"].is_null(), "{answer}");
}

#[test]
fn check_with_data_warns_of_an_objective_that_the_data_leave_undefined() {
    let world = World::new();
    let sweep = "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.anomaly.auroc\"\n\
                 [sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n";
    let lines = |anomaly: fn(usize) -> usize| -> String {
        let line = |number| {
            let anomaly = anomaly(number);
            format!("{{\"text\": \"a {number}\", \"entities\": [], \"anomaly\": {anomaly}}}\n")
        };
        (0..40).map(line).collect()
    };
    let corpus = "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n[stage.train]\nner_weight = 0\n";
    world.child("normal", &format!("{corpus}{sweep}"));
    let file = "experiments/normal.toml";
    let check = || world.pipeline(["check", "--data", file]);
    let said = "the objective `evaluate.anomaly.auroc` is undefined in every trial, so that none will be the best: the `validation` split has no anomaly";
    world.write("experiments/data/lines.jsonl", lines(|_| 0));
    let shot = check();
    assert!(shot.stdout.contains(said) && shot.code == Some(0), "{shot}");
    assert!(
        !world.pipeline(["check", file]).stdout.contains("undefined"),
        "the data were not read"
    );
    world.write("experiments/data/lines.jsonl", lines(|number| number % 2));
    assert!(!check().stdout.contains("undefined"));
}

#[test]
fn an_objective_that_a_known_ratio_leaves_undefined_is_warned_of_before_anything_runs() {
    let world = World::new();
    world.child(
        "calm",
        "[stage.corpus]\nanomaly_ratio = 0\n[sweep]\nmethod = \"grid\"\n\
         objective = \"max evaluate.anomaly.f1\"\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n",
    );
    let said = "warning: the objective `evaluate.anomaly.f1` is undefined in every trial, so that none will be the best: the corpus has no anomaly";
    let [check, plan] =
        ["check", "plan"].map(|command| world.pipeline([command, "experiments/calm.toml"]));
    assert!(check.code == Some(0) && check.stdout.contains(said), "{check}");
    assert!(plan.code == Some(0) && plan.stderr.contains(said), "{plan}");
}

const CONFIG: &str = r#"{
  "model_type": "modernbert",
  "hidden_size": 32,
  "num_attention_heads": 2,
  "num_hidden_layers": 2,
  "intermediate_size": 48,
  "max_position_embeddings": 64
}
"#;

/// A child of `mini.toml` that reads its model from a folder with this configuration.
fn with_model(config: &str) -> World {
    let world = World::new();
    world.write("experiments/model/config.json", config);
    world.write("experiments/model/model.safetensors", "");
    world.write("experiments/model/tokenizer.json", "{}");
    world.child("local", "[stage.init_model]\nkind = \"fetch_model\"\npath = \"model\"\n");
    world
}

#[test]
fn a_model_that_cannot_be_used_is_found_at_its_place_in_the_folders_configuration() {
    let check = |config: &str| with_model(config).pipeline(["check", "experiments/local.toml"]);
    snapshot!(
        check(&CONFIG.replace("\"modernbert\"", "\"gpt2\"")),
        check(&CONFIG.replace(
            "\"intermediate_size\": 48",
            "\"attention_dropout\": 1.0,\n  \"hidden_activation\": \"relu\""
        )),
        check(&CONFIG.replace("64", "\"many\"")),
        check(&CONFIG.replace("32,", "32")),
    );
}

#[test]
fn a_length_beyond_a_local_model_is_found_before_anything_runs() {
    let world = with_model(CONFIG);
    std::fs::remove_file(world.path("experiments/model/tokenizer.json")).expect("ours");
    let missing = world.pipeline(["check", "experiments/local.toml"]);
    world.write("experiments/model/tokenizer.json", "{}");
    snapshot!(
        missing,
        world.pipeline(["check", "experiments/local.toml"]),
        world.pipeline(["plan", "experiments/local.toml", "--set", "stage.tokenize.max_length=64"]),
    );
}
