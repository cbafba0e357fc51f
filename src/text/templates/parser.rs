//! From the text of a file of templates to [`Templates`], or to everything that is wrong with it.

use std::collections::HashMap;
use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::super::readers::check_label;
use super::template::{Piece, Placeholder, Template, Templates};
use crate::base::diagnostics::suggest;
use crate::base::toml::{self, Mistake, Reading};

type Table<'a> = DeTable<'a>;
type Value<'a> = Spanned<DeValue<'a>>;

/// What a file of templates is, for whoever has none that can be read.
pub const FORMAT: &str = "a file of templates has `[templates]` with lists `normal` and `anomaly`, and for each `{x}` in them `[entities.x]` \
    with `label` and `values`; `pipeline init` writes one";

/// Mistakes beyond these are not looked for: nobody reads them, and a hostile file must cost little.
const KEPT: usize = 1000;

/// # Errors
/// Every mistake, in the order of the text.
pub(super) fn parse(text: &str) -> Result<Templates, Vec<Mistake>> {
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut parser = Parser { text, lines, problems: Vec::new() };
    let templates = parser.file();
    let mut problems = parser.problems;
    problems.sort_by_key(|problem| problem.place.start);
    problems.dedup();
    if problems.is_empty() { Ok(templates) } else { Err(problems) }
}

struct Parser<'a> {
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
    problems: Vec<Mistake>,
}

/// A string and where it stands, quotes included.
struct Text {
    range: Range<usize>,
    text: String,
}

impl Parser<'_> {
    fn report(&mut self, range: Range<usize>, message: impl Into<String>) {
        self.push(Mistake::new(range, message));
    }

    fn report_with(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Mistake::new(range, message).help(help));
    }

    fn push(&mut self, found: Mistake) {
        if !self.is_full() {
            self.problems.push(found);
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() >= KEPT
    }

    fn file(&mut self) -> Templates {
        let nothing =
            Templates { placeholders: Vec::new(), normal: Vec::new(), anomaly: Vec::new() };
        let Reading { root: file, mut mistakes, .. } = toml::document(self.text);
        if !mistakes.is_empty() {
            // What follows a mistake of syntax may stand where nobody meant it to: further complaints would mislead.
            toml::one_per_line(self.text, &mut mistakes);
            mistakes.truncate(KEPT);
            self.problems = mistakes;
            return nothing;
        }
        if file.is_empty() {
            let what = if self.text.trim().is_empty() {
                "the file is empty"
            } else {
                "the file holds nothing but comments"
            };
            self.report_with(0..0, what, FORMAT);
            return nothing;
        }
        let meant = self.known(&file, "the file", &["templates", "entities"]);
        let placeholders = match file.get("entities") {
            Some(entities) => match self.table(entities, "`entities`") {
                Some(entities) => self.placeholders(entities),
                None => return nothing,
            },
            None => Vec::new(),
        };
        let Some((name, templates)) = file.get_key_value("templates") else {
            if !meant.contains(&"templates") {
                self.report_with(
                    0..0,
                    "the file lacks `templates`",
                    "write `[templates]` with lists `normal` and `anomaly`",
                );
            }
            return nothing;
        };
        let Some(lists) = self.table(templates, "`templates`") else { return nothing };
        self.known(lists, "`[templates]`", &["normal", "anomaly"]);
        let mut seen = HashMap::new();
        let normal = self.templates("normal", lists, &placeholders, &mut seen);
        let anomaly = self.templates("anomaly", lists, &placeholders, &mut seen);
        if lists.is_empty() {
            self.report_with(name.span(), "no templates", "write lists `normal` and `anomaly`");
        }
        Templates { placeholders, normal, anomaly }
    }

    /// Complains of keys that nobody reads. Returns those that were most likely meant: that they are missing is no mistake of its own.
    fn known<'k>(&mut self, table: &Table<'_>, what: &str, keys: &[&'k str]) -> Vec<&'k str> {
        let mut meant = Vec::new();
        for name in table.keys().filter(|name| !keys.contains(&name.get_ref().as_ref())).take(KEPT)
        {
            let near = suggest(name.get_ref(), keys.iter().copied());
            meant.extend(near);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has `{}`", keys.join("` and `")),
            };
            self.report_with(name.span(), format!("{what} has no key `{}`", name.get_ref()), help);
        }
        meant
    }

    fn wrong_type(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        let article =
            |noun: &str| if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let found = value.get_ref().type_str();
        self.report(
            value.span(),
            format!("{what} must be {expected}, but this is {} {found}", article(found)),
        );
    }

    fn table<'v, 'a>(&mut self, value: &'v Value<'a>, what: &str) -> Option<&'v Table<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, what, "a table");
        }
        table
    }

    fn string(&mut self, value: &Value<'_>, what: &str) -> Option<Text> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, what, "a string");
        }
        Some(Text { range: value.span(), text: text?.to_owned() })
    }

    fn strings(&mut self, value: &Value<'_>, what: &str) -> Option<Vec<Text>> {
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(value, what, "a list of strings");
            return None;
        };
        Some(
            items
                .iter()
                .filter_map(|item| self.string(item, &format!("an item of {what}")))
                .collect(),
        )
    }

    /// One for each entity, also where something is wrong with it: that a template names it is then no mistake.
    fn placeholders(&mut self, entities: &Table<'_>) -> Vec<Placeholder> {
        let mut placeholders = Vec::new();
        for (key, entity) in entities {
            if self.is_full() {
                break;
            }
            let (place, name) = (key.span(), key.get_ref().to_string());
            if !is_name(&name) {
                self.report(
                    place.clone(),
                    format!(
                        "`{name}` is no name of a placeholder: expected letters, digits and `_`"
                    ),
                );
            }
            let what = format!("`entities.{name}`");
            let Some(entity) = self.table(entity, &what) else {
                placeholders.push(Placeholder { name, label: String::new(), values: Vec::new() });
                continue;
            };
            let meant = self.known(entity, &what, &["label", "values"]);
            let label = match entity.get("label") {
                Some(label) => self.string(label, &format!("`label` of `{name}`")),
                None => {
                    let help = format!("write `label = \"{}\"`", name.to_uppercase());
                    self.missing(&meant, "label", place.clone(), &what, &help)
                }
            };
            if let Some(label) = &label
                && let Err(problem) = check_label(&label.text)
            {
                self.report(label.range.clone(), format!("`label` of `{name}` {problem}"));
            }
            let values = match entity.get("values") {
                Some(values) => self.values(&name, values),
                None => self.missing(
                    &meant,
                    "values",
                    place,
                    &what,
                    "write `values = [\"...\", \"...\"]`",
                ),
            };
            let label = label.map(|label| label.text).unwrap_or_default();
            placeholders.push(Placeholder { name, label, values: values.unwrap_or_default() });
        }
        placeholders
    }

    fn missing<T>(
        &mut self,
        meant: &[&str],
        key: &str,
        place: Range<usize>,
        what: &str,
        help: &str,
    ) -> Option<T> {
        if !meant.contains(&key) {
            self.report_with(place, format!("{what} lacks `{key}`"), help);
        }
        None
    }

    fn values(&mut self, name: &str, values: &Value<'_>) -> Option<Vec<String>> {
        let items = self.strings(values, &format!("`values` of `{name}`"))?;
        if values.get_ref().as_array().is_some_and(|items| items.is_empty()) {
            self.report(values.span(), format!("`{name}` has no values"));
        }
        let mut seen = HashMap::new();
        for Text { range, text } in &items {
            self.check_text(range.clone(), &format!("a value of `{name}`"), text);
            if let Some(first) = seen.insert(text.as_str(), range.start) {
                let line = self.line(first);
                self.report(
                    range.clone(),
                    format!("value `{text}` of `{name}` stands twice, first in line {line}"),
                );
            }
        }
        Some(items.into_iter().map(|item| item.text).collect())
    }

    fn templates(
        &mut self,
        class: &str,
        lists: &Table<'_>,
        placeholders: &[Placeholder],
        seen: &mut HashMap<String, usize>,
    ) -> Vec<Template> {
        let Some(list) = lists.get(class) else { return Vec::new() };
        let Some(items) = self.strings(list, &format!("`{class}`")) else { return Vec::new() };
        if list.get_ref().as_array().is_some_and(|items| items.is_empty()) {
            self.report(
                list.span(),
                format!("the list `{class}` is empty; leave it out if there are no such templates"),
            );
        }
        let mut templates = Vec::new();
        for (index, Text { range, text }) in items.into_iter().enumerate() {
            self.check_text(range.clone(), "a template", &text);
            if let Some(first) = seen.insert(text.clone(), range.start) {
                let line = self.line(first);
                self.report(
                    range.clone(),
                    format!("the template stands twice, first in line {line}"),
                );
            }
            if self.is_full() {
                break;
            }
            let mut mistakes = Vec::new();
            let (pieces, draws) = pieces(&text, placeholders, &mut mistakes);
            for mut mistake in mistakes {
                mistake.place = self.inside(&range, &text, mistake.place);
                self.push(mistake);
            }
            templates.push(Template { id: format!("{class}-{:02}", index + 1), pieces, draws });
        }
        templates
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Where a stretch of a string stands in the file, as well as can be told: escapes move it, and then the whole string must do.
    fn inside(&self, whole: &Range<usize>, value: &str, inside: Range<usize>) -> Range<usize> {
        let raw = self.text.get(whole.start + 1..whole.end.saturating_sub(1));
        if raw == Some(value) {
            whole.start + 1 + inside.start..whole.start + 1 + inside.end
        } else {
            whole.clone()
        }
    }

    fn check_text(&mut self, range: Range<usize>, what: &str, text: &str) {
        if text.trim().is_empty() {
            self.report(range, format!("{what} is empty"));
        } else if text.trim() != text {
            self.report(range, format!("{what} begins or ends with white space"));
        } else if let Some(character) = text.chars().find(|character| character.is_control()) {
            self.report(range, format!("{what} holds the control character {character:?}"));
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Takes a template apart. Mistakes have their place in it; behind a brace that has no other, nothing is looked at.
fn pieces(
    template: &str,
    placeholders: &[Placeholder],
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Piece>, Vec<usize>) {
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
            mistakes
                .push(Mistake::new(at..at + 1, "`}` without `{`").help("write `}}` for a brace"));
            break;
        } else if character == '{' {
            let Some(length) =
                rest[1..].find(['{', '}']).filter(|end| rest[1 + end..].starts_with('}'))
            else {
                mistakes.push(
                    Mistake::new(at..at + 1, "`{` without `}`").help("write `{{` for a brace"),
                );
                break;
            };
            let whole = &rest[1..=length];
            let range = at..at + length + 2;
            at = range.end;
            match placeholder(whole, placeholders) {
                Ok(placeholder) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    let draw =
                        named.iter().position(|other| *other == whole).unwrap_or_else(|| {
                            named.push(whole);
                            draws.push(placeholder);
                            draws.len() - 1
                        });
                    let Placeholder { name, values, .. } = &placeholders[placeholder];
                    if !values.is_empty()
                        && draws.iter().filter(|other| **other == placeholder).count()
                            > values.len()
                    {
                        let message = format!(
                            "`{{{whole}}}` needs a further value, but `{name}` has only {}",
                            values.len()
                        );
                        mistakes.push(Mistake::new(range, message));
                    }
                    pieces.push(Piece::Draw(draw));
                }
                Err((message, help)) => mistakes.push(Mistake::new(range, message).help(help)),
            }
        } else {
            literal.push(character);
            at += character.len_utf8();
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    (pieces, draws)
}

/// The placeholder that stands between braces, or what is wrong there and what to do.
fn placeholder(whole: &str, placeholders: &[Placeholder]) -> Result<usize, (String, String)> {
    let (name, further) =
        whole.split_once(':').map_or((whole, None), |(name, further)| (name, Some(further)));
    if !is_name(name) || further.is_some_and(|further| !is_name(further)) {
        let help = "expected a name, or a name and what tells it apart as in `{ip:other}`; `{{` is a brace";
        return Err((format!("`{{{whole}}}` is no placeholder"), help.into()));
    }
    placeholders.iter().position(|placeholder| placeholder.name == name).ok_or_else(|| {
        let help =
            match suggest(name, placeholders.iter().map(|placeholder| placeholder.name.as_str())) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => format!("add `[entities.{name}]` with `label` and `values`"),
            };
        (format!("unknown placeholder `{{{name}}}`"), help)
    })
}
