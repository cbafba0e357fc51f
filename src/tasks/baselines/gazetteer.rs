//! A list of the entities that were seen, each with the type that it had most.

use std::collections::HashMap;

use crate::text::words::{Word, words};
use crate::text::{Entity, Example};

/// Longer entities are no names that stand in a list, and every run of words of a text would be held against them.
const LONGEST_NAME: usize = 12;

/// Entities by what they are called.
///
/// A name counts where it was an entity more often than not: `May` is a month in one text and a verb in ten.
pub(super) struct Gazetteer {
    /// Words of a name, joined, with its type.
    names: HashMap<String, String>,
    /// Words of the longest name.
    longest: usize,
}

impl Gazetteer {
    pub(super) fn of(texts: &[Example]) -> Self {
        let mut types: HashMap<String, HashMap<&str, usize>> = HashMap::new();
        let mut longest = 0;
        for example in texts {
            let words = words(&example.text);
            for entity in example.entities.iter().flatten() {
                let inside: Vec<&Word<'_>> = words
                    .iter()
                    .filter(|word| entity.start <= word.start && word.end <= entity.end)
                    .collect();
                let (Some(first), Some(last)) = (inside.first(), inside.last()) else { continue };
                // What begins or ends inside of a word is found in no list of words.
                if first.start != entity.start || last.end != entity.end {
                    continue;
                }
                if inside.len() > LONGEST_NAME {
                    continue;
                }
                longest = longest.max(inside.len());
                let name = joined(&inside);
                *types.entry(name).or_default().entry(&entity.label).or_default() += 1;
            }
        }
        let mut occurrences: HashMap<&str, usize> = HashMap::new();
        for example in texts.iter().filter(|example| example.entities.is_some()) {
            let words = words(&example.text);
            for start in 0..words.len() {
                for length in 1..=longest.min(words.len() - start) {
                    let inside: Vec<&Word<'_>> = words[start..start + length].iter().collect();
                    if let Some((name, _)) = types.get_key_value(&joined(&inside)) {
                        *occurrences.entry(name).or_default() += 1;
                    }
                }
            }
        }
        let names = types.iter().filter_map(|(name, types)| {
            let as_entity: usize = types.values().sum();
            // Of types that are equally frequent, the first by name, so that no order of a table decides.
            let (label, _) = types.iter().max_by(|(one, count), (other, others)| {
                count.cmp(others).then_with(|| other.cmp(one))
            })?;
            (2 * as_entity > occurrences.get(name.as_str()).copied().unwrap_or(0))
                .then(|| (name.clone(), (*label).to_owned()))
        });
        Self { names: names.collect(), longest }
    }

    /// The entities of a text: from left to right, the longest name that begins there.
    pub(super) fn find(&self, text: &str) -> Vec<Entity> {
        let words = words(text);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < words.len() {
            let known = (1..=self.longest.min(words.len() - at)).rev().find_map(|length| {
                let inside: Vec<&Word<'_>> = words[at..at + length].iter().collect();
                Some((length, self.names.get(&joined(&inside))?))
            });
            match known {
                None => at += 1,
                Some((length, label)) => {
                    found.push(Entity {
                        start: words[at].start,
                        end: words[at + length - 1].end,
                        label: label.clone(),
                    });
                    at += length;
                }
            }
        }
        found
    }
}

fn joined(words: &[&Word<'_>]) -> String {
    words.iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}
