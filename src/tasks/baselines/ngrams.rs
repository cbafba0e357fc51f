//! Texts as vectors: n-grams of words and of characters, weighed by how rare they are.
//!
//! Reference: scikit-learn's `TfidfVectorizer`, twice side by side: `ngram_range=(1, 2)` of words, and `analyzer="char_wb", ngram_range=(2, 4)`;
//! both with smoothed inverse document frequencies and rows of length 1.

use std::collections::HashMap;

/// The numbers of the n-grams, and how much each weighs.
pub(super) struct Vocabulary {
    words: Part,
    characters: Part,
}

/// Hands out the n-grams of a text.
type Analyse = fn(&str, &mut dyn FnMut(&str));

/// The n-grams of one analyser.
struct Part {
    analyse: Analyse,
    /// In the order of the n-grams.
    numbers: HashMap<String, u32>,
    /// Inverse document frequencies.
    weights: Vec<f64>,
}

/// Positions that are not zero, ascending, with their values.
pub(super) type SparseVector = Vec<(u32, f64)>;

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
        let offset = self.words.weights.len() as u32;
        let characters = self.characters.vector(text).into_iter();
        vector.extend(characters.map(|(position, value)| (position + offset, value)));
        vector
    }
}

/// The texts in which an n-gram stands.
struct Documents {
    count: usize,
    /// The number of the last of them.
    last: usize,
}

impl Part {
    fn of(analyse: Analyse, texts: &[&str]) -> Self {
        let mut documents: HashMap<String, Documents> = HashMap::new();
        for (number, text) in texts.iter().enumerate() {
            analyse(text, &mut |gram| match documents.get_mut(gram) {
                Some(known) => {
                    known.count += usize::from(known.last != number);
                    known.last = number;
                }
                None => {
                    documents.insert(gram.to_owned(), Documents { count: 1, last: number });
                }
            });
        }
        let mut documents: Vec<(String, Documents)> = documents.into_iter().collect();
        documents.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let weight = |(_, documents): &(String, Documents)| {
            ((1 + texts.len()) as f64 / (1 + documents.count) as f64).ln() + 1.0
        };
        let weights = documents.iter().map(weight).collect();
        let numbers = documents.into_iter().map(|(gram, _)| gram).zip(0..).collect();
        Self { analyse, numbers, weights }
    }

    fn vector(&self, text: &str) -> SparseVector {
        let mut numbers: Vec<u32> = Vec::new();
        (self.analyse)(text, &mut |gram| numbers.extend(self.numbers.get(gram)));
        numbers.sort_unstable();
        let value =
            |equal: &[u32]| (equal[0], equal.len() as f64 * self.weights[equal[0] as usize]);
        let mut vector: SparseVector = numbers.chunk_by(u32::eq).map(value).collect();
        let norm = vector.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|(_, value)| *value /= norm);
        vector
    }
}

/// Runs of two word characters or more, in lower case, alone and in pairs.
fn words(text: &str, each: &mut dyn FnMut(&str)) {
    let lower = text.to_lowercase();
    let words = lower
        .split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .filter(|word| word.chars().nth(1).is_some());
    let (mut pair, mut before) = (String::new(), None);
    for word in words {
        each(word);
        if let Some(before) = before.replace(word) {
            pair.clear();
            pair.extend([before, " ", word]);
            each(&pair);
        }
    }
}

/// Two to four characters within words, with a space before and behind each.
fn characters(text: &str, each: &mut dyn FnMut(&str)) {
    let (mut padded, mut bounds) = (String::new(), Vec::new());
    for word in text.to_lowercase().split_whitespace() {
        padded.clear();
        padded.extend([" ", word, " "]);
        bounds.clear();
        bounds.extend(padded.char_indices().map(|(at, _)| at));
        bounds.push(padded.len());
        for length in 2..=4 {
            if bounds.len() - 1 <= length {
                // A short word counts once, whole.
                each(&padded);
                break;
            }
            bounds.windows(length + 1).for_each(|gram| each(&padded[gram[0]..gram[length]]));
        }
    }
}
