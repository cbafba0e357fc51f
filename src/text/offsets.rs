//! What the offsets of entities count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The unit of `start` and `end`. Everything inside the program counts characters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Offsets {
    /// Unicode scalar values, as Python counts
    #[default]
    Characters,
    /// bytes of UTF-8, as Rust and Go count
    Bytes,
    /// UTF-16 units, as JavaScript and Java count
    Utf16,
}

impl Offsets {
    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Characters => "characters",
            Self::Bytes => "bytes",
            Self::Utf16 => "utf16",
        }
    }

    /// What is counted, as a sentence says it.
    #[must_use]
    pub fn units(self) -> &'static str {
        match self {
            Self::Characters => "characters",
            Self::Bytes => "bytes",
            Self::Utf16 => "UTF-16 units",
        }
    }

    /// How much of this unit a character has.
    pub(super) fn length(self, character: char) -> usize {
        match self {
            Self::Characters => 1,
            Self::Bytes => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
        }
    }

    /// How much of this unit a text has.
    #[must_use]
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            _ => text.chars().map(|character| self.length(character)).sum(),
        }
    }
}

/// Leads from offsets of any unit in one text to its characters.
#[derive(Debug)]
pub(super) struct Ruler {
    /// Where each character begins, and where the text ends: `(characters + 1,)`.
    begins: Vec<usize>,
}

impl Ruler {
    pub(super) fn new(text: impl IntoIterator<Item = char>, unit: Offsets) -> Self {
        let mut begins = vec![0];
        let mut at = 0;
        for character in text {
            at += unit.length(character);
            begins.push(at);
        }
        Self { begins }
    }

    /// The character that begins at this offset, or the end of the text; `None` inside a character and beyond the end.
    pub(super) fn character(&self, offset: usize) -> Option<usize> {
        self.begins.binary_search(&offset).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_every_unit_lead_to_the_character_that_begins_there() {
        let text = "aé🚚b";
        let characters = |unit, offsets: &[usize]| -> Vec<Option<usize>> {
            let ruler = Ruler::new(text.chars(), unit);
            offsets.iter().map(|offset| ruler.character(*offset)).collect()
        };
        let all = [Some(0), Some(1), Some(2), Some(3), Some(4), None];
        assert_eq!(characters(Offsets::Characters, &[0, 1, 2, 3, 4, 5]), all);
        assert_eq!(characters(Offsets::Bytes, &[0, 1, 3, 7, 8, 2]), all);
        assert_eq!(characters(Offsets::Utf16, &[0, 1, 2, 4, 5, 3]), all);
    }
}
