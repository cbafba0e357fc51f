//! Learns the merges of a byte-pair encoding from counted words.
//!
//! The library's own trainer moves the rest of a word at every merge, which is quadratic in the word's length, and cannot be stopped. This one
//! chooses the same merges: the most frequent pair, of equals that of the smaller numbers. Its work for one merge is linear in the words that
//! hold the pair.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rayon::prelude::*;

/// Two neighbouring tokens, by number.
type Pair = (u32, u32);

/// What was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learned {
    /// In the order of their numbers.
    pub(super) vocabulary: Vec<String>,
    /// In the order in which they were chosen.
    pub(super) merges: Vec<(String, String)>,
}

/// Adds tokens to `initial` until there are `size`, or no pair occurs twice. `None` as soon as `cancelled` says so.
///
/// * `words`: how often each word occurs; a character that is no token of `initial` is passed over
pub(super) fn learn(
    words: &HashMap<String, u64>,
    initial: Vec<String>,
    size: usize,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Option<Learned> {
    const LEAST_COUNT: u64 = 2;

    let mut numbers: HashMap<String, u32> = initial.iter().cloned().zip(0..).collect();
    let mut vocabulary = initial;
    let mut corpus = Corpus::of(words, &numbers, cancelled)?;
    let mut ranks: HashMap<Pair, usize> = HashMap::new();
    while vocabulary.len() < size
        && let Some((pair, count)) = corpus.most_frequent()
        && count >= LEAST_COUNT
    {
        if cancelled() {
            return None;
        }
        let text = format!("{}{}", vocabulary[pair.0 as usize], vocabulary[pair.1 as usize]);
        // Other merges may have given the same text.
        let merged = *numbers.entry(text).or_insert_with_key(|text| {
            vocabulary.push(text.clone());
            vocabulary.len() as u32 - 1
        });
        ranks.insert(pair, ranks.len());
        corpus.merge(pair, merged);
    }
    let mut merges: Vec<(Pair, usize)> = ranks.into_iter().collect();
    merges.sort_unstable_by_key(|(_, rank)| *rank);
    let text = |number: u32| vocabulary[number as usize].clone();
    let merges = merges.into_iter().map(|((left, right), _)| (text(left), text(right))).collect();
    Some(Learned { vocabulary, merges })
}

/// The distinct words as tokens, and where each pair of tokens is.
struct Corpus {
    words: Vec<Vec<u32>>,
    /// How often each word occurs.
    counts: Vec<u64>,
    pairs: HashMap<Pair, Places>,
    /// Pairs by a count that they had: those that grew are in it again, those that shrank are put right when they come up.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

/// Where a pair is.
#[derive(Default)]
struct Places {
    count: u64,
    /// Numbers of words, among them such that no longer hold it.
    words: Vec<u32>,
}

impl Places {
    fn add(&mut self, word: u32) {
        if self.words.last() != Some(&word) {
            self.words.push(word);
        }
    }
}

impl Corpus {
    fn of(
        words: &HashMap<String, u64>,
        numbers: &HashMap<String, u32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let single = |text: &String| text.chars().next().filter(|c| c.len_utf8() == text.len());
        let characters: HashMap<char, u32> =
            numbers.iter().filter_map(|(text, number)| Some((single(text)?, *number))).collect();
        let mut corpus = Self {
            words: Vec::with_capacity(words.len()),
            counts: Vec::with_capacity(words.len()),
            pairs: HashMap::new(),
            queue: BinaryHeap::new(),
        };
        for (number, (word, count)) in (0..).zip(words) {
            if number % 1024 == 0 && cancelled() {
                return None;
            }
            let tokens: Vec<u32> =
                word.chars().filter_map(|c| characters.get(&c).copied()).collect();
            for pair in tokens.array_windows().map(|&[left, right]| (left, right)) {
                let places = corpus.pairs.entry(pair).or_default();
                places.count += count;
                places.add(number);
            }
            corpus.words.push(tokens);
            corpus.counts.push(*count);
        }
        corpus.queue =
            corpus.pairs.iter().map(|(pair, found)| (found.count, Reverse(*pair))).collect();
        Some(corpus)
    }

    /// The pair that comes next, with its count, which is above 0.
    fn most_frequent(&mut self) -> Option<(Pair, u64)> {
        loop {
            let (count, Reverse(pair)) = self.queue.pop()?;
            match self.pairs.get(&pair).map(|places| places.count) {
                Some(now) if now == count => return Some((pair, count)),
                Some(now) if now > 0 && now < count => self.queue.push((now, Reverse(pair))),
                // One that grew is in the queue a second time.
                Some(now) if now > 0 => {}
                _ => drop(self.pairs.remove(&pair)),
            }
        }
    }

    /// Replaces `pair` by the token `merged` in every word.
    fn merge(&mut self, pair: Pair, merged: u32) {
        let Some(Places { mut words, .. }) = self.pairs.remove(&pair) else { return };
        words.sort_unstable();
        words.dedup();
        let taken: Vec<(u32, Vec<u32>)> = words
            .into_iter()
            .map(|word| (word, std::mem::take(&mut self.words[word as usize])))
            .collect();
        let mut changed = Vec::new();
        let replaced = taken.into_par_iter().with_min_len(256).map(|(word, mut tokens)| {
            let changes = replace(&mut tokens, pair, merged);
            (word, tokens, changes)
        });
        replaced.collect_into_vec(&mut changed);
        let mut grown = Vec::new();
        for (word, tokens, changes) in changed {
            self.words[word as usize] = tokens;
            let count = self.counts[word as usize];
            for (other, change) in changes.into_iter().filter(|(other, _)| *other != pair) {
                let places = self.pairs.entry(other).or_default();
                // Both directions wrap, so that the order in which a word's changes come makes no difference.
                places.count =
                    places.count.wrapping_add(count.wrapping_mul(change.cast_unsigned()));
                if change > 0 {
                    places.add(word);
                    grown.push(other);
                }
            }
        }
        grown.sort_unstable();
        grown.dedup();
        let queued = grown.into_iter().map(|pair| (self.pairs[&pair].count, Reverse(pair)));
        self.queue.extend(queued.filter(|(count, _)| *count > 0));
    }
}

/// Replaces `pair` in one word from left to right; returns by how much each pair of neighbours became more or fewer. What it says of `pair`
/// itself means nothing.
fn replace(tokens: &mut Vec<u32>, pair: Pair, merged: u32) -> Vec<(Pair, i64)> {
    let mut changes = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while at < tokens.len() {
        let token = tokens[at];
        if token == pair.0 && tokens.get(at + 1) == Some(&pair.1) {
            if kept > 0 {
                let before = tokens[kept - 1];
                changes.extend([((before, pair.0), -1), ((before, merged), 1)]);
            }
            if let Some(&behind) = tokens.get(at + 2) {
                changes.extend([((pair.1, behind), -1), ((merged, behind), 1)]);
            }
            tokens[kept] = merged;
            at += 2;
        } else {
            tokens[kept] = token;
            at += 1;
        }
        kept += 1;
    }
    tokens.truncate(kept);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(words: &[&str]) -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        words.iter().for_each(|word| *counts.entry((*word).to_owned()).or_default() += 1);
        counts
    }

    fn learned(words: &HashMap<String, u64>, size: usize) -> Learned {
        let letters = ('a'..='d').map(String::from).collect();
        learn(words, letters, size, &|| false).expect("nothing stops it")
    }

    #[test]
    fn the_most_frequent_pair_is_merged_first_and_of_equals_the_one_with_smaller_numbers() {
        let found = learned(&counted(&["abc", "abc", "bcd", "bcd", "ad", "ad"]), 100);
        let pairs: Vec<_> = found.merges.iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(pairs, ["b c", "a d", "a bc", "bc d"]);
        assert_eq!(found.vocabulary, ["a", "b", "c", "d", "bc", "ad", "abc", "bcd"]);
    }

    #[test]
    fn it_stops_when_it_is_told() {
        assert_eq!(learn(&counted(&["ab", "ab"]), vec!["a".into(), "b".into()], 9, &|| true), None);
    }

    proptest! {
        /// Counting pairs anew each time is the definition.
        #[test]
        fn the_merges_are_those_of_counting_anew(
            words in prop::collection::vec("[abc]{1,12}", 1..12),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut split: Vec<Vec<String>> =
                words.iter().map(|word| word.chars().map(String::from).collect()).collect();
            let found = learned(&counted(&words), 24);
            let number = |token: &String| {
                found.vocabulary.iter().position(|other| other == token).expect("it is known")
            };
            let mut merges: Vec<(String, String)> = Vec::new();
            let mut vocabulary = 4;
            while vocabulary < 24 {
                let mut counts: HashMap<(String, String), usize> = HashMap::new();
                for word in &split {
                    for pair in word.windows(2) {
                        *counts.entry((pair[0].clone(), pair[1].clone())).or_default() += 1;
                    }
                }
                let best = counts.into_iter().filter(|(_, count)| *count > 1).max_by_key(
                    |((left, right), count)| (*count, Reverse((number(left), number(right)))),
                );
                let Some(((left, right), _)) = best else { break };
                let merged = left.clone() + &right;
                let known = found.vocabulary[..vocabulary].contains(&merged);
                vocabulary += usize::from(!known);
                for word in &mut split {
                    let mut at = 0;
                    while at + 1 < word.len() {
                        if word[at] == left && word[at + 1] == right {
                            word.splice(at..at + 2, [merged.clone()]);
                        }
                        at += 1;
                    }
                }
                merges.retain(|pair| *pair != (left.clone(), right.clone()));
                merges.push((left, right));
            }
            prop_assert_eq!(found.merges, merges);
        }
    }
}
