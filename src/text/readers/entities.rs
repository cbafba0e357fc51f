//! Entities with offsets, as files have them: of any unit, in any order, perhaps one inside another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::value::RawValue;

use super::findings::{Findings, Note};
use super::json::{Members, Text, describe};
use super::labels::label_of_span;
use super::options::{Nested, Options};
use super::problems::Misread;
use crate::text::Entity;
use crate::text::offsets::{Offsets, Ruler};

/// How members of an entity are called: by us and Prodigy, by doccano, by others, and by Label Studio in a list of one.
const STARTS: [&str; 3] = ["start", "start_offset", "begin"];
const ENDS: [&str; 2] = ["end", "end_offset"];
const LABELS: [&str; 4] = ["label", "type", "tag", "labels"];

/// The help where entities overlap.
pub(super) const NESTED: &str =
    "`nested = \"outermost\"` or `\"longest\"` says which of entities that overlap to keep";

/// Whether a value looks like an entity: an object with a start, or `[start, end, label]`.
pub(super) fn looks_like_one(value: &RawValue) -> bool {
    match value.get().as_bytes() {
        [b'{', ..] => serde_json::from_str::<Members<'_>>(value.get())
            .is_ok_and(|members| members.0.iter().any(|(name, _)| STARTS.contains(&name.as_str()))),
        [b'[', ..] => serde_json::from_str::<Vec<Value>>(value.get()).is_ok_and(|items| {
            matches!(items.as_slice(), [Value::Number(_), Value::Number(_), Value::String(_), ..])
        }),
        _ => false,
    }
}

/// Reads entities that lie in `text`.
///
/// # Errors
/// The first that is wrong.
pub(super) fn read(
    line: Text<'_>,
    values: &[&RawValue],
    text: &str,
    options: &Options,
    findings: &mut Findings,
) -> Result<Vec<Entity>, Misread> {
    let measure = Measure::of(text, options.offsets);
    let mut entities = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let whose = format!("entity {}", index + 1);
        let (start, end, name, said) = members(line, value, &whose)?;
        let wrong = |message: String| line.wrong(value, message);
        let (start, end) = measure.characters(&whose, start, end).map_err(wrong)?;
        if said.is_some_and(|said| !text.chars().skip(start).take(end - start).eq(said.chars())) {
            findings.note(Note::OtherText);
        }
        if name.parse::<u64>().is_ok() && !options.labels.contains_key(&name) {
            let help =
                format!("`labels = {{ \"{name}\" = \"NAME\" }}` says what each number stands for");
            return Err(wrong(format!("`label` of {whose} is the number {name}")).help(help));
        }
        let label = label_of_span(name, &options.labels, findings)
            .map_err(|problem| wrong(format!("`label` of {whose} {problem}")))?;
        entities.push(Entity { start, end, label });
    }
    apart(entities, options.nested, findings)
        .map_err(|(index, message)| line.wrong(values[index], message).help(NESTED))
}

/// Start, end and label of an entity as they stand, and its text where it says one.
fn members(
    line: Text<'_>,
    value: &RawValue,
    whose: &str,
) -> Result<(usize, usize, String, Option<String>), Misread> {
    let wrong = |message: String| line.wrong(value, message);
    let mut members: BTreeMap<&'static str, Value> = BTreeMap::new();
    if value.get().starts_with('[') {
        let items: Vec<Value> = line.read(value)?;
        if items.len() < 3 {
            return Err(wrong(format!(
                "{whose} has {} items, expected `[start, end, label]`",
                items.len()
            )));
        }
        members.extend(["start", "end", "label"].into_iter().zip(items));
    } else {
        let Ok(Members(named)) = serde_json::from_str(value.get()) else {
            let is = line.describe(value)?;
            return Err(wrong(format!(
                "{whose} is {is}, expected an object with `start`, `end` and `label`"
            )));
        };
        let said = named.iter().find(|(name, _)| name == "text");
        members.extend(said.and_then(|(_, value)| Some(("text", line.read(value).ok()?))));
        for (role, names) in [("start", &STARTS[..]), ("end", &ENDS), ("label", &LABELS)] {
            // The first of the names that is there.
            let known = names.iter().find(|known| named.iter().any(|(name, _)| name == *known));
            let Some(known) = known else { continue };
            for (_, value) in named.iter().filter(|(name, _)| name == known) {
                if members.insert(role, line.read(value)?).is_some() {
                    return Err(wrong(format!("{whose} has `{known}` twice")));
                }
            }
        }
    }
    let offset = |name: &str| match members.get(name) {
        None => Err(wrong(format!("{whose} has no `{name}`"))),
        Some(value) => {
            let offset = value.as_u64().and_then(|offset| usize::try_from(offset).ok());
            let is = || if value.is_number() { value.to_string() } else { describe(value) };
            offset.ok_or_else(|| {
                wrong(format!(
                    "`{name}` of {whose} is {}, expected a whole number of characters from 0",
                    is()
                ))
            })
        }
    };
    let (start, end) = (offset("start")?, offset("end")?);
    let said = members.get("text").and_then(Value::as_str).map(str::to_owned);
    match members.remove("label") {
        Some(Value::String(label)) => Ok((start, end, label, said)),
        Some(Value::Array(labels)) if matches!(labels.as_slice(), [Value::String(_)]) => {
            Ok((start, end, labels[0].as_str().unwrap_or_default().to_owned(), said))
        }
        // As older exports number them.
        Some(Value::Number(label)) if label.is_u64() => Ok((start, end, label.to_string(), said)),
        Some(other) => {
            let is = describe(&other);
            Err(wrong(format!("`label` of {whose} is {is}, expected a string")))
        }
        None => Err(wrong(format!("{whose} has no `label`"))),
    }
}

/// The text in which entities lie, and how they are counted.
pub(super) struct Measure<'t> {
    text: &'t str,
    unit: Offsets,
    length: usize,
    ruler: Option<Ruler>,
}

impl<'t> Measure<'t> {
    pub(super) fn of(text: &'t str, unit: Offsets) -> Self {
        let ruler = (unit != Offsets::Characters).then(|| Ruler::new(text.chars(), unit));
        Self { text, unit, length: unit.count(text), ruler }
    }

    /// The characters of an entity.
    ///
    /// # Errors
    /// What is wrong with its offsets.
    pub(super) fn characters(
        &self,
        whose: &str,
        start: usize,
        end: usize,
    ) -> Result<(usize, usize), String> {
        if start >= end {
            return Err(format!(
                "{whose} starts at {start} and ends at {end}, expected `start` < `end`"
            ));
        }
        let units = self.unit.units();
        if end > self.length {
            let hint = other_units(self.text, self.unit, end);
            return Err(format!(
                "{whose} ends at {end}, but the text has {} {units}{hint}",
                self.length
            ));
        }
        let character = |name: &str, offset: usize| {
            let inside = match &self.ruler {
                None => Some(offset),
                Some(ruler) => ruler.character(offset),
            };
            inside.ok_or_else(|| {
                format!(
                    "`{name}` of {whose} is {offset}, which is inside a character where {units} are counted"
                )
            })
        };
        Ok((character("start", start)?, character("end", end)?))
    }
}

/// What to say of an offset beyond the text that lies inside it in another unit.
fn other_units(text: &str, unit: Offsets, end: usize) -> String {
    let fits = |other: &&Offsets| **other != unit && other.count(text) >= end;
    let fitting: Vec<String> = [Offsets::Characters, Offsets::Utf16, Offsets::Bytes]
        .iter()
        .filter(fits)
        .map(|other| format!("\"{}\"", other.name()))
        .collect();
    if fitting.is_empty() {
        return String::new();
    }
    format!("; it would lie inside with `offsets` = {}", fitting.join(" or "))
}

/// Sorts entities, and leaves out what overlaps as `nested` says.
///
/// # Errors
/// Two that overlap where they may not: where one of them stood, and what is wrong.
pub(super) fn apart(
    entities: Vec<Entity>,
    nested: Nested,
    findings: &mut Findings,
) -> Result<Vec<Entity>, (usize, String)> {
    let mut order: Vec<usize> = (0..entities.len()).collect();
    order.sort_by_key(|index| (entities[*index].start, Reverse(entities[*index].end)));
    let mut kept: Vec<usize> = Vec::with_capacity(order.len());
    match nested {
        Nested::Refuse | Nested::Outermost => {
            for index in order {
                let entity = &entities[index];
                match kept.last().map(|last| &entities[*last]) {
                    Some(last) if entity.start < last.end => {
                        if nested == Nested::Refuse {
                            return Err((index, overlap(last, entity)));
                        }
                        findings.note(Note::Nested(nested.name()));
                    }
                    _ => kept.push(index),
                }
            }
        }
        Nested::Longest => {
            order.sort_by_key(|index| Reverse(entities[*index].end - entities[*index].start));
            // By start, those that stay.
            let mut places: BTreeMap<usize, usize> = BTreeMap::new();
            for index in order {
                let Entity { start, end, .. } = entities[index];
                let before = places.range(..end).next_back();
                if before.is_some_and(|(_, past)| *past > start) {
                    findings.note(Note::Nested(nested.name()));
                } else {
                    places.insert(start, end);
                    kept.push(index);
                }
            }
            kept.sort_by_key(|index| entities[*index].start);
        }
    }
    let mut entities: HashMap<usize, Entity> = entities.into_iter().enumerate().collect();
    Ok(kept.iter().filter_map(|index| entities.remove(index)).collect())
}

fn overlap(one: &Entity, other: &Entity) -> String {
    format!(
        "entities `{}` at {}..{} and `{}` at {}..{} overlap",
        one.label, one.start, one.end, other.label, other.start, other.end
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(nested: Nested) -> Vec<(usize, usize)> {
        let entity =
            |(start, end): &(usize, usize)| Entity { start: *start, end: *end, label: "X".into() };
        // One inside another, and one that crosses both.
        let given = [(12, 14), (0, 4), (1, 3), (3, 9), (9, 10)].iter().map(entity).collect();
        let found = apart(given, nested, &mut Findings::default());
        found.unwrap_or_default().iter().map(|entity| (entity.start, entity.end)).collect()
    }

    #[test]
    fn of_entities_that_overlap_the_outermost_or_the_longest_stay() {
        assert_eq!(left(Nested::Refuse), []);
        assert_eq!(left(Nested::Outermost), [(0, 4), (9, 10), (12, 14)]);
        assert_eq!(left(Nested::Longest), [(1, 3), (3, 9), (9, 10), (12, 14)]);
    }
}
