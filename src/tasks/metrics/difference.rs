//! How sure a difference between two settings is, each trained with several seeds: pure arithmetic.
//!
//! | function | equals |
//! |---|---|
//! | [`sign_flip`] | `scipy.stats.permutation_test(permutation_type="samples", alternative="two-sided")` of the mean of paired differences |
//! | [`difference_intervals`] | `scipy.stats.bootstrap(paired=True, method="percentile")` over seeds, over texts, and over both, one inside the other |
//!
//! Reference: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, sections 13.3 and 15.2. Where both settings were scored on the same texts, the
//! same texts are drawn for both, and where both were trained with the same seeds, the same seeds are.

use rand::RngExt as _;
use rayon::prelude::*;

use super::intervals::{Interval, Units, percentile};
use crate::base::rng::Rng;

/// How often seeds and texts are drawn.
const DRAWS: u64 = 4000;

/// With more pairs than this, signs are drawn instead of tried one and all.
const ALL_SIGNS: usize = 16;

/// How many signs are drawn.
const SIGNS: u64 = 65_536;

/// The probability that differences with signs by chance have a mean at least as far from 0, in either direction; `None` without differences.
///
/// All signs are tried up to 16 differences, beyond that some are drawn, always the same.
#[must_use]
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() {
        return None;
    }
    let observed = differences.iter().sum::<f64>().abs();
    // Sums of other orders of the same numbers are as far.
    let slack = 1e-12 * differences.iter().map(|it| it.abs()).sum::<f64>();
    let is_as_far = |is_flipped: &dyn Fn(usize) -> bool| {
        let signed = |(at, it): (usize, &f64)| if is_flipped(at) { -it } else { *it };
        differences.iter().enumerate().map(signed).sum::<f64>().abs() >= observed - slack
    };
    if differences.len() <= ALL_SIGNS {
        let all = 1_u32 << differences.len();
        let far = (0..all).filter(|signs| is_as_far(&|at| signs >> at & 1 == 1)).count();
        return Some(far as f64 / f64::from(all));
    }
    let mut stream = Rng::new(0).stream("sign flip");
    let mut far = 0;
    for _ in 0..SIGNS {
        let signs: Vec<bool> = differences.iter().map(|_| stream.random()).collect();
        far += u64::from(is_as_far(&|at| signs[at]));
    }
    // The signs that there are count among those that are drawn.
    Some((far + 1) as f64 / (SIGNS + 1) as f64)
}

/// One of two settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    A,
    B,
}

/// With which seeds both were trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicates {
    /// With the same, so many.
    Paired(usize),
    /// With others, so many each.
    Apart(usize, usize),
}

/// The texts that were scored.
#[derive(Debug, Clone)]
pub struct DrawnTexts {
    /// Of each lot of texts, which is drawn from by itself: with folds there are several, else one.
    pub lots: Vec<(Units, usize)>,
    /// The lot that each seed was scored on.
    pub of_replicate: Vec<usize>,
}

/// The scores of a side and a seed, of texts that count as often as the weights say, and of all texts without weights.
pub type ScoresOf<'a> = dyn Fn(Side, usize, Option<&[u32]>) -> Vec<Option<f64>> + Sync + 'a;

/// Of each score, within which 95 % of the differences B - A of its means over seeds lie, where seeds, and texts where they are given, are drawn as often
/// as there are. `None` where too few of the draws define it.
///
/// * `name`: of what is scored; each has a stream of its own
/// * `texts`: of both sides
#[must_use]
pub fn difference_intervals(
    name: &str,
    replicates: Replicates,
    texts: Option<&DrawnTexts>,
    scores: &ScoresOf<'_>,
) -> Vec<Option<Interval>> {
    let rng = Rng::new(0);
    let draw = |number: u64| {
        let mut stream = rng.numbered_stream(&format!("difference {name}"), number);
        let mut seeds = |count: usize| -> Vec<usize> {
            (0..count).map(|_| stream.random_range(0..count)).collect()
        };
        let [a, b] = match replicates {
            Replicates::Paired(count) => {
                let both = seeds(count);
                [both.clone(), both]
            }
            Replicates::Apart(a, b) => [seeds(a), seeds(b)],
        };
        let mut weights: Vec<Vec<u32>> = Vec::new();
        for (units, count) in texts.iter().flat_map(|texts| &texts.lots) {
            let mut of_lot = vec![0; *count];
            for _ in 0..units.len() {
                let unit = stream.random_range(0..units.len());
                units.texts_of(unit, |text| of_lot[text] += 1);
            }
            weights.push(of_lot);
        }
        let mean = |side: Side, seeds: &[usize]| {
            let of_seed = |seed: &usize| {
                let weights = texts.map(|texts| weights[texts.of_replicate[*seed]].as_slice());
                scores(side, *seed, weights)
            };
            mean_of(seeds, of_seed)
        };
        let (a, b) = (mean(Side::A, &a), mean(Side::B, &b));
        a.into_iter().zip(b).map(|(a, b)| Some(b? - a?)).collect()
    };
    let all: Vec<Vec<Option<f64>>> = (0..DRAWS).into_par_iter().map(draw).collect();
    let of_score = |at: usize| percentile(all.iter().map(|scores| scores[at]));
    (0..all[0].len()).map(of_score).collect()
}

/// The mean of each score over seeds, each of which is asked once; `None` of one that is undefined for any.
fn mean_of(seeds: &[usize], of_seed: impl Fn(&usize) -> Vec<Option<f64>>) -> Vec<Option<f64>> {
    let mut distinct: Vec<usize> = seeds.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut sums: Vec<Option<f64>> = Vec::new();
    for seed in &distinct {
        let times = seeds.iter().filter(|drawn| *drawn == seed).count() as f64;
        let scores = of_seed(seed);
        sums.resize(scores.len(), Some(0.0));
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum = sum.and_then(|sum| Some(sum + times * score?));
        }
    }
    sums.into_iter().map(|sum| sum.map(|sum| sum / seeds.len() as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_pairs_cannot_come_below_a_quarter_and_six_come_below_a_twentieth() {
        assert_eq!(sign_flip(&[0.1, 0.2, 0.3]), Some(0.25));
        assert_eq!(sign_flip(&[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]), Some(0.03125));
    }

    #[test]
    fn no_difference_is_as_far_as_any() {
        assert_eq!(sign_flip(&[0.0; 4]), Some(1.0));
        assert_eq!(sign_flip(&[]), None);
    }

    #[test]
    fn many_pairs_have_signs_drawn_for_them() {
        let alike = sign_flip(&[1.0; 40]).expect("there are some");
        assert_eq!(alike, 1.0 / 65_537.0);
        let mixed: Vec<f64> = (0..40).map(|at| if at % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(sign_flip(&mixed), Some(1.0));
    }

    #[test]
    fn what_is_the_same_for_every_seed_and_text_differs_by_a_point() {
        let scores = |side: Side, _: usize, _: Option<&[u32]>| {
            vec![Some(if side == Side::A { 0.5 } else { 0.75 }), None]
        };
        let found = difference_intervals("x", Replicates::Paired(3), None, &scores);
        assert_eq!(found, [Some([0.25, 0.25]), None]);
    }

    #[test]
    fn seeds_that_are_paired_vary_less_than_those_that_are_not() {
        let scores = |side: Side, seed: usize, _: Option<&[u32]>| {
            vec![Some(seed as f64 + if side == Side::A { 0.0 } else { 0.1 })]
        };
        let width = |replicates| {
            let [low, high] =
                difference_intervals("x", replicates, None, &scores)[0].expect("defined");
            high - low
        };
        assert!(width(Replicates::Paired(5)) < 1e-9);
        assert!(width(Replicates::Apart(5, 5)) > 2.0);
    }
}
