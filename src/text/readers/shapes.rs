//! JSON of ours and of others: doccano, Prodigy, spaCy and `datasets` each write an object for a text, and differ in what they call its parts.
//!
//! | who | a text |
//! |---|---|
//! | here | `{"text": "...", "entities": [{"start": 0, "end": 3, "label": "PER"}], "anomaly": 0}` |
//! | doccano | `{"text": "...", "label": [[0, 3, "PER"]]}`, `{"text": "...", "entities": [{"start_offset": 0, "end_offset": 3, "label": "PER"}]}` |
//! | Prodigy | `{"text": "...", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": "accept"}` |
//! | spaCy | `["...", {"entities": [[0, 3, "PER"]]}]` |
//! | `datasets` | `{"tokens": ["Ada"], "ner_tags": [1]}` with the names of the numbers, or with strings |
//!
//! Of Prodigy's answers, "accept" says that the annotations are right, also where there are none. What is rejected has wrong ones (`"spans": []` too: then
//! something is missing) and what is ignored was not judged, so that nothing is known of either, and both are left out. Where the question was whether
//! the text has one label, "reject" is an answer: it has not.
//!
//! What is what shows in each object by itself, and [`Fields`] says it where it does not. Other fields with a string, number or boolean are kept
//! as text, an array or object as its JSON; nulls are passed over.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde_json::Value;
use serde_json::value::RawValue;

use super::findings::{Findings, Note};
use super::json::{Members, Text, describe, problem, without_nul};
use super::names::{TAGS, TEXTS, TOKENS};
use super::options::{Fields, Options};
use super::pieces::{self, Each};
use super::problems::Misread;
use super::sentence::Sentence;
use super::values::Values;
use super::{entities, markup};
use crate::base::visible;
use crate::text::{Entity, Example};

/// What Prodigy asks for in a question that is answered by yes or no.
const LABEL: &str = "label";

/// Reads a text from each line.
///
/// # Errors
/// Those of `source`.
pub(super) fn read_lines(
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    pieces::read_lines(source, &|text, findings| read(text, options, findings), each)
}

/// Reads a text from each value of an array, or from values one after the other.
///
/// # Errors
/// Those of `source`.
pub(super) fn read_values(
    source: &mut dyn BufRead,
    options: &Options,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut values = Values::of(source);
    pieces::read(&mut || values.next(), &|text, findings| read(text, options, findings), each)
}

/// The members of an object that are not used yet.
struct Rest<'v> {
    line: Text<'v>,
    members: BTreeMap<String, &'v RawValue>,
}

impl<'v> Rest<'v> {
    fn of(line: Text<'v>, members: Vec<(String, &'v RawValue)>) -> Result<Self, Misread> {
        let mut named = BTreeMap::new();
        for (name, value) in members {
            if named.contains_key(&name) {
                let message = format!("`{}` stands twice", visible::line(&name));
                return Err(line.wrong(value, message));
            }
            named.insert(name, value);
        }
        Ok(Self { line, members: named })
    }

    fn get(&self, name: &str) -> Option<&'v RawValue> {
        self.members.get(name).copied()
    }

    /// Takes the member of the name that was asked for, else of the first of `known` whose value is right.
    fn take(
        &mut self,
        asked: Option<&String>,
        known: &[&str],
        is_right: impl Fn(&RawValue) -> bool,
    ) -> Option<(String, &'v RawValue)> {
        let name = match asked {
            Some(name) => name.clone(),
            None => {
                let fits = |name: &&&str| self.get(name).is_some_and(&is_right);
                (*known.iter().find(fits)?).to_owned()
            }
        };
        self.members.remove(&name).map(|value| (name, value))
    }
}

/// Reads one value; nothing where it stands for no text.
pub(super) fn read(
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Option<Example>, Misread> {
    let text = &*without_nul(text);
    let line = Text(text);
    let is_pair =
        text.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('"'));
    let members = if is_pair {
        pair(line, findings)?
    } else {
        let read = serde_json::from_str(text);
        let Members(members) = read.map_err(|error| problem(&error, text, 0))?;
        members
    };
    let mut rest = Rest::of(line, members)?;
    let answer = refused(&rest);
    let is_denied = answer.as_deref() == Some("reject") && asks_for_one_label(&rest);
    if let Some(answer) = answer.filter(|_| !is_denied) {
        findings.note(Note::Answer(answer));
        return Ok(None);
    }
    let tokens = tokens(&mut rest, &options.fields)?;
    let content = match tokens {
        Some(tokens) => tokens.read(&mut rest, options, findings)?,
        None => content(&mut rest, options, findings)?,
    };
    let (text, entities) = content;
    let mut example = Example { text, entities, ..Example::default() };
    for (name, value) in rest.members {
        let Some(mut text) = line.scalar(value)? else { continue };
        if is_denied && name == LABEL {
            text = format!("not {text}");
        }
        put(&mut example, options, &name, text, findings)
            .map_err(|misread| misread.at(line.wrong(value, String::new()).place))?;
    }
    if example.text.contains('\0') {
        findings.note(Note::Nul);
        example.text = example.text.replace('\0', "\u{fffd}");
    }
    Ok(Some(example))
}

/// `["text", {"entities": [[0, 3, "PER"]]}]`, as members of an object.
fn pair<'v>(
    line: Text<'v>,
    findings: &mut Findings,
) -> Result<Vec<(String, &'v RawValue)>, Misread> {
    let read = serde_json::from_str::<Vec<&RawValue>>(line.0);
    let items = read.map_err(|error| problem(&error, line.0, 0))?;
    let (text, annotations) = match items.as_slice() {
        [text, annotations] if annotations.get().starts_with('{') => (text, annotations),
        _ => {
            let message = "an array is no text unless it is `[text, {\"entities\": [...]}]`";
            return Err(Misread::new(0_usize, message));
        }
    };
    findings.note(Note::Pairs);
    let Members(mut members) = line.read(annotations)?;
    members.retain(|(name, _)| name != "text");
    members.push(("text".to_owned(), text));
    Ok(members)
}

/// The answer by which an annotator of Prodigy has refused or skipped the text.
fn refused(rest: &Rest<'_>) -> Option<String> {
    let answer = serde_json::from_str::<String>(rest.get("answer")?.get()).ok()?;
    let is_prodigy = ["_task_hash", "_input_hash", "spans", "accept"]
        .iter()
        .any(|name| rest.get(name).is_some());
    (is_prodigy && matches!(answer.as_str(), "reject" | "ignore")).then_some(answer)
}

/// Whether Prodigy asked if the text as a whole has one label, so that "reject" says that it has not.
fn asks_for_one_label(rest: &Rest<'_>) -> bool {
    let has_label = rest.get(LABEL).is_some_and(|value| value.get().starts_with('"'));
    has_label && ["spans", "options"].iter().all(|name| rest.get(name).is_none())
}

/// A text, and its entities where anything is said of them.
type Content = (String, Option<Vec<Entity>>);

fn content(
    rest: &mut Rest<'_>,
    options: &Options,
    findings: &mut Findings,
) -> Result<Content, Misread> {
    let line = rest.line;
    let is_string = |value: &RawValue| value.get().starts_with('"');
    let asked = options.fields.text.as_ref();
    // A `text` of another type is a mistake, and no reason to look for another field.
    let known = if rest.get("text").is_some() { vec!["text"] } else { options.texts() };
    let found = rest.take(asked, &known, |value| known.len() == 1 || is_string(value));
    let Some((name, value)) = found else {
        let has_id = rest.members.keys().any(|name| options.name(name) == "id");
        if !options.needs_text(has_id) {
            return match rest.get("entities").filter(|_| has_id) {
                None => Ok((String::new(), None)),
                Some(value) => {
                    let message = "`entities` need the `text` in which they are counted";
                    Err(line.wrong(value, message.to_owned()))
                }
            };
        }
        let name = asked.map_or("text", String::as_str);
        let misread = Misread::new(0_usize, format!("`{}` is missing", visible::line(name)));
        let strings: Vec<&str> = rest
            .members
            .iter()
            .filter(|(_, value)| is_string(value))
            .map(|(name, _)| name.as_str())
            .take(8)
            .collect();
        return Err(match (within(rest), strings.as_slice()) {
            (Some(help), _) => misread.help(help),
            (None, []) => misread,
            (None, strings) => misread.help(options.which_text(strings)),
        });
    };
    let text = match line.read(value)? {
        Value::String(text) => text,
        other => {
            let message =
                format!("`{}` is {}, expected a string", visible::line(&name), describe(&other));
            return Err(line.wrong(value, message));
        }
    };
    if asked.is_none() && name != "text" {
        findings.note(Note::TextFrom(name));
    }
    if options.markup {
        let (text, marked) = markup::read(&text)
            .map_err(|misread| misread.at(line.wrong(value, String::new()).place))?;
        let entities = markup::named(marked, options, findings)
            .map_err(|message| line.wrong(value, message))?;
        return Ok((text, Some(entities)));
    }
    if !options.wants_labels() {
        return Ok((text, None));
    }
    if markup::is_marked(&text) {
        findings.note(Note::LooksMarked);
    }
    let entities = entities_of(rest, &text, options, findings)?;
    Ok((text, entities))
}

/// The help where texts stand within a member.
fn within(rest: &Rest<'_>) -> Option<String> {
    let holds = |value: &RawValue| {
        let text = value.get();
        let inside = text.strip_prefix('[').map(str::trim_start);
        match inside {
            Some(inside) if inside.starts_with(['{', '[']) => Some("[]"),
            None if text.starts_with('{') && text.contains("\"text\"") => Some(""),
            _ => None,
        }
    };
    let (name, each) = rest.members.iter().find_map(|(name, it)| Some((name, holds(it)?)))?;
    let name = visible::line(name);
    Some(format!(
        "`{name}` may hold the texts: `jq -c '.[\"{name}\"]{each}' FILE > texts.jsonl` writes it as lines"
    ))
}

/// The entities of a text, where a member says them.
fn entities_of(
    rest: &mut Rest<'_>,
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Option<Vec<Entity>>, Misread> {
    let line = rest.line;
    let asked = options.fields.entities.as_ref();
    // Lists of classes have the same names, and an empty list may be of either.
    let fits = |value: &RawValue| {
        let list = serde_json::from_str::<Vec<&RawValue>>(value.get());
        list.is_ok_and(|items| items.iter().all(|item| entities::looks_like_one(item)))
    };
    let is_ours = rest.get("entities").is_some();
    let known = if is_ours { vec!["entities"] } else { options.entities() };
    let found = rest.take(asked, &known, |value| is_ours || fits(value));
    let Some((name, value)) = found else { return Ok(None) };
    if asked.is_some() {
        findings.mapped.insert("entities");
    }
    if value.get() == "null" {
        return Ok(None);
    }
    if !value.get().starts_with('[') {
        let is = line.describe(value)?;
        let message = format!("`{}` is {is}, expected an array", visible::line(&name));
        return Err(line.wrong(value, message));
    }
    let values = line.read::<Vec<&RawValue>>(value)?;
    let is_plain = is_ours || asked.is_some();
    findings.has_entities |= is_plain || !values.is_empty() || name == "spans";
    if name == "spans" {
        // What Prodigy keeps of its tokenizer is of no use to anybody else.
        rest.members.remove("tokens");
    }
    let entities = entities::read(line, &values, text, options, findings)?;
    if !is_plain {
        findings.note(Note::EntitiesFrom(name));
    }
    Ok(Some(entities))
}

/// Words with a tag each, and the fields in which they stand.
struct Tokens<'v> {
    tokens: (String, Vec<String>),
    tags: (String, Vec<Value>),
    /// Where the tags stand.
    value: &'v RawValue,
}

/// Takes words and tags, where both are there.
fn tokens<'v>(rest: &mut Rest<'v>, fields: &Fields) -> Result<Option<Tokens<'v>>, Misread> {
    let is_list = |value: &RawValue| value.get().starts_with('[');
    let first = |asked: Option<&String>, known: &[&str]| match asked {
        Some(name) => rest.get(name).map(|_| name.clone()),
        None => known
            .iter()
            .find(|name| rest.get(name).is_some_and(is_list))
            .map(|name| (*name).to_owned()),
    };
    let asked = fields.tokens.is_some() || fields.tags.is_some();
    let has_entities = |name: &&str| {
        let is_string = |item: &&RawValue| item.get().starts_with('"');
        let value = rest.get(name).filter(|value| value.get() != "null");
        value.is_some_and(|value| match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            // WikiANN repeats in words what the tags say.
            Ok(items) if items.is_empty() => rest.get("text").is_some(),
            Ok(items) => !items.iter().all(is_string),
            Err(_) => true,
        })
    };
    let mut said = fields.entities.as_deref().into_iter().chain(["entities", "spans"]);
    if !asked && said.any(|name| has_entities(&name)) {
        return Ok(None);
    }
    let names = first(fields.tokens.as_ref(), &TOKENS).zip(first(fields.tags.as_ref(), &TAGS));
    let Some((tokens, tags)) = names.filter(|(tokens, tags)| tokens != tags) else {
        return Ok(None);
    };
    let (words, value) = (rest.members[&tokens], rest.members[&tags]);
    let words = match serde_json::from_str::<Vec<String>>(words.get()) {
        Ok(words) => words,
        // Tokens of another kind, such as objects with offsets.
        Err(_) if !asked => return Ok(None),
        Err(_) => {
            let message = format!("`{}` is no array of strings", visible::line(&tokens));
            return Err(rest.line.wrong(words, message));
        }
    };
    let values: Vec<Value> = rest.line.read(value)?;
    rest.members.remove(&tokens);
    rest.members.remove(&tags);
    Ok(Some(Tokens { tokens: (tokens, words), tags: (tags, values), value }))
}

impl Tokens<'_> {
    fn read(
        self,
        rest: &mut Rest<'_>,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<Content, Misread> {
        let line = rest.line;
        let wrong = |message: String| line.wrong(self.value, message);
        let ((tokens, words), (tags, values)) = (&self.tokens, &self.tags);
        if words.len() != values.len() {
            return Err(wrong(format!(
                "`{}` has {} items, and `{}` has {}",
                visible::line(tags),
                values.len(),
                visible::line(tokens),
                words.len()
            )));
        }
        let name = |value: &Value| -> Result<String, Misread> {
            match value {
                Value::String(tag) => Ok(tag.clone()),
                Value::Number(number) => {
                    let names = &options.label_names;
                    let at = number.as_u64().and_then(|number| usize::try_from(number).ok());
                    at.and_then(|at| names.get(at)).cloned().ok_or_else(|| {
                        let is = format!("`{}` holds {number}", visible::line(tags));
                        if names.is_empty() {
                            let names = "`label_names = [\"O\", \"B-PER\", ...]` says what the numbers are called: the `names` of the feature in `datasets`, which `init` finds in `dataset_info.json` or `README.md` beside the file";
                            wrong(format!("{is}, and nothing says what it is called")).help(names)
                        } else {
                            wrong(format!("{is}, and `label_names` has {} names", names.len()))
                        }
                    })
                }
                other => Err(wrong(format!("`{}` holds {}", visible::line(tags), describe(other)))),
            }
        };
        let names = values.iter().map(name).collect::<Result<Vec<String>, _>>()?;
        let text = self.text(rest, options)?;
        let sentence = Sentence { words, tags: &names, text };
        let content = sentence
            .read(options, findings)
            .map_err(|problem| problem.at(wrong(String::new()).place))?;
        findings.mapped.extend(["tokens", "tags"]);
        findings.note(Note::Tokens { tokens: self.tokens.0.clone(), tags: self.tags.0.clone() });
        Ok(content)
    }

    /// The text that the words are from, where it stands beside them.
    fn text(&self, rest: &mut Rest<'_>, options: &Options) -> Result<Option<String>, Misread> {
        let asked = options.fields.text.as_ref();
        let is_string = |value: &RawValue| value.get().starts_with('"');
        match rest.take(asked, &TEXTS[..1], is_string) {
            Some((_, value)) => rest.line.read(value).map(Some),
            None => Ok(None),
        }
    }
}

/// Puts a value where it belongs: among the classes, or among the fields.
///
/// # Errors
/// That it is none of the classes, at 0.
pub(super) fn put(
    example: &mut Example,
    options: &Options,
    field: &str,
    value: String,
    findings: &mut Findings,
) -> Result<(), Misread> {
    if let Some(head) = options.head(field) {
        if let Some(class) = options.heads.class(head, &value, findings)? {
            example.classes.insert(head.to_owned(), class);
        }
        return Ok(());
    }
    let name = options.name(field);
    if options.fields.id.as_deref() == Some(field) {
        findings.mapped.insert("id");
    }
    // What was mapped to a name goes before what has it.
    if name != field || !example.fields.contains_key(&*name) {
        example.fields.insert(name.into_owned(), value);
    }
    Ok(())
}
