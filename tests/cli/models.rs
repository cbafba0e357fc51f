//! Local model folders.

use serde_json::{Value, json};

use crate::world::{World, snapshot};

/// A world with a whole model in `model/`.
fn world() -> World {
    let world = World::trained();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let from = world.path(format!("outputs/mini/model/{file}"));
        world.write(format!("model/{file}"), std::fs::read(from).expect("readable"));
    }
    world.write("model.toml", "version = 1\n[stage.fetch_model]\npath = \"model\"\n");
    world
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_embedding_has_rows_is_refused() {
    let world = world();
    assert_eq!(world.pipeline(["run", "model.toml"]).code, Some(0));
    let mut tokenizer: Value =
        serde_json::from_str(&world.read("model/tokenizer.json")).expect("JSON");
    let config: Value = serde_json::from_str(&world.read("model/config.json")).expect("JSON");
    tokenizer["added_tokens"].as_array_mut().expect("a list").push(json!({
        "id": config["vocab_size"], "content": "<host>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true,
    }));
    world.write("model/tokenizer.json", tokenizer.to_string());
    snapshot!(world.pipeline(["run", "model.toml"]));
}

/// Attention by distances knows nothing of how a model is trained: what the others can be trained with, it can.
#[test]
fn a_model_whose_attention_tells_distances_is_trained_in_every_way_and_predicts() {
    let world = World::new();
    world.write("texts.txt", "attack on db-07 since 04:40\n\nbackup of web-12 finished at 09:30\n");
    for (name, ways) in [
        ("plain", ""),
        ("lora", "lora = { rank = 2, alpha = 4.0 }"),
        ("frozen", "freeze = [\"embeddings\", \"layers.0\"]"),
        ("still", "freeze = [\"encoder\"]"),
        ("slower", "layer_decay = 0.8"),
        ("dense", "head = \"prediction\""),
        ("bf16", "dtype = \"bf16\""),
    ] {
        let init = "[stage.init_model]\nmodel_type = \"deberta-v2\"\n";
        world.child(name, &format!("{init}[stage.train]\nepochs = 2\n{ways}\n"));
        let run = world.pipeline(["run", &format!("experiments/{name}.toml")]);
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        let metrics = world.read(&format!("outputs/{name}/metrics.json"));
        let metrics: Value = serde_json::from_str(&metrics).expect("JSON");
        assert!(metrics.to_string().contains("span_f1"), "{name}: {metrics}");
        let said = world.pipeline(["predict", &format!("outputs/{name}"), "texts.txt"]);
        assert_eq!(said.code, Some(0), "{name}: {}", said.stderr);
        assert_eq!(said.stdout.lines().count(), 3, "{name}: {}", said.stdout);
    }
}
