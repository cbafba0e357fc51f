//! Scores that another program has made.

use std::path::Path;

use serde_json::Value;

use super::{Evaluation, files};
use crate::engine::stage::{Artifact, Caveat, StageError};

/// Scores that another program has made of anything.
pub struct ForeignScores;

impl ForeignScores {
    /// Says what is wrong with the file of scores in `folder`.
    ///
    /// # Errors
    /// When it is no JSON object with a number in it, or lists caveats that are none.
    pub fn check(folder: &Path) -> Result<(), StageError> {
        const NUMBERS: &str = "numbers by name, at any depth, such as `{\"f1\": 0.9, \"of\": {\"PER\": 0.8}}`; a null is one that is undefined";
        let name = Evaluation::METRICS_FILE;
        let path = folder.join(name);
        if !files::present(&path)? {
            let message =
                format!("the program left no `{name}` in the folder that stands for `{{out}}`");
            return Err(StageError::new(message).with_help(NUMBERS));
        }
        let wrong = |reason: &str| {
            StageError::new(format!("`{name}` that the program left {reason}")).with_help(NUMBERS)
        };
        let value: Value = serde_json::from_str(&files::read_text(&path)?)
            .map_err(|error| wrong(&format!("is no JSON: {error}")))?;
        let Value::Object(scores) = &value else { return Err(wrong("is no JSON object")) };
        if !scores.values().any(has_number) {
            return Err(wrong("has no number in it"));
        }
        match scores.get(Caveat::MEMBER) {
            Some(Value::Array(listed)) if listed.len() == Caveat::listed_in(&value).len() => Ok(()),
            None => Ok(()),
            Some(_) => Err(wrong(
                "has `caveats` that are none: each is `{\"code\": \"...\", \"message\": \"...\", \"count\": 1}`",
            )),
        }
    }
}

fn has_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Object(members) => members.values().any(has_number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => false,
    }
}

impl Artifact for ForeignScores {
    const TYPE: &'static str = Evaluation::TYPE;
    const FORMAT: u32 = Evaluation::FORMAT;
    const METRICS: Option<&'static str> = Evaluation::METRICS;
    const METRIC_NAMES: &'static [&'static str] = &["**"];
    const RESULTS: &'static [(&'static str, &'static str)] = Evaluation::RESULTS;

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Evaluation::METRICS_FILE).map(|_| Self)
    }
}
