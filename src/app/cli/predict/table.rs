//! Answers as CSV, with a header.

use super::super::lines::Fields;
use super::answered::{Answered, Shape};
use super::json_lines::kept_as;

/// The column for members of lines that have none of their own.
const OTHER: &str = "other";

/// A table whose columns are the members of the first line, what is answered, and all else that lines hold.
pub struct Table {
    /// The first line's members; none before it comes.
    members: Option<Vec<String>>,
}

impl Table {
    pub fn new() -> Self {
        Self { members: None }
    }

    /// A line's row, behind the header where it is the first.
    pub fn row(&mut self, answered: &Answered, shape: &Shape) -> String {
        let mut text = String::new();
        let own = &answered.line.fields;
        let members = match self.members.take() {
            Some(members) => members,
            None => {
                let members = match own.0.is_empty() {
                    true => vec![shape.field.clone()],
                    false => own.0.iter().map(|(name, _)| name.clone()).collect(),
                };
                text += &row(&header(&members, shape));
                members
            }
        };
        text += &row(&cells(answered, &members, shape));
        self.members = Some(members);
        text
    }
}

fn header(members: &[String], shape: &Shape) -> Vec<String> {
    let none = Fields::default();
    let mut header: Vec<String> =
        members.iter().map(|name| kept_as(name, &none, shape).into_owned()).collect();
    header.extend(shape.tags.then(|| "entities".to_owned()));
    header.extend(shape.heads.iter().flat_map(|head| [head.clone(), format!("{head}_score")]));
    header.extend(["truncated", "error", OTHER].map(str::to_owned));
    header
}

fn cells(answered: &Answered, members: &[String], shape: &Shape) -> Vec<String> {
    let Answered { line, answer, .. } = answered;
    let own = &line.fields;
    let member = |name: &String| match own.0.iter().find(|(other, _)| other == name) {
        Some((_, value)) => shown(value.get()),
        None if own.0.is_empty() && *name == shape.field => line.text.clone().unwrap_or_default(),
        None => String::new(),
    };
    let mut cells: Vec<String> = members.iter().map(member).collect();
    let prediction = answer.as_ref().ok();
    let json = |value: serde_json::Result<String>| value.expect("plain data");
    cells.extend(shape.tags.then(|| {
        let entities = prediction.and_then(|prediction| prediction.entities.as_ref());
        entities.map_or_else(String::new, |found| json(serde_json::to_string(found)))
    }));
    for head in &shape.heads {
        let said = prediction
            .and_then(|prediction| prediction.classes.iter().find(|said| said.head == *head));
        cells.push(shown(&json(serde_json::to_string(&said.and_then(|said| said.class.as_ref())))));
        cells.push(shown(&json(serde_json::to_string(&said.and_then(|said| said.score)))));
    }
    let truncated = prediction.is_some_and(|prediction| prediction.truncated);
    cells.push(if truncated { "true".to_owned() } else { String::new() });
    cells.push(answer.as_ref().err().cloned().unwrap_or_default());
    let others = own.0.iter().filter(|(name, _)| !members.contains(name));
    let others: Vec<String> = others
        .map(|(name, value)| format!("{}:{}", json(serde_json::to_string(name)), value.get()))
        .collect();
    cells.push(if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) });
    cells
}

/// A JSON value as a cell: a string as it is, nothing for `null`, all else as JSON.
fn shown(json: &str) -> String {
    match json {
        "null" => String::new(),
        _ => serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned()),
    }
}

fn row(cells: &[String]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("a record in memory");
    let bytes = writer.into_inner().expect("a record in memory");
    String::from_utf8(bytes).expect("cells are UTF-8")
}
