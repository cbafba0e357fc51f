//! A value of the experiment file against a shape: every mistake at its own place, and the value as the kind reads it.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::schema::{Extra, Format, Items, Property, Shape};
use super::value_text;
use crate::base::diagnostics::{Diagnostic, Span, quoted, suggest};
use crate::engine::spec::{Data, Value};

/// Holds the values of one stage against shapes.
pub(super) struct Validator<'a> {
    pub(super) stage: &'a str,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl Validator<'_> {
    /// The value with integers as floats where floats are wanted and paths joined to their folders; `None` when something is wrong with it.
    ///
    /// * `path`: the parameter, and where in it the value stands: `split.train`, `betas[1]`
    pub(super) fn value(&mut self, path: &str, shape: &Shape, value: &Value) -> Option<Json> {
        match (shape, &value.data) {
            (_, Data::Invalid | Data::Param(_)) => None,
            (_, Data::Stage(name)) => {
                let message = format!(
                    "{} takes {}, but `@{name}` refers to a stage",
                    self.subject(path),
                    shape.noun()
                );
                let help = match shape {
                    Shape::Choice(options) if options.iter().any(|option| option == &**name) => {
                        format!("write `\"{name}\"`")
                    }
                    Shape::Text { .. } => {
                        format!("for a string that starts with `@`, write `@@{name}`")
                    }
                    _ => "`@params.name` refers to a value".to_owned(),
                };
                self.report(Diagnostic::new("wire-for-value", message).at(value.span).help(help))
            }
            (Shape::Any, _) => Some(value.to_json()),
            (Shape::Boolean, Data::Bool(it)) => Some(Json::Bool(*it)),
            (Shape::Integer(bounds), Data::Integer(number)) => {
                #[expect(clippy::cast_precision_loss, reason = "bounds lie where floats are exact")]
                let float = *number as f64;
                if bounds.contain(float) {
                    Some(Json::from(*number))
                } else {
                    self.out_of_range(path, &bounds.text(float), value)
                }
            }
            (Shape::Number(bounds), Data::Integer(_) | Data::Float(_)) => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "an integer beyond 2^53 serves as the nearest float"
                )]
                let number = match value.data {
                    Data::Integer(number) => number as f64,
                    Data::Float(number) => number,
                    _ => return None,
                };
                if bounds.contain(number) {
                    Some(Json::from(number))
                } else {
                    self.out_of_range(path, &bounds.text(number), value)
                }
            }
            (Shape::Text { format, minimum_length }, Data::String(text)) => {
                self.text(path, *format, *minimum_length, text, value)
            }
            (Shape::Choice(options), _)
                if options.iter().any(|option| same_type(option, &value.data)) =>
            {
                self.choice(path, options, &[], value)
            }
            (Shape::Array(shapes), Data::Array(items)) => {
                self.array(path, shapes, items, value.span)
            }
            (Shape::Table { properties, extra }, Data::Table(entries)) => {
                self.table(path, properties, extra, entries, value.span)
            }
            (Shape::OneOf(shapes), _) => self.one_of(path, shapes, value),
            _ => self.wrong_type(path, shape, value),
        }
    }

    fn subject(&self, path: &str) -> String {
        format!("stage `{}` parameter `{path}`", self.stage)
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Option<Json> {
        self.found.push(diagnostic);
        None
    }

    fn out_of_range(&mut self, path: &str, expected: &str, value: &Value) -> Option<Json> {
        let message = format!(
            "{} must be {expected}, but is {}",
            self.subject(path),
            value_text(&value.to_json())
        );
        self.report(Diagnostic::new("out-of-range", message).at(value.span))
    }

    fn wrong_type(&mut self, path: &str, shape: &Shape, value: &Value) -> Option<Json> {
        let message = format!(
            "{} expects {}, but this is {}",
            self.subject(path),
            shape.noun(),
            value.data.describe()
        );
        let diagnostic = Diagnostic::new("wrong-type", message).at(value.span);
        let help = match (shape, &value.data) {
            (Shape::Integer(bounds), Data::Float(number))
                if number.fract() == 0.0 && number.abs() < 1e15 =>
            {
                Some(if bounds.contain(*number) {
                    format!("write `{number:.0}`")
                } else {
                    format!("an integer, {}", bounds.text(*number))
                })
            }
            (Shape::Integer(_) | Shape::Number(_), Data::String(text))
                if number_meant(shape, text).is_some() =>
            {
                number_meant(shape, text).map(|number| format!("write `{number}`, without quotes"))
            }
            (Shape::Boolean, Data::String(text)) if matches!(text.as_str(), "true" | "false") => {
                Some(format!("write `{text}`, without quotes"))
            }
            (Shape::Boolean, _) => Some("write `true` or `false`".to_owned()),
            (
                Shape::Integer(_) | Shape::Number(_) | Shape::Text { .. } | Shape::Choice(_),
                Data::Array(items),
            ) if items.len() == 1 && self.fits(path, shape, &items[0]) => {
                Some(format!("write `{}`, without brackets", value_text(&items[0].to_json())))
            }
            (Shape::Choice(options), _) if !options.is_empty() => Some(options_text(options, &[])),
            (Shape::Array(_), _) if self.fits(path, shape, &value.in_brackets()) => {
                Some(format!("write `[{}]`", value_text(&value.to_json())))
            }
            (Shape::Array(shapes), _) => array_text(shapes),
            (Shape::Table { properties, .. }, _) if !properties.is_empty() => Some(format!(
                "it has the keys {}",
                names_text(properties.iter().map(|property| property.name.as_str()))
            )),
            _ => None,
        };
        self.report(diagnostic.help_of(help))
    }

    /// Whether a value that advice is about to name would be taken.
    fn fits(&self, path: &str, shape: &Shape, value: &Value) -> bool {
        Validator { stage: self.stage, found: &mut Vec::new() }.value(path, shape, value).is_some()
    }

    fn text(
        &mut self,
        path: &str,
        format: Format,
        minimum_length: usize,
        text: &str,
        value: &Value,
    ) -> Option<Json> {
        if text.chars().count() < minimum_length || (text.is_empty() && format != Format::Plain) {
            let message = match minimum_length {
                0 | 1 => format!("{} must not be empty", self.subject(path)),
                _ => {
                    format!("{} must have at least {minimum_length} characters", self.subject(path))
                }
            };
            return self.report(Diagnostic::new("out-of-range", message).at(value.span));
        }
        if format != Format::Path {
            return Some(Json::from(text));
        }
        match value.folder.join(text).to_str() {
            Some(joined) => Some(Json::from(joined)),
            None => {
                let message = format!(
                    "{} is relative to a folder whose name is not UTF-8",
                    self.subject(path)
                );
                self.report(
                    Diagnostic::new("path-not-utf8", message)
                        .at(value.span)
                        .help("write an absolute path, or rename the folder"),
                )
            }
        }
    }

    /// * `beside`: what else it may be
    fn choice(
        &mut self,
        path: &str,
        options: &[Json],
        beside: &[&Shape],
        value: &Value,
    ) -> Option<Json> {
        let json = value.to_json();
        if options.contains(&json) {
            return Some(json);
        }
        let near = match &value.data {
            Data::String(text) => suggest(text, options.iter().filter_map(Json::as_str)),
            _ => None,
        };
        let diagnostic = Diagnostic::new(
            "unknown-value",
            format!("{} cannot be {}", self.subject(path), value_text(&json)),
        )
        .at(value.span);
        let meant = near.map(|near| format!("did you mean {}?", value_text(&Json::from(near))));
        self.report(diagnostic.help_of(meant).help(options_text(options, beside)))
    }

    fn array(&mut self, path: &str, shapes: &Items, items: &[Value], span: Span) -> Option<Json> {
        let (least, most) = (shapes.least(), shapes.most());
        if items.len() < least || most.is_some_and(|most| items.len() > most) {
            let count = |count: usize| {
                if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
            };
            let expected = match most {
                Some(most) if most == least => count(least),
                Some(most) if items.len() > most => format!("at most {}", count(most)),
                _ => format!("at least {}", count(least)),
            };
            let message =
                format!("{} expects {expected}, but has {}", self.subject(path), items.len());
            return self.report(Diagnostic::new("wrong-length", message).at(span));
        }
        let mut sound = true;
        let mut out = Vec::with_capacity(items.len());
        let mut seen = HashSet::new();
        for (number, item) in items.iter().enumerate() {
            let shape = shapes.shape(number).unwrap_or(&Shape::Any);
            match self.value(&format!("{path}[{number}]"), shape, item) {
                Some(json) if shapes.unique && !seen.insert(json.to_string()) => {
                    let message = format!("{} has {} twice", self.subject(path), value_text(&json));
                    self.report(Diagnostic::new("duplicate-item", message).at(item.span));
                    sound = false;
                }
                Some(json) => out.push(json),
                None => sound = false,
            }
        }
        sound.then_some(Json::Array(out))
    }

    fn table(
        &mut self,
        path: &str,
        properties: &[Property],
        extra: &Extra,
        entries: &[(Arc<str>, Span, Value)],
        span: Span,
    ) -> Option<Json> {
        let mut sound = true;
        let mut meant = Vec::new();
        let mut out = serde_json::Map::with_capacity(entries.len());
        for (name, name_span, value) in entries {
            let inner = format!("{path}.{name}");
            let shape = match (properties.iter().find(|property| property.name == **name), extra) {
                (Some(property), _) => &property.shape,
                (None, Extra::Each(shape)) => shape,
                (None, Extra::Anything) => &Shape::Any,
                (None, Extra::Nothing) => {
                    let known: Vec<&str> =
                        properties.iter().map(|property| property.name.as_str()).collect();
                    meant.extend(self.unknown_key(path, name, *name_span, &known));
                    sound = false;
                    continue;
                }
            };
            match self.value(&inner, shape, value) {
                Some(json) => drop(out.insert(name.to_string(), json)),
                None => sound = false,
            }
        }
        let missing: Vec<&str> = properties
            .iter()
            .filter(|property| {
                property.required && !entries.iter().any(|(name, _, _)| **name == *property.name)
            })
            .map(|property| property.name.as_str())
            // A misspelled key is one mistake, not two.
            .filter(|name| !meant.contains(name))
            .collect();
        if !missing.is_empty() {
            let message = format!("{} lacks {}", self.subject(path), names_text(missing));
            self.report(Diagnostic::new("missing-key", message).at(span));
            sound = false;
        }
        sound.then_some(Json::Object(out))
    }

    /// Returns the key that was most likely meant.
    fn unknown_key<'k>(
        &mut self,
        path: &str,
        name: &str,
        span: Span,
        known: &[&'k str],
    ) -> Option<&'k str> {
        let diagnostic = Diagnostic::new(
            "unknown-key",
            format!("{} has no key {}", self.subject(path), quoted(name)),
        )
        .at(span);
        let near = suggest(name, known.iter().copied());
        self.report(
            diagnostic
                .meant(near, || format!("it has the keys {}", names_text(known.iter().copied()))),
        );
        near
    }

    fn one_of(&mut self, path: &str, shapes: &[Shape], value: &Value) -> Option<Json> {
        let mut attempts: Vec<(&Shape, Vec<Diagnostic>)> = Vec::new();
        for shape in shapes {
            let mut found = Vec::new();
            let json = Validator { stage: self.stage, found: &mut found }.value(path, shape, value);
            if json.is_some() {
                return json;
            }
            if found.is_empty() {
                // Something unreadable of which the reader has complained.
                return None;
            }
            if !found.iter().any(|diagnostic| {
                diagnostic.code == "wrong-type" && diagnostic.span == Some(value.span)
            }) {
                attempts.push((shape, found));
            }
        }
        if let (Data::Table(entries), true) = (&value.data, attempts.len() > 1)
            && let Some(known) = one_key_each(attempts.iter().map(|(shape, _)| *shape))
            && let Some((name, span, _)) =
                entries.iter().find(|(name, _, _)| !known.contains(&&**name))
        {
            self.unknown_key(path, name, *span, &known);
            return None;
        }
        // Of several alternatives of the right type, the one that is nearest to what was written: it is the one that was meant.
        match attempts.into_iter().min_by_key(|(_, found)| found.len()) {
            Some((Shape::Choice(options), _)) => {
                let is_other = |shape: &&Shape| !matches!(shape, Shape::Choice(_));
                let beside: Vec<&Shape> = shapes.iter().filter(is_other).collect();
                return self.choice(path, options, &beside, value);
            }
            Some((_, found)) => self.found.extend(found),
            None => return self.wrong_type(path, &Shape::OneOf(shapes.to_vec()), value),
        }
        None
    }
}

/// The keys of alternatives that are told apart by their single key, as Rust's enums with data are.
fn one_key_each<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Option<Vec<&'a str>> {
    shapes
        .map(|shape| match shape {
            Shape::Table { properties, extra: Extra::Nothing } => match properties.as_slice() {
                [only] => Some(only.name.as_str()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn same_type(option: &Json, data: &Data) -> bool {
    matches!(
        (option, data),
        (Json::String(_), Data::String(_))
            | (Json::Number(_), Data::Integer(_) | Data::Float(_))
            | (Json::Bool(_), Data::Bool(_))
    )
}

/// The number that a text stands for, as TOML writes it: `.001` is none of its numbers.
fn number_meant(shape: &Shape, text: &str) -> Option<String> {
    let number = match shape {
        Shape::Integer(bounds) => {
            let number: i64 = text.parse().ok()?;
            #[expect(clippy::cast_precision_loss, reason = "bounds lie where floats are exact")]
            bounds.contain(number as f64).then(|| Json::from(number))?
        }
        Shape::Number(bounds) => {
            let number: f64 = text.parse().ok()?;
            (number.is_finite() && bounds.contain(number)).then(|| Json::from(number))?
        }
        _ => return None,
    };
    Some(value_text(&number))
}

/// How an array is written of which one knows what lies in it: `an array of 2 items, each a number: [..., ...]`.
fn array_text(shapes: &Items) -> Option<String> {
    let (each, count) = (shapes.shape(0)?.noun(), shapes.least());
    let is_exact = count > 0 && shapes.most() == Some(count);
    let (of, shown) = if is_exact { (format!("{count} "), count) } else { (String::new(), 2) };
    Some(format!("an array of {of}items, each {each}: `[{}]`", vec!["..."; shown].join(", ")))
}

/// * `beside`: what else there may be
fn options_text(options: &[Json], beside: &[&Shape]) -> String {
    const SHOWN: usize = 12;
    let mut texts: Vec<String> = options.iter().take(SHOWN).map(value_text).collect();
    if options.len() > SHOWN {
        texts.push(format!("{} more", options.len() - SHOWN));
    }
    for shape in beside {
        let text = match one_key_each([*shape].into_iter()).as_deref() {
            Some([key]) => format!("{{ {key} = ... }}"),
            _ => shape.noun(),
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => "it takes no value".to_owned(),
        [only] => format!("it can only be {only}"),
        [most @ .., last] => format!("it can be {} or {last}", most.join(", ")),
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn names_text<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests;
