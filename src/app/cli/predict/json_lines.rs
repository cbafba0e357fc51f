//! Answers as JSON, an object for each line.

use std::borrow::Cow;

use serde::Serialize;

use super::super::lines::{Fields, Line};
use super::answered::{Answered, Shape};
use crate::app::tools::Prediction;

/// What stands before the names of a line's own members that an answer's could be taken for.
const OF_INPUT: &str = "input_";

/// A line's answer.
pub fn line(answered: &Answered, shape: &Shape) -> String {
    let Answered { number, line, answer } = answered;
    let mut text = match answer {
        Ok(prediction) => tagged(line, shape, prediction),
        Err(error) => object(Vec::new(), &line.fields, &BadLine { error, line: *number }, shape),
    };
    text.push('\n');
    text
}

/// What the line holds, with the prediction behind it.
fn tagged(line: &Line, shape: &Shape, prediction: &Prediction) -> String {
    let mut fields = Vec::new();
    if let (true, Ok(text)) = (line.fields.0.is_empty(), &line.text) {
        let text = serde_json::to_string(text).expect("a string");
        fields.push(member(&kept_as(&shape.field, &line.fields, shape), &text));
    }
    object(fields, &line.fields, prediction, shape)
}

/// A JSON object of `first`, the line's own members, and `answer`'s.
fn object(first: Vec<String>, own: &Fields, answer: &impl Serialize, shape: &Shape) -> String {
    let mut members = first;
    members
        .extend(own.0.iter().map(|(name, value)| member(&kept_as(name, own, shape), value.get())));
    let answer = serde_json::to_string(answer).expect("plain data");
    members.push(answer[1..answer.len() - 1].to_owned());
    members.retain(|member| !member.is_empty());
    format!("{{{}}}", members.join(","))
}

/// The name under which a member of the line stays: its own, unless it is one of an answer's; then a name that no other member of the line has.
pub fn kept_as<'a>(name: &'a str, own: &Fields, shape: &Shape) -> Cow<'a, str> {
    let mut kept = Cow::Borrowed(name);
    while shape.taken.iter().any(|taken| *taken == *kept)
        || (kept != name && own.0.iter().any(|(other, _)| *other == *kept))
    {
        kept = format!("{OF_INPUT}{kept}").into();
    }
    kept
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{value}", serde_json::to_string(name).expect("a string"))
}

/// What stands in the place of a prediction.
#[derive(Serialize)]
struct BadLine<'a> {
    error: &'a str,
    line: u64,
}
