//! `pipeline schema`: JSON Schema of experiment files, so that editors complete and check them.

use serde_json::{Map, Value, json};

use super::{Failure, terminal};
use crate::engine::spec::{Along, Choose, MOST_RETRIES, Method, RESERVED};
use crate::engine::stage::StageKind;
use crate::stages::ALL;

pub fn run() -> Result<(), Failure> {
    terminal::json(&schema())
}

/// The schema of a whole file. A stage called like a kind is of that kind unless it says otherwise, so both forms are spelled out.
fn schema() -> Value {
    let mut definitions = Map::new();
    for kind in ALL {
        let mut stage = stage_schema(kind);
        // Definitions that a kind's own schema refers to are lifted to the top, where its references look for them.
        if let Some(Value::Object(own)) =
            stage.as_object_mut().and_then(|stage| stage.remove("$defs"))
        {
            definitions.extend(own);
        }
        definitions.insert(kind.name.to_owned(), stage);
    }
    let of_kind = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let by_kind: Vec<_> = ALL
        .iter()
        .map(|kind| json!({"if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]}, "then": of_kind(kind.name)}))
        .collect();
    // An inherited stage need not repeat its kind, so the kind is not required; what it is must be one that there is.
    let kinds: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
    let of_its_kind = json!({"properties": {"kind": {"enum": kinds, "description": "What the stage does; `pipeline kinds` describes them."}}, "allOf": by_kind});
    let named: Map<_, _> = ALL
        .iter()
        .map(|kind| (kind.name.to_owned(), json!({"if": {"required": ["kind"]}, "then": of_its_kind, "else": of_kind(kind.name)})))
        .collect();
    let list = json!({"type": "array", "minItems": 1});
    let bounds =
        json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2});
    let along = Along::NAMED.map(|along| {
        let values = if along.is_range() { &bounds } else { &list };
        json!({"type": "object", "properties": {along.name(): values}, "required": [along.name()], "additionalProperties": false})
    });
    let axis: Vec<Value> = std::iter::once(list.clone()).chain(along).collect();
    let axis = json!({"anyOf": axis});
    let axes = of_two_words(&axis);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipeline experiment",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "version": {"const": 1, "description": "Version of the file format; required once, in the root of a chain of `extends`."},
            "about": {"type": "string", "description": "What the experiment is for, in a sentence."},
            "name": {"type": "string", "description": "Name of the results folder; the file's stem when left out."},
            "seed": {"type": "integer", "minimum": 0, "description": "Seed of every stage that draws random numbers and has none of its own."},
            "extends": {"type": "string", "description": "A file to inherit from, relative to this one."},
            "unset": {"type": "array", "items": {"type": "string"}, "description": "Paths to drop from what was inherited: `stage.x.y`, `stage.x`, `params.x`, `sweep`, `sweep.points`."},
            "params": {"type": "object", "description": "Values to refer to as `@params.name`."},
            "stage": {"type": "object", "properties": named, "additionalProperties": of_its_kind, "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "not": {"enum": RESERVED}}},
            "sweep": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "method": {"enum": Method::ALL.map(Method::name), "description": "How points are chosen."},
                    "points": {"type": "integer", "minimum": 1, "description": "How many points a method other than `grid` tries."},
                    "parallel": {"type": "integer", "minimum": 1, "description": "How many points are under way at a time."},
                    "choose": {"enum": Choose::ALL.map(Choose::name), "description": "Which point is the best: the one with the best mean, or of those within one standard error of it the one nearest to the file's own values."},
                    "finalists": {"type": "integer", "minimum": 1, "description": "How many of the best points are trained again with fresh seeds, from which alone the best and its score come."},
                    "fresh_seeds": {"type": "integer", "minimum": 1, "description": "With how many seeds finalists are trained; with as many as before when left out."},
                    "rung": {"type": "array", "items": {"type": "object", "properties": {"keep": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "The share of the points that goes on to the next rung, rounded up."}}}, "description": "What all points are tried with first, such as `train.stop_after = 1` and `seeds = 1`, and with what share of them the next rung begins; the last one is the whole thing."},
                    "together": {"type": "array", "items": of_two_words(&list), "description": "Lists of equal length that move as one axis: the first values together, then the second ones."},
                    "skip": {"type": "array", "items": {"type": "object"}, "description": "Regions that are left out: points that meet all conditions of one."},
                    "objective": {"type": "string", "pattern": "^(max|min) [^ ]+$", "description": "`max` or `min`, and a metric such as `evaluate.ner.span_f1`."},
                    "seeds": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}], "description": "Replicates inside every point."},
                    "folds": {"type": "integer", "minimum": 2, "description": "Into how many parts of the corpus, each of which validates once inside every point."},
                    "over": axes,
                },
            },
        },
        "$defs": definitions,
    })
}

/// What gives something to `stage.parameter` or `params.name`.
///
/// * `given`: the schema of what each is given
fn of_two_words(given: &Value) -> Value {
    let second = json!({"anyOf": [given, {"type": "object", "additionalProperties": given}]});
    json!({"type": "object", "properties": {"stage": {"type": "object", "additionalProperties": second}}, "additionalProperties": second, "description": "By `stage.parameter` or `params.name`."})
}

/// A kind's parameters and ports, and what belongs to the engine.
fn stage_schema(kind: &StageKind) -> Value {
    let mut schema = kind.schema();
    let mut properties = Map::new();
    properties.insert(
        "kind".to_owned(),
        json!({"type": "string", "description": "The stage's kind; its name when left out."}),
    );
    properties.insert(
        "after".to_owned(),
        json!({"type": "array", "items": {"type": "string"}, "description": "Stages that must be done before, without data."}),
    );
    properties.insert(
        "at".to_owned(),
        json!({"enum": ["best"], "description": "Run it for the best point of a sweep alone."}),
    );
    properties.insert(
        "retry".to_owned(),
        json!({"type": "integer", "minimum": 0, "maximum": MOST_RETRIES, "description": "How often the stage is tried again when it fails."}),
    );
    properties.insert(
        "timeout".to_owned(),
        json!({"type": "string", "pattern": "^([0-9.]+ *(d|h|m|s|ms) *)+$", "description": "How long one attempt may take, such as `30m` or `1h30m`."}),
    );
    properties.insert(
        "resources".to_owned(),
        json!({
            "type": "object",
            "properties": {
                "cpus": {"type": "integer", "minimum": 1, "maximum": 1024},
                "memory": {"type": "string"},
                "gpus": {"type": "integer", "minimum": 1, "maximum": 1024},
                "time": {"type": "string"},
            },
            "additionalProperties": false,
            "description": "What a job of a cluster asks for that does the stage's work.",
        }),
    );
    for port in kind.ports {
        let mut wire = json!({"type": "string", "pattern": "^@[A-Za-z]"});
        if port.several {
            wire = json!({"type": "array", "items": wire});
        }
        wire["description"] = port.about.trim().into();
        properties.insert(port.name.to_owned(), wire);
    }
    allow_references(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(allow_references);
    }
    properties.extend(schema["properties"].as_object().cloned().into_iter().flatten());
    if let Some(map) = schema.as_object_mut() {
        map.remove("$schema");
        map.insert("properties".to_owned(), Value::Object(properties));
        let free = json!({"type": "string", "pattern": "^@[A-Za-z]", "description": "An input of any type."});
        map.insert("additionalProperties".to_owned(), if kind.free { free } else { json!(false) });
        // A file that extends another may leave out what is inherited, so nothing is required here; `check` knows the whole chain.
        map.remove("required");
    }
    schema
}

/// Lets `@params.name` stand for any value inside, at any depth.
fn allow_references(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let inner: Vec<&mut Value> =
        properties.into_iter().flat_map(|properties| properties.values_mut()).collect();
    inner.into_iter().for_each(allow_reference);
    if let Some(items) = schema.get_mut("items").filter(|items| items.is_object()) {
        allow_reference(items);
    }
    let alternatives = schema.get_mut("anyOf").and_then(Value::as_array_mut);
    alternatives.into_iter().flatten().for_each(allow_references);
}

fn allow_reference(value: &mut Value) {
    allow_references(value);
    let description = value.get("description").cloned();
    let mut either = json!({"anyOf": [value.take(), {"type": "string", "pattern": "^@params\\."}]});
    either
        .as_object_mut()
        .expect("it was just made")
        .extend(description.map(|text| ("description".to_owned(), text)));
    *value = either;
}
