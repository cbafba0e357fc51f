//! The errors of a command, in the form of its answer.

use serde_json::{Map, Value, json};

use super::args::Form;
use super::{Failure, terminal};

/// Says why a command failed: who asks for JSON reads standard output.
///
/// * `color`: whether standard error takes colours
pub fn complain(failure: &Failure, form: Form, color: bool) {
    let text = match form {
        Form::Text => None,
        Form::Json => Some(format!("{:#}\n", json!({ "errors": failure.to_json() }))),
        Form::JsonLines => {
            let errors = failure.to_json();
            let line = |error: &Value| {
                let mut line = Map::from_iter([("event".to_owned(), json!("error"))]);
                line.extend(error.as_object().cloned().unwrap_or_default());
                format!("{}\n", Value::Object(line))
            };
            Some(errors.as_array().into_iter().flatten().map(line).collect())
        }
    };
    if text.is_none_or(|text: String| terminal::try_print(&text).is_err()) {
        terminal::complain_of(failure, color);
    }
}
