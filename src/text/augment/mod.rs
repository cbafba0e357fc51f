//! More texts to train on, made of those that there are.
//!
//! 1. [`Seen`] looks at every text of a corpus once: which texts there are, the entities of those to train on by their type, and how many texts
//!    each class has;
//! 2. [`Seen::augmenter`] knows with that what may be put in an entity's place, which copies would be no new texts, and how often a text of a
//!    rare class is to be repeated;
//! 3. [`Augmenter::push`] takes each text to train on and hands it out, and behind it what was made of it.
//!
//! A copy goes through all [`Methods`] that are asked for, one after the other; each changes its share of what it could change, one thing at least
//! (as Wei & Zou 2019 do, <https://aclanthology.org/D19-1670>). What chance decides comes from a stream of the text's own for each method and copy,
//! so that a text that is added or removed changes what is made of no other, but where one takes an entity from it.
//!
//! In memory at a time are a few texts, about 40 bytes for each text of the corpus and for each copy, 8 for each text with a class where classes
//! are oversampled, and at most [`MOST_VALUES`] values for each type of entity.

mod case;
mod draft;
mod entities;
mod identity;
mod noise;
mod oversample;
mod synonyms;
mod wordnet;

use std::borrow::Cow;
use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

pub use case::Case;
pub use entities::MOST_VALUES;
pub use noise::Noise;
pub use oversample::{ClassCounts, Oversampling, OversamplingError, Target};
pub use wordnet::{WordNet, WordNetError};

use self::draft::Draft;
use self::entities::Entities;
use self::identity::identity;
use self::oversample::{Counted, Repeats};
use super::{CorpusTasks, Example, Split};
use crate::base::rng::Rng;

/// Fields of a text that was made of another: the `id` of that one, else its line, and what was done to it.
pub const AUGMENTED_FROM: &str = "augmented_from";
pub const AUGMENTATION: &str = "augmentation";

/// How many texts are made at a time.
const BATCH_LINES: usize = 1 << 14;

/// Between the names of several methods.
const AND: &str = "+";
const OVERSAMPLE: &str = "oversample";

/// What is done to a copy. A share is one of what could be changed: 0 leaves all as it is.
#[derive(Debug, Clone, Default)]
pub struct Methods {
    /// Share of the entities that become others of their type.
    pub swap_entities: f64,
    /// Share of the words outside of entities that become synonyms.
    pub synonyms: f64,
    pub noise: Noise,
    pub case: Case,
    /// Whether noise and case reach into entities.
    pub noise_in_entities: bool,
    pub case_in_entities: bool,
}

impl Methods {
    /// Whether copies are any different.
    #[must_use]
    pub fn any(&self) -> bool {
        self.swap_entities > 0.0 || self.synonyms > 0.0 || self.noise.any() || self.case.any()
    }
}

/// What is to be made of a corpus.
#[derive(Debug, Clone, Default)]
pub struct Augmentation {
    pub methods: Methods,
    /// Of each text to train on.
    pub copies: usize,
    pub oversampling: Option<Oversampling>,
    pub seed: u64,
}

impl Augmentation {
    /// Copies without a change would be none.
    fn copies(&self) -> usize {
        if self.methods.any() { self.copies } else { 0 }
    }
}

/// What was seen of a corpus.
pub struct Seen {
    augmentation: Augmentation,
    texts: Texts,
    entities: Entities,
    counted: Option<Counted>,
}

/// Which texts there are, by digest.
#[derive(Default)]
struct Texts {
    train: HashSet<[u8; 16]>,
    /// In the other splits.
    held_out: HashSet<[u8; 16]>,
}

/// Where a text stands already.
enum Known {
    Train,
    HeldOut,
}

impl Texts {
    /// Takes a text that is to be trained on, unless it is known.
    fn admit(&mut self, text: &str) -> Result<(), Known> {
        let digest = digest(text);
        if self.held_out.contains(&digest) {
            return Err(Known::HeldOut);
        }
        if self.train.insert(digest) { Ok(()) } else { Err(Known::Train) }
    }
}

fn digest(text: &str) -> [u8; 16] {
    let digest = blake3::hash(text.as_bytes());
    *digest.as_bytes().first_chunk::<16>().expect("it has 32 bytes")
}

impl Seen {
    /// # Errors
    /// When classes are to be oversampled that the corpus does not have.
    pub fn new(augmentation: Augmentation, tasks: &CorpusTasks) -> Result<Self, OversamplingError> {
        let counted = augmentation
            .oversampling
            .as_ref()
            .map(|oversampling| Counted::new(oversampling, tasks, augmentation.seed))
            .transpose()?;
        let entities = Entities::new(augmentation.seed);
        Ok(Self { augmentation, texts: Texts::default(), entities, counted })
    }

    pub fn push(&mut self, split: Split, example: &Example) {
        let digest = digest(&example.text);
        if split != Split::Train {
            self.texts.held_out.insert(digest);
            return;
        }
        self.texts.train.insert(digest);
        if self.augmentation.methods.swap_entities > 0.0 {
            self.entities.push(example);
        }
        if let Some(counted) = &mut self.counted {
            counted.push(example);
        }
    }

    /// * `wordnet`: where synonyms are asked for
    ///
    /// # Errors
    /// When a class that is to be oversampled has too few texts for that.
    pub fn augmenter(self, wordnet: Option<WordNet>) -> Result<Augmenter, OversamplingError> {
        let copies = self.augmentation.copies();
        Ok(Augmenter {
            maker: Maker {
                methods: self.augmentation.methods,
                rng: Rng::new(self.augmentation.seed),
                entities: self.entities.arranged(),
                wordnet,
            },
            copies,
            repeats: self.counted.map(|counted| counted.repeats(1 + copies)).transpose()?,
            texts: self.texts,
            batch: Vec::new(),
            lines: 0,
            tally: Tally::default(),
        })
    }
}

/// Makes texts of texts.
pub struct Augmenter {
    maker: Maker,
    copies: usize,
    repeats: Option<Repeats>,
    texts: Texts,
    /// Texts that were not handed out yet, each with how often it is repeated, and how many they will be.
    batch: Vec<(Example, usize)>,
    lines: usize,
    tally: Tally,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Texts that were there.
    pub originals: usize,
    /// Copies that were made of them.
    pub copies: usize,
    /// More texts of rare classes.
    pub oversampled: usize,
    /// Copies that nothing in the text could change.
    pub unchanged: usize,
    /// Copies that were equal to a text to train on.
    pub equal: usize,
    /// Copies that were equal to a text of another split.
    pub held_out: usize,
    /// Where classes were oversampled.
    pub classes: Option<ClassCounts>,
}

impl Augmenter {
    /// Takes a text to train on. Texts are handed out in their order, some at a time, and behind each what was made of it.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn push<E>(
        &mut self,
        example: Example,
        each: &mut dyn FnMut(Example) -> Result<(), E>,
    ) -> Result<(), E> {
        let repeats = self.repeats.as_mut().map_or(0, |repeats| repeats.of(&example));
        self.lines += 1 + self.copies + repeats;
        self.batch.push((example, repeats));
        if self.lines < BATCH_LINES { Ok(()) } else { self.hand_out(each) }
    }

    /// Hands out what is left.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn finish<E>(mut self, each: &mut dyn FnMut(Example) -> Result<(), E>) -> Result<Tally, E> {
        self.hand_out(each)?;
        Ok(Tally { classes: self.repeats.map(Repeats::counts), ..self.tally })
    }

    fn hand_out<E>(&mut self, each: &mut dyn FnMut(Example) -> Result<(), E>) -> Result<(), E> {
        let batch = std::mem::take(&mut self.batch);
        self.lines = 0;
        let (maker, copies) = (&self.maker, self.copies);
        let made: Vec<Vec<Option<Made>>> = batch
            .par_iter()
            .map(|(example, repeats)| {
                (0..copies + repeats).map(|copy| maker.make(example, copy as u64)).collect()
            })
            .collect();
        for ((example, _), made) in batch.into_iter().zip(made) {
            let mut new = Vec::with_capacity(made.len());
            for (number, made) in made.into_iter().enumerate() {
                if number < copies {
                    let made = self.admitted(made);
                    self.tally.copies += usize::from(made.is_some());
                    new.extend(made.map(|made| made.of(&example, None)));
                } else {
                    // Whatever becomes of a change, the class is to have its share.
                    let made = made.filter(|made| self.texts.admit(&made.text).is_ok());
                    let made = made.unwrap_or_else(|| Made::repeat(&example));
                    self.tally.oversampled += 1;
                    new.push(made.of(&example, Some(OVERSAMPLE)));
                }
            }
            self.tally.originals += 1;
            if let Some(repeats) = &mut self.repeats {
                repeats.count(&example, new.len());
            }
            each(example)?;
            new.into_iter().try_for_each(&mut *each)?;
        }
        Ok(())
    }

    /// A copy that is one more text.
    fn admitted(&mut self, made: Option<Made>) -> Option<Made> {
        let Some(made) = made else {
            self.tally.unchanged += 1;
            return None;
        };
        match self.texts.admit(&made.text) {
            Ok(()) => return Some(made),
            Err(Known::Train) => self.tally.equal += 1,
            Err(Known::HeldOut) => self.tally.held_out += 1,
        }
        None
    }
}

/// A changed text.
struct Made {
    text: String,
    entities: Vec<super::Entity>,
    methods: Vec<&'static str>,
}

impl Made {
    fn repeat(original: &Example) -> Self {
        let (text, entities) = (original.text.clone(), original.entities().to_vec());
        Self { text, entities, methods: Vec::new() }
    }

    /// The text with what it has from its original.
    ///
    /// * `first`: what was done before the methods
    fn of(self, original: &Example, first: Option<&str>) -> Example {
        let mut fields = original.fields.clone();
        // Whoever corrects a text by its `id` means the original.
        let id = fields.remove("id");
        let from = || id.unwrap_or_else(|| original.line.to_string());
        fields.entry(AUGMENTED_FROM.to_owned()).or_insert_with(from);
        let earlier = fields.remove(AUGMENTATION).map(Cow::from);
        let done: Vec<Cow<'_, str>> = earlier
            .into_iter()
            .chain(first.map(Cow::from))
            .chain(self.methods.into_iter().map(Cow::from))
            .collect();
        fields.insert(AUGMENTATION.to_owned(), done.join(AND));
        Example {
            text: self.text,
            entities: original.entities.is_some().then_some(self.entities),
            classes: original.classes.clone(),
            fields,
            file: original.file,
            line: original.line,
        }
    }
}

/// Applies the methods.
struct Maker {
    methods: Methods,
    rng: Rng,
    entities: entities::Arranged,
    wordnet: Option<WordNet>,
}

/// A method by its name, which says whether it has changed anything.
type Method<'a> = (&'static str, bool, &'a dyn Fn(&mut Draft, &mut ChaCha8Rng));

impl Maker {
    /// Changes a copy of a text; `None` where nothing in it could be changed, or nothing would be left of it.
    fn make(&self, example: &Example, copy: u64) -> Option<Made> {
        let methods = &self.methods;
        let steps: [Method<'_>; 4] = [
            ("swap_entities", methods.swap_entities > 0.0, &|draft, stream| {
                self.entities.swap(draft, methods.swap_entities, stream);
            }),
            ("synonyms", methods.synonyms > 0.0, &|draft, stream| {
                if let Some(wordnet) = &self.wordnet {
                    synonyms::replace(draft, wordnet, methods.synonyms, stream);
                }
            }),
            ("noise", methods.noise.any(), &|draft, stream| {
                methods.noise.apply(draft, methods.noise_in_entities, stream);
            }),
            ("case", methods.case.any(), &|draft, stream| {
                methods.case.apply(draft, methods.case_in_entities, stream);
            }),
        ];
        let mut draft = Draft::of(example);
        let mut done = Vec::new();
        for (name, is_asked, apply) in steps {
            if !is_asked {
                continue;
            }
            let mut stream =
                self.rng.numbered_stream(&format!("{name}/{}", identity(example)), copy);
            let before = draft.clone();
            apply(&mut draft, &mut stream);
            if draft != before {
                done.push(name);
            }
        }
        let Draft { text, entities } = draft;
        let text: String = text.into_iter().collect();
        if done.is_empty() || text == example.text || text.trim().is_empty() {
            return None;
        }
        Some(Made { text, entities, methods: done })
    }
}

#[cfg(test)]
mod tests;
