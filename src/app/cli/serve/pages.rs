//! What a server shows of itself: a page to try it, and a description for programs.

use serde_json::{Value, json};

use super::requests::Limits;
use crate::app::cli::page::{SCRIPT, STYLE, data, escaped};
use crate::app::cli::predict::Shape;
use crate::app::tools::Predictor;

const OF_SERVER: &str = include_str!("page.js");

/// `/`: a page on which one pastes texts, and sees their entities and classes.
pub fn page(model: &str, shape: &Shape) -> String {
    let title = escaped(model);
    let data = data(&json!({ "heads": shape.on_page() }));
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
        <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
        <title>{title}</title>\n<style>\n{STYLE}</style>\n<h1>{title}</h1>\n\
        <form id=form>\n\
        <p class=soft><label for=text>Texts, one per line</label></p>\n\
        <textarea id=text autofocus required></textarea>\n\
        <p id=who hidden><label>Token <input type=password id=token autocomplete=off></label></p>\n\
        <div class=bar><button class=main>Predict</button> <span id=state role=status class=soft></span></div>\n\
        </form>\n<ol id=list></ol>\n\
        <noscript><p class=bad>This page needs JavaScript.</p></noscript>\n\
        <script type=\"application/json\" id=model>{data}</script>\n\
        <script>\n{SCRIPT}{OF_SERVER}</script>\n"
    )
}

/// `/openapi.json`.
///
/// Reference: <https://spec.openapis.org/oas/v3.1.0>.
pub fn openapi(predictor: &Predictor, limits: &Limits) -> Value {
    let shape = Shape::of(None, predictor);
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text, "maxItems": limits.texts });
    let answer = json!({ "$ref": "#/components/schemas/Answer" });
    let mut members = json!({
        "text": text,
        "truncated": { "type": "boolean", "description": "the end of the text is beyond what the model reads" },
        "error": { "type": "string", "description": "why the text has no answer" },
    });
    if shape.tags {
        members["entities"] =
            json!({ "type": "array", "items": { "$ref": "#/components/schemas/Entity" } });
    }
    for head in &shape.heads {
        members[head] = json!({ "type": ["string", "integer", "null"] });
        members[format!("{head}_score")] = json!({ "type": ["number", "null"] });
    }
    let failure = json!({ "type": "object", "properties": { "error": text } });
    let refusals = json!({
        "400": refusal("no JSON, or not what was expected"), "401": refusal("the token is missing or wrong"),
        "408": refusal("the body did not come in time"), "413": refusal("the body, a list of texts or their tokens are beyond the limits"),
        "503": refusal("too much waits: ask again after the seconds in `Retry-After`"), "504": refusal("no answer in time"),
    });
    let post = |summary: &str, body: Value, answer: Value| {
        let mut responses = json!({ "200": { "description": "answers", "content": { "application/json": { "schema": answer } } } });
        let all = responses.as_object_mut().expect("an object");
        all.extend(refusals.as_object().cloned().unwrap_or_default());
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
        json!({ "post": { "summary": summary, "requestBody": body, "responses": responses, "security": [{}, { "token": [] }] } })
    };
    let get = |summary: &str| json!({ "get": { "summary": summary, "responses": { "200": { "description": "well" } } } });
    let either = json!({ "type": "object", "oneOf": [
        { "required": ["text"], "properties": { "text": text } }, { "required": ["texts"], "properties": { "texts": texts } },
    ] });
    let inputs = json!({ "type": "object", "required": ["inputs"], "properties": { "inputs": { "oneOf": [text, texts] } } });
    let answers = json!({ "oneOf": [answer, { "type": "array", "items": answer }] });
    let mut paths = json!({
        "/predict": post("Entities and classes of a text, or of several", either, answers),
        "/reload": post("Open the model's folder anew", json!({}), json!({ "type": "object" })),
        "/health": get("Whether the server lives"),
        "/ready": get("Whether it takes requests"),
        "/metrics": get("Counts and latencies, for Prometheus"),
    });
    for (head, _) in predictor.heads() {
        let summary = "The same in the forms of Hugging Face's inference API";
        paths[format!("/hf/{head}")] = post(summary, inputs.clone(), json!({ "type": "array" }));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "pipeline serve", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "Answer": { "type": "object", "properties": members },
                "Failure": failure,
                "Entity": { "type": "object", "properties": {
                    "start": { "type": "integer", "description": "in characters" }, "end": { "type": "integer", "description": "in characters, exclusive" },
                    "label": text, "score": { "type": "number" },
                } },
            },
        },
    })
}

fn refusal(description: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Failure" } } } })
}
