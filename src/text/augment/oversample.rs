//! How often texts of rare classes are repeated.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::identity::identity;
use crate::base::problem::Help;
use crate::base::rng::Rng;
use crate::base::visible;
use crate::text::{ClassHead, CorpusTasks, Example};
use rand::Rng as _;

/// The classes of one head that are to have more texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Oversampling {
    pub head: String,
    pub target: Target,
}

/// How many they are to have.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Each as many as the most frequent one.
    Balanced,
    /// Shares of the texts with a class; one that has more already keeps it.
    Shares(BTreeMap<String, f64>),
}

impl Oversampling {
    /// The head of a corpus that it is about.
    ///
    /// # Errors
    /// When the corpus has no such head, or the head not these classes.
    pub fn head_in<'t>(&self, tasks: &'t CorpusTasks) -> Result<&'t ClassHead, OversamplingError> {
        let head = tasks.head(&self.head).ok_or_else(|| OversamplingError::Head {
            head: self.head.clone(),
            known: tasks.heads.iter().map(|head| head.name.clone()).collect(),
        })?;
        let Target::Shares(shares) = &self.target else { return Ok(head) };
        match shares.keys().find(|class| head.index(class).is_none()) {
            None => Ok(head),
            Some(class) => Err(OversamplingError::Class {
                head: self.head.clone(),
                class: class.clone(),
                known: head.classes.clone(),
            }),
        }
    }
}

/// The classes of a head, each with its texts before and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCounts {
    pub head: String,
    pub classes: Vec<(String, [usize; 2])>,
}

/// What a corpus does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OversamplingError {
    #[error("the corpus has no classes of `{}` to oversample", visible::line(head))]
    Head { head: String, known: Vec<String> },
    #[error("`{}` has no class `{}` to oversample", visible::line(head), visible::line(class))]
    Class { head: String, class: String, known: Vec<String> },
    #[error(
        "no text of train has the class `{}` of `{}`, so that there is none to oversample",
        visible::line(class),
        visible::line(head)
    )]
    NoText { head: String, class: String },
    #[error(
        "the shares of `{}` sum to 1, and leave none for its other classes",
        visible::line(head)
    )]
    NothingLeft { head: String },
    #[error(
        "the class `{}` of `{}` has {texts} texts to train on, and each would be repeated more than {MOST} times",
        visible::line(class),
        visible::line(head)
    )]
    TooFew { head: String, class: String, texts: usize },
}

/// How often a text is repeated at most: beyond that a model learns it by heart.
const MOST: usize = 1000;

impl Help for OversamplingError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let list = |names: &[String]| {
            let names: Vec<String> =
                names.iter().map(|name| format!("`{}`", visible::line(name))).collect();
            names.join(", ")
        };
        match self {
            Self::Head { known, .. } if known.is_empty() => None,
            Self::Head { known, .. } => Some(format!("it has those of {}", list(known)).into()),
            Self::Class { known, .. } => Some(format!("its classes are {}", list(known)).into()),
            Self::NoText { .. } => {
                Some("a text can be repeated where there is one: leave the class out".into())
            }
            Self::NothingLeft { .. } => {
                Some("name all classes that have texts, or give smaller shares".into())
            }
            Self::TooFew { .. } => Some("a smaller share, or more texts of it".into()),
        }
    }
}

/// The texts of each class.
pub(super) struct Counted {
    head: ClassHead,
    target: Target,
    rng: Rng,
    /// By class: a number for each text, which chance gave it.
    texts: Vec<Vec<u64>>,
}

impl Counted {
    pub(super) fn new(
        oversampling: &Oversampling,
        tasks: &CorpusTasks,
        seed: u64,
    ) -> Result<Self, OversamplingError> {
        let head = oversampling.head_in(tasks)?.clone();
        let texts = vec![Vec::new(); head.classes.len()];
        Ok(Self { head, target: oversampling.target.clone(), rng: Rng::new(seed), texts })
    }

    pub(super) fn push(&mut self, example: &Example) {
        if let Some(class) = class_of(&self.head, example) {
            self.texts[class].push(rank(self.rng, example));
        }
    }

    /// * `lines`: how many there will be of each text without repeats
    pub(super) fn repeats(self, lines: usize) -> Result<Repeats, OversamplingError> {
        let head = self.head;
        let counts: Vec<usize> = self.texts.iter().map(|texts| lines * texts.len()).collect();
        let more = match &self.target {
            Target::Balanced => balanced(&counts),
            Target::Shares(shares) => {
                let mut named = shares.keys().filter_map(|class| head.index(class));
                if let Some(class) = named.find(|class| counts[*class as usize] == 0) {
                    let class = head.classes[class as usize].clone();
                    return Err(OversamplingError::NoText { head: head.name, class });
                }
                let share = |class: &String| shares.get(class).copied().unwrap_or_default();
                let shares: Vec<f64> = head.classes.iter().map(share).collect();
                match raised(&counts, &shares) {
                    Some(more) => more,
                    None => return Err(OversamplingError::NothingLeft { head: head.name }),
                }
            }
        };
        let is_too_few = |(texts, more): (&Vec<u64>, &usize)| *more > MOST * texts.len();
        if let Some(class) = self.texts.iter().zip(&more).position(is_too_few) {
            let (texts, class) = (self.texts[class].len(), head.classes[class].clone());
            return Err(OversamplingError::TooFew { head: head.name, class, texts });
        }
        let classes = self.texts.into_iter().zip(more).map(|(texts, more)| Share::of(texts, more));
        let none = vec![[0; 2]; head.classes.len()];
        Ok(Repeats { classes: classes.collect(), head, rng: self.rng, counts: none })
    }
}

fn class_of(head: &ClassHead, example: &Example) -> Option<usize> {
    head.index(example.classes.get(&head.name)?).map(|class| class as usize)
}

fn rank(rng: Rng, example: &Example) -> u64 {
    rng.stream(&format!("oversample/{}", identity(example))).next_u64()
}

/// How many more texts each class needs to have as many as the most frequent one; one without any text gets none.
fn balanced(counts: &[usize]) -> Vec<usize> {
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().map(|count| if *count == 0 { 0 } else { most - count }).collect()
}

/// How many more texts each class needs to have its share of all that there will be; nothing where those that keep theirs have no share left.
fn raised(counts: &[usize], shares: &[f64]) -> Option<Vec<usize>> {
    let wanted = |share: f64, all: f64| (share * all).round() as usize;
    let mut all = counts.iter().sum::<usize>() as f64;
    loop {
        // Each round raises more classes, if any, since all others then have less of the whole.
        let is_raised = |(count, share): &(&usize, &f64)| wanted(**share, all) > **count;
        let (raised, kept): (Vec<_>, Vec<_>) = counts.iter().zip(shares).partition(is_raised);
        let kept = kept.into_iter().map(|(count, _)| *count as f64).sum::<f64>();
        let left = 1.0 - raised.into_iter().map(|(_, share)| *share).sum::<f64>();
        // Decimal fractions are not exact in binary.
        if left < 1e-9 {
            return None;
        }
        let now = kept / left;
        if now <= all {
            let more = |(count, share): (&usize, &f64)| wanted(*share, all).saturating_sub(*count);
            return Some(counts.iter().zip(shares).map(more).collect());
        }
        all = now;
    }
}

/// How often the texts of one class are repeated.
struct Share {
    /// Each of them.
    every: usize,
    /// Those whose numbers are below once more.
    below: u64,
    /// And so many of those that have it.
    at: usize,
}

impl Share {
    fn of(mut numbers: Vec<u64>, more: usize) -> Self {
        let Some(every) = more.checked_div(numbers.len()) else {
            return Self { every: 0, below: 0, at: 0 };
        };
        numbers.sort_unstable();
        let below = numbers[more % numbers.len()];
        let at = more % numbers.len() - numbers.partition_point(|number| *number < below);
        Self { every, below, at }
    }
}

/// How often each text is repeated, text by text in the order of the corpus.
pub(super) struct Repeats {
    head: ClassHead,
    rng: Rng,
    classes: Vec<Share>,
    /// By class: texts that were there, and that there are now.
    counts: Vec<[usize; 2]>,
}

impl Repeats {
    pub(super) fn of(&mut self, example: &Example) -> usize {
        let Some(class) = class_of(&self.head, example) else { return 0 };
        let share = &mut self.classes[class];
        let number = rank(self.rng, example);
        let is_at = number == share.below && share.at > 0;
        share.at -= usize::from(is_at);
        share.every + usize::from(is_at || number < share.below)
    }

    /// * `more`: how many were made of the text
    pub(super) fn count(&mut self, example: &Example, more: usize) {
        if let Some(class) = class_of(&self.head, example) {
            let [before, now] = &mut self.counts[class];
            *before += 1;
            *now += 1 + more;
        }
    }

    pub(super) fn counts(self) -> ClassCounts {
        let classes = self.head.classes.into_iter().zip(self.counts).collect();
        ClassCounts { head: self.head.name, classes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_have_as_many_texts_as_the_most_frequent_one() {
        assert_eq!(balanced(&[10, 3, 0]), [0, 7, 0]);
    }

    #[test]
    fn a_class_gets_the_share_that_it_is_to_have_and_one_that_has_more_keeps_it() {
        assert_eq!(raised(&[90, 10], &[0.0, 0.25]), Some(vec![0, 20]));
        assert_eq!(raised(&[80, 10, 10], &[0.0, 0.1, 0.3]), Some(vec![0, 3, 30]));
        assert_eq!(raised(&[50, 50], &[0.0, 0.25]), Some(vec![0, 0]));
        assert_eq!(raised(&[10, 60, 30], &[0.0, 0.25, 0.5]), Some(vec![0, 0, 40]));
        assert_eq!(raised(&[5, 5], &[0.2, 0.3]), Some(vec![0, 0]));
        assert_eq!(raised(&[10, 90], &[0.5, 0.5]), Some(vec![80, 0]));
        assert_eq!(raised(&[50, 10, 10], &[0.0, 0.5, 0.5]), None);
    }

    fn example(text: &str, class: &str) -> Example {
        Example {
            text: text.to_owned(),
            entities: None,
            classes: BTreeMap::from([("anomaly".to_owned(), class.to_owned())]),
            fields: BTreeMap::new(),
            file: 0,
            line: 1,
        }
    }

    /// What comes of so many normal texts and one anomaly.
    fn refused(normal: usize, target: Target) -> OversamplingError {
        let oversampling = Oversampling { head: "anomaly".to_owned(), target };
        let mut counted =
            Counted::new(&oversampling, &CorpusTasks::default(), 1).expect("the head is there");
        (0..normal).for_each(|_| counted.push(&example("fine", "normal")));
        counted.push(&example("a", "anomaly"));
        counted.repeats(1).err().expect("it is refused")
    }

    #[test]
    fn what_no_repeats_can_reach_is_refused() {
        let (head, class) = ("anomaly".to_owned(), "anomaly".to_owned());
        let shares = |shares: &[(&str, f64)]| {
            Target::Shares(
                shares.iter().map(|(class, share)| ((*class).to_owned(), *share)).collect(),
            )
        };
        assert_eq!(
            refused(MOST + 2, Target::Balanced),
            OversamplingError::TooFew { head: head.clone(), class, texts: 1 }
        );
        assert_eq!(
            refused(0, shares(&[("normal", 0.5)])),
            OversamplingError::NoText { head: head.clone(), class: "normal".to_owned() }
        );
        assert_eq!(
            refused(9, shares(&[("anomaly", 1.0 - 1e-12)])),
            OversamplingError::NothingLeft { head }
        );
    }

    #[test]
    fn repeats_are_as_many_as_are_needed_even_of_equal_texts() {
        let mut corpus: Vec<Example> = vec![example("fine", "normal"); 20];
        corpus.extend(["a", "a", "a", "b", "c", "a"].map(|text| example(text, "anomaly")));
        let oversampling = Oversampling { head: "anomaly".to_owned(), target: Target::Balanced };
        for seed in 0..20 {
            let mut counted = Counted::new(&oversampling, &CorpusTasks::default(), seed)
                .expect("the head is there");
            corpus.iter().for_each(|example| counted.push(example));
            let mut repeats = counted.repeats(1).expect("there are texts");
            let more: Vec<usize> = corpus.iter().map(|example| repeats.of(example)).collect();
            assert_eq!(more.iter().sum::<usize>(), 14, "{more:?}");
            assert!(more[20..].iter().all(|more| [2, 3].contains(more)), "{more:?}");
        }
    }
}
