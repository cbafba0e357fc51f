//! A list of the entities that were seen, each with the type that it had most.
//!
//! 1. [`Names::add`] looks at all texts for what is called as an entity of them;
//! 2. [`Names::count`] looks again, for how often each stands anywhere;
//! 3. [`Names::gazetteer`] keeps those that are entities more often than not.

use std::collections::HashMap;

use rayon::prelude::*;

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

/// What entities are called, and how often that stands where.
#[derive(Default)]
pub(super) struct Names {
    /// The place of a name among the others.
    places: HashMap<String, usize>,
    /// How often each name was an entity, by type.
    types: Vec<Vec<(String, usize)>>,
    /// How often the words of each name stand in texts that are labelled.
    occurrences: Vec<usize>,
    /// Words of the longest name.
    longest: usize,
}

impl Names {
    /// Takes in what is called as an entity of these texts.
    pub(super) fn add(&mut self, texts: &[Example]) {
        let named: Vec<Vec<Named<'_>>> = texts.par_iter().map(named).collect();
        for Named { name, words, label } in named.into_iter().flatten() {
            self.longest = self.longest.max(words);
            let next = self.types.len();
            let place = *self.places.entry(name).or_insert(next);
            if place == next {
                self.types.push(Vec::with_capacity(1));
                self.occurrences.push(0);
            }
            let types = &mut self.types[place];
            match types.iter_mut().find(|(known, _)| known == label) {
                Some((_, count)) => *count += 1,
                None => types.push((label.to_owned(), 1)),
            }
        }
    }

    /// Counts where all names stand, once all of them are known.
    pub(super) fn count(&mut self, texts: &[Example]) {
        let (longest, places) = (self.longest, &self.places);
        let standing = |example: &Example| {
            let (words, mut standing) = (words(&example.text), Vec::new());
            for start in 0..words.len() {
                prefixes(&words[start..], longest, |_, name| standing.extend(places.get(name)));
            }
            standing
        };
        let labelled = texts.par_iter().filter(|example| example.entities.is_some());
        let standing: Vec<Vec<&usize>> = labelled.map(standing).collect();
        standing.into_iter().flatten().for_each(|place| self.occurrences[*place] += 1);
    }

    pub(super) fn gazetteer(self) -> Gazetteer {
        let Self { places, types, occurrences, longest } = self;
        let names = places.into_iter().filter_map(|(name, place)| {
            let as_entity: usize = types[place].iter().map(|(_, count)| count).sum();
            // Of types that are equally frequent, the first by name, so that no order of a table decides.
            let (label, _) = types[place].iter().max_by(|(one, count), (other, others)| {
                count.cmp(others).then_with(|| other.cmp(one))
            })?;
            (2 * as_entity > occurrences[place]).then(|| (name, label.clone()))
        });
        Gazetteer { names: names.collect(), longest }
    }
}

/// What an entity is called.
struct Named<'e> {
    name: String,
    words: usize,
    label: &'e str,
}

/// The names that entities of a text are.
fn named(example: &Example) -> Vec<Named<'_>> {
    if example.entities().is_empty() {
        return Vec::new();
    }
    let words = words(&example.text);
    let of_entity = |entity: &'_ Entity| {
        let is_inside = |word: &&Word<'_>| entity.start <= word.start && word.end <= entity.end;
        let inside: Vec<&Word<'_>> = words.iter().filter(is_inside).collect();
        // What begins or ends inside of a word is found in no list of words.
        let is_whole = inside.first()?.start == entity.start && inside.last()?.end == entity.end;
        let name = || inside.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        (is_whole && inside.len() <= LONGEST_NAME).then(|| (name(), inside.len()))
    };
    let name = |entity| of_entity(entity).map(|(name, words)| (name, words, &entity.label));
    let names = example.entities().iter().filter_map(name);
    names.map(|(name, words, label)| Named { name, words, label }).collect()
}

/// Hands out the first words, joined, then the first two, and so on.
fn prefixes(words: &[Word<'_>], longest: usize, mut each: impl FnMut(usize, &str)) {
    let mut name = String::new();
    for (word, length) in words.iter().zip(1..=longest) {
        if length > 1 {
            name.push(' ');
        }
        name.push_str(word.text);
        each(length, &name);
    }
}

impl Gazetteer {
    /// The entities of a text: from left to right, the longest name that begins there.
    pub(super) fn find(&self, text: &str) -> Vec<Entity> {
        let words = words(text);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < words.len() {
            let mut known = None;
            prefixes(&words[at..], self.longest, |length, name| {
                known = self.names.get(name).map(|label| (length, label)).or(known);
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
