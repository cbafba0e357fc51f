//! JSON values with their places in a text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::problems::Misread;
use crate::base::problem::json_reason;

/// The text of a value, from which each value in it is a part.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl Text<'_> {
    pub(super) fn wrong(self, value: &RawValue, message: String) -> Misread {
        Misread::new(value.get().as_ptr() as usize - self.0.as_ptr() as usize, message)
    }

    pub(super) fn read<'v, T: Deserialize<'v>>(self, value: &'v RawValue) -> Result<T, Misread> {
        serde_json::from_str(value.get())
            .map_err(|error| problem(&error, value.get(), self.wrong(value, String::new()).place))
    }

    /// A value that is not what was expected, as a message shows it.
    pub(super) fn describe(self, value: &RawValue) -> Result<String, Misread> {
        self.read(value).map(|value| describe(&value))
    }

    /// A string, or the JSON of anything else as it stands, so that no number is too large or too exact; nothing for a null.
    pub(super) fn scalar(self, raw: &RawValue) -> Result<Option<String>, Misread> {
        match raw.get().as_bytes() {
            [b'"', ..] => self.read(raw).map(Some),
            [b'n', ..] => Ok(None),
            _ => Ok(Some(raw.get().to_owned())),
        }
    }
}

/// JSON in which NUL bytes are spelt as it demands in strings, and left out between values.
pub(super) fn without_nul(json: &str) -> Cow<'_, str> {
    if !json.contains('\0') {
        return Cow::Borrowed(json);
    }
    let (mut clean, mut is_string, mut is_escaped) = (String::new(), false, false);
    for character in json.chars() {
        match character {
            '\0' if is_string => clean.push_str("\\u0000"),
            '\0' => {}
            _ => clean.push(character),
        }
        is_string ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    Cow::Owned(clean)
}

/// A value as a message shows it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) if text.chars().count() > 40 => "a string".into(),
        other => format!("`{other}`"),
    }
}

/// * `text`: what was read
/// * `offset`: where it begins
pub(super) fn problem(error: &serde_json::Error, text: &str, offset: usize) -> Misread {
    let reason = json_reason(error);
    // Lines of the text before the one of the error.
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    match error.column() {
        0 => Misread::new(offset + before, format!("not a JSON object: {reason}")),
        column => {
            let at = offset + before + column;
            Misread::new(at - 1, format!("not a JSON object: {reason} at byte {at}"))
        }
    }
}

/// The members of a JSON object in their order, repeated ones kept.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
