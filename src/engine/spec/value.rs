//! Values with the span and the folder of whoever wrote them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::path::{self, Word};
use crate::base::diagnostics::{Diagnostic, Span, quoted, suggest};

/// A value of a parameter, a param or an axis.
#[derive(Debug, Clone)]
pub struct Value {
    pub data: Data,
    pub span: Span,
    /// The folder of the file that wrote it, to which a relative path belongs; the current one for the command line.
    pub folder: Arc<Path>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Bool(bool),
    Integer(i64),
    /// Finite.
    Float(f64),
    String(String),
    Array(Vec<Value>),
    /// Sorted by name; names are unique.
    Table(Vec<(Arc<str>, Span, Value)>),
    /// `@name`: only ever the whole value of a parameter.
    Stage(Arc<str>),
    /// `@params.path`: the path after `params.`, at any depth.
    Param(Arc<str>),
    /// Something that could not be read and of which the reader has complained already. Never in the result of
    /// [`Experiment::read`](super::Experiment::read).
    Invalid,
}

/// Spans and folders say where a value came from, not what it is.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl Data {
    /// What messages call it.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Stage(_) => "a reference to a stage",
            Self::Param(_) => "a reference to a param",
            Self::Invalid => "something unreadable",
        }
    }
}

impl Value {
    /// Whether another is the same to a parameter: an integer is the float of its value.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one == other,
            _ => self == other,
        }
    }

    /// The number that it is.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self.data {
            Data::Integer(value) => Some(value as f64),
            Data::Float(value) => Some(value),
            _ => None,
        }
    }

    /// Replaces every `@params.x` at any depth by what `[params]` says, with the span and the folder of whoever wrote it there.
    ///
    /// # Errors
    /// A reference to what does not exist, at the reference.
    pub fn resolve(&self, params: &BTreeMap<String, Self>) -> Result<Self, Diagnostic> {
        let data = match &self.data {
            Data::Param(path) => return lookup(path, self.span, params, true).cloned(),
            Data::Array(items) => Data::Array(
                items.iter().map(|item| item.resolve(params)).collect::<Result<_, _>>()?,
            ),
            Data::Table(entries) => {
                let entry = |(name, span, value): &(Arc<str>, Span, Self)| {
                    Ok((name.clone(), *span, value.resolve(params)?))
                };
                Data::Table(entries.iter().map(entry).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        };
        Ok(Self { data, span: self.span, folder: self.folder.clone() })
    }

    /// The array that holds nothing else.
    #[must_use]
    pub fn in_brackets(&self) -> Self {
        Self { data: Data::Array(vec![self.clone()]), ..self.clone() }
    }

    /// The value without spans; references are written as in the file.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.data {
            Data::Bool(value) => (*value).into(),
            Data::Integer(value) => (*value).into(),
            Data::Float(value) => (*value).into(),
            Data::String(text) => text.as_str().into(),
            Data::Array(items) => items.iter().map(Self::to_json).collect(),
            Data::Table(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(name, _, value)| (name.to_string(), value.to_json()))
                    .collect(),
            ),
            Data::Stage(name) => format!("@{name}").into(),
            Data::Param(path) => format!("@params.{path}").into(),
            Data::Invalid => serde_json::Value::Null,
        }
    }
}

/// Finds `path`, written at `span`, in `[params]`. Without `suggesting` the complaint does without the search for what was meant.
pub(super) fn lookup<'a>(
    path: &str,
    span: Span,
    params: &'a BTreeMap<String, Value>,
    suggesting: bool,
) -> Result<&'a Value, Diagnostic> {
    let unknown = |at: &str, word: &str, near: Option<&str>| {
        let message = format!(
            "{at} has no `{}`, which {} refers to",
            shown(word),
            quoted(&format!("@params.{path}"))
        );
        Diagnostic::new("unknown-param", message)
            .at(span)
            .meant(near, || format!("write `{} = ...` under {at}", shown(word)))
    };
    let mut words = path.split('.');
    let first = words.next().unwrap_or_default();
    let near = || if suggesting { suggest(first, params.keys().map(String::as_str)) } else { None };
    let mut found = params.get(first).ok_or_else(|| unknown("`[params]`", first, near()))?;
    let mut passed = format!("params.{first}");
    for word in words {
        let Data::Table(entries) = &found.data else {
            if found.data == Data::Invalid {
                return Ok(found);
            }
            let message = format!(
                "`{}` is {}, so {} refers to nothing",
                shown(&passed),
                found.data.describe(),
                quoted(&format!("@params.{path}"))
            );
            return Err(Diagnostic::new("unknown-param", message)
                .at(span)
                .label(found.span, "this is not a table"));
        };
        let near = || {
            if suggesting {
                suggest(word, entries.iter().map(|(name, _, _)| &**name))
            } else {
                None
            }
        };
        let position = entries.binary_search_by(|(name, _, _)| (**name).cmp(word));
        found = position
            .map(|at| &entries[at].2)
            .map_err(|_| unknown(&format!("`{}`", shown(&passed)), word, near()))?;
        passed.push('.');
        passed.push_str(word);
    }
    Ok(found)
}

/// Puts a value into a table, whose tables on the way need not be there.
///
/// * `passed`: the words that lead to `whole`
/// * `members`: those that lead on from there, at least one
pub(super) fn insert(
    whole: &mut Value,
    passed: &[Word],
    members: &[Word],
    value: Value,
) -> Result<(), Diagnostic> {
    let ((name, span), rest) = members.split_first().expect("a member has a name");
    let is = whole.data.describe();
    let entries = match &mut whole.data {
        Data::Table(entries) => entries,
        // Complained about already.
        Data::Invalid => return Ok(()),
        other => {
            let passed = path::text(passed);
            let message = format!("`{passed}` is {is}, which has no member {}", quoted(name));
            let diagnostic = Diagnostic::new("unknown-path", message)
                .at(*span)
                .label(whole.span, "this is not a table");
            return Err(match other {
                Data::Param(param) => {
                    diagnostic.help(format!("set it there: `params.{param}.{name}=...`"))
                }
                _ => diagnostic.help(format!("set the whole value: `{passed}=...`")),
            });
        }
    };
    let at = entries.binary_search_by(|(other, ..)| other.cmp(name));
    if rest.is_empty() {
        match at {
            Ok(at) => entries[at] = (name.clone(), *span, value),
            Err(at) => entries.insert(at, (name.clone(), *span, value)),
        }
        return Ok(());
    }
    let at = at.unwrap_or_else(|at| {
        let table = Value { data: Data::Table(Vec::new()), ..value.clone() };
        entries.insert(at, (name.clone(), *span, table));
        at
    });
    let passed = [passed, &members[..1]].concat();
    insert(&mut entries[at].2, &passed, rest, value)
}

/// A word of the file inside a message, without the backticks of [`quoted`].
fn shown(word: &str) -> String {
    quoted(word).trim_matches('`').to_owned()
}
