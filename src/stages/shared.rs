//! What splits share, which a reader of scores should know: texts that lie in several of them, and templates.

use std::collections::{BTreeMap, HashMap};

use crate::engine::stage::Caveat;
use crate::text::{Between, Example, FileNames, Leak, Leaks, NEAR, Reduced, Split};

/// What is scored, and what a model may know it from.
const PAIRS: [(Split, Split); 3] = [
    (Split::Validation, Split::Train),
    (Split::Test, Split::Train),
    (Split::Test, Split::Validation),
];

/// Looks at every text once; [`caveats`](Self::caveats) says what was found.
pub(super) enum Shared {
    /// Of sentences from templates, which are alike by nature: what is to be told are the templates.
    Templates(Overlap),
    /// Of texts that somebody wrote.
    Texts(Leaks),
}

impl Shared {
    /// * `group`: the field that says which template a sentence is of, and what to call its values
    pub(super) fn new(group: Option<(&'static str, &'static str)>) -> Self {
        match group {
            Some((field, name)) => {
                let group = Group { field, name, values: BTreeMap::new() };
                Self::Templates(Overlap { texts: HashMap::new(), group })
            }
            None => Self::Texts(Leaks::default()),
        }
    }

    /// What [`add`](Self::add) needs of a text beside itself, and any thread can find out.
    pub(super) fn look(&self, split: Split, example: &Example) -> Option<Reduced> {
        match self {
            Self::Templates(_) => None,
            Self::Texts(leaks) => Some(leaks.reduce(split, example)),
        }
    }

    pub(super) fn add(&mut self, split: Split, example: &Example, looked: Option<Reduced>) {
        match self {
            Self::Templates(overlap) => overlap.push(split, example),
            Self::Texts(leaks) => looked.into_iter().for_each(|text| leaks.add(text)),
        }
    }

    /// What a reader of scores should know of it.
    pub(super) fn caveats(&self, files: &FileNames) -> Vec<Caveat> {
        match self {
            Self::Templates(overlap) => overlap.caveats(),
            Self::Texts(leaks) => {
                let leaked = |(split, other)| leaked(leaks, split, other, files);
                PAIRS.into_iter().flat_map(leaked).collect()
            }
        }
    }
}

/// How much of a split is known from another.
fn leaked(leaks: &Leaks, split: Split, other: Split, files: &FileNames) -> Vec<Caveat> {
    let Between { total, equal, masked, near } = leaks.between(split, other);
    let example = |leak: &Leak| {
        let first = leak.first.map(|([place, known], _)| {
            format!(", such as {} and {}", files.line_in(split, place), files.line_in(other, known))
        });
        first.unwrap_or_default()
    };
    let is = |leak: &Leak, what: &str| {
        format!("{} of {total} {split} texts are {what} {other}{}", leak.count, example(leak))
    };
    let found = [
        ("texts_in_two_splits", &equal, is(&equal, "also in") + ": scores on them measure memory"),
        (
            "masked_texts_in_two_splits",
            &masked,
            is(&masked, "but for their numbers in") + ": to look them up would do",
        ),
        (
            "near_duplicates_in_two_splits",
            &near,
            is(&near, "nearly in")
                + &format!(
                    ": they share an estimated {:.0} % or more of their runs of three words",
                    100.0 * NEAR
                ),
        ),
    ];
    let caveat = |(code, leak, message): (&str, &Leak, String)| {
        Caveat::new(code, leak.count, message).of(split)
    };
    found.into_iter().filter(|(_, leak, _)| leak.count > 0).map(caveat).collect()
}

/// Which sentences, and which values of a field, lie in several splits.
pub(super) struct Overlap {
    /// By digest of the text: how many times it stands in each split.
    texts: HashMap<[u8; 16], [u32; 3]>,
    group: Group,
}

/// A field, what to call its values, and how many times each stands in each split.
struct Group {
    field: &'static str,
    name: &'static str,
    values: BTreeMap<String, [u32; 3]>,
}

impl Overlap {
    fn push(&mut self, split: Split, example: &Example) {
        let digest = blake3::hash(example.text.as_bytes());
        let (digest, _) = digest.as_bytes().split_first_chunk::<16>().expect("it has 32 bytes");
        self.texts.entry(*digest).or_default()[split as usize] += 1;
        let Group { field, values, .. } = &mut self.group;
        if let Some(value) = example.fields.get(*field) {
            if !values.contains_key(value) {
                values.insert(value.clone(), [0; 3]);
            }
            values.get_mut(value).expect("it is there")[split as usize] += 1;
        }
    }

    fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        for (split, other) in PAIRS {
            let count = |counts: &[u32; 3]| counts[split as usize];
            let total: u32 = self.texts.values().map(count).sum();
            let both = self.texts.values().filter(|counts| counts[other as usize] > 0);
            let shared: u32 = both.map(count).sum();
            if shared > 0 {
                let message = format!(
                    "{shared} of {total} {split} texts are also in {other}: scores on them measure memory"
                );
                caveats.push(Caveat::new("texts_in_two_splits", shared, message).of(split));
            }
        }
        let Group { field, name, values } = &self.group;
        for split in [Split::Validation, Split::Test] {
            let shared = values
                .values()
                .filter(|counts| counts[split as usize] > 0 && counts[Split::Train as usize] > 0)
                .count();
            if shared > 0 {
                let message = format!(
                    "{split} shares {shared} {name} with train: scores on it say little about other {name}; `by = \"{field}\"` keeps them apart"
                );
                caveats.push(Caveat::new(&format!("shared_{name}"), shared, message).of(split));
            }
        }
        caveats
    }
}
