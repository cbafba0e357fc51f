//! How one corpus differs from another in its texts and where they lie.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::division::digest;
use crate::text::{Example, Split};

/// Where the texts of a corpus lie. A text is known by its field `id`, else by itself. Where several share an `id` they are known by both, and
/// equal ones are told apart by their order.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    texts: HashMap<u128, Vec<Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    split: Split,
    text: u64,
    /// A digest of text, class and entities.
    content: u64,
}

/// What became of the texts of an earlier corpus in a later one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    pub new: usize,
    pub gone: usize,
    /// With the same identity, but another text, class or entities.
    pub changed: usize,
    /// From one part to another.
    pub moved: BTreeMap<(Split, Split), usize>,
}

impl Trace {
    pub fn push(&mut self, split: Split, example: &Example) {
        let identity = match example.fields.get("id") {
            Some(id) => digest(&[b"id", id.as_bytes()]),
            None => digest(&[b"text", example.text.as_bytes()]),
        };
        let text = example.text.as_bytes();
        let classes = example.classes.iter().map(|(head, class)| format!("{head} {class}"));
        let (classes, entities) =
            (classes.collect::<Vec<_>>().join("\n"), example.entities_written());
        let content = digest(&[text, classes.as_bytes(), entities.as_bytes()]);
        let place = Place { split, text: digest(&[text]) as u64, content: content as u64 };
        self.texts.entry(identity).or_insert_with(|| Vec::with_capacity(1)).push(place);
    }

    /// What became of the texts of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Difference {
        let mut difference = Difference::default();
        for (identity, now) in &self.texts {
            let before = earlier.texts.get(identity).map_or(&[][..], Vec::as_slice);
            difference.add(before, now);
        }
        let gone = earlier.texts.iter().filter(|(identity, _)| !self.texts.contains_key(identity));
        difference.gone += gone.map(|(_, before)| before.len()).sum::<usize>();
        difference
    }
}

impl Difference {
    /// Those of one identity.
    fn add(&mut self, before: &[Place], now: &[Place]) {
        if let ([before], [now]) = (before, now) {
            self.compare(before, now);
            return;
        }
        let mut left: HashMap<(u64, u32), &Place> = numbered(before).collect();
        for (key, place) in numbered(now) {
            match left.remove(&key) {
                Some(known) => self.compare(known, place),
                None => self.new += 1,
            }
        }
        self.gone += left.len();
    }

    fn compare(&mut self, before: &Place, now: &Place) {
        self.changed += usize::from(before.content != now.content);
        if before.split != now.split {
            *self.moved.entry((before.split, now.split)).or_default() += 1;
        }
    }
}

/// Each with its text, and how many before it have that.
fn numbered(places: &[Place]) -> impl Iterator<Item = ((u64, u32), &Place)> {
    let mut times: HashMap<u64, u32> = HashMap::new();
    places.iter().map(move |place| {
        let number = times.entry(place.text).or_insert(0);
        *number += 1;
        ((place.text, *number), place)
    })
}

/// `12 texts new, 3 changed, 2 moved from test to train`.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<(usize, String)> = vec![
            (self.new, "new".to_owned()),
            (self.gone, "gone".to_owned()),
            (self.changed, "changed".to_owned()),
        ];
        let moved = self.moved.iter();
        parts.extend(
            moved.map(|((from, to), count)| (*count, format!("moved from {from} to {to}"))),
        );
        parts.retain(|(count, _)| *count > 0);
        if parts.is_empty() {
            return formatter.write_str("no text differs");
        }
        for (number, (count, what)) in parts.iter().enumerate() {
            match number {
                0 if *count == 1 => write!(formatter, "1 text {what}")?,
                0 => write!(formatter, "{count} texts {what}")?,
                _ => write!(formatter, ", {count} {what}")?,
            }
        }
        Ok(())
    }
}
