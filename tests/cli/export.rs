//! `export`: a trained model as other programs read it.
//!
//! What these programs say of it is held against `predict` where `PIPELINE_TEST_PYTHON` names a Python with torch, transformers, safetensors and
//! regex, and onnxruntime: see `tests/export/check.py`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::feeds::python_with;
use crate::world::{World, snapshot};

/// Texts with all that is awkward about words and white space.
const TEXTS: &str = "attack on db-07 since 04:40\n\ndb-07 crashed  at\t07:05 \n  backup of web-12 finished at 09:30 \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} cafe\u{301}\nmail-2's check, l'hôte: 日本語 cache-3.02:15 db-07_web-12\n \nunknown process on web-12 at 11:55 and db-07 and cache-3 and mail-2 and web-12 since 02:15 and 04:40\n";

fn exported(world: &World, arguments: &[&str]) -> Option<i32> {
    world.pipeline([&["export"], arguments].concat()).code
}

fn json_of(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(name)).expect("JSON")
}

#[test]
fn a_folder_of_each_head_is_written_for_transformers() {
    let world = World::trained();
    snapshot!(world.pipeline(["export", "outputs/mini", "--hf", "out/hf"]));
    assert_eq!(world.names("out/hf"), ["anomaly", "decoding.json", "ner", "predict.py"]);
    let files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!([world.names("out/hf/ner"), world.names("out/hf/anomaly")], [files, files]);
    let config = json_of(&world, "out/hf/anomaly/config.json");
    assert_eq!(config["architectures"], json!(["ModernBertForSequenceClassification"]));
    assert_eq!(config["id2label"], json!({"0": "normal", "1": "anomaly"}));
    assert_eq!(config["classifier_activation"], "linear");
    let decoding = json_of(&world, "out/hf/decoding.json");
    assert_eq!(decoding["heads"][1]["labels"], json!([0, 1]));
    assert_eq!((&decoding["decoding"], &decoding["overlap"]), (&json!("words"), &json!(0)));
}

#[test]
fn one_head_is_written_alone() {
    let world = World::trained();
    assert_eq!(exported(&world, &["outputs/mini", "--hf", "hf", "--head", "anomaly"]), Some(0));
    assert_eq!(world.names("hf"), ["anomaly", "decoding.json", "predict.py"]);
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let world = World::trained();
    world.write("taken/notes.txt", "mine");
    world.child("bert", "[stage.init_model]\nmodel_type = \"bert\"\n");
    assert_eq!(world.pipeline(["run", "experiments/bert.toml"]).code, Some(0));
    let before = world.names("");
    snapshot!(
        world.pipeline(["export", "outputs/mini", "--hf", "hf", "--head", "topic"]),
        world.pipeline(["export", "outputs/mini", "--hf", "taken"]),
        world.pipeline(["export", "outputs/none", "--hf", "hf"]),
        world.pipeline(["export", "outputs/bert", "--hf", "hf"]),
    );
    assert_eq!(world.names(""), before);
    assert_eq!(exported(&world, &["outputs/bert", "--hf", "hf", "--head", "ner"]), Some(0));
}

#[test]
fn the_card_of_a_model_has_fields_for_hubs_and_says_how_it_was_made() {
    let world = World::trained();
    let card = world.read("outputs/mini/model/README.md");
    let fields = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let (fields, text) = fields.expect("fields at its head");
    for field in fields.lines() {
        let (_, value) = field.split_once(": ").expect("a name and a value");
        assert!(serde_json::from_str::<Value>(value).is_ok(), "{field}");
    }
    for part in ["# mini", "small enough for a test", "ner.span\\_f1", "## Scores", "## Recipe"] {
        assert!(text.contains(part), "{part}: {card}");
    }
    assert!(text.contains("    pipeline run experiments/mini.toml\n"), "{card}");
}

#[test]
fn all_heads_are_written_into_one_file_for_onnx() {
    let world = World::trained();
    snapshot!(
        world.pipeline(["export", "outputs/mini", "--onnx", "out/mini.onnx"]),
        world.pipeline(["export", "outputs/mini", "--onnx", "out/mini.onnx"]),
        world.pipeline(["export", "outputs/mini", "--onnx", "out/mini"]),
    );
    let names = ["mini.json", "mini.onnx", "mini.py", "mini.tokenizer.json"];
    assert_eq!(world.names("out"), names);
    let description = json_of(&world, "out/mini.json");
    assert_eq!(description["heads"][0]["name"], "ner");
}

/// Has Python compare a model with what was written of it.
fn compare(python: &str, world: &World, model: &str, tolerance: &str, written: [&str; 2]) {
    world.write("texts.txt", TEXTS);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(assert_cmd::cargo::cargo_bin("pipeline"))
        .args([world.path(model), world.path("texts.txt")])
        .args([tolerance, written[0]])
        .arg(world.path(written[1]))
        .env("TRANSFORMERS_OFFLINE", "1")
        .env("OMP_NUM_THREADS", "1")
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// What `check.py` imports.
const NEEDED: &str = "torch, transformers, safetensors, regex, onnxruntime";

/// An experiment of every family, with heads of every kind that its classes have.
const FAMILIES: [&str; 8] = [
    "modernbert",
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "deberta-v2",
];

#[test]
fn every_family_says_the_same_in_transformers_and_in_onnx() {
    let Some(python) = python_with(NEEDED) else { return };
    let world = World::new();
    for family in FAMILIES {
        for head in ["linear", "prediction"] {
            let name = format!("{family}-{head}");
            let text = format!(
                "[stage.init_model]\nmodel_type = \"{family}\"\n[stage.train]\nhead = \"{head}\"\nepochs = 6\n"
            );
            world.child(&name, &text);
            let file = format!("experiments/{name}.toml");
            assert_eq!(world.pipeline(["run", &file]).code, Some(0), "{name}");
            let (results, folder) = (format!("outputs/{name}"), format!("hf/{name}"));
            let is_stock = head == "prediction" || family == "modernbert";
            let heads: &[&str] = if is_stock { &[] } else { &["--head", "ner"] };
            let arguments = [&[&results, "--hf", &folder], heads].concat();
            assert_eq!(exported(&world, &arguments), Some(0), "{name}");
            let by_identity = family == "modernbert" && head == "linear";
            let tolerance = if by_identity { "1e-4" } else { "1e-5" };
            let model = format!("{results}/model");
            compare(&python, &world, &model, tolerance, ["hf", &folder]);
            let file = format!("onnx/{name}.onnx");
            if family == "deberta-v2" {
                let refused = world.pipeline(["export", &results, "--onnx", &file]);
                assert_eq!(refused.code, Some(2), "{}", refused.stderr);
                assert!(refused.stderr.contains("attention by distances"), "{}", refused.stderr);
                continue;
            }
            assert_eq!(exported(&world, &[&results, "--onnx", &file]), Some(0), "{name}");
            compare(&python, &world, &model, "1e-4", ["onnx", &file]);
        }
    }
}
