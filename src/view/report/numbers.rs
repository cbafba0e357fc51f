//! What may be said of scores of several trials: their mean, how far it may be off, and how much of a difference an axis makes.

use crate::view::format;
use crate::view::rows::Moments;

/// The 0.975 quantiles of Student's t by degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// Half of the width of the 95 % interval of a mean: Student's t.
#[must_use]
pub fn margin(moments: &Moments) -> Option<f64> {
    let deviation = moments.deviation?;
    let freedom = moments.count - 1;
    // Beyond the table: the first term of its expansion around the normal's quantile (Abramowitz & Stegun 26.7.5).
    let quantile =
        T.get(freedom - 1).copied().unwrap_or_else(|| 1.96 + 2.372 / freedom.max(1) as f64);
    Some(quantile * deviation / (moments.count as f64).sqrt())
}

/// `0.9123 ± 0.0041`, or the value alone where there is one.
#[must_use]
pub fn spread(moments: &Moments) -> String {
    let number = |value| format::score(moments.score(value));
    match (moments.mean, moments.deviation) {
        (None, _) => "\u{2013}".to_owned(),
        (Some(mean), Some(deviation)) if !(moments.are_counts && deviation == 0.0) => {
            format!("{}\u{a0}\u{b1}\u{a0}{}", number(mean), number(deviation))
        }
        (Some(mean), _) => number(mean),
    }
}

/// With its sign: `+0.0311`.
#[must_use]
pub fn difference(value: f64) -> String {
    format::signed(value).replace('-', "\u{2212}")
}

/// Values are put into so many groups at most where they have an order.
const GROUPS: usize = 4;

/// The share of the variance of scores that the value along one axis alone explains: epsilon squared, which is the correlation ratio without what
/// as many groups of chance would explain. 0 where that is more.
///
/// * `values`: of each point along the axis, with a score: a number, or the place of a choice among those there are
/// * `is_ordered`: whether the values are numbers, of which many are put into groups of equal size
///
/// `None` where there is nothing to be told: fewer than two groups, no more points than groups, or no variance.
///
/// Reference: Kelley, An unbiased correlation ratio measure, PNAS 21, 1935.
#[must_use]
pub fn importance(values: &[(f64, f64)], is_ordered: bool) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> = values.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<Vec<f64>> =
        sorted.chunk_by(|a, b| a.0 == b.0).map(|it| it.iter().map(|it| it.1).collect()).collect();
    if is_ordered && groups.len() > GROUPS {
        // Equal values stay together.
        let (all, mut merged) = (sorted.len(), vec![Vec::new()]);
        let mut taken = 0;
        for group in groups {
            if taken * GROUPS >= merged.len() * all {
                merged.push(Vec::new());
            }
            taken += group.len();
            merged.last_mut().expect("never empty").extend(group);
        }
        groups = merged;
    }
    let (count, kinds) = (sorted.len() as f64, groups.len() as f64);
    if groups.len() < 2 || sorted.len() <= groups.len() {
        return None;
    }
    let mean_of = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let mean = sorted.iter().map(|it| it.1).sum::<f64>() / count;
    let total: f64 = sorted.iter().map(|it| (it.1 - mean).powi(2)).sum();
    let between: f64 =
        groups.iter().map(|group| group.len() as f64 * (mean_of(group) - mean).powi(2)).sum();
    let within = (total - between) / (count - kinds);
    let share = (between - (kinds - 1.0) * within) / total;
    share.is_finite().then(|| share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Score;

    fn moments(values: &[f64]) -> Moments {
        Moments::of(&values.iter().copied().map(Score::Measured).collect::<Vec<_>>())
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_student() {
        // scipy.stats.t.interval(0.95, 2, loc=2, scale=scipy.stats.sem([1, 2, 3])) is (-0.4841, 4.4841).
        let margin = margin(&moments(&[1.0, 2.0, 3.0])).expect("three values");
        assert!((margin - 2.4841).abs() < 1e-3, "{margin}");
        assert_eq!(super::margin(&moments(&[1.0])), None);
    }

    #[test]
    fn the_quantiles_beyond_the_table_go_on_from_its_last() {
        let of = |count: usize| {
            margin(&Moments {
                mean: Some(0.0),
                deviation: Some((count as f64).sqrt()),
                count,
                are_counts: false,
            })
            .expect("a deviation")
        };
        assert!((of(31) - 2.042).abs() < 1e-9 && (of(32) - 2.0395).abs() < 3e-3, "{}", of(32));
    }

    #[test]
    fn an_axis_that_decides_all_has_the_whole_variance_and_one_that_decides_nothing_none() {
        let scores = [0.1, 0.5, 0.9];
        let grid: Vec<[f64; 3]> = (0..9)
            .map(|number| [(number / 3) as f64, (number % 3) as f64, scores[number / 3]])
            .collect();
        let along = |axis: usize| grid.iter().map(|it| (it[axis], it[2])).collect::<Vec<_>>();
        let of = |axis| importance(&along(axis), true).expect("defined");
        assert!((of(0) - 1.0).abs() < 1e-12 && of(1) == 0.0, "{} {}", of(0), of(1));
    }

    #[test]
    fn many_numbers_are_grouped_and_choices_without_repetition_say_nothing() {
        let line: Vec<(f64, f64)> = (0..20).map(|it| (f64::from(it), f64::from(it))).collect();
        let share = importance(&line, true).expect("defined");
        assert!(share > 0.9 && share < 1.0, "{share}");
        assert_eq!(importance(&line, false), None);
        assert_eq!(importance(&[(0.0, 1.0), (1.0, 1.0), (1.0, 1.0)], true), None);
    }

    #[test]
    fn a_difference_has_its_sign() {
        assert_eq!([-0.25, 0.5, 0.0].map(difference), ["\u{2212}0.2500", "+0.5000", "0"]);
    }
}
