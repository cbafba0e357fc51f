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
