//! Which point of a sweep is the best: the one place that says so, to the plan and to everything that shows it.

use super::history::{Score, pooled_variance};
use super::points::along;
use crate::engine::plan::{Home, Point};
use crate::engine::spec::{Choose, dimensions};

/// What is known of a point.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Over those of its trials that have a score; `None` where none has.
    pub score: Option<Score>,
    /// Whether some have none: it comes after points that have all.
    pub lacks_some: bool,
    /// How far it lies from the file's own values.
    pub distance: f64,
    /// Whether the score is one of fresh seeds, from which alone the best point comes where some have them.
    pub is_finalist: bool,
}

/// The places of points, the best first; of equals, the first. One without a score stands at the end, and where it comes first, none is the best.
#[must_use]
pub fn ranked(choose: Choose, points: &[Standing]) -> Vec<usize> {
    let key = |place: &usize| {
        let Standing { score, lacks_some, is_finalist, .. } = points[*place];
        let mean = score.map_or(f64::INFINITY, |score| -score.mean);
        (!is_finalist, score.is_none(), lacks_some, mean)
    };
    let mut places: Vec<usize> = (0..points.len()).collect();
    places.sort_by(|one, other| {
        key(one).partial_cmp(&key(other)).unwrap_or(std::cmp::Ordering::Equal)
    });
    if choose == Choose::OneStandardError
        && let Some(nearest) = nearest(&places, points)
    {
        places[..=nearest].rotate_right(1);
    }
    places
}

/// The places of the points that go on from a rung, in their order: a share of all, rounded up, of those that have a score.
#[must_use]
pub fn kept(points: &[Standing], share: f64) -> Vec<usize> {
    // What is a whole number but for the last bit is that number.
    let count = (points.len() as f64 * share - 1e-9).ceil().max(1.0) as usize;
    best_of(points, count)
}

/// The places of so many of the best points by their means, in their order, of those that have a score.
#[must_use]
pub fn best_of(points: &[Standing], count: usize) -> Vec<usize> {
    let ranked = ranked(Choose::Mean, points).into_iter();
    let mut best: Vec<usize> =
        ranked.filter(|place| points[*place].score.is_some()).take(count).collect();
    best.sort_unstable();
    best
}

/// Where in the ranking the point stands that is chosen within one standard error of the best.
///
/// * `places`: by their means
fn nearest(places: &[usize], points: &[Standing]) -> Option<usize> {
    let best = points[*places.first()?];
    let score = best.score?;
    let comparable = points.iter().filter(|point| point.is_finalist == best.is_finalist);
    let variance = pooled_variance(comparable.filter_map(|point| point.score.as_ref()))?;
    let least = score.mean - (variance / f64::from(score.n)).sqrt();
    let is_within = |place: &&usize| {
        let point = points[**place];
        (point.is_finalist, point.lacks_some) == (best.is_finalist, best.lacks_some)
            && point.score.is_some_and(|it| it.mean >= least)
    };
    let within = places.iter().take_while(is_within).count();
    // Of equal distances the first in the file's order, whatever the means.
    let key = |at: &usize| (points[places[*at]].distance, places[*at]);
    (0..within)
        .min_by(|one, other| key(one).partial_cmp(&key(other)).unwrap_or(std::cmp::Ordering::Equal))
}

/// How far a point lies from the file's own values: the sum over its axes of the distance in the unit interval, 0 or 1 for a choice, and for axes that
/// move as one.
#[must_use]
pub fn distance(home: &Home, point: &Point) -> f64 {
    let of = |of: &Vec<usize>| {
        let is_own = of
            .iter()
            .all(|at| home.own[*at].as_ref().is_some_and(|own| own.is_same(&point.chosen[*at])));
        let first = &home.axes[of[0]];
        let axis = along(first);
        let numbers = home.own[of[0]].as_ref().and_then(|own| own.number());
        match numbers.zip(point.chosen[of[0]].number()) {
            _ if is_own => 0.0,
            Some((own, chosen)) if !axis.is_choice() => {
                (axis.place(own) - axis.place(chosen)).abs()
            }
            _ => 1.0,
        }
    };
    dimensions(&home.axes).iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::plan::Points;
    use crate::engine::spec::Experiment;

    fn standings(points: &[(f64, f64, f64)]) -> Vec<Standing> {
        let standing = |&(mean, sd, distance): &(f64, f64, f64)| {
            let score = mean.is_finite().then_some(Score { mean, sd, n: 4 });
            Standing { score, lacks_some: false, distance, is_finalist: false }
        };
        points.iter().map(standing).collect()
    }

    #[test]
    fn the_best_mean_comes_first_and_points_that_lack_scores_after_those_that_have_all() {
        let mut points = standings(&[
            (0.5, 0.0, 0.0),
            (f64::NAN, 0.0, 0.0),
            (0.9, 0.0, 0.0),
            (0.7, 0.0, 0.0),
            (0.7, 0.0, 0.0),
        ]);
        points[2].lacks_some = true;
        assert_eq!(ranked(Choose::Mean, &points), [3, 4, 0, 2, 1]);
    }

    #[test]
    fn a_share_of_the_points_goes_on_rounded_up_and_ties_by_order() {
        let points = standings(&[0.5, 0.9, f64::NAN, 0.7, 0.7, 0.1].map(|mean| (mean, 0.0, 0.0)));
        for (share, expected) in [
            (0.01, &[1][..]),
            (1.0 / 3.0, &[1, 3]),
            (0.34, &[1, 3, 4]),
            (0.5, &[1, 3, 4]),
            (1.0, &[0, 1, 3, 4, 5]),
        ] {
            assert_eq!(kept(&points, share), expected, "{share}");
        }
        // 0.1 * 30 is a little more than 3.
        let points = standings(&vec![(0.5, 0.0, 0.0); 30]);
        assert_eq!(kept(&points, 0.1), [0, 1, 2]);
        assert_eq!(kept(&[], 0.5), [0; 0]);
    }

    #[test]
    fn a_finalist_comes_before_points_whose_seeds_are_not_fresh() {
        let mut points = standings(&[(0.9, 0.1, 0.0), (0.5, 0.0, 1.0), (0.4, 0.0, 0.0)]);
        (points[1].is_finalist, points[2].is_finalist) = (true, true);
        assert_eq!(ranked(Choose::Mean, &points), [1, 2, 0]);
        // The deviation of finalists is theirs.
        assert_eq!(ranked(Choose::OneStandardError, &points), [1, 2, 0]);
        // One that failed gives way to none of the others.
        points[1].score = None;
        points[2].score = None;
        assert_eq!(ranked(Choose::Mean, &points)[0], 1);
    }

    #[test]
    fn within_one_standard_error_the_nearest_to_the_own_values_is_chosen_and_the_others_stay() {
        // The pooled deviation is 0.2, and of four seeds the standard error 0.1.
        let points = [(0.9, 0.2, 3.0), (0.79, 0.2, 0.0), (0.85, 0.2, 1.0), (0.81, 0.2, 1.0)];
        assert_eq!(ranked(Choose::OneStandardError, &standings(&points)), [2, 0, 3, 1]);
        assert_eq!(ranked(Choose::Mean, &standings(&points)), [0, 2, 3, 1]);
        // Of equal distances, the first.
        let points = [(0.81, 0.2, 1.0), (0.9, 0.2, 3.0), (0.85, 0.2, 1.0)];
        assert_eq!(ranked(Choose::OneStandardError, &standings(&points)), [0, 1, 2]);
        // The deviation is that of all points, not of the best.
        let points = [(0.9, 0.0, 3.0), (0.85, 0.2, 1.0), (0.8, 0.2, 0.0)];
        assert_eq!(ranked(Choose::OneStandardError, &standings(&points)), [1, 0, 2]);
    }

    #[test]
    fn a_distance_is_the_sum_over_what_moves_as_one() {
        let text = "version = 1\n[params]\nname = \"a\"\n[stage.train]\nrate = 1e-4\nsize = 8\nhead = 1\nwidth = 2\n\
                    [sweep]\nobjective = \"max train.score\"\nseeds = 2\nchoose = \"one-standard-error\"\n[sweep.over]\ntrain.rate = [1e-4, 1e-3, 1e-2]\n\
                    params.name = [\"b\", \"a\"]\n[[sweep.together]]\ntrain.head = [1, 2]\ntrain.width = [2, 3]\n";
        let experiment = Experiment::parse(Path::new("x.toml"), text).expect("a good file");
        let home = Home::of(&experiment);
        let points = Points::of(&experiment);
        let distances: Vec<f64> =
            points.list().iter().map(|point| distance(&home, point)).collect();
        assert_eq!(points.list()[2].label.as_ref(), "rate=1e-4,name=a,head=1,width=2");
        let third = 1.0 / 3.0;
        let first = [1.0, 2.0, 0.0, 1.0];
        let all: Vec<f64> = [0.0, third, 2.0 * third]
            .iter()
            .flat_map(|rate| first.map(|others| rate + others))
            .collect();
        for (found, expected) in distances.iter().zip(&all) {
            assert!((found - expected).abs() < 1e-12, "{distances:?}");
        }
        assert_eq!(distances.len(), 12);
    }
}
