//! How one corpus differs from another in its texts and where they lie.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::digest;
use crate::text::{Example, Split};

/// Where the texts of a corpus lie. A text is known by its field `id`, else by itself; equal ones are told apart by their order.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    texts: HashMap<(u128, u32), (Split, u64)>,
    times: HashMap<u128, u32>,
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
        let times = self.times.entry(identity).or_insert(0);
        let entities: Vec<String> = example
            .entities
            .iter()
            .map(|entity| format!("{} {} {}", entity.start, entity.end, entity.label))
            .collect();
        let content = digest(&[
            example.text.as_bytes(),
            &example.anomaly.to_le_bytes(),
            entities.join("\n").as_bytes(),
        ]);
        self.texts.insert((identity, *times), (split, content as u64));
        *times += 1;
    }

    /// What became of the texts of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Difference {
        let mut difference = Difference::default();
        for (text, (split, content)) in &self.texts {
            let Some((before, known)) = earlier.texts.get(text) else {
                difference.new += 1;
                continue;
            };
            difference.changed += usize::from(content != known);
            if before != split {
                *difference.moved.entry((*before, *split)).or_default() += 1;
            }
        }
        difference.gone =
            earlier.texts.keys().filter(|text| !self.texts.contains_key(text)).count();
        difference
    }
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
