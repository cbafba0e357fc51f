//! Entities in the place of others of their type.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::draft::{Draft, Edit, share_of};
use crate::text::Example;

/// How many different values of a type are kept: a sample of them, to which a text more adds its own or nothing.
pub const MOST_VALUES: usize = 10_000;

/// The values of the entities that are seen, by their type.
pub(super) struct Entities {
    seed: u64,
    /// By the first half of their digests, of which the smallest stay.
    values: BTreeMap<String, BTreeMap<u64, Value>>,
}

struct Value {
    /// The second half of its digest.
    place: u64,
    text: Vec<char>,
}

impl Entities {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, values: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, example: &Example) {
        if example.entities().is_empty() {
            return;
        }
        let text: Vec<char> = example.text.chars().collect();
        for entity in example.entities() {
            let value = &text[entity.start..entity.end];
            let (order, place) = self.digest(value);
            if !self.values.contains_key(&entity.label) {
                self.values.insert(entity.label.clone(), BTreeMap::new());
            }
            let values = self.values.get_mut(&entity.label).expect("it is there");
            values.entry(order).or_insert_with(|| Value { place, text: value.to_vec() });
            if values.len() > MOST_VALUES {
                values.pop_last();
            }
        }
    }

    fn digest(&self, value: &[char]) -> (u64, u64) {
        let mut hasher = blake3::Hasher::new_derive_key("pipeline 2026-11 entity values");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(value.iter().collect::<String>().as_bytes());
        let digest = hasher.finalize();
        let half = |at| {
            let bytes = digest.as_bytes()[at..].first_chunk::<8>().expect("it has 32 bytes");
            u64::from_le_bytes(*bytes)
        };
        (half(0), half(8))
    }

    pub(super) fn arranged(self) -> Arranged {
        let arrange = |(label, values): (String, BTreeMap<u64, Value>)| {
            let mut values: Vec<Value> = values.into_values().collect();
            values.sort_by(|one, other| (one.place, &one.text).cmp(&(other.place, &other.text)));
            (label, values)
        };
        Arranged(self.values.into_iter().map(arrange).collect())
    }
}

/// The same, each at a place of its own on a ring: one that is drawn there stays the same, whichever values there are elsewhere.
pub(super) struct Arranged(BTreeMap<String, Vec<Value>>);

impl Arranged {
    /// Puts others of their type in the place of a share of the entities.
    pub(super) fn swap(&self, draft: &mut Draft, share: f64, stream: &mut ChaCha8Rng) {
        let mut candidates: Vec<usize> = (0..draft.entities.len()).collect();
        candidates.retain(|number| self.other(draft, *number, 0).is_some());
        let edits = share_of(candidates, draft.entities.len(), share, stream)
            .into_iter()
            .filter_map(|number| {
                let with = self.other(draft, number, stream.random())?.to_vec();
                let entity = &draft.entities[number];
                Some(Edit { range: entity.start..entity.end, with })
            })
            .collect();
        draft.apply(edits);
    }

    /// Another value for an entity: the next one from a place on.
    fn other(&self, draft: &Draft, number: usize, place: u64) -> Option<&[char]> {
        let entity = &draft.entities[number];
        let value = &draft.text[entity.start..entity.end];
        let values = self.0.get(&entity.label)?;
        let next = values.partition_point(|value| value.place < place);
        let mut ring = values[next..].iter().chain(&values[..next]);
        ring.find(|other| other.text != value).map(|other| &*other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::text::Entity;

    /// A text of these values with spaces between them, all of one type.
    fn example(values: &[&str], label: &str) -> Example {
        let (mut entities, mut end) = (Vec::new(), 0);
        for value in values {
            let start = end;
            end += value.chars().count();
            entities.push(Entity { start, end, label: label.to_owned() });
            end += 1;
        }
        Example {
            text: values.join(" "),
            entities: Some(entities),
            classes: BTreeMap::new(),
            fields: BTreeMap::new(),
            file: 0,
            line: 1,
        }
    }

    fn swapped(entities: Entities, example: &Example, stream: &str) -> Draft {
        let mut draft = Draft::of(example);
        entities.arranged().swap(&mut draft, 1.0, &mut Rng::new(1).stream(stream));
        draft
    }

    #[test]
    fn an_entity_becomes_another_of_its_type_and_none_of_another_type() {
        let mut entities = Entities::new(1);
        entities.push(&example(&["Ada", "Björn", "Chi"], "PER"));
        entities.push(&example(&["Oslo"], "LOC"));
        for stream in ["a", "b", "c", "d"] {
            let draft = swapped(
                Entities { seed: 1, values: BTreeMap::new() },
                &example(&["Ada"], "PER"),
                stream,
            );
            assert_eq!(draft, Draft::of(&example(&["Ada"], "PER")), "there was no other");
        }
        let draft = swapped(entities, &example(&["Ada", "Oslo"], "PER"), "a");
        let text =
            |entity: &Entity| draft.text[entity.start..entity.end].iter().collect::<String>();
        let values: Vec<String> = draft.entities.iter().map(text).collect();
        assert!(["Björn", "Chi"].contains(&&*values[0]), "{values:?}");
        assert!(["Ada", "Björn", "Chi"].contains(&&*values[1]), "{values:?}");
    }

    #[test]
    fn a_value_more_moves_few_of_the_others_choices() {
        let names: Vec<String> = (0..200).map(|number| format!("name{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let choices = |names: &[&str]| -> Vec<Draft> {
            (0..300)
                .map(|stream| {
                    let mut entities = Entities::new(1);
                    entities.push(&example(names, "PER"));
                    swapped(entities, &example(&["Ada"], "PER"), &stream.to_string())
                })
                .collect()
        };
        let (without, with) = (choices(&names[1..]), choices(&names));
        let moved = without.iter().zip(&with).filter(|(one, other)| one != other).count();
        assert!(moved < 15, "{moved}");
        let distinct: std::collections::BTreeSet<String> =
            with.iter().map(|draft| draft.text.iter().collect()).collect();
        assert!(distinct.len() > 80, "{}", distinct.len());
    }

    #[test]
    fn of_many_values_a_sample_is_kept_that_does_not_depend_on_their_order() {
        let names: Vec<String> = (0..MOST_VALUES + 500).map(|number| number.to_string()).collect();
        let kept = |names: &mut dyn Iterator<Item = &String>| {
            let mut entities = Entities::new(1);
            names.for_each(|name| entities.push(&example(&[name], "NUM")));
            entities.values["NUM"].keys().copied().collect::<Vec<u64>>()
        };
        let forwards = kept(&mut names.iter());
        assert_eq!(forwards.len(), MOST_VALUES);
        assert_eq!(forwards, kept(&mut names.iter().rev()));
    }
}
