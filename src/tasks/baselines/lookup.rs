//! The labels of a text that was seen before.

use std::collections::HashMap;

use super::classes::shares;
use crate::text::masked::{carry, mask, pieces};
use crate::text::{ClassHead, Entity, Example};

/// Texts that were seen, by what they are found by.
pub(super) struct Lookup {
    masked: bool,
    seen: HashMap<String, Seen>,
}

/// What is known of a text that is equal to one which was seen.
pub(super) struct Known {
    pub entities: Vec<Entity>,
    /// Of each head; `None` where no equal text is labelled for it.
    pub classes: Vec<Option<Vec<f64>>>,
}

/// What equal texts were labelled.
struct Seen {
    /// The first of them that has its entities labelled: with them, and as it was before numbers were masked.
    tagged: Option<(String, Vec<Entity>)>,
    /// The share of each class, for heads that some of them are labelled for.
    classes: Vec<Option<Vec<f64>>>,
}

impl Lookup {
    /// * `masked`: numbers do not count
    pub(super) fn new(texts: &[Example], heads: &[ClassHead], masked: bool) -> Self {
        let mut equal: HashMap<String, Vec<&Example>> = HashMap::new();
        for example in texts {
            let text = if masked { mask(&example.text) } else { example.text.clone() };
            equal.entry(text).or_default().push(example);
        }
        let seen = |examples: Vec<&Example>| {
            let labelled = examples
                .iter()
                .find_map(|example| Some((example.text.clone(), example.entities.clone()?)));
            let known = |head: &ClassHead| {
                let is_known = |example: &&&Example| example.classes.contains_key(&head.name);
                examples
                    .iter()
                    .any(|example| is_known(&example))
                    .then(|| shares(examples.iter().filter(is_known).copied(), head))
            };
            Seen { tagged: labelled, classes: heads.iter().map(known).collect() }
        };
        let seen = equal.into_iter().map(|(text, examples)| (text, seen(examples))).collect();
        Self { masked, seen }
    }

    /// The entities and the shares of classes of a text that is equal to one which was seen.
    pub(super) fn get(&self, text: &str) -> Option<Known> {
        let seen = if self.masked { self.seen.get(&mask(text)) } else { self.seen.get(text) }?;
        let entities = seen.tagged.as_ref().map_or_else(Vec::new, |(other, entities)| {
            let (from, to) = (pieces(other), pieces(text));
            let carried = |entity: &Entity| Entity {
                start: carry(&from, &to, entity.start),
                end: carry(&from, &to, entity.end),
                label: entity.label.clone(),
            };
            entities.iter().map(carried).collect()
        });
        Some(Known { entities, classes: seen.classes.clone() })
    }
}
