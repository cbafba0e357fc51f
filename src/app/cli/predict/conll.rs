//! Answers as CoNLL has them: a word and its tag on each line, a blank line behind each text.

use std::fmt::Write as _;

use super::answered::{Answered, Shape};
use crate::app::tools::tagged_words;

/// What `# key = value` takes as it is; all else is written as JSON.
const BREAKS: [char; 2] = ['\n', '\r'];

/// The words of a line, tagged as IOB2; before them what else the line holds and is answered, as `read_corpus` reads it. A word in which an entity begins or
/// ends is cut there.
pub fn sentence(answered: &Answered, shape: &Shape) -> String {
    let Answered { number, line, answer } = answered;
    let mut out = String::new();
    let mut say = |key: &str, json: &str| {
        let value = serde_json::from_str::<String>(json).ok();
        let value = value.filter(|value| !value.contains(BREAKS));
        writeln!(out, "# {key} = {}", value.as_deref().unwrap_or(json)).expect("a string");
    };
    for (name, value) in line.fields.0.iter().filter(|(name, _)| *name != shape.field) {
        say(&super::json_lines::kept_as(name, &line.fields, shape), value.get());
    }
    let json = |value: serde_json::Result<String>| value.expect("plain data");
    let entities = match answer {
        Err(error) => {
            say("error", &json(serde_json::to_string(error)));
            say("line", &number.to_string());
            &[][..]
        }
        Ok(prediction) => {
            for said in &prediction.classes {
                say(&said.head, &json(serde_json::to_string(&said.class)));
                say(&format!("{}_score", said.head), &json(serde_json::to_string(&said.score)));
            }
            if prediction.truncated {
                say("truncated", "true");
            }
            prediction.entities.as_deref().unwrap_or_default()
        }
    };
    if let (Ok(text), Ok(_)) = (&line.text, answer) {
        for (word, tag) in tagged_words(text, entities) {
            writeln!(out, "{word}\t{tag}").expect("a string");
        }
    }
    out + "\n"
}
