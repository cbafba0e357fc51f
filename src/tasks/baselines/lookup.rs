//! The labels of a text that was seen before.
//!
//! Of each distinct text it holds the text, its entities and a count for each class.

use std::collections::HashMap;

use super::classes::{class_of, shares};
use crate::text::masked::{carry, mask, pieces};
use crate::text::{ClassHead, Entity, Example};

/// Texts that were seen, by what they are found by.
pub(super) struct Lookup {
    masked: bool,
    heads: Vec<ClassHead>,
    /// Types of entities that were seen.
    types: Vec<String>,
    seen: HashMap<Box<str>, Seen>,
}

/// What is known of a text that is equal to one which was seen.
pub(super) struct Known {
    pub entities: Vec<Entity>,
    /// Of each head; `None` where no equal text is labelled for it.
    pub classes: Vec<Option<Vec<f64>>>,
}

/// What equal texts were labelled.
struct Seen {
    /// Of the first of them that has its entities labelled.
    tagged: Option<Tagged>,
    /// How many have each class, head by head.
    classes: Box<[usize]>,
}

struct Tagged {
    /// The text as it was before its numbers were masked; `None` where they are not.
    unmasked: Option<Box<str>>,
    /// From the first character to the one after the last, with the number of the type.
    entities: Box<[(usize, usize, usize)]>,
}

impl Lookup {
    /// * `masked`: numbers do not count
    pub(super) fn new(heads: &[ClassHead], masked: bool) -> Self {
        Self { masked, heads: heads.to_vec(), types: Vec::new(), seen: HashMap::new() }
    }

    pub(super) fn add(&mut self, example: &Example) {
        let Self { masked, heads, types, seen } = self;
        let text = if *masked { mask(&example.text) } else { example.text.clone() };
        let all = || heads.iter().map(|head| head.classes.len()).sum();
        let seen = seen
            .entry(text.into_boxed_str())
            .or_insert_with(|| Seen { tagged: None, classes: vec![0; all()].into() });
        let mut first = 0;
        for head in heads {
            if let Some(class) = class_of(example, head) {
                seen.classes[first + class] += 1;
            }
            first += head.classes.len();
        }
        if let Some(entities) = example.entities.as_ref().filter(|_| seen.tagged.is_none()) {
            let entity = |it: &Entity| (it.start, it.end, number(types, &it.label));
            seen.tagged = Some(Tagged {
                unmasked: masked.then(|| example.text.as_str().into()),
                entities: entities.iter().map(entity).collect(),
            });
        }
    }

    /// The entities and the shares of classes of a text that is equal to one which was seen.
    pub(super) fn get(&self, text: &str) -> Option<Known> {
        let seen =
            if self.masked { self.seen.get(mask(text).as_str()) } else { self.seen.get(text) }?;
        let entities = seen.tagged.as_ref().map_or_else(Vec::new, |tagged| {
            let entity = |(start, end, kind): &(usize, usize, usize)| Entity {
                start: *start,
                end: *end,
                label: self.types[*kind].clone(),
            };
            let entities = tagged.entities.iter().map(entity);
            let Some(other) = &tagged.unmasked else { return entities.collect() };
            let (from, to) = (pieces(other), pieces(text));
            let carried = |entity: Entity| Entity {
                start: carry(&from, &to, entity.start),
                end: carry(&from, &to, entity.end),
                ..entity
            };
            entities.map(carried).collect()
        });
        let mut rest = &seen.classes[..];
        let classes = self.heads.iter().map(|head| {
            let (counts, others) = rest.split_at(head.classes.len());
            rest = others;
            counts.iter().any(|count| *count > 0).then(|| shares(counts))
        });
        Some(Known { classes: classes.collect(), entities })
    }
}

/// The number of a type, which may be a new one.
fn number(types: &mut Vec<String>, label: &str) -> usize {
    types.iter().position(|known| known == label).unwrap_or_else(|| {
        types.push(label.to_owned());
        types.len() - 1
    })
}
