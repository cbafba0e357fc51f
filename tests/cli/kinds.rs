//! `kinds`, `schema`, `completions`.

use std::collections::BTreeSet;

use pipeline::engine::stage::StageKind;
use pipeline::stages::ALL;
use serde_json::Value;

use crate::common::mini::EVENTS;
use crate::world::{World, snapshot};

const LINES: &str = "{\"text\": \"one\"}\n";

#[test]
fn kinds_lists_every_kind_with_its_first_sentence() {
    snapshot!(World::empty().pipeline(["kinds"]));
}

#[test]
fn a_kind_is_described_with_its_ports_and_parameters() {
    snapshot!(World::empty().pipeline(["kinds", "train"]));
}

#[test]
fn an_unknown_kind_gets_a_suggestion_and_exit_code_4() {
    let world = World::empty();
    snapshot!(world.pipeline(["kinds", "tokenise"]), world.pipeline(["kinds", "x"]));
}

#[test]
fn kinds_as_json_names_every_kind_once() {
    let kinds = World::empty().pipeline(["kinds", "--json"]).json();
    let names: Vec<_> = kinds
        .as_array()
        .expect("a list")
        .iter()
        .map(|kind| kind["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, pipeline::stages::ALL.iter().map(|kind| kind.name).collect::<Vec<_>>());
}

/// The name of the stage that a snippet has.
fn stage_of(snippet: &str) -> &str {
    let name = snippet.strip_prefix("[stage.").and_then(|rest| rest.split_once(']'));
    name.expect("a snippet begins with its stage").0
}

/// An experiment with the stage of a kind's snippet, and those that it needs out of the snippets of their kinds; texts come from `read_corpus`, unless
/// the kind makes them.
fn around(kind: &StageKind) -> String {
    let mut text = format!("version = 1\n{}\n", kind.usage.snippet);
    loop {
        let is_there = |name: &str| text.contains(&format!("[stage.{name}]"));
        let mut wires = text.split("\"@").skip(1).filter_map(|rest| rest.split_once('"'));
        let Some((missing, _)) = wires.find(|(name, _)| !is_there(name)) else { return text };
        let makes = if missing == "corpus" { "read_corpus" } else { missing };
        let maker = ALL.iter().find(|kind| kind.name == makes).expect("a kind of that name");
        text += &format!("{}\n", maker.usage.snippet);
    }
}

#[test]
fn the_snippet_of_every_kind_is_a_stage_of_it_that_check_accepts() {
    let world = World::empty();
    world.write("data/lines.jsonl", LINES);
    world.write("data/events.toml", EVENTS);
    world.write("clean.py", "");
    for kind in ALL {
        let stage = stage_of(kind.usage.snippet);
        world.write("x.toml", around(kind));
        let shot = world.pipeline(["check", "x.toml"]);
        assert_eq!(shot.code, Some(0), "{}: {shot}\n{}", kind.name, around(kind));
        let graph = world.pipeline(["graph", "x.toml", "--json"]).json();
        let stages = graph["stages"].as_array().expect("stages");
        let found = stages.iter().find(|it| it["stage"] == stage).expect("the stage");
        assert_eq!(found["kind"], kind.name, "{}", kind.usage.snippet);
    }
}

#[test]
fn every_kind_says_in_one_sentence_when_to_use_it() {
    for kind in ALL {
        let when = kind.usage.when;
        assert!(when.ends_with('.') && !when.contains(". "), "{}: {when:?}", kind.name);
    }
}

#[test]
fn each_parameter_of_a_kind_with_many_has_a_topic_and_none_of_a_kind_with_few() {
    const MANY: usize = 15;

    for kind in World::empty().pipeline(["kinds", "--json"]).json().as_array().expect("a list") {
        let parameters = kind["parameters"]["properties"].as_object().expect("properties");
        let wanted = if parameters.len() < MANY { 0 } else { parameters.len() };
        let topics = kind["topics"].as_array().expect("topics");
        let listed = topics.iter().flat_map(|it| it["parameters"].as_array().expect("names"));
        assert_eq!(listed.count(), wanted, "{}: {topics:?}", kind["name"]);
        let names: BTreeSet<&str> = topics.iter().filter_map(|it| it["topic"].as_str()).collect();
        assert_eq!(names.len(), topics.len(), "{}: each topic stands once", kind["name"]);
    }
}

/// Calls `each` with every value in a document.
fn walk<'a>(value: &'a Value, each: &mut impl FnMut(&'a Value)) {
    each(value);
    match value {
        Value::Object(map) => map.values().for_each(|value| walk(value, each)),
        Value::Array(list) => list.iter().for_each(|value| walk(value, each)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    let schema = World::empty().pipeline(["schema"]).json();
    let mut lost = Vec::new();
    walk(&schema, &mut |value| {
        if let Some(path) = value.get("$ref").and_then(Value::as_str)
            && path.strip_prefix('#').and_then(|pointer| schema.pointer(pointer)).is_none()
        {
            lost.push(path);
        }
    });
    assert_eq!(lost, Vec::<&str>::new());
}

#[test]
fn the_schema_defines_every_kind_with_its_ports_and_parameters_and_nothing_else() {
    let schema = World::empty().pipeline(["schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let names: Vec<_> = pipeline::stages::ALL.iter().map(|kind| kind.name).collect();
    assert_eq!(
        schema["properties"]["stage"]["additionalProperties"]["properties"]["kind"]["enum"],
        serde_json::json!(names)
    );
    for kind in pipeline::stages::ALL {
        let definition = &schema["$defs"][kind.name];
        let others = &definition["additionalProperties"];
        assert_eq!(others.is_object(), kind.free, "{}: {others}", kind.name);
        assert!(kind.free || *others == false, "{}: {others}", kind.name);
        let known: BTreeSet<&str> = definition["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .map(String::as_str)
            .collect();
        let own = kind.schema();
        let parameters = own["properties"]
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str));
        let wanted: BTreeSet<&str> =
            kind.ports.iter().map(|port| port.name).chain(parameters).collect();
        assert!(known.is_superset(&wanted), "{}: {wanted:?} are not all of {known:?}", kind.name);
    }
}

/// The keys of each shipped experiment are ones that the schema knows: an editor underlines nothing in them.
#[test]
fn the_schema_knows_every_key_of_the_shipped_experiments() {
    let schema = World::empty().pipeline(["schema"]).json();
    let experiments = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut kinds = std::collections::BTreeMap::new();
    for name in ["tiny.toml", "small.toml", "large.toml", "sweep.toml"] {
        let file: toml::Table =
            toml::from_str(&std::fs::read_to_string(experiments.join(name)).expect("readable"))
                .expect("TOML");
        for (key, value) in &file {
            assert!(schema["properties"].get(key).is_some(), "{name}: `{key}`");
            if key == "stage" {
                for (stage, keys) in value.as_table().expect("stages") {
                    // A child need not say the kind again.
                    let kind = keys.get("kind").and_then(toml::Value::as_str);
                    let kind = match kind {
                        Some(kind) => kind.to_owned(),
                        None => kinds.get(stage).unwrap_or(stage).clone(),
                    };
                    kinds.insert(stage.clone(), kind.clone());
                    for key in keys.as_table().expect("a stage").keys() {
                        assert!(
                            schema["$defs"][&kind]["properties"].get(key).is_some(),
                            "{name}: `{stage}.{key}`"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_shipped_sweep_is_scored_on_forms_of_sentences_that_training_never_saw() {
    let world = World::empty();
    let experiments = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for name in ["sweep.toml", "small.toml", "data/security_events.toml"] {
        let text = std::fs::read(experiments.join(name)).expect("readable");
        world.write(format!("experiments/{name}"), text);
    }
    let checked = world.pipeline(["check", "experiments/sweep.toml"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let shot = world.pipeline(["run", "experiments/sweep.toml", "corpus"]);
    assert!(shot.code == Some(0) && shot.stderr.contains("values of `template`: "), "{shot}");
    assert!(!shot.stderr.contains("warning"), "no shared templates, no strange labels: {shot}");
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let shot = World::empty().pipeline(["completions", shell]);
        assert_eq!(shot.code, Some(0));
        for command in [
            "run", "plan", "check", "explain", "show", "graph", "kinds", "predict", "verify",
            "schema", "init",
        ] {
            assert!(shot.stdout.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn the_graph_is_mermaid_or_dot() {
    let world = World::new();
    let graph = |format| world.pipeline(["graph", "experiments/mini.toml", "--format", format]);
    snapshot!(graph("mermaid"), graph("dot"));
}

#[test]
fn the_graph_counts_the_nodes_of_a_swept_stage_and_dots_an_order_without_data() {
    let world = World::new();
    world.child("ordered", "[stage.evaluate]\nafter = [\"init_model\"]\n");
    snapshot!(world.pipeline([
        "graph",
        "experiments/ordered.toml",
        "--sweep",
        "train.epochs=1,2,3"
    ]));
}

#[test]
fn the_graph_as_json_has_an_edge_for_each_wire() {
    let graph = World::new().pipeline(["graph", "experiments/mini.toml", "--json"]).json();
    assert_eq!(
        (graph["stages"].as_array().map(Vec::len), graph["edges"].as_array().map(Vec::len)),
        (Some(6), Some(9))
    );
}
