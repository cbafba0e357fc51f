//! What pages with marked texts have in common.

use serde_json::Value;

pub const STYLE: &str = include_str!("page/answers.css");
pub const SCRIPT: &str = include_str!("page/answers.js");

/// Text between tags or quotes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// JSON in a script's element, where nothing may look like its end.
pub fn data(json: &Value) -> String {
    json.to_string().replace('<', "\\u003c")
}
