//! What is in some labelled texts: counts, lengths, labels, classes, repeats and fields, gathered text by text.
//!
//! Memory grows by a digest for each distinct text, twice: as it is, and with its numbers masked.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use serde::Serialize;

use super::masked::mask;
use super::{Entity, Example, words};

/// Distinct values of a field beyond which they are no longer counted.
const MOST_VALUES: usize = 100_000;

/// Examples that are kept of each label.
const SHOWN: usize = 3;

/// What is in some texts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Description {
    pub texts: usize,
    /// Texts that say their entities, be there none.
    pub with_entities: usize,
    pub labels: BTreeMap<String, LabelUse>,
    /// Entities that begin or end inside a word.
    pub inside_words: usize,
    /// Texts of each class, by head.
    pub classes: BTreeMap<String, BTreeMap<String, usize>>,
    pub characters: Lengths,
    pub words: Lengths,
    pub repeats: Repeats,
    pub fields: BTreeMap<String, Field>,
    #[serde(skip)]
    seen: HashMap<u64, Seen>,
    #[serde(skip)]
    masked: HashSet<u64>,
}

/// How a label is used.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LabelUse {
    pub entities: usize,
    pub texts: usize,
    /// The first few that differ.
    pub examples: Vec<String>,
}

/// Lengths, to be asked for quantiles.
#[derive(Debug, Clone, Default)]
pub struct Lengths {
    counts: BTreeMap<usize, usize>,
}

/// Texts that stand more than once.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Repeats {
    /// Texts that are equal to one before.
    pub equal: usize,
    /// Texts that are equal to one before once their numbers are masked, the equal ones among them.
    pub masked: usize,
    /// Texts that are equal to one before and labelled otherwise.
    pub contradicting: usize,
    /// The lines of the first two of those.
    pub first: Option<[usize; 2]>,
}

/// The values of a field.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Field {
    /// Texts that have it.
    pub texts: usize,
    /// How many there are; no more than a bound are told apart.
    pub distinct: usize,
    /// The first of them.
    pub example: String,
    /// With how many texts have each.
    #[serde(skip)]
    values: BTreeMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Seen {
    line: usize,
    labels: u64,
}

impl Description {
    pub fn add(&mut self, example: &Example) {
        self.texts += 1;
        self.characters.add(example.text.chars().count());
        self.words.add(example.text.split_whitespace().count());
        if let Some(entities) = &example.entities {
            self.with_entities += 1;
            let ends = entities.iter().map(|entity| (entity.start, entity.end));
            self.inside_words += words::inside(&example.text, ends);
            self.add_entities(&example.text, entities);
        }
        for (head, class) in &example.classes {
            *self.classes.entry(head.clone()).or_default().entry(class.clone()).or_default() += 1;
        }
        for (name, value) in &example.fields {
            let field = self.fields.entry(name.clone()).or_default();
            field.texts += 1;
            if field.example.is_empty() {
                field.example.clone_from(value);
            }
            if let Some(texts) = field.values.get_mut(value) {
                *texts += 1;
            } else if field.values.len() < MOST_VALUES {
                field.values.insert(value.clone(), 1);
                field.distinct += 1;
            }
        }
        self.add_repeat(example);
    }

    /// The entities that begin or end inside a word, and all that there are, where that is too many for words to be where entities end.
    #[must_use]
    pub fn many_inside_words(&self) -> Option<(usize, usize)> {
        let all: usize = self.labels.values().map(|of| of.entities).sum();
        words::are_many(self.inside_words, all).then_some((self.inside_words, all))
    }

    fn add_entities(&mut self, text: &str, entities: &[Entity]) {
        let mut told = BTreeSet::new();
        for entity in entities {
            let label = self.labels.entry(entity.label.clone()).or_default();
            label.entities += 1;
            label.texts += usize::from(told.insert(&entity.label));
            if label.examples.len() < SHOWN {
                let inside = text.chars().skip(entity.start).take(entity.end - entity.start);
                let inside: String = inside.collect();
                if !label.examples.contains(&inside) {
                    label.examples.push(inside);
                }
            }
        }
    }

    fn add_repeat(&mut self, example: &Example) {
        let labels = digest(&(&example.entities, &example.classes));
        self.repeats.masked += usize::from(!self.masked.insert(digest(&mask(&example.text))));
        match self.seen.get(&digest(&example.text)) {
            None => {
                let seen = Seen { line: example.line, labels };
                self.seen.insert(digest(&example.text), seen);
            }
            Some(seen) => {
                self.repeats.equal += 1;
                if seen.labels != labels {
                    self.repeats.contradicting += 1;
                    self.repeats.first.get_or_insert([seen.line, example.line]);
                }
            }
        }
    }
}

impl Field {
    /// The values, in the order of their texts; no more than a bound.
    pub fn values(&self) -> impl Iterator<Item = &str> + Clone {
        self.values.keys().map(String::as_str)
    }

    /// Texts with the most frequent value.
    #[must_use]
    pub fn most(&self) -> usize {
        self.values.values().copied().max().unwrap_or(0)
    }
}

impl Lengths {
    pub fn add(&mut self, length: usize) {
        *self.counts.entry(length).or_default() += 1;
    }

    /// The length that the given share of texts does not exceed; `None` without texts.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<usize> {
        let total: usize = self.counts.values().sum();
        let wanted = (share * total as f64).ceil() as usize;
        let mut below = 0;
        self.counts.iter().find_map(|(length, count)| {
            below += count;
            (below >= wanted.max(1)).then_some(*length)
        })
    }

    #[must_use]
    pub fn longest(&self) -> Option<usize> {
        self.counts.keys().next_back().copied()
    }

    /// How many are longer.
    #[must_use]
    pub fn beyond(&self, length: usize) -> usize {
        self.counts.range(length + 1..).map(|(_, count)| count).sum()
    }

    /// How many texts there are of each length.
    pub fn counts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.counts.iter().map(|(length, count)| (*length, *count))
    }
}

impl Serialize for Lengths {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let quantiles = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("longest", 1.0)];
        serializer.collect_map(quantiles.map(|(name, share)| (name, self.quantile(share))))
    }
}

fn digest(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, line: usize) -> Example {
        Example {
            text: text.into(),
            entities: Some(Vec::new()),
            classes: BTreeMap::new(),
            fields: BTreeMap::new(),
            file: 0,
            line,
        }
    }

    fn described(examples: &[Example]) -> Description {
        let mut description = Description::default();
        examples.iter().for_each(|example| description.add(example));
        description
    }

    #[test]
    fn repeats_are_counted_as_they_are_masked_and_contradicting() {
        let mut other = example("fan 3 slow", 4);
        other.entities = Some(vec![Entity { start: 4, end: 5, label: "FAN".into() }]);
        let texts = [example("fan 3 slow", 1), example("fan 12 slow", 2), example("ok", 3), other];
        let repeats = described(&texts).repeats;
        assert_eq!((repeats.equal, repeats.masked, repeats.contradicting), (1, 2, 1));
        assert_eq!(repeats.first, Some([1, 4]));
    }

    #[test]
    fn quantiles_are_lengths_that_occur() {
        let mut lengths = Lengths::default();
        [3, 1, 2, 10].into_iter().for_each(|length| lengths.add(length));
        assert_eq!(
            [0.0, 0.5, 0.95, 1.0].map(|share| lengths.quantile(share)),
            [1, 2, 10, 10].map(Some)
        );
        assert_eq!((lengths.longest(), lengths.beyond(2)), (Some(10), 2));
        assert_eq!(Lengths::default().quantile(0.5), None);
    }

    #[test]
    fn a_label_is_counted_by_entities_and_by_texts_and_shown_by_what_differs() {
        let mut text = example("a b a", 1);
        let entity = |start| Entity { start, end: start + 1, label: "X".into() };
        text.entities = Some([0, 2, 4].map(entity).to_vec());
        let label = &described(&[text]).labels["X"];
        assert_eq!((label.entities, label.texts), (3, 1));
        assert_eq!(label.examples, ["a", "b"]);
    }
}
