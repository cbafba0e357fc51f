//! Shapes that the kinds of the integration tests do not have.

use serde_json::{Value as Json, json};

use super::super::schema::{Schema, Shape};
use super::Validator;
use crate::engine::spec::{Experiment, Overrides};

/// Holds the value `toml` against `schema`: the value as read, or the messages.
fn validate(schema: &Json, toml: &str) -> Result<Json, Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("x.toml");
    std::fs::write(&file, format!("version = 1\n[params]\nvalue = {toml}\n[stage.a]\n"))
        .expect("the folder is writable");
    let overrides = Overrides { folder: folder.path().to_owned(), ..Overrides::default() };
    let experiment = Experiment::read(&file, &overrides).expect("well-formed");
    let root = json!({ "type": "object", "properties": { "it": schema }, "$defs": { "Size": { "type": "integer", "minimum": 1 } } });
    let schema = Schema::compile(&root);
    let shape = schema.property("it").map_or(&Shape::Any, |property| &property.shape);
    let mut found = Vec::new();
    let json =
        Validator { stage: "a", found: &mut found }.value("it", shape, &experiment.params["value"]);
    let prefix = format!("{}/", folder.path().display());
    match json {
        Some(json) => Ok(json),
        None => Err(found
            .iter()
            .map(|diagnostic| {
                diagnostic.message.replace("stage `a` parameter ", "").replace(&prefix, "")
            })
            .collect()),
    }
}

fn messages(schema: &Json, toml: &str) -> Vec<String> {
    validate(schema, toml).expect_err("a mistake")
}

#[test]
fn an_optional_value_takes_no_null() {
    assert_eq!(validate(&json!({ "type": ["integer", "null"] }), "3"), Ok(json!(3)));
    assert_eq!(
        messages(&json!({ "type": ["integer", "null"] }), "'3'"),
        ["`it` expects an integer, but this is a string"]
    );
}

#[test]
fn a_reference_leads_to_its_definition() {
    let schema = json!({ "anyOf": [{ "$ref": "#/$defs/Size" }, { "type": "null" }] });
    assert_eq!(messages(&schema, "0"), ["`it` must be at least 1, but is 0"]);
}

#[test]
fn values_of_a_map_are_held_against_one_shape() {
    let schema = json!({ "type": "object", "additionalProperties": { "type": "number", "exclusiveMinimum": 0 } });
    assert_eq!(validate(&schema, "{ a = 1, b = 0.5 }"), Ok(json!({ "a": 1.0, "b": 0.5 })));
    assert_eq!(
        messages(&schema, "{ a = 0, b = 'x' }"),
        ["`it.a` must be above 0, but is 0", "`it.b` expects a number, but this is a string"]
    );
}

#[test]
fn alternatives_of_two_types_are_told_apart_by_type() {
    let schema = json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "array", "items": { "type": "string" } }] });
    assert_eq!(validate(&schema, "['a']"), Ok(json!(["a"])));
    assert_eq!(messages(&schema, "['a', 3]"), ["`it[1]` expects a string, but this is an integer"]);
    assert_eq!(messages(&schema, "0"), ["`it` must be at least 1, but is 0"]);
    assert_eq!(
        messages(&schema, "true"),
        ["`it` expects an integer or an array, but this is a boolean"]
    );
}

#[test]
fn tables_with_a_tag_are_told_apart_by_it() {
    let variant = |tag: &str, field: &str| json!({ "type": "object", "properties": { "by": { "type": "string", "const": tag }, field: { "type": "integer" } }, "required": ["by", field] });
    let schema = json!({ "oneOf": [variant("size", "bytes"), variant("time", "seconds")] });
    assert_eq!(
        validate(&schema, "{ by = 'time', seconds = 3 }"),
        Ok(json!({ "by": "time", "seconds": 3 }))
    );
    assert_eq!(
        messages(&schema, "{ by = 'time', seconds = 'x' }"),
        ["`it.seconds` expects an integer, but this is a string"]
    );
    assert_eq!(messages(&schema, "{ by = 'tome', seconds = 3 }"), ["`it.by` cannot be \"tome\""]);
}

#[test]
fn an_array_without_repetition_has_none() {
    let schema = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
    assert_eq!(messages(&schema, "['a', 'b', 'a']"), ["`it` has \"a\" twice"]);
}

#[test]
fn a_tuple_has_a_shape_for_each_item() {
    let schema = json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "number" }], "minItems": 2, "maxItems": 2 });
    assert_eq!(validate(&schema, "['a', 1]"), Ok(json!(["a", 1.0])));
    assert_eq!(messages(&schema, "['a', 1, 2]"), ["`it` expects 2 items, but has 3"]);
}

#[test]
fn mistakes_of_one_value_come_all_at_once() {
    let schema = json!({
        "type": "object",
        "properties": { "a": { "type": "integer" }, "b": { "type": "object", "properties": { "c": { "type": "boolean" } } } },
        "required": ["a"]
    });
    assert_eq!(
        messages(&schema, "{ b = { c = 1, d = 2 } }"),
        [
            "`it.b.c` expects a boolean, but this is an integer",
            "`it.b` has no key `d`",
            "`it` lacks `a`"
        ]
    );
}

#[test]
fn a_path_is_relative_to_the_folder_of_its_file() {
    let schema = json!({ "type": "array", "items": { "type": "string" }, "format": "path" });
    let paths = validate(&schema, "['x.jsonl', '/y.jsonl']").expect("two paths");
    assert!(paths[0].as_str().is_some_and(|path| path.ends_with("/x.jsonl") && path.len() > 8));
    assert_eq!(paths[1], json!("/y.jsonl"));
}

#[test]
fn a_type_that_contains_itself_is_not_followed_for_ever() {
    let root = json!({
        "type": "object",
        "properties": { "tree": { "$ref": "#/$defs/Tree" } },
        "$defs": { "Tree": { "type": "object", "properties": { "child": { "$ref": "#/$defs/Tree" } } } }
    });
    assert_eq!(Schema::compile(&root).properties.len(), 1);
}

#[test]
fn paths_and_revisions_leave_the_key_at_any_depth() {
    let path = json!({ "type": "string", "format": "path" });
    let root = json!({
        "type": "object",
        "properties": {
            "one": path,
            "many": { "type": "array", "items": path },
            "in": { "type": "object", "properties": { "file": path, "size": { "type": "integer" } } },
            "each": { "type": "object", "additionalProperties": path },
            "revision": { "type": ["string", "null"], "format": "revision" },
            "name": { "type": "string" }
        }
    });
    let mut parameters = json!({ "one": "a", "many": ["b"], "in": { "file": "c", "size": 1 }, "each": { "x": "d" }, "revision": "main", "name": "e" });
    if let Some(map) = parameters.as_object_mut() {
        Schema::compile(&root).strip(map);
    }
    assert_eq!(parameters, json!({ "many": [], "in": { "size": 1 }, "each": {}, "name": "e" }));
}
