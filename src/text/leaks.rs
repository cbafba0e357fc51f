//! Leaks: texts of one part that a model could know from another.
//!
//! 1. [`Leaks::reduce`] reduces each text to digests of itself and of what is left of it once numbers are masked, and to a [signature](min_hash) of its
//!    runs of words: 96 bytes for each text, so that a corpus need not be in memory.
//! 2. [`Leaks::between`] counts those of one part whose equal lies in another, and of train also those whose equal but for numbers or
//!    near-duplicate does, each text once, under the closest of the three.
//!
//! Near-duplicates are looked for among texts of which four neighbouring bytes of the signature agree, at most [`BUCKET`] for each four: time is that
//! of sixteen sorts, however alike the texts are. What that misses is a near-duplicate that is less near than others.

mod min_hash;

use std::collections::HashMap;

use self::min_hash::{BANDS, MinHash, Signature};
use super::masked::mask;
use super::{Example, Place, Split};

/// Texts that are looked at of those which share a band.
const BUCKET: usize = 8;
/// The least share of common runs of words for near-duplicates, as it is usual where corpora are cleaned.
pub const NEAR: f64 = 0.7;

/// Which texts lie in several parts.
pub struct Leaks {
    hash: Box<MinHash>,
    texts: Vec<Reduced>,
}

/// What is kept of a text.
pub struct Reduced {
    text: u64,
    masked: u64,
    /// `None` for one of too few words.
    signature: Option<Signature>,
    split: Split,
    place: Place,
}

/// Texts of one part that lie in another, in some sense.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Leak {
    pub count: usize,
    /// The places of the first and of its other, and how alike they are.
    pub first: Option<([Place; 2], f64)>,
}

/// What of a part lies in another; a text is counted once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Between {
    /// Texts of the part.
    pub total: usize,
    pub equal: Leak,
    /// Equal once numbers are masked.
    pub masked: Leak,
    /// [Near](NEAR) by their runs of three words.
    pub near: Leak,
}

impl Default for Leaks {
    fn default() -> Self {
        Self { hash: Box::new(MinHash::new()), texts: Vec::new() }
    }
}

impl Leaks {
    /// What [`add`](Self::add) keeps of a text.
    #[must_use]
    pub fn reduce(&self, split: Split, example: &Example) -> Reduced {
        let masked = mask(&example.text);
        Reduced {
            text: digest(&example.text),
            masked: digest(&masked),
            signature: self.hash.signature(&masked),
            split,
            place: Place::of(example),
        }
    }

    pub fn add(&mut self, text: Reduced) {
        self.texts.push(text);
    }

    /// What of `split` lies in `other`: in train all that is like it, since a model learns from that, and elsewhere what is equal.
    #[must_use]
    pub fn between(&self, split: Split, other: Split) -> Between {
        let of = |split| self.texts.iter().filter(move |text| text.split == split);
        let mut found = Between { total: of(split).count(), ..Between::default() };
        let is_learnt = other == Split::Train;
        let (mut equal, mut masked) = (HashMap::new(), HashMap::new());
        for text in of(other) {
            equal.entry(text.text).or_insert(text.place);
            if is_learnt {
                masked.entry(text.masked).or_insert(text.place);
            }
        }
        let mut left = Vec::new();
        for text in of(split) {
            match (equal.get(&text.text), masked.get(&text.masked)) {
                (Some(known), _) => found.equal.add(text.place, *known, 1.0),
                (None, Some(known)) => found.masked.add(text.place, *known, 1.0),
                (None, None) => left.push(text),
            }
        }
        drop((equal, masked));
        if !is_learnt {
            return found;
        }
        for (text, nearest) in left.iter().zip(nearest(&left, &of(other).collect::<Vec<_>>())) {
            if let Some((known, likeness)) = nearest.filter(|(_, likeness)| *likeness >= NEAR) {
                found.near.add(text.place, known, likeness);
            }
        }
        found
    }
}

impl Leak {
    fn add(&mut self, place: Place, other: Place, likeness: f64) {
        self.count += 1;
        self.first.get_or_insert(([place, other], likeness));
    }
}

/// The nearest of the others to each text, by its place, among those that share a band with it.
fn nearest(texts: &[&Reduced], others: &[&Reduced]) -> Vec<Option<(Place, f64)>> {
    let mut nearest: Vec<Option<(Place, f64)>> = vec![None; texts.len()];
    let signed = |text: &&Reduced| text.signature.is_some();
    if !texts.iter().any(signed) {
        return nearest;
    }
    for band in 0..BANDS {
        let key = |(at, text): (usize, &&Reduced)| Some((text.signature.as_ref()?.band(band), at));
        let mut keys: Vec<(u32, usize)> = others.iter().enumerate().filter_map(key).collect();
        keys.sort_unstable();
        for (text, nearest) in texts.iter().zip(&mut nearest) {
            let Some(signature) = &text.signature else { continue };
            let key = signature.band(band);
            let start = keys.partition_point(|(other, _)| *other < key);
            let bucket = keys[start..].iter().take(BUCKET).take_while(|(other, _)| *other == key);
            for (_, at) in bucket {
                let other = others[*at];
                let likeness = other.signature.as_ref().map_or(0.0, |it| it.likeness(signature));
                if nearest.is_none_or(|(_, known)| likeness > known) {
                    *nearest = Some((other.place, likeness));
                }
            }
        }
    }
    nearest
}

fn digest(text: &str) -> u64 {
    let mut bytes = [0; 8];
    blake3::Hasher::new().update(text.as_bytes()).finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: [u32; 2]) -> [Place; 2] {
        lines.map(|line| Place { file: 0, line })
    }

    fn leaks(train: &[&str], test: &[&str]) -> Between {
        between(Split::Train, train, test)
    }

    /// What of the test texts lies in `other`, which has the texts `known`.
    fn between(other: Split, known: &[&str], test: &[&str]) -> Between {
        let mut leaks = Leaks::default();
        let texts = |split, texts: &[&str]| {
            let example = |(line, text): (usize, &&str)| {
                let (text, line) = ((*text).to_owned(), line + 1);
                (split, Example { text, line, ..Example::default() })
            };
            texts.iter().enumerate().map(example).collect::<Vec<_>>()
        };
        for (split, example) in [texts(other, known), texts(Split::Test, test)].concat() {
            leaks.add(leaks.reduce(split, &example));
        }
        leaks.between(Split::Test, other)
    }

    const LONG: &str = "the daily backup of the customer database on the primary host was finished \
                        without any error and the copy was sent to the archive";

    #[test]
    fn a_text_is_counted_once_under_the_closest_likeness() {
        let near = LONG.replace("archive", "vault");
        let found = leaks(
            &["disk 7 is full", LONG, "nothing else"],
            &["disk 7 is full", "disk 12 is full", &near, "quite another text of several words"],
        );
        assert_eq!(found.total, 4);
        assert_eq!(found.equal, Leak { count: 1, first: Some((lines([1, 1]), 1.0)) });
        assert_eq!(found.masked, Leak { count: 1, first: Some((lines([2, 1]), 1.0)) });
        let Leak { count: 1, first: Some((near, likeness)) } = found.near else {
            panic!("{found:?}")
        };
        assert_eq!(near, lines([3, 2]));
        // 20 of 22 runs of three words.
        assert!((likeness - 20.0 / 22.0).abs() < 0.12, "{likeness}");
    }

    #[test]
    fn texts_with_half_of_their_words_in_common_are_no_near_duplicates() {
        let half = LONG.split(' ').enumerate().map(|(place, word)| match place % 4 {
            0 | 1 => word.to_owned(),
            _ => format!("x{word}"),
        });
        let found = leaks(&[LONG], &[&half.collect::<Vec<_>>().join(" ")]);
        assert_eq!(found.near.count, 0);
    }

    #[test]
    fn of_what_nothing_is_learnt_from_only_equal_texts_count() {
        let near = LONG.replace("archive", "vault");
        let (known, test) =
            (["disk 7 is full", LONG], ["disk 7 is full", "disk 12 is full", &near]);
        let found = between(Split::Validation, &known, &test);
        assert_eq!([found.equal.count, found.masked.count, found.near.count], [1, 0, 0]);
        let found = between(Split::Train, &known, &test);
        assert_eq!([found.equal.count, found.masked.count, found.near.count], [1, 1, 1]);
    }
}
