//! Which fields are classes, and what values of them are called.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::findings::Findings;
use crate::base::problem::Problem;
use crate::base::visible;
use crate::text::{ANOMALY, ANOMALY_CLASSES};

/// The longest name of a class.
const LIMIT_CHARACTERS: usize = 100;

/// The fields that say a text's classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Classes {
    /// Their classes are sorted by name.
    Fields(#[schemars(length(min = 1))] Vec<String>),
    /// Each with its classes in order; those of an empty list are sorted by name.
    Named(BTreeMap<String, Vec<String>>),
}

impl Classes {
    /// The fields in their order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Fields(fields) => fields.iter().map(String::as_str).collect(),
            Self::Named(named) => named.keys().map(String::as_str).collect(),
        }
    }
}

/// The fields that are classes, each with the names of its classes in order, where that is known.
#[derive(Debug, Clone)]
pub struct Heads(BTreeMap<String, Vec<String>>);

impl Default for Heads {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Heads {
    #[must_use]
    pub fn of(declared: Option<&Classes>) -> Self {
        let mut heads = match declared {
            None => BTreeMap::new(),
            Some(Classes::Fields(fields)) => {
                fields.iter().map(|field| (field.clone(), Vec::new())).collect()
            }
            Some(Classes::Named(named)) => named.clone(),
        };
        // It needs no mention.
        let names = heads.entry(ANOMALY.to_owned()).or_default();
        if names.is_empty() {
            *names = ANOMALY_CLASSES.map(str::to_owned).to_vec();
        }
        Self(heads)
    }

    /// The names of a head's classes in order; empty where the values say them.
    #[must_use]
    pub fn names(&self, head: &str) -> &[String] {
        self.0.get(head).map_or(&[], Vec::as_slice)
    }

    /// The order of two classes of a head: as it names them, else by name, numbers by size.
    #[must_use]
    pub fn order(&self, head: &str, one: &str, other: &str) -> Ordering {
        let names = self.names(head);
        if names.is_empty() {
            return match (one.parse::<i64>(), other.parse::<i64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                _ => one.cmp(other),
            };
        }
        let place = |class: &str| names.iter().position(|name| name == class);
        place(one).cmp(&place(other))
    }

    /// Whether this field says a class.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// What a value of a field that [has](Self::has) classes is called; nothing where it says none.
    ///
    /// # Errors
    /// That it is none of the classes, with what was expected, at 0.
    pub fn class(
        &self,
        field: &str,
        value: &str,
        findings: &mut Findings,
    ) -> Result<Option<String>, Problem<usize>> {
        let names = self.names(field);
        let only = only(value).map_err(|what| {
            let message = format!("`{}` holds {what}, expected one class", visible::line(field));
            Problem::new(0_usize, message)
                .help("a head tells one of several classes: divide the field into one for each thing that is true or not")
        })?;
        let value = only.as_deref().unwrap_or(value).trim();
        if value.is_empty() {
            return Ok(None);
        }
        let folded = value.to_ascii_lowercase();
        let value = if field == ANOMALY && names == ANOMALY_CLASSES { &folded } else { value };
        let class = match named(names, value) {
            Some(name) => name,
            None => {
                let expected = if field == ANOMALY && names == ANOMALY_CLASSES {
                    "0 (normal) or 1 (anomaly)".to_owned()
                } else if names.is_empty() {
                    format!("at most {LIMIT_CHARACTERS} characters on one line")
                } else {
                    format!("`{}`", names.join("`, `"))
                };
                let shown: String = value.chars().take(LIMIT_CHARACTERS).collect();
                let message = format!(
                    "`{}` is `{}`, expected {expected}",
                    visible::line(field),
                    visible::line(&shown)
                );
                let help = if names.is_empty() {
                    "name another field in `classes`"
                } else if field == ANOMALY {
                    "`classes = { anomaly = [\"fine\", \"alert\"] }` names its classes as the file has them"
                } else {
                    "list all classes in `classes`, or none to take those that there are"
                };
                return Err(Problem::new(0_usize, message)
                    .help(format!("{help}; `on_error = \"skip\"` leaves such texts out")));
            }
        };
        let seen = findings.classes.entry(field.to_owned()).or_default();
        if !seen.contains(&class) {
            seen.insert(class.clone());
        }
        Ok(Some(class))
    }
}

/// The class that a value stands for: its name, in capitals or not; else 0, 1 and so on for their order, and false and true for two.
fn named(names: &[String], value: &str) -> Option<String> {
    if names.is_empty() {
        let fits = value.chars().count() <= LIMIT_CHARACTERS && !value.contains(char::is_control);
        return fits.then(|| value.to_owned());
    }
    if let Some(name) = names.iter().find(|name| *name == value) {
        return Some(name.clone());
    }
    // A column of numbers in which some are missing comes as 0.0 and 1.0.
    let value = value.strip_suffix(".0").unwrap_or(value);
    let mut alike = names.iter().filter(|name| name.eq_ignore_ascii_case(value));
    if let (Some(name), None) = (alike.next(), alike.next()) {
        return Some(name.clone());
    }
    // Among names that are numbers or truths themselves, another of them stands for no place: 1 is not the second of 1 and 0.
    let is_place = |name: &String| {
        name.parse::<f64>().is_ok() || ["true", "false"].contains(&&*name.to_ascii_lowercase())
    };
    if names.iter().any(is_place) {
        return None;
    }
    let number = match value {
        "true" | "True" | "TRUE" if names.len() == 2 => Some(1),
        "false" | "False" | "FALSE" if names.len() == 2 => Some(0),
        _ => value.parse::<usize>().ok(),
    };
    number.and_then(|number| names.get(number)).cloned()
}

/// What stands for a class in a list of one or in a table of scores, as tools export them; nothing where it is neither.
///
/// # Errors
/// What it holds instead of one class.
fn only(value: &str) -> Result<Option<String>, &'static str> {
    match value.trim_start().as_bytes() {
        [b'[', ..] => match serde_json::from_str::<Vec<Value>>(value).as_deref() {
            Ok([]) => Ok(Some(String::new())),
            Ok([Value::String(one)]) => Ok(Some(one.clone())),
            // As doccano once wrote them.
            Ok([Value::Object(one)]) => match one.get("label") {
                Some(Value::String(label)) => Ok(Some(label.clone())),
                Some(Value::Number(label)) => Ok(Some(label.to_string())),
                _ => Err("an object"),
            },
            Ok([one]) => Ok(Some(one.to_string())),
            Ok(_) => Err("several"),
            Err(_) => Ok(None),
        },
        [b'{', ..] => {
            let Ok(scores) = serde_json::from_str::<BTreeMap<String, f64>>(value) else {
                return match serde_json::from_str::<Map<String, Value>>(value) {
                    // As Label Studio writes several choices into a cell.
                    Ok(chosen) => match chosen.get("choices") {
                        Some(choices @ Value::Array(_)) => only(&choices.to_string()),
                        _ => Err("an object"),
                    },
                    Err(_) => Ok(None),
                };
            };
            let on: Vec<String> = scores
                .into_iter()
                .filter_map(|(name, score)| (score >= 0.5).then_some(name))
                .collect();
            match <[String; 1]>::try_from(on) {
                Ok([one]) => Ok(Some(one)),
                Err(none) if none.is_empty() => Ok(Some(String::new())),
                Err(_) => Err("several scores from 0.5"),
            }
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(classes: &Classes, value: &str) -> Result<Option<String>, String> {
        let read = Heads::of(Some(classes)).class("severity", value, &mut Findings::default());
        read.map_err(|problem| problem.message)
    }

    #[test]
    fn numbers_booleans_names_and_lists_of_one_are_classes() {
        let two = Classes::Named([("severity".into(), vec!["low".into(), "high".into()])].into());
        for (value, name) in [
            ("low", Some("low")),
            ("1", Some("high")),
            ("0.0", Some("low")),
            ("true", Some("high")),
            ("[\"high\"]", Some("high")),
            ("[{\"label\": 1, \"user\": 1}]", Some("high")),
            ("{\"choices\": [\"low\"]}", Some("low")),
            ("{\"low\": 0.1, \"high\": 0.9}", Some("high")),
            ("[]", None),
            (" ", None),
        ] {
            assert_eq!(class(&two, value), Ok(name.map(str::to_owned)), "{value}");
        }
        assert_eq!(class(&two, "2"), Err("`severity` is `2`, expected `low`, `high`".into()));
        assert_eq!(
            class(&two, "[\"low\", \"high\"]"),
            Err("`severity` holds several, expected one class".into())
        );
        assert_eq!(
            class(&two, "{\"name\": \"high\"}"),
            Err("`severity` holds an object, expected one class".into())
        );
        let any = Classes::Fields(vec!["severity".into()]);
        assert_eq!(class(&any, "true"), Ok(Some("true".into())));
    }

    #[test]
    fn anomaly_needs_no_mention() {
        let heads = Heads::default();
        let class = |value| {
            let read = heads.class("anomaly", value, &mut Findings::default());
            read.map_err(|problem| problem.message)
        };
        assert_eq!(class("0"), Ok(Some("normal".into())));
        assert_eq!(class("anomaly"), Ok(Some("anomaly".into())));
        assert_eq!(class("Anomaly"), Ok(Some("anomaly".into())));
        assert_eq!(class("NORMAL"), Ok(Some("normal".into())));
        assert_eq!(class("2"), Err("`anomaly` is `2`, expected 0 (normal) or 1 (anomaly)".into()));
    }

    #[test]
    fn a_class_is_known_by_its_name_before_its_place() {
        let read = |names: [&str; 2], value: &str| {
            let heads = Heads::of(Some(&Classes::Named(BTreeMap::from([(
                "x".to_owned(),
                names.map(str::to_owned).to_vec(),
            )]))));
            heads.class("x", value, &mut Findings::default()).ok().flatten()
        };
        assert_eq!(read(["true", "false"], "True").as_deref(), Some("true"));
        assert_eq!(read(["1", "0"], "1.0").as_deref(), Some("1"));
        assert_eq!(read(["low", "high"], "HIGH").as_deref(), Some("high"));
        assert_eq!(read(["low", "high"], "0").as_deref(), Some("low"));
        assert_eq!(read(["low", "high"], "True").as_deref(), Some("high"));
        assert_eq!(read(["1", "2"], "0"), None);
        assert_eq!(read(["True", "False"], "1"), None);
    }
}
