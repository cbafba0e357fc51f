//! What a corpus gives away without a model: predictors that are fitted in seconds, to hold a model against.
//!
//! 1. [`Baseline::fit`] looks at labelled texts, once or twice, some at a time: what is kept of them is what it answers by;
//! 2. [`Baseline::predict`] answers for a text what a model would: its entities, and a probability for each class of each head.
//!
//! None of them draws anything: the same texts in the same order give the same answers.

mod classes;
mod gazetteer;
mod linear;
mod lookup;
mod ngrams;
mod optimise;
mod said;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::classes::Counts;
use self::gazetteer::{Gazetteer, Names};
use self::linear::{Linear, Sample};
use self::lookup::Lookup;
pub use self::said::Said;
pub use self::words::as_tokens;
use crate::text::{CorpusTasks, Example};

/// How a baseline answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The most frequent class of each head for every text, and no entities.
    Majority,
    /// The labels of an equal text, where there is one; else as `majority`.
    Lookup,
    /// The labels of a text that is equal once its numbers are masked; else as `majority`.
    Masked,
    /// Logistic regression on n-grams of words and characters for each head, and a gazetteer of the entities that were seen.
    Linear,
}

impl Method {
    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Lookup => "lookup",
            Self::Masked => "masked",
            Self::Linear => "linear",
        }
    }
}

/// A fitted baseline.
pub struct Baseline {
    /// Whether it says entities: the texts that it saw are labelled for them.
    tags: bool,
    /// How often each class of each head was seen, as shares.
    priors: Vec<Vec<f64>>,
    fitted: Fitted,
}

enum Fitted {
    Majority,
    Lookup(Lookup),
    /// A model of each head, where there is something to tell apart.
    Linear(Vec<Option<Linear>>, Gazetteer),
}

impl Baseline {
    /// * `texts`: hands out those to learn from, some at a time, in the same order as often as it is asked
    ///
    /// # Errors
    /// Those of `texts`.
    pub fn fit<E>(
        method: Method,
        tasks: &CorpusTasks,
        texts: impl Fn(&mut dyn FnMut(&[Example])) -> Result<(), E>,
    ) -> Result<Self, E> {
        let heads = &tasks.heads;
        let mut counts: Vec<Counts> = heads.iter().map(Counts::new).collect();
        let mut count = |texts: &[Example]| {
            for (counts, head) in counts.iter_mut().zip(heads) {
                texts.iter().for_each(|example| counts.add(example, head));
            }
        };
        let fitted = match method {
            Method::Majority => {
                texts(&mut count)?;
                Fitted::Majority
            }
            Method::Lookup | Method::Masked => {
                let mut lookup = Lookup::new(heads, method == Method::Masked);
                texts(&mut |texts| {
                    count(texts);
                    texts.iter().for_each(|example| lookup.add(example));
                })?;
                Fitted::Lookup(lookup)
            }
            Method::Linear => {
                let mut names = Names::default();
                texts(&mut |texts| {
                    count(texts);
                    names.add(texts);
                })?;
                let mut samples: Vec<Sample> =
                    counts.iter().map(|counts| Sample::of(counts.total())).collect();
                texts(&mut |texts| {
                    for (sample, head) in samples.iter_mut().zip(heads) {
                        texts.iter().for_each(|example| sample.add(example, head));
                    }
                    names.count(texts);
                })?;
                let linear = samples.iter().zip(heads);
                let linear = linear.map(|(sample, head)| Linear::fit(sample, head)).collect();
                Fitted::Linear(linear, names.gazetteer())
            }
        };
        let priors = counts.iter().map(Counts::shares).collect();
        Ok(Self { tags: tasks.tagging, priors, fitted })
    }

    #[must_use]
    pub fn predict(&self, text: &str) -> Said {
        let (entities, classes) = match &self.fitted {
            Fitted::Majority => (Vec::new(), self.priors.clone()),
            Fitted::Lookup(lookup) => match lookup.get(text) {
                None => (Vec::new(), self.priors.clone()),
                Some(known) => {
                    let classes = known.classes.into_iter().zip(&self.priors);
                    let classes =
                        classes.map(|(known, prior)| known.unwrap_or_else(|| prior.clone()));
                    (known.entities, classes.collect())
                }
            },
            Fitted::Linear(heads, gazetteer) => {
                let of = |(head, prior): (&Option<Linear>, &Vec<f64>)| match head {
                    Some(head) => head.probabilities(text),
                    None => prior.clone(),
                };
                (gazetteer.find(text), heads.iter().zip(&self.priors).map(of).collect())
            }
        };
        Said { entities: self.tags.then_some(entities), classes }
    }
}

#[cfg(test)]
mod tests;
