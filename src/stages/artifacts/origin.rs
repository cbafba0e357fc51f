//! What was scored.

use serde::{Deserialize, Serialize};

use crate::text::{Example, Split};

/// What was scored, and on which texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// That of a baseline, or `model`.
    pub method: String,
    pub split: Split,
    /// How many it has.
    pub texts: usize,
    /// BLAKE3 of the texts, in hexadecimal digits.
    digest: String,
}

impl Origin {
    #[must_use]
    pub fn of(method: &str, split: Split, examples: &[Example]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for example in examples {
            hasher
                .update(&(example.text.len() as u64).to_le_bytes())
                .update(example.text.as_bytes());
        }
        let digest = hasher.finalize().to_hex().to_string();
        Self { method: method.to_owned(), split, texts: examples.len(), digest }
    }

    #[must_use]
    pub fn is_of_the_texts_of(&self, other: &Self) -> bool {
        self.split == other.split && self.has_the_texts_of(other)
    }

    /// Whether the texts are the same, whatever their split is called.
    #[must_use]
    pub fn has_the_texts_of(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}
