//! `augment`: more texts to train on, made of those that there are.

use serde_json::Value;

use crate::world::{World, snapshot};

const FILE: &str = "experiments/more.toml";

/// `mini.toml` with a test split, trained on what `augment` makes of its corpus.
fn world(parameters: &str) -> World {
    let world = World::new();
    let corpus = "[stage.corpus]\nsplit = { train = 0.6, validation = 0.2, test = 0.2 }\nduplicates = \"drop\"";
    let wires =
        "[stage.init_model]\ncorpus = \"@augment\"\n[stage.tokenize]\ncorpus = \"@augment\"";
    world.child(
        "more",
        &format!("{corpus}\n[stage.augment]\ncorpus = \"@corpus\"\n{parameters}\n{wires}\n"),
    );
    world
}

/// A split of the corpus that a stage has left, from the folders that the manifests name.
fn split(world: &World, kind: &str, split: &str) -> String {
    let mut found = Vec::new();
    for prefix in world.names("outputs/store") {
        for key in world.names(&format!("outputs/store/{prefix}")) {
            let entry = format!("outputs/store/{prefix}/{key}");
            let manifest = world.read_if_there(&format!("{entry}/manifest.json"));
            let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
            if manifest["fingerprint"]["kind"] == kind {
                found.push(world.read(&format!("{entry}/{split}.jsonl")));
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// WordNet's files, in which `restarted` means the same as this word.
fn write_wordnet(world: &World, synonym: &str) {
    for name in ["noun", "verb", "adj", "adv"] {
        let (index, data) = match name {
            "verb" => (
                "restarted v 1 0 1 0 00000100  \n".to_owned(),
                format!("00000100 30 v 02 restarted 0 {synonym} 0 000 | begin again  \n"),
            ),
            _ => (String::new(), String::new()),
        };
        world.write(format!("experiments/words/index.{name}"), format!("  1 licence\n{index}"));
        world.write(format!("experiments/words/data.{name}"), format!("  1 licence\n{data}"));
    }
}

#[test]
fn a_model_is_trained_on_copies_and_scored_on_texts_as_they_were() {
    let world = world(
        "swap_entities = 0.5\nnoise = 0.02\ncase = { lower = 0.2, upper = 0.1 }\ncopies = 2\noversample = { anomaly = \"balanced\" }",
    );
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    for held_out in ["validation", "test"] {
        let [before, now] =
            ["generate_corpus", "augment"].map(|kind| split(&world, kind, held_out));
        assert!(!before.is_empty());
        assert_eq!(before, now);
    }
    let originals = split(&world, "generate_corpus", "train");
    let (copies, kept): (Vec<String>, Vec<String>) = split(&world, "augment", "train")
        .lines()
        .map(str::to_owned)
        .partition(|line| line.contains("\"augmented_from\""));
    assert_eq!(kept, originals.lines().collect::<Vec<_>>());
    assert!(copies.len() > kept.len(), "{copies:?}");
    let held_out = split(&world, "augment", "validation") + &split(&world, "augment", "test");
    let text = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["text"].clone();
    let held_out: Vec<Value> = held_out.lines().map(text).collect();
    assert!(copies.iter().all(|line| !held_out.contains(&text(line))));
    let said = "classes of `anomaly`: normal 62.9 % -> 49.6 %, anomaly 37.1 % -> 50.4 %";
    assert!(shot.stderr.contains(said), "{shot}");
}

#[test]
fn check_with_data_says_of_copies_what_run_says() {
    let world = world("swap_entities = 1.0\noversample = { anomaly = { anomaly = 0.6 } }");
    let checked = world.pipeline(["check", "--data", FILE]);
    let ran = world.pipeline(["run", FILE, "augment"]);
    assert_eq!((checked.code, ran.code), (Some(0), Some(0)), "{checked}{ran}");
    let said: Vec<&str> = ran
        .stderr
        .lines()
        .filter_map(|line| line.find("train has").map(|at| &line[at..]))
        .collect();
    assert_eq!(said.len(), 1, "{ran}");
    assert!(checked.stdout.contains(said[0]), "{checked}{ran}");
}

#[test]
fn synonyms_come_from_the_files_that_are_named_and_are_made_again_when_those_change() {
    let world = world("synonyms = 0.1\nwordnet = \"words\"");
    write_wordnet(&world, "rebooted");
    let run = || {
        let shot = world.pipeline(["run", FILE, "augment"]);
        assert_eq!(shot.code, Some(0), "{shot}");
    };
    run();
    assert!(split(&world, "augment", "train").contains("was rebooted at"));
    run();
    write_wordnet(&world, "bounced");
    run();
    let shot = world.pipeline(["explain", FILE, "augment"]);
    assert!(shot.stdout.contains("verb"), "{shot}");
}

#[test]
fn what_is_none_of_wordnets_files_is_pointed_at() {
    let world = world("synonyms = 0.1\nwordnet = \"words\"");
    let missing = world.pipeline(["check", FILE]);
    write_wordnet(&world, "rebooted");
    world.write("experiments/words/index.adv", "prose\n");
    snapshot!(missing, world.pipeline(["run", FILE, "augment"]));
}

#[test]
fn synonyms_without_wordnet_say_what_to_install() {
    let shot = world("synonyms = 0.1").pipeline(["check", FILE]);
    let is_there = std::path::Path::new("/usr/share/wordnet").is_dir();
    assert_eq!(shot.code, Some(if is_there { 0 } else { 2 }), "{shot}");
    assert_eq!(shot.stderr.contains("install the package `wordnet-base`"), !is_there, "{shot}");
}

#[test]
fn mistakes_in_what_is_asked_for_are_all_found_before_anything_runs() {
    let check = |parameters| world(parameters).pipeline(["check", FILE]);
    snapshot!(
        check(""),
        check(
            "copies = 0\nnoise = { swap = 0.6, drop = 0.5 }\nwordnet = \"words\"\ncase = { lower = 1.0, title = 0.1 }"
        ),
        check("oversample = { anomaly = \"balanced\", severity = \"balanced\" }"),
        check("oversample = { anomaly = { anomaly = 1.5 } }"),
        check("copies = 3\noversample = { anomaly = \"balanced\" }"),
        check("noise = 2\ninside_entities = [\"swap\"]\noversample = { anomaly = \"more\" }"),
    );
}

#[test]
fn heads_and_classes_that_a_corpus_lacks_are_found_before_anything_runs() {
    let check = |parameters| world(parameters).pipeline(["check", FILE]);
    snapshot!(
        check("oversample = { severity = \"balanced\" }"),
        check("oversample = { anomaly = { high = 0.3 } }")
    );
}
