//! Texts as vectors: n-grams of words and of characters, weighed by how rare they are.
//!
//! Reference: scikit-learn's `TfidfVectorizer`, twice side by side: `ngram_range=(1, 2)` of words, and `analyzer="char_wb", ngram_range=(2, 4)`;
//! both with smoothed inverse document frequencies and rows of length 1.

use std::collections::BTreeMap;

/// The numbers of the n-grams, and how much each weighs.
pub(super) struct Vocabulary {
    words: Part,
    characters: Part,
}

/// The n-grams of one analyser.
struct Part {
    analyse: fn(&str) -> Vec<String>,
    numbers: BTreeMap<String, usize>,
    /// Inverse document frequencies.
    weights: Vec<f64>,
}

/// Positions that are not zero, ascending, with their values.
pub(super) type SparseVector = Vec<(usize, f64)>;

impl Vocabulary {
    pub(super) fn of(texts: &[&str]) -> Self {
        Self { words: Part::of(words, texts), characters: Part::of(characters, texts) }
    }

    /// How many positions vectors have.
    pub(super) fn len(&self) -> usize {
        self.words.weights.len() + self.characters.weights.len()
    }

    pub(super) fn vector(&self, text: &str) -> SparseVector {
        let mut vector = self.words.vector(text);
        let offset = self.words.weights.len();
        let characters = self.characters.vector(text).into_iter();
        vector.extend(characters.map(|(position, value)| (position + offset, value)));
        vector
    }
}

impl Part {
    fn of(analyse: fn(&str) -> Vec<String>, texts: &[&str]) -> Self {
        let mut documents: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts {
            let mut grams = analyse(text);
            grams.sort_unstable();
            grams.dedup();
            for gram in grams {
                *documents.entry(gram).or_default() += 1;
            }
        }
        let weight = |count: &usize| ((1 + texts.len()) as f64 / (1 + count) as f64).ln() + 1.0;
        let weights = documents.values().map(weight).collect();
        let numbers = documents.into_keys().zip(0..).collect();
        Self { analyse, numbers, weights }
    }

    fn vector(&self, text: &str) -> SparseVector {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for gram in (self.analyse)(text) {
            if let Some(number) = self.numbers.get(&gram) {
                *counts.entry(*number).or_default() += 1.0;
            }
        }
        for (number, value) in &mut counts {
            *value *= self.weights[*number];
        }
        let norm = counts.values().map(|value| value * value).sum::<f64>().sqrt();
        counts.into_iter().map(|(number, value)| (number, value / norm)).collect()
    }
}

/// Runs of two word characters or more, in lower case, alone and in pairs.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .filter(|word| word.chars().nth(1).is_some())
        .collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    words.iter().map(|word| (*word).to_owned()).chain(pairs).collect()
}

/// Two to four characters within words, with a space before and behind each.
fn characters(text: &str) -> Vec<String> {
    let mut grams = Vec::new();
    for word in text.to_lowercase().split_whitespace() {
        let padded: Vec<char> = format!(" {word} ").chars().collect();
        for length in 2..=4 {
            if padded.len() <= length {
                // A short word counts once, whole.
                grams.push(padded.iter().collect());
                break;
            }
            grams.extend(padded.windows(length).map(|gram| gram.iter().collect::<String>()));
        }
    }
    grams
}
