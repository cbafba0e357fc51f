//! `pipeline kinds`, and the same table for the README.

use std::fmt::Write as _;

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::args::Kinds;
use super::{Failure, terminal};
use crate::base::diagnostics::suggest;
use crate::base::topic::Topic;
use crate::engine::stage::{Port, StageKind, first_sentence};
use crate::stages::ALL;
use crate::view::format;

/// Lines are no longer than the narrowest terminal in use.
const COLUMNS: usize = 80;

pub fn run(arguments: &Kinds) -> Result<(), Failure> {
    let chosen = match &arguments.kind {
        None => ALL.iter().collect(),
        Some(name) => match ALL.iter().find(|kind| kind.name == name) {
            Some(kind) => vec![kind],
            None => {
                let help = match suggest(name, ALL.iter().map(|kind| kind.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`pipeline kinds` lists them".to_owned(),
                };
                return Err(
                    Failure::not_found(format!("there is no stage kind `{name}`")).with_help(help)
                );
            }
        },
    };
    if arguments.json {
        return terminal::json(&Value::Array(chosen.iter().map(|kind| to_json(kind)).collect()));
    }
    let mut text = String::new();
    if arguments.kind.is_some() {
        chosen.iter().for_each(|kind| text += &describe(kind));
    } else {
        let width = ALL.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
        for kind in chosen {
            let about = format::fold(&first_sentence(&about(kind)), width + 2, COLUMNS);
            writeln!(text, "{:width$}  {about}", kind.name).expect("a string takes everything");
        }
        text += "\n`pipeline kinds KIND` says when to use a kind, and lists its parameters.\n";
    }
    terminal::print(&text)
}

fn indented(text: &str, indent: usize) -> String {
    format!("{:indent$}{}", "", format::fold(text, indent, COLUMNS))
}

/// A parameter's line; one that is too long hangs behind the texts below it.
fn title_lines(title: &str) -> String {
    if 4 + title.chars().count() <= COLUMNS {
        title.to_owned()
    } else {
        format::fold(title, 8, COLUMNS)
    }
}

/// A kind's parameter as people read it.
struct ParameterHelp {
    name: String,
    topic: Option<Topic>,
    kind: String,
    /// The default, or `required`.
    default: String,
    about: String,
}

fn about(kind: &StageKind) -> String {
    kind.schema()["description"].as_str().unwrap_or_default().replace('\n', " ")
}

/// By topic, and within one as the kind declares them.
fn parameters(kind: &StageKind) -> Vec<ParameterHelp> {
    let schema = kind.schema();
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut parameters: Vec<_> = properties
        .map(|(name, property)| ParameterHelp {
            name: name.clone(),
            topic: property.get(Topic::KEY).map(|it| Topic::deserialize(it).expect("a topic")),
            kind: type_text(property, &schema),
            default: if name == "seed" {
                "the file's `seed`".to_owned()
            } else if required.contains(&name.as_str()) {
                "required".to_owned()
            } else {
                property
                    .get("default")
                    .filter(|value| !value.is_null())
                    .map_or_else(String::new, toml_text)
            },
            about: property["description"].as_str().unwrap_or_default().replace('\n', " "),
        })
        .collect();
    parameters.sort_by_key(|parameter| parameter.topic);
    parameters
}

/// The parameters of one topic after those of another.
fn by_topic(parameters: &[ParameterHelp]) -> impl Iterator<Item = &[ParameterHelp]> {
    parameters.chunk_by(|one, next| one.topic == next.topic)
}

/// A JSON value in TOML's spelling.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields: Vec<_> = map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name} = {}", toml_text(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            if number != 0.0 && number.abs() < 1e-3 {
                format!("{number:e}")
            } else {
                format!("{number:?}")
            }
        }
        other => other.to_string(),
    }
}

/// A parameter's type and bounds in a few words.
fn type_text(property: &Value, schema: &Value) -> String {
    if let Some(name) = property["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return type_text(&schema["$defs"][name], schema);
    }
    let choices = |list: &[Value]| list.iter().map(toml_text).collect::<Vec<_>>().join(" or ");
    if let Some(list) = property["enum"].as_array() {
        return choices(list);
    }
    if let Some(value) = property.get("const") {
        return toml_text(value);
    }
    if let Some(list) = property["oneOf"]
        .as_array()
        .or_else(|| property["anyOf"].as_array())
        .or_else(|| property["allOf"].as_array())
    {
        let mut parts: Vec<_> = list
            .iter()
            .filter(|part| part["type"] != "null")
            .map(|part| type_text(part, schema))
            .collect();
        parts.dedup();
        return parts.join(" or ");
    }
    let name = match &property["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("value")
        }
        other => other.as_str().unwrap_or("value"),
    };
    let name = match (name, property["format"].as_str()) {
        ("string", Some("path")) => "path".to_owned(),
        ("number", _) => "float".to_owned(),
        ("object", _) => match property["properties"].as_object() {
            Some(fields) => format!(
                "table of {}",
                fields.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
            None => "table".to_owned(),
        },
        ("array", _) => format!("array of {}", type_text(&property["items"], schema)),
        (name, _) => name.to_owned(),
    };
    let bound = |key: &str, sign: &str| {
        property
            .get(key)
            .filter(|bound| bound.is_number())
            .map(|bound| format!("{sign} {}", bound_text(bound)))
    };
    let bounds: Vec<_> = [
        bound("minimum", "≥"),
        bound("exclusiveMinimum", ">"),
        bound("maximum", "≤")
            .filter(|_| property["maximum"].as_f64().is_some_and(|maximum| maximum < 1e15)),
        bound("exclusiveMaximum", "<"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if bounds.is_empty() { name } else { format!("{name} {}", bounds.join(", ")) }
}

fn bound_text(bound: &Value) -> String {
    match bound.as_f64() {
        Some(number) if number.fract() == 0.0 => format!("{number}"),
        _ => bound.to_string(),
    }
}

fn describe(kind: &StageKind) -> String {
    let mut text = format!("{}\n\n{}\n", kind.name, indented(&about(kind), 2));
    writeln!(text, "\n  When to use it\n{}", indented(kind.usage.when, 4)).expect("a string");
    text += "\n  Example\n";
    for line in kind.usage.snippet.lines() {
        writeln!(text, "    {line}").expect("a string");
    }
    if !kind.ports.is_empty() {
        text += "\n  Inputs\n";
        for port in kind.ports {
            let takes = if port.several { "[\"@stage\"]" } else { "\"@stage\"" };
            let optional = if port.required { "" } else { ", optional" };
            writeln!(text, "    {} = {takes}  ({}{optional})", port.name, port.artifact)
                .expect("a string");
            text += &indented(port.about.trim(), 8);
            text.push('\n');
        }
    }
    writeln!(text, "\n  Output\n    {}", outputs(kind)).expect("a string");
    for of_topic in by_topic(&parameters(kind)) {
        match of_topic[0].topic {
            None => text += "\n  Parameters\n",
            Some(topic) => {
                writeln!(text, "\n  Parameters: {}", topic.title()).expect("a string");
            }
        }
        of_topic.iter().for_each(|parameter| describe_parameter(parameter, &mut text));
    }
    text
}

fn describe_parameter(parameter: &ParameterHelp, text: &mut String) {
    let default = match parameter.default.as_str() {
        "" => "optional".to_owned(),
        "required" => "required".to_owned(),
        default => format!("default {default}"),
    };
    let title = format!("{}  ({}; {default})", parameter.name, parameter.kind);
    writeln!(text, "    {}", title_lines(&title)).expect("a string");
    *text += &indented(&parameter.about, 8);
    text.push('\n');
}

/// What a port takes.
fn takes(port: &Port) -> String {
    let several = if port.several { "list of " } else { "" };
    let optional = if port.required { "" } else { ", optional" };
    format!("{several}{}{optional}", port.artifact)
}

/// The types of what a kind may leave.
fn outputs(kind: &StageKind) -> String {
    let others = kind.outputs.iter().flat_map(|outputs| {
        let parameter = outputs.parameter;
        let other = move |(value, kind): &(&str, StageKind)| {
            format!("{} where `{parameter} = \"{value}\"`", kind.output.name)
        };
        outputs.kinds.iter().map(other)
    });
    std::iter::once(kind.output.name.to_owned()).chain(others).collect::<Vec<_>>().join(", ")
}

/// The README's reference of every kind, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for kind in ALL {
        writeln!(text, "#### `{}`\n\n{}\n", kind.name, about(kind)).expect("a string");
        writeln!(text, "*When to use it.* {}\n", kind.usage.when).expect("a string");
        writeln!(text, "```toml\n{}\n```\n", kind.usage.snippet).expect("a string");
        let inputs = kind.ports.iter().map(|port| format!("`{}` ({})", port.name, takes(port)));
        let free = kind.free.then(|| "any others, of any type".to_owned());
        let inputs: Vec<_> = inputs.chain(free).collect();
        let inputs = if inputs.is_empty() { "none".to_owned() } else { inputs.join(", ") };
        writeln!(text, "Inputs: {inputs}. Output: {}.\n", outputs(kind)).expect("a string");
        let parameters = parameters(kind);
        if parameters.is_empty() {
            continue;
        }
        text += "| parameter | type | default | |\n|---|---|---|---|\n";
        for of_topic in by_topic(&parameters) {
            if let Some(topic) = of_topic[0].topic {
                writeln!(text, "| **{}** | | | |", topic.title()).expect("a string");
            }
            of_topic.iter().for_each(|parameter| text += &row(parameter));
        }
        text.push('\n');
    }
    text
}

/// A parameter's row of the README.
fn row(parameter: &ParameterHelp) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let default = match parameter.default.as_str() {
        "" | "required" | "the file's `seed`" => parameter.default.clone(),
        default => format!("`{default}`"),
    };
    format!(
        "| `{}` | {} | {} | {} |\n",
        parameter.name,
        cell(&parameter.kind),
        cell(&default),
        cell(&parameter.about)
    )
}

fn to_json(kind: &StageKind) -> Value {
    let ports: Vec<_> = kind
        .ports
        .iter()
        .map(|port| json!({"name": port.name, "artifact": port.artifact, "required": port.required, "several": port.several, "about": port.about.trim()}))
        .collect();
    let code: serde_json::Map<_, _> =
        kind.code.iter().map(|code| (code.part.to_owned(), json!(code.version))).collect();
    let parameters = parameters(kind);
    let topics: Vec<_> = by_topic(&parameters)
        .filter_map(|of_topic| {
            let names: Vec<_> = of_topic.iter().map(|parameter| &parameter.name).collect();
            Some(json!({"topic": of_topic[0].topic?, "parameters": names}))
        })
        .collect();
    json!({
        "name": kind.name,
        "about": about(kind),
        "when": kind.usage.when,
        "snippet": kind.usage.snippet,
        "inputs": ports,
        "output": {"artifact": kind.output.name, "format": kind.output.format},
        "code": code,
        "parameters": kind.schema(),
        "topics": topics,
    })
}
