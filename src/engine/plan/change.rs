//! What differs between two fingerprints, in words.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{CacheKey, Fingerprint};

/// One difference between an old fingerprint and a new one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    Kind {
        old: String,
        new: String,
    },
    Format {
        old: u32,
        new: u32,
    },
    /// `None` where that side does not have the part.
    Code {
        part: String,
        old: Option<u32>,
        new: Option<u32>,
    },
    /// `name` is dotted inside a table; `None` is a side where the parameter is at its default or did not exist.
    Parameter {
        name: String,
        old: Option<Value>,
        new: Option<Value>,
    },
    Source {
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    Commit {
        old: Option<String>,
        new: Option<String>,
    },
    /// The artifact at a port is another one.
    Input {
        port: String,
        old: Option<CacheKey>,
        new: Option<CacheKey>,
    },
}

/// What is told each difference, which it may have made a [`Change`] of, and says whether to go on.
type Each<'a> = dyn FnMut(&dyn Fn() -> Change) -> ControlFlow<()> + 'a;

impl Fingerprint {
    /// How `self` differs from `old`, parameters first: what a person changed stands before what followed from it.
    #[must_use]
    pub fn compare(&self, old: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let _ = self.walk(old, &mut |change| {
            changes.push(change());
            ControlFlow::Continue(())
        });
        changes.sort_by(|one, other| one.rank().cmp(&other.rank()));
        changes
    }

    /// How many changes [`compare`](Self::compare) finds; `None` where they are `limit` or more. It is asked for every pair of many, so it makes
    /// nothing and ends early.
    #[must_use]
    pub(super) fn count_changes(&self, old: &Self, limit: usize) -> Option<usize> {
        if self.kind != old.kind {
            // As a single change, which says less than any number of others.
            return (limit == usize::MAX).then_some(usize::MAX - 1);
        }
        let mut count = 0;
        let _ = self.walk(old, &mut |_| {
            count += 1;
            if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        (count < limit).then_some(count)
    }

    /// Each difference, beginning with those that there are between the trials of a sweep.
    fn walk(&self, old: &Self, each: &mut Each<'_>) -> ControlFlow<()> {
        if self.kind != old.kind {
            // Nothing else can be compared between two kinds.
            return each(&|| Change::Kind { old: old.kind.clone(), new: self.kind.clone() });
        }
        differing(&self.inputs, &old.inputs, |port, new, old| {
            each(&|| Change::Input { port: port.to_owned(), old: old.copied(), new: new.copied() })
        })?;
        differing_parameters(&[], &self.parameters, &old.parameters, each)?;
        differing(&self.sources, &old.sources, |name, new, old| {
            each(&|| Change::Source { name: name.to_owned(), old: old.cloned(), new: new.cloned() })
        })?;
        differing(&self.code, &old.code, |part, new, old| {
            each(&|| Change::Code { part: part.to_owned(), old: old.copied(), new: new.copied() })
        })?;
        if self.commit != old.commit {
            let (old, new) = (&old.commit, &self.commit);
            each(&|| Change::Commit { old: old.clone(), new: new.clone() })?;
        }
        if self.format != old.format {
            each(&|| Change::Format { old: old.format, new: self.format })?;
        }
        ControlFlow::Continue(())
    }
}

impl Change {
    /// The parameter that has changed, if it is one.
    pub(super) fn parameter(&self) -> Option<&str> {
        match self {
            Self::Parameter { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Where it stands among others.
    fn rank(&self) -> (u8, &str) {
        match self {
            Self::Kind { .. } => (0, ""),
            Self::Parameter { name, .. } => (1, name),
            Self::Source { name, .. } => (2, name),
            Self::Commit { .. } => (3, ""),
            Self::Code { part, .. } => (4, part),
            Self::Format { .. } => (5, ""),
            Self::Input { port, .. } => (6, port),
        }
    }
}

/// Each name whose values differ, with the new one and the old one.
fn differing<'a, V: PartialEq>(
    new: &'a BTreeMap<String, V>,
    old: &'a BTreeMap<String, V>,
    mut each: impl FnMut(&'a str, Option<&'a V>, Option<&'a V>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let changed = new.iter().map(|(name, value)| (name, Some(value), old.get(name)));
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    changed
        .filter(|(_, new, old)| new != old)
        .chain(gone.map(|(name, value)| (name, None, Some(value))))
        .try_for_each(|(name, new, old)| each(name, new, old))
}

/// * `path`: of the table that holds the parameters
fn differing_parameters(
    path: &[&str],
    new: &Map<String, Value>,
    old: &Map<String, Value>,
    each: &mut Each<'_>,
) -> ControlFlow<()> {
    // Of one kind, and so in one order, but for what was added since.
    let mut beside = old.iter();
    let changed = new.iter().map(|(name, value)| {
        let known = match beside.next() {
            Some((other, known)) if other == name => Some(known),
            _ => old.get(name),
        };
        (name, Some(value), known)
    });
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    for (name, new, old) in changed.chain(gone.map(|(name, value)| (name, None, Some(value)))) {
        let is_set = |value: &&Value| !value.is_null();
        match (new.filter(is_set), old.filter(is_set)) {
            (Some(Value::Object(new)), Some(Value::Object(old))) => {
                differing_parameters(&[path, &[name]].concat(), new, old, each)?;
            }
            (new, old) if new == old => {}
            (new, old) => each(&|| Change::Parameter {
                name: [path, &[name]].concat().join("."),
                old: old.cloned(),
                new: new.cloned(),
            })?,
        }
    }
    ControlFlow::Continue(())
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |text: &Option<String>| {
            text.as_ref().map_or_else(|| "none".to_owned(), |text| text.chars().take(8).collect())
        };
        let number = |number: &Option<u32>| {
            number.map_or_else(|| "none".to_owned(), |number| number.to_string())
        };
        match self {
            Self::Kind { old, new } => write!(formatter, "kind {old} -> {new}"),
            Self::Format { old, new } => write!(formatter, "output format {old} -> {new}"),
            Self::Code { part, old, new } => {
                write!(formatter, "code `{part}` {} -> {}", number(old), number(new))
            }
            Self::Parameter { name, old, new } => {
                let text = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "(not set)".to_owned(), value_text)
                };
                write!(formatter, "{name} {} -> {}", text(old), text(new))
            }
            Self::Source { name, old: Some(_), new: Some(_) } => {
                write!(formatter, "source `{name}` changed")
            }
            Self::Source { name, old: None, .. } => write!(formatter, "source `{name}` added"),
            Self::Source { name, .. } => write!(formatter, "source `{name}` removed"),
            Self::Commit { old, new } => {
                write!(formatter, "commit {} -> {}", digits(old), digits(new))
            }
            Self::Input { port, old: Some(_), new: Some(_) } => {
                write!(formatter, "input `{port}` changed")
            }
            Self::Input { port, old: None, .. } => write!(formatter, "input `{port}` added"),
            Self::Input { port, .. } => write!(formatter, "input `{port}` removed"),
        }
    }
}

/// A value as one writes it in an experiment file, shortened where it is long.
#[must_use]
pub fn value_text(value: &Value) -> String {
    let text = full_text(value);
    if text.chars().count() <= 60 {
        text
    } else {
        format!("{}...", text.chars().take(57).collect::<String>())
    }
}

/// A value as one writes it in an experiment file.
#[must_use]
pub fn full_text(value: &Value) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_text(float),
            _ => number.to_string(),
        },
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(full_text).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            format!(
                "{{ {} }}",
                map.iter()
                    .map(|(name, value)| format!("{name} = {}", full_text(value)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

/// A float in its shortest form that reads back: `2e-5`, `0.01`, `1.0`.
pub(super) fn float_text(float: f64) -> String {
    if float != 0.0 && !(1e-3..1e7).contains(&float.abs()) {
        format!("{float:e}")
    } else {
        format!("{float:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fingerprint(parameters: &Value) -> Fingerprint {
        Fingerprint {
            kind: "train".into(),
            format: 1,
            code: BTreeMap::from([("loop".into(), 1)]),
            parameters: parameters.as_object().cloned().expect("an object"),
            sources: BTreeMap::from([("templates".into(), "ab".into())]),
            commit: Some("8949b909ec900327062f0ebf497f51aef5e6f0c8".into()),
            inputs: BTreeMap::from([("data".into(), CacheKey::from_bytes([7; 32]))]),
        }
    }

    #[test]
    fn changes_read_as_a_person_would_say_them() {
        let old = fingerprint(&json!({
            "learning_rate": 2e-5, "epochs": 3, "schedule": "linear", "split": {"train": 0.8, "validation": 0.2}, "betas": [0.9, 0.999], "warmup": 1
        }));
        let mut new = fingerprint(&json!({
            "learning_rate": 1e-5, "epochs": 3, "schedule": "cosine", "split": {"train": 0.75, "validation": 0.2}, "betas": [0.9, 0.98], "name": "x"
        }));
        new.format = 2;
        new.code = BTreeMap::from([("loop".into(), 2), ("loss".into(), 1)]);
        new.sources =
            BTreeMap::from([("templates".into(), "ac".into()), ("words".into(), "ad".into())]);
        new.commit = Some("45bb4654a4d5aaff24dd11d4781fa46d39bf8c13".into());
        new.inputs = BTreeMap::from([
            ("data".into(), CacheKey::from_bytes([8; 32])),
            ("model".into(), CacheKey::from_bytes([9; 32])),
        ]);
        let text: Vec<String> = new.compare(&old).iter().map(Change::to_string).collect();
        let expected = [
            "betas [0.9, 0.999] -> [0.9, 0.98]",
            "learning_rate 2e-5 -> 1e-5",
            "name (not set) -> \"x\"",
            "schedule \"linear\" -> \"cosine\"",
            "split.train 0.8 -> 0.75",
            "warmup 1 -> (not set)",
            "source `templates` changed",
            "source `words` added",
            "commit 8949b909 -> 45bb4654",
            "code `loop` 1 -> 2",
            "code `loss` none -> 1",
            "output format 1 -> 2",
            "input `data` changed",
            "input `model` added",
        ];
        assert_eq!(text, expected);
    }

    #[test]
    fn changes_are_as_many_when_they_are_counted_alone() {
        let parameters = [
            json!({}),
            json!({"epochs": 3, "warmup": null, "split": {"train": 0.8, "test": 0.2}}),
            json!({"split": {"train": 0.7, "validation": 0.1}, "epochs": 4, "betas": [0.9]}),
            json!({"epochs": 3, "split": null, "betas": [0.8], "name": {"a": {"b": 1}}}),
            json!({"name": {"a": {"b": 2, "c": null}, "d": 1}, "warmup": 1, "epochs": 3}),
        ];
        let mut all: Vec<Fingerprint> = parameters.iter().map(fingerprint).collect();
        let mut other = all[1].clone();
        other.inputs.insert("model".into(), CacheKey::from_bytes([9; 32]));
        (other.format, other.commit) = (2, None);
        other.sources.clear();
        other.code.insert("loop".into(), 2);
        all.push(other);
        for new in &all {
            for old in &all {
                let many = new.compare(old).len();
                for limit in 0..=many + 2 {
                    let expected = (many < limit).then_some(many);
                    assert_eq!(new.count_changes(old, limit), expected, "{new:?}\n{old:?}");
                }
            }
        }
    }

    #[test]
    fn equal_fingerprints_have_no_changes() {
        let it = fingerprint(&json!({"epochs": 3}));
        assert_eq!(it.compare(&it), []);
    }

    #[test]
    fn a_parameter_that_is_not_set_equals_null() {
        assert_eq!(fingerprint(&json!({"warmup": null})).compare(&fingerprint(&json!({}))), []);
    }

    #[test]
    fn another_kind_is_the_only_change() {
        let old = fingerprint(&json!({"epochs": 3}));
        let new = Fingerprint { kind: "tune".into(), ..fingerprint(&json!({"epochs": 4})) };
        assert_eq!(
            new.compare(&old).iter().map(Change::to_string).collect::<Vec<_>>(),
            ["kind train -> tune"]
        );
    }

    #[test]
    fn floats_are_short_and_read_back() {
        let texts: Vec<String> =
            [2e-5, 0.01, 1.0, 0.0, 160_000.0, 1e10, -3.5e-9].into_iter().map(float_text).collect();
        assert_eq!(texts, ["2e-5", "0.01", "1.0", "0.0", "160000.0", "1e10", "-3.5e-9"]);
    }
}
