//! What was found, as people and tools read it.
//!
//! A JSON line is the text with its labels as they are, so that a person who corrects them has a line that `corrections` of `read_corpus` reads; what
//! the models say stands in `_review`, as no head is called. A task of Label Studio has what they say as a prediction, and the labels of the other heads
//! with it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Finding, Review};
use crate::tasks::{classification, tagging};
use crate::text::{ClassHead, Entity};

/// The member of what only reviews say.
const REVIEW: &str = "_review";

impl Review {
    /// The first `top` as JSON lines.
    #[must_use]
    pub fn to_jsonl(&self, top: usize) -> String {
        let line = |finding: &Finding| {
            let mut line = known(finding);
            if let Some(entities) = &finding.example.entities {
                line.insert("entities".to_owned(), json!(entities));
            }
            for head in &self.tasks.heads {
                let class = finding.example.classes.get(&head.name);
                if let Some(class) = class.and_then(|class| head.index(class)) {
                    line.insert(head.name.clone(), classification::written(head, class));
                }
            }
            line.insert(REVIEW.to_owned(), about(finding));
            format!("{}\n", Value::Object(line))
        };
        self.findings.iter().take(top).map(line).collect()
    }

    /// The first `top` as tasks to import into Label Studio.
    #[must_use]
    pub fn to_label_studio(&self, top: usize) -> String {
        let task = |finding: &Finding| {
            let mut data = known(finding);
            data.insert(REVIEW.to_owned(), about(finding));
            let score = finding.suspects.first().map(|suspect| rounded(suspect.confidence));
            let result = self.result(finding);
            json!({
                "data": data,
                "predictions": [{"model_version": "pipeline", "score": score, "result": result}],
            })
        };
        let tasks: Vec<Value> = self.findings.iter().take(top).map(task).collect();
        format!("{:#}\n", Value::Array(tasks))
    }

    /// What the text is to be labelled with, where the models are right.
    fn result(&self, finding: &Finding) -> Vec<Value> {
        let proposed = |head: &str| {
            let mut suspects = finding.suspects.iter();
            suspects.find(|suspect| suspect.head == head).map(|suspect| &suspect.proposed)
        };
        let example = &finding.example;
        let mut result = Vec::new();
        let entities: Vec<Entity> = match proposed(tagging::NAME) {
            Some(proposed) => serde_json::from_value(proposed.clone()).expect("they are entities"),
            None => example.entities().to_vec(),
        };
        let text: Vec<char> = example.text.chars().collect();
        // A browser counts in units of UTF-16.
        let units = |end: usize| text[..end].iter().map(|it| it.len_utf16()).sum::<usize>();
        for Entity { start, end, label } in entities {
            let covered: String = text[start..end].iter().collect();
            let value = json!({"start": units(start), "end": units(end), "text": covered, "labels": [label]});
            result.push((tagging::NAME.to_owned(), "labels", value));
        }
        for ClassHead { name, .. } in &self.tasks.heads {
            let given = example.classes.get(name).map(String::as_str);
            if let Some(class) = proposed(name).and_then(Value::as_str).or(given) {
                result.push((name.clone(), "choices", json!({"choices": [class]})));
            }
        }
        let item = |(number, (name, kind, value)): (usize, (String, &str, Value))| json!({"id": format!("r{number}"), "from_name": name, "to_name": "text", "type": kind, "value": value});
        result.into_iter().enumerate().map(item).collect()
    }

    /// The labelling interface that a project of Label Studio needs for these tasks.
    #[must_use]
    pub fn interface(&self) -> String {
        let mut text = "<View>\n".to_owned();
        if !self.labels.is_empty() {
            let name = tagging::NAME;
            text += &group("Labels", name, "", "Label", &self.labels);
        }
        for ClassHead { name, classes } in &self.tasks.heads {
            text += &group("Choices", name, " choice=\"single\"", "Choice", classes);
        }
        text + "  <Text name=\"text\" value=\"$text\"/>\n</View>\n"
    }
}

/// A control with its values, in XML.
fn group(tag: &str, name: &str, more: &str, of: &str, values: &[String]) -> String {
    let mut text = format!("  <{tag} name=\"{name}\" toName=\"text\"{more}>\n");
    for value in values {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        writeln!(text, "    <{of} value=\"{value}\"/>").expect("a string");
    }
    text + &format!("  </{tag}>\n")
}

/// What a text is known by.
fn known(finding: &Finding) -> Map<String, Value> {
    let mut line = Map::new();
    if let Some(id) = finding.example.fields.get("id") {
        line.insert("id".to_owned(), json!(id));
    }
    line.insert("text".to_owned(), json!(finding.example.text));
    line
}

/// What the models say of it, and where it is from.
fn about(finding: &Finding) -> Value {
    let mut suspects = finding.suspects.clone();
    suspects.iter_mut().for_each(|it| it.confidence = rounded(it.confidence));
    let mut about = json!({ "suspects": suspects });
    if let (Some(about), Value::Object(origin)) = (about.as_object_mut(), json!(finding.origin)) {
        about.extend(origin);
    }
    about
}

/// As many digits as anybody compares.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
