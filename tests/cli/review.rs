//! The loop that improves data: labels that are likely wrong are found, a person corrects them, and they are put back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{World, snapshot};

const FILE: &str = "experiments/loop.toml";

/// Texts of two kinds that are easily told apart, of which these have a wrong label: a class, and an entity that is not marked.
const WRONG: [usize; 2] = [17, 40];

fn line(number: usize, is_right: bool) -> Value {
    let is_attack = number.is_multiple_of(2);
    let host = format!("web{:02}", number / 2 % 6);
    let text = match is_attack {
        true => format!("attack on {host} since {number} minutes"),
        false => format!("backup of {host} after {number} minutes"),
    };
    let entities = json!([{"start": 10, "end": 15, "label": "HOST"}]);
    let is_labelled_attack = is_attack == (is_right || number != WRONG[0]);
    let entities = if is_right || number != WRONG[1] { entities } else { json!([]) };
    json!({"id": format!("t{number}"), "text": text, "entities": entities, "anomaly": u8::from(is_labelled_attack)})
}

fn lines(is_right: bool) -> String {
    (0..96).map(|number| format!("{}\n", line(number, is_right))).collect()
}

/// A world in which models were trained on these texts, each on two thirds of them.
fn trained() -> World {
    let world = World::new();
    world.write("experiments/data/lines.jsonl", lines(false));
    let corpus = "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n";
    let train = "[stage.train]\nepochs = 12\nlearning_rate = 4e-3\nbatch_size = 8\n";
    let sweep = "[sweep]\nfolds = 3\n";
    world.child("loop", &format!("{corpus}{train}{sweep}"));
    let ran = world.pipeline(["run", FILE, "train", "--quiet"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    world
}

/// The split of each text in every corpus of the store.
fn divisions(world: &World) -> Vec<BTreeMap<String, String>> {
    let files = crate::common::files_below(&world.path("outputs/store"));
    let corpora = files.keys().filter_map(|name| name.strip_suffix("/lines.json"));
    let division = |folder: &str| {
        let split = |split: &'static str| {
            let text = String::from_utf8_lossy(&files[&format!("{folder}/{split}.jsonl")]);
            let id = |line: &str| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                (line["id"].as_str().unwrap_or_default().to_owned(), split.to_owned())
            };
            text.lines().map(id).collect::<Vec<_>>()
        };
        ["train", "validation", "test"].into_iter().flat_map(split).collect()
    };
    corpora.map(division).collect()
}

#[test]
fn wrong_labels_are_found_and_put_back_and_no_text_moves() {
    let world = trained();
    let run = world.latest_run();
    let out = world.path("fixes.jsonl");
    let reviewed = world.pipeline(["review", &run, "--top", "2", "--out", &out.to_string_lossy()]);
    assert_eq!(reviewed.code, Some(0), "{reviewed}");
    assert!(reviewed.stderr.contains("3 models judged 96 texts"), "{reviewed}");
    assert!(!reviewed.stderr.contains("trained on them"), "{reviewed}");
    // Of what nobody is as sure as that, nothing is listed, and all of it counted.
    let sure = world.pipeline(["review", &run, "--confidence", "1"]);
    assert!(sure.stdout.is_empty(), "{sure}");
    assert!(sure.stderr.contains("texts more they say something else with a confidence"), "{sure}");
    let fixes = world.read("fixes.jsonl");
    let found: Vec<Value> =
        fixes.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut ids: Vec<&str> = found.iter().filter_map(|line| line["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["t17", "t40"], "{fixes}");
    for line in &found {
        assert_eq!(line["_review"]["split"], "validation", "{line}");
        assert_eq!(line["_review"]["file"], "lines.jsonl", "{line}");
    }

    // As it is, it changes nothing.
    let again = "[stage.corpus]\ncorrections = \"../fixes.jsonl\"\n";
    world.write("experiments/again.toml", format!("extends = \"loop.toml\"\n{again}"));
    let same = world.pipeline(["run", "experiments/again.toml", "train"]);
    assert!(same.stderr.contains("2 texts were looked at again, and none corrected"), "{same}");
    assert!(same.stderr.contains("reused"), "{same}");

    // A person takes what the models say.
    let before = divisions(&world);
    let corrected: String = found
        .iter()
        .map(|line| {
            let mut line = line.clone();
            let suspects = line["_review"]["suspects"].as_array().expect("a list").clone();
            for suspect in suspects {
                let head = suspect["head"].as_str().expect("a name");
                let field = if head == "ner" { "entities" } else { head };
                line[field] = suspect["proposed"].clone();
            }
            format!("{line}\n")
        })
        .collect();
    world.write("fixes.jsonl", corrected);
    let ran = world.pipeline(["run", "experiments/again.toml", "corpus"]);
    assert!(
        ran.stderr.contains(
            "2 texts were looked at again: 1 with another `anomaly`, 1 with another `entities` now"
        ),
        "{ran}"
    );
    assert!(ran.stderr.contains("compared with the corpus before: 2 texts changed"), "{ran}");
    let after = divisions(&world);
    assert!(after.len() > before.len() && after.iter().all(|it| before.contains(it)), "{ran}");
    let stored = crate::common::files_below(&world.path("outputs/store"));
    for number in WRONG {
        let right = line(number, true);
        let is_right = |bytes: &Vec<u8>| {
            let lines = String::from_utf8_lossy(bytes);
            let mut lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.any(|line: Value| {
                ["text", "anomaly", "entities"].iter().all(|part| line[part] == right[part])
            })
        };
        assert!(stored.values().any(is_right), "{number}");
    }
    // What somebody may have corrected is not written over.
    assert!(world.pipeline(["review", &run, "--out", &out.to_string_lossy()]).code == Some(2));
}

#[test]
fn a_corrected_test_text_trains_nothing_anew_and_a_corrected_training_text_does() {
    let world = World::new();
    world.write("experiments/data/lines.jsonl", lines(true));
    let split = "split = { train = 0.6, validation = 0.2, test = 0.2 }\n";
    // Entities are cut, of which there is a caveat for each split.
    let others = "[stage.tokenize]\nmax_length = 5\n\
                  [stage.evaluate]\nbaselines = [\"@masked\"]\n\
                  [stage.masked]\nkind = \"baseline\"\nmethod = \"masked\"\ncorpus = \"@corpus\"\n\
                  [stage.final]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@tokenize\"\nsplit = \"test\"\n";
    let corpus = format!(
        "{others}[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n{split}"
    );
    world.child("loop", &corpus);
    assert_eq!(world.pipeline(["run", FILE, "--quiet"]).code, Some(0));
    let digests = || world.read("outputs/loop/model/digests.json");
    let before = digests();
    let divided = divisions(&world).remove(0);
    let text_of = |split: &str| {
        let (id, _) = divided.iter().find(|(_, it)| *it == split).expect("a text");
        let number: usize = id[1..].parse().expect("a number");
        let mut said = line(number, true);
        (said["entities"], said["anomaly"]) = (json!([]), json!(number % 2));
        said.to_string()
    };
    world.write("fixes.jsonl", text_of("test"));
    world.child("loop", &format!("{corpus}corrections = \"../fixes.jsonl\"\n"));
    let ran = world.pipeline(["run", FILE]);
    let is_reused = |stage: &str| {
        let mut lines = ran.stderr.lines();
        lines.any(|line| line.contains(stage) && line.contains("reused"))
    };
    assert!(ran.stderr.contains("1 with another `anomaly`, 1 with another `entities`"), "{ran}");
    for stage in ["init_model", "masked", "train", "evaluate"] {
        assert!(is_reused(&format!("{stage} ")), "{stage}: {ran}");
    }
    for stage in ["corpus", "tokenize", "final"] {
        assert!(!is_reused(&format!("{stage} ")), "{stage}: {ran}");
    }
    let is_cut = |caveat: &Value| caveat["code"] == "entities_cut";
    let metrics: Value =
        serde_json::from_str(&world.read("outputs/loop/final/metrics.json")).expect("JSON");
    assert!(metrics["caveats"].as_array().is_some_and(|all| all.iter().any(is_cut)), "{metrics}");
    // Nothing else would have come of it.
    assert_eq!(world.pipeline(["run", FILE, "--rerun", "train", "--quiet"]).code, Some(0));
    assert_eq!(digests(), before);
    world.write("fixes.jsonl", text_of("train"));
    assert_eq!(world.pipeline(["run", FILE, "--quiet"]).code, Some(0));
    assert_ne!(digests(), before);
}

#[test]
fn unlabelled_texts_and_tasks_of_label_studio_are_written() {
    let world = trained();
    let run = world.latest_run();
    world.write("new.txt", "attack on web03 since 3 minutes\nsomething else altogether\n");
    std::fs::write(
        world.path("old.csv"),
        b"text\nattack on [web03](HOST) since 3 minutes\nd\xe9j\xe0 vu\n",
    )
    .expect("written");
    let old = ["review", &run, "--unlabelled", "old.csv", "--encoding", "latin-1", "--markup"];
    let old = world.pipeline(old);
    assert!(old.stdout.contains("d\u{e9}j\u{e0} vu"), "{old}");
    assert!(old.stdout.contains("\"text\":\"attack on web03 since 3 minutes\""), "{old}");
    // What it says of labels is no concern of theirs, and what is wrong is said as the command is written.
    world.write("odd.csv", "body,entities,anomaly\nsomething,all of it,perhaps\n");
    let odd = world.pipeline(["review", &run, "--unlabelled", "odd.csv", "--field", "body"]);
    assert!(odd.code == Some(0) && odd.stdout.contains("\"text\":\"something\""), "{odd}");
    let odd = world.pipeline(["review", &run, "--unlabelled", "odd.csv", "--field", "txt"]);
    assert!(odd.stderr.contains("`--field NAME` says which field the text is"), "{odd}");
    let alone = world.pipeline(["review", &run, "--markup"]);
    assert!(alone.code == Some(2) && alone.stderr.contains("`--markup` says how"), "{alone}");
    let lines = world.pipeline(["review", &run, "--unlabelled", "new.txt", "--top", "1"]);
    assert_eq!(lines.code, Some(0), "{lines}");
    let line: Value = serde_json::from_str(lines.stdout.trim_end()).expect("JSON");
    assert_eq!(line["text"], "something else altogether", "{lines}");
    assert_eq!(line.get("anomaly"), None, "{lines}");
    // Lines of a log are read as those that the model was trained on.
    world.write("app.log", "Jun  9 06:06:20 combo sshd[19]: something else altogether\n");
    let log = ["review", &run, "--unlabelled", "app.log", "--rules"];
    let lines = world.pipeline(log.into_iter().chain(["syslog"]));
    let line: Value = serde_json::from_str(lines.stdout.trim_end()).expect("JSON");
    assert_eq!(line["text"], "something else altogether", "{lines}");
    let none = world.pipeline(log.into_iter().chain(["none.toml"]));
    assert!(none.code == Some(2) && none.stderr.contains("cannot read `none.toml`"), "{none}");
    let tasks = world.pipeline(["review", &run, "--top", "2", "--format", "label_studio"]);
    let tasks_json = tasks.json();
    let result = tasks_json[0]["predictions"][0]["result"].as_array().expect("a list");
    assert!(result.iter().any(|item| item["from_name"] == "anomaly"), "{tasks}");
    let interface = tasks.stderr.split_once("project:\n").expect("an interface").1;
    let expected = "<View>\n  <Labels name=\"ner\" toName=\"text\">\n    <Label value=\"HOST\"/>\n  </Labels>\n  \
                    <Choices name=\"anomaly\" toName=\"text\" choice=\"single\">\n    <Choice value=\"normal\"/>\n    \
                    <Choice value=\"anomaly\"/>\n  </Choices>\n  <Text name=\"text\" value=\"$text\"/>\n</View>\n";
    assert_eq!(interface, expected);
}

#[test]
fn what_cannot_be_reviewed_is_refused_with_its_reason() {
    let world = World::new();
    let corpus = world.pipeline(["run", "experiments/mini.toml", "corpus"]);
    assert_eq!(corpus.code, Some(0));
    world.write("empty/x", "");
    snapshot!(
        world.pipeline(["review", &world.latest_run()]),
        world.pipeline(["review", "empty"]),
        world.pipeline(["review", "nothing"]),
        world.pipeline(["review", "empty", "--format", "xml"]),
    );
}

#[test]
fn a_corpus_that_is_gone_is_said_with_what_makes_it_again() {
    let world = World::trained();
    let key = world.key("corpus");
    std::fs::remove_dir_all(world.path(format!("outputs/store/{}/{key}", &key[..2])))
        .expect("removed");
    let shot = world.pipeline(["review", "outputs/mini"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert!(shot.stderr.contains("the corpus that `train` was trained on is no longer"), "{shot}");
    assert!(shot.stderr.contains("`pipeline run experiments/mini.toml`"), "{shot}");
    let model = world.pipeline(["review", "outputs/mini/model", "--unlabelled", "x.txt"]);
    assert!(model.stderr.contains("cannot read `x.txt`"), "{model}");
}

#[test]
fn an_answer_from_which_the_last_entity_was_removed_leaves_none() {
    let world = World::empty();
    let corpus = "version = 1\n[stage.corpus]\nkind = \"read_corpus\"\ntrain = \"lines.jsonl\"\ncorrections = \"fixes.json\"\n";
    world.write("c.toml", corpus);
    world.write(
        "lines.jsonl",
        "{\"id\": \"a\", \"text\": \"Ada wrote\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"PER\"}]}\n\
         {\"id\": \"b\", \"text\": \"Bea wrote\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"PER\"}]}\n",
    );
    let answer = "[{\"id\": 1, \"data\": {\"id\": \"a\", \"text\": \"Ada wrote\"}, \"annotations\": [{\"id\": 1, \"result\": []}]}]";
    world.write("fixes.json", answer);
    let shot = world.pipeline(["run", "c.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("1 text") && !shot.stderr.contains("none corrected"), "{shot}");
}
