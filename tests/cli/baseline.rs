//! Baselines, and what is shown of them beside a model.

use crate::world::{World, snapshot};

const TWO: &str = "[stage.majority]\nkind = \"baseline\"\nmethod = \"majority\"\ncorpus = \"@corpus\"\n\
                   [stage.masked]\nkind = \"baseline\"\nmethod = \"masked\"\ncorpus = \"@corpus\"\n";

fn beside(more: &str) -> World {
    let world = World::new();
    let wires = "[stage.evaluate]\nbaselines = [\"@majority\", \"@masked\"]\n";
    world.child("beside", &format!("{TWO}{wires}{more}"));
    world
}

#[test]
fn baselines_stand_beside_the_model_in_its_scores_and_its_report() {
    let world = beside("");
    let shot = world.pipeline(["run", "experiments/beside.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let metrics: serde_json::Value =
        serde_json::from_str(&world.read("outputs/beside/metrics.json")).expect("JSON");
    let masked: serde_json::Value =
        serde_json::from_str(&world.read("outputs/beside/masked/metrics.json")).expect("JSON");
    assert_eq!(metrics["baselines"]["masked"]["ner.span_f1"], masked["ner"]["span_f1"]);
    assert_eq!(metrics["baselines"]["majority"]["ner.span_f1"], 0.0);
    let [low, high] = [0, 1].map(|at| metrics["intervals"]["ner.span_f1"][at].as_f64());
    let value = metrics["ner"]["span_f1"].as_f64();
    assert!(low <= value && value <= high && low.is_some(), "{metrics}");
    let report = world.read("outputs/beside/classification_report.txt");
    assert!(report.contains("model    majority      masked\nner.span_f1 "), "{report}");
}

#[test]
fn a_baseline_that_is_as_good_as_the_model_is_a_caveat() {
    let world = beside("[stage.train]\nlearning_rate = 1e-9\n");
    let shot = world.pipeline(["run", "experiments/beside.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("the baseline `masked` has a `ner.span_f1` of"), "{shot}");
    assert!(world.read("outputs/beside/metrics.json").contains("baseline_not_beaten"));
}

#[test]
fn the_results_of_a_baseline_lie_in_a_folder_of_its_own_also_where_it_comes_first() {
    let world = World::new();
    world.child("alone", TWO);
    assert_eq!(world.pipeline(["run", "experiments/alone.toml", "majority"]).code, Some(0));
    assert!(world.path("outputs/alone/majority/metrics.json").exists());
    assert!(!world.path("outputs/alone/metrics.json").exists());
}

#[test]
fn a_baseline_on_another_split_is_refused() {
    let world = beside("");
    let (old, new) = ("method = \"masked\"", "method = \"masked\"\nsplit = \"train\"");
    let text = world.read("experiments/beside.toml").replace(old, new);
    world.write("experiments/beside.toml", text);
    snapshot!(world.pipeline(["check", "experiments/beside.toml"]));
}

#[test]
fn a_baseline_on_other_texts_is_refused_once_they_are_known() {
    let world = beside("");
    let other = "[stage.other]\nkind = \"generate_corpus\"\ntemplates = \"data/events.toml\"\nsamples = 70\n";
    let text = world.read("experiments/beside.toml");
    let text = text.replacen(
        "method = \"masked\"\ncorpus = \"@corpus\"",
        "method = \"masked\"\ncorpus = \"@other\"",
        1,
    );
    world.write("experiments/beside.toml", text + other);
    let shot = world.pipeline(["run", "experiments/beside.toml"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    assert!(shot.stderr.contains("`masked` was scored on"), "{shot}");
}

#[test]
fn a_linear_baseline_tells_classes_apart_that_words_tell() {
    let world = World::new();
    world.child(
        "linear",
        "[stage.linear]\nkind = \"baseline\"\nmethod = \"linear\"\ncorpus = \"@corpus\"\n",
    );
    assert_eq!(world.pipeline(["run", "experiments/linear.toml", "linear"]).code, Some(0));
    let metrics: serde_json::Value =
        serde_json::from_str(&world.read("outputs/linear/linear/metrics.json")).expect("JSON");
    assert_eq!(metrics["anomaly"]["f1"], 1.0, "{metrics}");
    assert_eq!(metrics["loss"], serde_json::Value::Null);
}

#[test]
fn a_method_that_there_is_not_is_pointed_at() {
    let world = World::new();
    world.child(
        "wrong",
        "[stage.b]\nkind = \"baseline\"\nmethod = \"majorty\"\ncorpus = \"@corpus\"\n",
    );
    snapshot!(world.pipeline(["check", "experiments/wrong.toml"]));
}

#[test]
fn two_baselines_of_one_method_are_told_apart_by_their_names() {
    let text = TWO.replace("\"majority\"\n", "\"masked\"\n");
    let world = World::new();
    let wires = "[stage.evaluate]\nbaselines = [\"@majority\", \"@masked\"]\n";
    world.child("beside", &format!("{text}{wires}"));
    let numbered = world.pipeline(["run", "experiments/beside.toml"]);
    assert!(numbered.stderr.contains("a later one is `masked_2`"), "{numbered}");
    let named = text.replacen("\"masked\"\n", "\"masked\"\nname = \"first\"\n", 1);
    world.child("beside", &format!("{named}{wires}"));
    let named = world.pipeline(["run", "experiments/beside.toml"]);
    assert!(!named.stderr.contains("masked_2"), "{named}");
    let metrics: serde_json::Value =
        serde_json::from_str(&world.read("outputs/beside/metrics.json")).expect("JSON");
    let names: Vec<_> = metrics["baselines"].as_object().expect("a table").keys().collect();
    assert_eq!(names, ["first", "masked"]);
}
