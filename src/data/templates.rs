//! Made-up corpora: sentences with placeholders that are filled from lists of values.
//!
//! ```toml
//! [entities.user]                  # the placeholder {user}
//! label  = "PER"                   # the entity type of what fills it
//! values = ["Ann Lee", "Bo Chen"]
//!
//! [templates]
//! normal  = ["{user} logged in."]
//! anomaly = ["{user} shared a session with {user:other}.", "{user} tried {{root}}."]
//! ```
//!
//! A placeholder that stands twice in a template is filled with the same value; `{user:other}` is a further one, always different. `{{` and
//! `}}` are braces. Two placeholders may have one label.
//!
//! Exactly `round(samples * anomaly_ratio)` of the sentences are anomalies, at random places; the template and values of sentence *n* come from
//! a stream of their own, so that the number of threads changes nothing. Each example's field `template` names what it was made from:
//! `normal-03` is the third of the list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Deserialize;
use toml::Spanned;

use super::{Entity, Example, jsonl::check_label};
use crate::rng::Rng;

/// The largest file of templates that is read.
const LIMIT_BYTES: u64 = 8 << 20;

/// Templates and the values that fill them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    placeholders: Vec<Placeholder>,
    normal: Vec<Template>,
    anomaly: Vec<Template>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Placeholder {
    name: String,
    label: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    id: String,
    pieces: Vec<Piece>,
    /// What is drawn, in the order of first use: the number of its placeholder.
    draws: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A number in [`Template::draws`].
    Draw(usize),
}

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
}

/// Why there are no templates, or no sentences from them.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}", render(path, problems))]
    Malformed { path: PathBuf, problems: Vec<TemplateProblem> },
    #[error("there are no `{class}` templates, but the anomaly ratio of {anomaly_ratio} asks for {count} such sentences")]
    NoTemplates { class: &'static str, anomaly_ratio: f64, count: usize },
    #[error("the anomaly ratio is {anomaly_ratio}, expected 0 to 1")]
    Ratio { anomaly_ratio: f64 },
}

fn render(path: &Path, problems: &[TemplateProblem]) -> String {
    let line = |problem: &TemplateProblem| format!("{}:{}:{}: {}", path.display(), problem.line, problem.column, problem.message);
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    entities: BTreeMap<Spanned<String>, RawEntity>,
    templates: RawTemplates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntity {
    label: Spanned<String>,
    values: Spanned<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTemplates {
    normal: Option<Spanned<Vec<Spanned<String>>>>,
    anomaly: Option<Spanned<Vec<Spanned<String>>>>,
}

impl Templates {
    /// Reads a file of templates.
    ///
    /// # Errors
    /// [`TemplatesError`] with every mistake in the file and where it stands.
    pub fn read(path: &Path) -> Result<Self, TemplatesError> {
        let io = |error| TemplatesError::Io { path: path.into(), error };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > LIMIT_BYTES {
            let problem = format!("{size} bytes are more than the {LIMIT_BYTES} that are read");
            return Err(io(std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem)));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text), path),
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let problem = problem_at(&valid, valid.len(), "not UTF-8".into());
                Err(TemplatesError::Malformed { path: path.into(), problems: vec![problem] })
            }
        }
    }

    /// Reads templates from text; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Templates::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TemplatesError> {
        Parser::new(text).parse().map_err(|problems| TemplatesError::Malformed { path: path.into(), problems })
    }

    /// Placeholders that no template uses.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let used: BTreeSet<usize> = self.normal.iter().chain(&self.anomaly).flat_map(|template| template.draws.iter().copied()).collect();
        let names = self.placeholders.iter().enumerate();
        names.filter(|(index, _)| !used.contains(index)).map(|(_, placeholder)| placeholder.name.as_str()).collect()
    }

    /// The entity types of all placeholders, sorted.
    #[must_use]
    pub fn entity_labels(&self) -> BTreeSet<&str> {
        self.placeholders.iter().map(|placeholder| placeholder.label.as_str()).collect()
    }

    /// How many normal templates there are, and how many of anomalies.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.normal.len(), self.anomaly.len())
    }

    /// Makes `samples` sentences, `round(samples * anomaly_ratio)` of them anomalies, on the threads of the current pool.
    ///
    /// # Errors
    /// [`TemplatesError::Ratio`] for a ratio outside 0 to 1, [`TemplatesError::NoTemplates`] when a class that is asked for has no template.
    pub fn generate(&self, samples: usize, anomaly_ratio: f64, rng: Rng) -> Result<Vec<Example>, TemplatesError> {
        if !(0.0..=1.0).contains(&anomaly_ratio) {
            return Err(TemplatesError::Ratio { anomaly_ratio });
        }
        let anomalies = ((samples as f64 * anomaly_ratio).round() as usize).min(samples);
        for (class, templates, count) in [("normal", &self.normal, samples - anomalies), ("anomaly", &self.anomaly, anomalies)] {
            if count > 0 && templates.is_empty() {
                return Err(TemplatesError::NoTemplates { class, anomaly_ratio, count });
            }
        }
        let mut classes: Vec<u32> = (0..samples).map(|index| u32::from(index < anomalies)).collect();
        classes.shuffle(&mut rng.stream("templates/anomaly"));
        let sentence = |(index, class): (usize, u32)| {
            let mut stream = rng.numbered_stream("templates/sentence", index as u64);
            let templates = if class == 1 { &self.anomaly } else { &self.normal };
            let template = &templates[below(&mut stream, templates.len())];
            self.fill(template, class, index + 1, &mut stream)
        };
        Ok(classes.into_par_iter().enumerate().map(sentence).collect())
    }

    fn fill(&self, template: &Template, anomaly: u32, line: usize, stream: &mut ChaCha8Rng) -> Example {
        let mut values: Vec<usize> = Vec::with_capacity(template.draws.len());
        for (index, placeholder) in template.draws.iter().enumerate() {
            // What earlier draws of the same placeholder took is left out, by stepping over it in ascending order.
            let earlier = template.draws[..index].iter().zip(&values).filter(|(other, _)| *other == placeholder);
            let mut taken: Vec<usize> = earlier.map(|(_, value)| *value).collect();
            taken.sort_unstable();
            let mut value = below(stream, self.placeholders[*placeholder].values.len() - taken.len());
            for other in taken {
                value += usize::from(other <= value);
            }
            values.push(value);
        }
        let (mut text, mut length, mut entities) = (String::new(), 0, Vec::new());
        for piece in &template.pieces {
            let start = length;
            match piece {
                Piece::Text(literal) => {
                    text.push_str(literal);
                    length += literal.chars().count();
                }
                Piece::Draw(draw) => {
                    let placeholder = &self.placeholders[template.draws[*draw]];
                    let value = &placeholder.values[values[*draw]];
                    text.push_str(value);
                    length += value.chars().count();
                    entities.push(Entity { start, end: length, label: placeholder.label.clone() });
                }
            }
        }
        let fields = [("template".to_owned(), template.id.clone())].into();
        Example { text, entities, anomaly, fields, line }
    }
}

fn below(stream: &mut ChaCha8Rng, count: usize) -> usize {
    // Drawn as u64, so that the width of a pointer changes nothing.
    stream.random_range(0..count as u64) as usize
}

/// Line and column of a byte of `text`.
fn problem_at(text: &str, at: usize, message: String) -> TemplateProblem {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    TemplateProblem { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1, message }
}

struct Parser<'a> {
    text: &'a str,
    problems: Vec<(usize, String)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, problems: Vec::new() }
    }

    fn parse(mut self) -> Result<Templates, Vec<TemplateProblem>> {
        let file: File = match toml::from_str(self.text) {
            Ok(file) => file,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                return Err(vec![problem_at(self.text, at, error.message().to_owned())]);
            }
        };
        let placeholders = self.placeholders(file.entities);
        let mut seen = HashMap::new();
        let normal = self.templates("normal", file.templates.normal, &placeholders, &mut seen);
        let anomaly = self.templates("anomaly", file.templates.anomaly, &placeholders, &mut seen);
        if normal.is_empty() && anomaly.is_empty() && self.problems.is_empty() {
            self.problems.push((self.text.find("[templates").unwrap_or(0), "no templates: write lists `normal` and `anomaly`".into()));
        }
        if self.problems.is_empty() {
            return Ok(Templates { placeholders, normal, anomaly });
        }
        self.problems.sort_by_key(|(at, _)| *at);
        Err(self.problems.into_iter().map(|(at, message)| problem_at(self.text, at, message)).collect())
    }

    fn report(&mut self, at: usize, message: String) {
        self.problems.push((at, message));
    }

    fn placeholders(&mut self, entities: BTreeMap<Spanned<String>, RawEntity>) -> Vec<Placeholder> {
        let mut placeholders = Vec::new();
        for (name, RawEntity { label, values }) in entities {
            let at = name.span().start;
            let name = name.into_inner();
            if !is_name(&name) {
                self.report(at, format!("`{name}` is no name of a placeholder: expected letters, digits and `_`"));
            }
            if let Err(problem) = check_label(label.get_ref()) {
                self.report(label.span().start, format!("`label` of `{name}` {problem}"));
            }
            if values.get_ref().is_empty() {
                self.report(values.span().start, format!("`{name}` has no values"));
            }
            let mut seen = HashMap::new();
            let mut texts = Vec::with_capacity(values.get_ref().len());
            for value in values.into_inner() {
                let at = value.span().start;
                let text = value.into_inner();
                self.check_text(at, &format!("a value of `{name}`"), &text);
                if let Some(first) = seen.insert(text.clone(), at) {
                    let line = problem_at(self.text, first, String::new()).line;
                    self.report(at, format!("value `{text}` of `{name}` stands twice, first in line {line}"));
                }
                texts.push(text);
            }
            placeholders.push(Placeholder { name, label: label.into_inner(), values: texts });
        }
        placeholders
    }

    fn templates(
        &mut self,
        class: &str,
        list: Option<Spanned<Vec<Spanned<String>>>>,
        placeholders: &[Placeholder],
        seen: &mut HashMap<String, usize>,
    ) -> Vec<Template> {
        let Some(list) = list else { return Vec::new() };
        if list.get_ref().is_empty() {
            self.report(list.span().start, format!("the list `{class}` is empty; leave it out if there are no such templates"));
        }
        let mut templates = Vec::new();
        for (index, template) in list.into_inner().into_iter().enumerate() {
            let span = template.span();
            let text = template.into_inner();
            self.check_text(span.start, "a template", &text);
            if let Some(first) = seen.insert(text.clone(), span.start) {
                let line = problem_at(self.text, first, String::new()).line;
                self.report(span.start, format!("the template stands twice, first in line {line}"));
            }
            match pieces(&text, placeholders) {
                Ok((pieces, draws)) => templates.push(Template { id: format!("{class}-{:02}", index + 1), pieces, draws }),
                Err((at, message)) => {
                    let at = self.inside(&span, &text, at);
                    self.report(at, message);
                }
            }
        }
        templates
    }

    /// Where byte `at` of a string stands in the file, as well as can be told: escapes move it, and then the string's start must do.
    fn inside(&self, span: &Range<usize>, value: &str, at: usize) -> usize {
        let raw = self.text.get(span.start + 1..span.end.saturating_sub(1));
        if raw == Some(value) { span.start + 1 + at } else { span.start }
    }

    fn check_text(&mut self, at: usize, what: &str, text: &str) {
        if text.trim().is_empty() {
            self.report(at, format!("{what} is empty"));
        } else if text.trim() != text {
            self.report(at, format!("{what} begins or ends with white space"));
        } else if let Some(character) = text.chars().find(|character| character.is_control()) {
            self.report(at, format!("{what} holds the control character {character:?}"));
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Takes a template apart; an error says at which byte.
fn pieces(template: &str, placeholders: &[Placeholder]) -> Result<(Vec<Piece>, Vec<usize>), (usize, String)> {
    let (mut pieces, mut draws): (Vec<Piece>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut named: Vec<&str> = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(character) = template[at..].chars().next() {
        let rest = &template[at..];
        if let Some(brace) = ["{{", "}}"].into_iter().find(|brace| rest.starts_with(brace)) {
            literal.push_str(&brace[1..]);
            at += 2;
        } else if character == '}' {
            return Err((at, "`}` without `{`; write `}}` for a brace".into()));
        } else if character == '{' {
            let Some(length) = rest[1..].find(['{', '}']).filter(|end| rest[1 + end..].starts_with('}')) else {
                return Err((at, "`{` without `}`; write `{{` for a brace".into()));
            };
            let whole = &rest[1..=length];
            let (name, further) = whole.split_once(':').map_or((whole, None), |(name, further)| (name, Some(further)));
            if !is_name(name) || further.is_some_and(|further| !is_name(further)) {
                return Err((
                    at,
                    format!("`{{{whole}}}` is no placeholder: expected a name, or a name and what tells it apart as in `{{ip:other}}`"),
                ));
            }
            let Some(placeholder) = placeholders.iter().position(|placeholder| placeholder.name == name) else {
                return Err((at, unknown(name, placeholders)));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            let draw = named.iter().position(|other| *other == whole).unwrap_or_else(|| {
                named.push(whole);
                draws.push(placeholder);
                draws.len() - 1
            });
            let values = placeholders[placeholder].values.len();
            if draws.iter().filter(|other| **other == placeholder).count() > values.max(1) {
                return Err((at, format!("`{{{whole}}}` needs a further value, but `{name}` has only {values}")));
            }
            pieces.push(Piece::Draw(draw));
            at += length + 2;
        } else {
            literal.push(character);
            at += character.len_utf8();
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok((pieces, draws))
}

fn unknown(name: &str, placeholders: &[Placeholder]) -> String {
    let candidates = placeholders.iter().map(|placeholder| (strsim::jaro_winkler(name, &placeholder.name), placeholder));
    match candidates.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, nearest)) if likeness > 0.8 => format!("unknown placeholder `{{{name}}}`; did you mean `{{{}}}`?", nearest.name),
        _ => format!("unknown placeholder `{{{name}}}`; add `[entities.{name}]` with `label` and `values`"),
    }
}

#[cfg(test)]
mod tests;
