//! What Label Studio exports: JSON, and JSON_MIN.
//!
//! ```json
//! [{"id": 7, "data": {"text": "Ada wrote"}, "annotations": [{"result": [
//!     {"type": "labels", "from_name": "label", "to_name": "text", "value": {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}},
//!     {"type": "choices", "from_name": "severity", "to_name": "text", "value": {"choices": ["low"]}}]}]}]
//! [{"id": 7, "text": "Ada wrote", "label": [{"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}], "severity": "low", "annotation_id": 1}]
//! ```
//!
//! Offsets are those of a browser, UTF-16 units. Labels that a program has put there may count characters: what each says its text to be tells.
//! Of several annotations of a task the first counts that was not cancelled; a task without any is left out. What was chosen is a field by the
//! name of its control.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entities::{Measure, NESTED, apart};
use super::findings::{Findings, Note};
use super::json::{describe, problem, without_nul};
use super::labels::label_of_span;
use super::options::Options;
use super::pieces::{self, Each};
use super::problems::Misread;
use super::shapes;
use super::values::Values;
use crate::base::visible;
use crate::text::{Entity, Example, Offsets};

/// Whether a value is a task of either export.
pub(super) fn looks_like_one(value: &Value) -> bool {
    let Value::Object(task) = value else { return false };
    let is_full = task.get("data").is_some_and(Value::is_object)
        && ["annotations", "completions"].iter().any(|name| task.contains_key(*name));
    is_full || task.contains_key("annotation_id") && task.contains_key("lead_time")
}

/// Reads a text from each task.
///
/// # Errors
/// Those of `source`.
pub(super) fn read(
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut values = Values::of(source);
    let read = |text: &str, findings: &mut Findings| task(text, options, findings);
    pieces::read(&mut || values.next(), &read, each)
}

/// Members that are about the work, and not about the text.
const ABOUT: [&str; 10] = [
    "annotator",
    "annotation_id",
    "created_at",
    "updated_at",
    "lead_time",
    "annotations",
    "completions",
    "predictions",
    "drafts",
    "meta",
];

fn task(
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Option<Example>, Misread> {
    let text = without_nul(text);
    let mut task: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| problem(&error, &text, 0))?;
    let wrong = |message: String| Misread::new(0_usize, message);
    let mut marks = Vec::new();
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let data = match task.remove("data") {
        Some(Value::Object(data)) => {
            if options.wants_labels() {
                let Some(result) = annotation(&mut task, findings).map_err(wrong)? else {
                    findings.note(Note::Unannotated);
                    return Ok(None);
                };
                for item in result {
                    sort(item, &mut marks, &mut fields, findings).map_err(wrong)?;
                }
            }
            if let Some(id) = task.remove("id") {
                fields.insert("id".to_owned(), plain(&id).unwrap_or_default());
            }
            data
        }
        Some(other) => {
            return Err(wrong(format!("`data` is {}, expected an object", describe(&other))));
        }
        None => task,
    };
    let asked = options.fields.text.as_deref();
    let found = options
        .texts()
        .into_iter()
        .find_map(|name| Some((name, data.get(name)?.as_str()?.to_owned())));
    // Where the names of fields are looked for, none of them is the text yet, in which marks would lie.
    let is_looked_for = found.is_none() && !options.needs_text(false);
    let found = found.or_else(|| is_looked_for.then(|| ("", String::new())));
    let Some((name, mut text)) = found else {
        let strings: Vec<&str> =
            data.iter().filter(|(_, value)| value.is_string()).map(|(name, _)| &**name).collect();
        let message = format!("the task has no text `{}`", visible::line(asked.unwrap_or("text")));
        return Err(wrong(message).help(options.which_text(&strings)));
    };
    for (member, value) in &data {
        match spans_of(value) {
            _ if member == name || ABOUT.contains(&member.as_str()) => {}
            Some(spans) if options.wants_labels() => marks.extend(spans),
            Some(_) => {}
            None => {
                if let Some(value) = chosen(value).or_else(|| plain(value)) {
                    fields.insert(member.clone(), value);
                }
            }
        }
    }
    if is_looked_for {
        marks.clear();
    }
    let spans = spans(marks, &text, options, findings).map_err(wrong)?;
    findings.has_entities |= !spans.is_empty();
    let entities = apart(spans, options.nested, findings)
        .map_err(|(_, message)| wrong(message).help(NESTED))?;
    if text.contains('\0') {
        findings.note(Note::Nul);
        text = text.replace('\0', "\u{fffd}");
    }
    // A task in which nothing was marked says so, which JSON_MIN leaves out.
    let mut example = Example { text, entities: Some(entities), ..Example::default() };
    for (name, value) in fields {
        shapes::put(&mut example, options, &name, value, findings)?;
    }
    Ok(Some(example))
}

/// What the annotation that counts says; nothing where there is none.
fn annotation(
    task: &mut Map<String, Value>,
    findings: &mut Findings,
) -> Result<Option<Vec<Value>>, String> {
    let name = ["annotations", "completions"].into_iter().find(|name| task.contains_key(*name));
    let listed = name.and_then(|name| task.remove(name));
    let listed = match listed {
        Some(Value::Array(listed)) => listed,
        None | Some(Value::Null) => Vec::new(),
        Some(other) => {
            return Err(format!("`annotations` is {}, expected an array", describe(&other)));
        }
    };
    let counts =
        |annotation: &Value| annotation["was_cancelled"] != true && annotation["result"].is_array();
    let mut counting = listed.into_iter().filter(counts);
    let first = counting.next();
    counting.for_each(|_| findings.note(Note::MoreAnnotations));
    Ok(first.and_then(|mut annotation| match annotation["result"].take() {
        Value::Array(result) => Some(result),
        _ => None,
    }))
}

/// Puts a result where it belongs: marks of a text, or what was chosen.
fn sort(
    mut item: Value,
    marks: &mut Vec<Mark>,
    fields: &mut BTreeMap<String, String>,
    findings: &mut Findings,
) -> Result<(), String> {
    let kind = item["type"].as_str().unwrap_or_default().to_owned();
    let value = item["value"].take();
    match kind.as_str() {
        "labels" | "hypertextlabels" | "" if !value["start"].is_null() => {
            let mark = serde_json::from_value(value)
                .map_err(|error| format!("a label of the task cannot be read: {error}"))?;
            marks.push(mark);
        }
        "choices" | "taxonomy" | "rating" | "number" => {
            let control = item["from_name"].as_str().unwrap_or(&kind).to_owned();
            let value = &value[kind.as_str()];
            if let Some(value) = chosen(value).or_else(|| plain(value)) {
                if kind == "choices" && !findings.chosen.contains(&control) {
                    findings.chosen.insert(control.clone());
                }
                fields.insert(control, value);
            }
        }
        _ => findings.note(Note::OtherResults(kind)),
    }
    Ok(())
}

/// A marked part of a text.
#[derive(Debug, Deserialize)]
struct Mark {
    start: Offset,
    end: Offset,
    text: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    hypertextlabels: Vec<String>,
    #[serde(default, rename = "globalOffsets")]
    global: Option<Global>,
}

/// A number, or one in quotes as older versions wrote it.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an offset is a whole number from 0 on, or one in quotes")]
enum Offset {
    Number(usize),
    Text(String),
}

impl Offset {
    fn get(&self) -> Result<usize, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => {
                text.parse().map_err(|_| format!("`{}` is no offset", visible::line(text)))
            }
        }
    }
}

/// Where a mark in a page stands, whose `start` counts inside of an element.
#[derive(Debug, Deserialize)]
struct Global {
    start: usize,
    end: usize,
}

/// The marks that a member of JSON_MIN holds.
fn spans_of(value: &Value) -> Option<Vec<Mark>> {
    let Value::Array(items) = value else { return None };
    let is_mark = |item: &Value| item.get("start").is_some() && item.get("end").is_some();
    if items.is_empty() || !items.iter().all(is_mark) {
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}

/// Where a mark stands by each of two units.
type Places = [Result<(usize, usize), String>; 2];

/// The characters and names of marks.
fn spans(
    marks: Vec<Mark>,
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Vec<Entity>, String> {
    let measures = [Offsets::Utf16, Offsets::Characters].map(|unit| Measure::of(text, unit));
    let characters: Vec<char> = text.chars().collect();
    let mut places: Vec<Places> = Vec::with_capacity(marks.len());
    for (number, mark) in marks.iter().enumerate() {
        let whose = format!("label {} of the task", number + 1);
        let (start, end) = match &mark.global {
            Some(global) => (global.start, global.end),
            None => (mark.start.get()?, mark.end.get()?),
        };
        places.push(measures.each_ref().map(|measure| measure.characters(&whose, start, end)));
    }
    // How many marks stand where they say, for each unit.
    let fits = |unit: usize| {
        let fit = |(mark, places): &(&Mark, &Places)| {
            let said = mark.text.as_deref();
            places[unit].as_ref().is_ok_and(|(start, end)| {
                said.is_none_or(|said| said.chars().eq(characters[*start..*end].iter().copied()))
            })
        };
        marks.iter().zip(&places).filter(fit).count()
    };
    let unit = usize::from(fits(1) > fits(0));
    if unit == 1 {
        findings.note(Note::CharactersInstead);
    }
    let mut entities = Vec::new();
    for (mark, places) in marks.into_iter().zip(places) {
        let [utf16, counted] = places;
        let (start, end) = if unit == 1 { counted? } else { utf16? };
        let is_there = |said: &str| said.chars().eq(characters[start..end].iter().copied());
        // It writes line breaks so.
        if mark.text.is_some_and(|said| !is_there(&said) && !is_there(&said.replace("\\n", "\n"))) {
            findings.note(Note::OtherText);
        }
        let mut names = mark.labels.into_iter().chain(mark.hypertextlabels);
        let Some(name) = names.next() else {
            findings.note(Note::OtherResults("labels without a label".to_owned()));
            continue;
        };
        names.for_each(|_| findings.note(Note::MoreLabels));
        let label = label_of_span(name, &options.labels, findings)
            .map_err(|problem| format!("a label of the task {problem}"))?;
        entities.push(Entity { start, end, label });
    }
    Ok(entities)
}

/// What was chosen, where it is one: `["low"]`, `{"choices": ["low", "high"]}` as JSON.
fn chosen(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => match items.as_slice() {
            [Value::String(one)] => Some(one.clone()),
            [] => None,
            _ => Some(value.to_string()),
        },
        Value::Object(table) => match table.get("choices") {
            Some(choices) => Some(choices.to_string()),
            None => Some(value.to_string()),
        },
        _ => None,
    }
}

/// A string as it is, and a number or boolean as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
