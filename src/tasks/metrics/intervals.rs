//! How far scores would be from where they are on other texts of the same kind: percentile intervals of the bootstrap.
//!
//! Reference: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3. Texts are drawn, not tokens: what stands in one text is alike. Where
//! whole groups of texts were held out, groups are drawn: new texts will be of other groups, and those of one are alike.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rayon::prelude::*;

use crate::base::rng::Rng;

/// How often as many units are drawn as there are.
const RESAMPLES: u64 = 1000;

/// The share of the resamples' scores that lie within an interval.
const CONFIDENCE: f64 = 0.95;

/// Of so many resamples, how many must define a score.
const DEFINED: [usize; 2] = [19, 20];

/// The lowest and the highest of the scores within.
pub type Interval = [f64; 2];

/// Adds the counts of a text.
type Add = dyn Fn(usize, &mut [u64]) + Send + Sync;

/// What a sum of counts comes to.
type OfSum = dyn Fn(&[u64]) -> Vec<Option<f64>> + Send + Sync;

/// The scores of a task to which texts add up.
pub struct Counted {
    /// The task: each has a stream of random numbers of its own, so that one does not move another.
    pub task: String,
    /// Of the scores.
    pub names: Vec<&'static str>,
    /// Of the counts that they are made of.
    width: usize,
    add: Box<Add>,
    scores: Box<OfSum>,
}

impl Counted {
    /// * `names`: of what `scores` returns
    /// * `width`: of the counts
    /// * `add`: adds those of a text
    /// * `scores`: what their sum comes to
    pub fn new(
        task: &str,
        names: &[&'static str],
        width: usize,
        add: impl Fn(usize, &mut [u64]) + Send + Sync + 'static,
        scores: impl Fn(&[u64]) -> Vec<Option<f64>> + Send + Sync + 'static,
    ) -> Self {
        let (add, scores) = (Box::new(add), Box::new(scores));
        Self { task: task.to_owned(), names: names.to_vec(), width, add, scores }
    }

    /// The scores of texts that count as often as the weights say, and of all texts without weights.
    ///
    /// * `texts`: how many there are
    #[must_use]
    pub fn weighted(&self, texts: usize, weights: Option<&[u32]>) -> Vec<Option<f64>> {
        let mut sums = vec![0; self.width];
        for text in 0..texts {
            for _ in 0..weights.map_or(1, |weights| weights[text]) {
                (self.add)(text, &mut sums);
            }
        }
        (self.scores)(&sums)
    }

    /// The intervals of those scores that have one, by their names with the task's before.
    #[must_use]
    pub fn intervals(&self, units: &Units) -> Vec<(String, Interval)> {
        let all = intervals(&self.task, units, self.width, &*self.add, &*self.scores);
        let named = self.names.iter().zip(all);
        named.filter_map(|(name, it)| Some((format!("{}.{name}", self.task), it?))).collect()
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Units {
    /// So many texts, each by itself.
    Texts(usize),
    /// The texts of each group, all together.
    Groups(Vec<Vec<usize>>),
}

impl Units {
    /// * `of_texts`: the group of each text, by any number
    #[must_use]
    pub fn groups(of_texts: &[u32]) -> Self {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (text, group) in of_texts.iter().enumerate() {
            groups.entry(*group).or_default().push(text);
        }
        Self::Groups(groups.into_values().collect())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Texts(count) => *count,
            Self::Groups(groups) => groups.len(),
        }
    }

    /// Whether drawing them says anything of other texts.
    #[must_use]
    pub fn say_something(&self) -> bool {
        self.len() >= self.least()
    }

    /// Below this many, what is drawn is always the same, and says nothing.
    fn least(&self) -> usize {
        match self {
            Self::Texts(_) => 1,
            Self::Groups(_) => 2,
        }
    }

    pub(super) fn texts_of(&self, unit: usize, mut each: impl FnMut(usize)) {
        match self {
            Self::Texts(_) => each(unit),
            Self::Groups(groups) => groups[unit].iter().for_each(|text| each(*text)),
        }
    }
}

/// Of each score, in the order of `scores`; `None` where too few resamples define it, or there is but one group.
///
/// * `name`: of what is scored; each has a stream of its own, so that one does not move another
/// * `width`: of the counts that scores are made of
/// * `add`: adds the counts of a text
/// * `scores`: what the sum of counts comes to
#[must_use]
fn intervals(
    name: &str,
    units: &Units,
    width: usize,
    add: &(dyn Fn(usize, &mut [u64]) + Sync),
    scores: &(dyn Fn(&[u64]) -> Vec<Option<f64>> + Sync),
) -> Vec<Option<Interval>> {
    if !units.say_something() {
        return scores(&vec![0; width]).iter().map(|_| None).collect();
    }
    let rng = Rng::new(0);
    let resample = |number: u64| {
        let mut stream = rng.numbered_stream(&format!("bootstrap {name}"), number);
        let mut sums = vec![0; width];
        for _ in 0..units.len() {
            let unit = stream.random_range(0..units.len());
            units.texts_of(unit, |text| add(text, &mut sums));
        }
        scores(&sums)
    };
    let all: Vec<Vec<Option<f64>>> = (0..RESAMPLES).into_par_iter().map(resample).collect();
    let of_score = |at: usize| percentile(all.iter().map(|scores| scores[at]));
    (0..all[0].len()).map(of_score).collect()
}

/// Within which 95 % of the scores of resamples lie; `None` where too few define it.
pub(super) fn percentile(
    resamples: impl ExactSizeIterator<Item = Option<f64>>,
) -> Option<Interval> {
    let least = resamples.len() * DEFINED[0] / DEFINED[1];
    let mut values: Vec<f64> = resamples.flatten().collect();
    // Where many resamples leave a score undefined, those that do not say little of it.
    if values.len() < least {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some([quantile(&values, tail)?, quantile(&values, 1.0 - tail)?])
}

/// As `numpy.quantile` interpolates by default; `None` without values.
///
/// * `values`: ascending
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let place = share * values.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    Some(values[below] + (values[above] - values[below]) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of `right` right answers of `texts`.
    fn accuracy(right: usize, texts: usize) -> Option<Interval> {
        accuracy_of(right, &Units::Texts(texts))
    }

    fn accuracy_of(right: usize, units: &Units) -> Option<Interval> {
        let add = |text: usize, sums: &mut [u64]| {
            sums[0] += u64::from(text < right);
            sums[1] += 1;
        };
        let scores = |sums: &[u64]| vec![(sums[1] > 0).then(|| sums[0] as f64 / sums[1] as f64)];
        intervals("test", units, 2, &add, &scores)[0]
    }

    /// That of a binomial share of 0.8 of 400 is 0.8 ± 1.96 · 0.02; a thousand resamples blur its ends by a tenth of that.
    #[test]
    fn the_interval_of_a_share_is_that_of_the_binomial() {
        let [low, high] = accuracy(320, 400).expect("defined");
        assert!((low - 0.7608).abs() < 0.006 && (high - 0.8392).abs() < 0.006, "{low} {high}");
    }

    #[test]
    fn what_is_always_right_has_no_width_and_what_is_not_there_no_interval() {
        assert_eq!(accuracy(50, 50), Some([1.0, 1.0]));
        assert_eq!(accuracy(0, 0), None);
    }

    /// Ten groups of forty texts, eight of them all right: the share of groups is 0.8 ± 1.96 · 0.126, where texts by themselves would give ± 0.04.
    #[test]
    fn texts_of_one_group_are_drawn_together() {
        let of_texts: Vec<u32> = (0..400).map(|text| text / 40).collect();
        let [low, high] = accuracy_of(320, &Units::groups(&of_texts)).expect("defined");
        assert!((low - 0.5).abs() < 0.11 && (high - 1.0).abs() < 0.01, "{low} {high}");
        let each: Vec<u32> = (0..400).collect();
        assert_eq!(accuracy_of(320, &Units::groups(&each)), accuracy(320, 400));
    }

    #[test]
    fn a_single_group_says_nothing_of_others() {
        assert_eq!(accuracy_of(30, &Units::groups(&[7; 50])), None);
    }

    #[test]
    fn a_score_that_one_text_defines_has_no_interval() {
        let add = |text: usize, sums: &mut [u64]| sums[0] += u64::from(text == 0);
        let scores = |sums: &[u64]| vec![(sums[0] > 0).then_some(1.0)];
        assert_eq!(intervals("test", &Units::Texts(60), 1, &add, &scores), [None]);
    }

    #[test]
    fn the_same_texts_give_the_same_interval() {
        assert_eq!(accuracy(30, 50), accuracy(30, 50));
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
