//! Letters as capitals or not: of some words, or of whole texts.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::draft::{Draft, share_of};

/// What of the case of a text changes. A letter that becomes several, such as `ß`, stays as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Case {
    /// A share of the words, each in one of the other cases.
    Words(f64),
    /// Shares of the texts, as a whole.
    Texts { lower: f64, upper: f64, title: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Lower,
    Upper,
    /// The first letter of each word is a capital, no other one is.
    Title,
}

impl Default for Case {
    fn default() -> Self {
        Self::Words(0.0)
    }
}

impl Case {
    pub(super) fn any(&self) -> bool {
        match self {
            Self::Words(share) => *share > 0.0,
            Self::Texts { lower, upper, title } => lower + upper + title > 0.0,
        }
    }

    /// * `in_entities`: whether those change too
    pub(super) fn apply(&self, draft: &mut Draft, in_entities: bool, stream: &mut ChaCha8Rng) {
        match *self {
            Self::Words(share) => words(draft, share, in_entities, stream),
            Self::Texts { lower, upper, title } => {
                let drawn: f64 = stream.random();
                let letters = match drawn {
                    _ if drawn < lower => Letters::Lower,
                    _ if drawn < lower + upper => Letters::Upper,
                    _ if drawn < lower + upper + title => Letters::Title,
                    _ => return,
                };
                for word in draft.words() {
                    let written = letters.write(&draft.text[word.clone()]);
                    for (at, letter) in word.zip(written) {
                        if in_entities || draft.entity_of(at).is_none() {
                            draft.text[at] = letter;
                        }
                    }
                }
            }
        }
    }
}

fn words(draft: &mut Draft, share: f64, in_entities: bool, stream: &mut ChaCha8Rng) {
    let mut words = draft.words();
    words.retain(|word| in_entities || draft.is_outside(word));
    let others = |word: &[char]| -> Vec<Vec<char>> {
        let all = [Letters::Lower, Letters::Upper, Letters::Title];
        let mut others: Vec<Vec<char>> = all.iter().map(|letters| letters.write(word)).collect();
        others.retain(|other| other != word);
        others
    };
    words.retain(|word| !others(&draft.text[word.clone()]).is_empty());
    let all = words.len();
    for word in share_of(words, all, share, stream) {
        let others = others(&draft.text[word.clone()]);
        let chosen = stream.random_range(0..others.len() as u64) as usize;
        draft.text[word].copy_from_slice(&others[chosen]);
    }
}

impl Letters {
    fn write(self, word: &[char]) -> Vec<char> {
        let first = word.iter().position(|letter| letter.is_alphabetic());
        let write = |(at, letter): (usize, &char)| match self {
            Self::Upper => upper(*letter),
            Self::Title if first == Some(at) => upper(*letter),
            Self::Lower | Self::Title => lower(*letter),
        };
        word.iter().enumerate().map(write).collect()
    }
}

fn upper(letter: char) -> char {
    single(letter.to_uppercase(), letter)
}

fn lower(letter: char) -> char {
    single(letter.to_lowercase(), letter)
}

fn single(mut letters: impl Iterator<Item = char>, otherwise: char) -> char {
    match (letters.next(), letters.next()) {
        (Some(letter), None) => letter,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::text::Entity;

    const TEXT: &str = "Straße of ada-7 IS (closed)";

    fn changed(case: Case, in_entities: bool) -> String {
        let ada = Entity { start: 10, end: 13, label: "PER".to_owned() };
        let mut draft = Draft { text: TEXT.chars().collect(), entities: vec![ada] };
        case.apply(&mut draft, in_entities, &mut Rng::new(3).stream("test"));
        draft.text.into_iter().collect()
    }

    #[test]
    fn whole_texts_change_outside_of_entities_unless_asked() {
        let upper = Case::Texts { lower: 0.0, upper: 1.0, title: 0.0 };
        assert_eq!(changed(upper, false), "STRAßE OF ada-7 IS (CLOSED)");
        assert_eq!(changed(upper, true), "STRAßE OF ADA-7 IS (CLOSED)");
        let title = Case::Texts { lower: 0.0, upper: 0.0, title: 1.0 };
        assert_eq!(changed(title, true), "Straße Of Ada-7 Is (Closed)");
        let lower = Case::Texts { lower: 1.0, upper: 0.0, title: 0.0 };
        assert_eq!(changed(lower, false), "straße of ada-7 is (closed)");
        assert_eq!(changed(Case::Texts { lower: 0.0, upper: 0.0, title: 0.0 }, true), TEXT);
    }

    #[test]
    fn a_share_of_the_words_changes_and_every_chosen_one_does() {
        let differ = |changed: &str| {
            let pairs = changed.split(' ').zip(TEXT.split(' '));
            pairs.filter(|(now, before)| now != before).count()
        };
        assert_eq!(differ(&changed(Case::Words(0.5), false)), 2);
        assert_eq!(differ(&changed(Case::Words(1.0), false)), 4);
        assert_eq!(differ(&changed(Case::Words(1.0), true)), 5);
    }
}
