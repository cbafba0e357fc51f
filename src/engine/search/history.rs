//! What a search knows: results so far and points under way, as places of the unit cube.

use super::space::{Point, Seen, Space};

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Scored(Score),
    /// There is no score, and there will be none.
    Failed,
}

/// The scores of a point over its seeds; more is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub mean: f64,
    /// Standard deviation over seeds (divisor `n - 1`); not read where `n` is 1.
    pub sd: f64,
    pub n: u32,
}

impl Score {
    /// Of scores of which more is better; there is at least one.
    #[must_use]
    pub fn of(scores: &[f64]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let squares: f64 = scores.iter().map(|score| (score - mean) * (score - mean)).sum();
        let sd = if scores.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        Self { mean, sd, n: u32::try_from(scores.len()).unwrap_or(u32::MAX) }
    }
}

/// Variance between the seeds of one point, pooled over the points that have several; `None` where none has.
pub(super) fn pooled_variance<'a>(scores: impl IntoIterator<Item = &'a Score>) -> Option<f64> {
    let several = scores.into_iter().filter(|it| it.n > 1 && it.sd.is_finite());
    let (squares, freedom) = several.fold((0.0, 0.0), |(squares, freedom), score| {
        let more = f64::from(score.n - 1);
        (squares + more * score.sd * score.sd, freedom + more)
    });
    (freedom > 0.0).then(|| squares / freedom)
}

/// A scored point of the space.
pub(crate) struct Scored {
    pub(crate) place: Vec<f64>,
    pub(crate) score: Score,
}

pub(crate) struct History {
    /// In the order of the proposals.
    pub(crate) scored: Vec<Scored>,
    pub(crate) failed: Vec<Vec<f64>>,
    pub(crate) pending: Vec<Vec<f64>>,
    pub(crate) seen: Seen,
    /// Number of the point to be proposed, from 0.
    pub(crate) number: u64,
}

impl History {
    /// Points outside of the space count and are not learned from; a mean that is no finite number is a failure.
    pub(crate) fn new(space: &Space, results: &[(Point, Outcome)], pending: &[Point]) -> Self {
        let mut history = Self {
            scored: Vec::new(),
            failed: Vec::new(),
            pending: pending.iter().filter_map(|point| space.position(point)).collect(),
            seen: Seen::default(),
            number: (results.len() + pending.len()) as u64,
        };
        for point in results.iter().map(|(point, _)| point).chain(pending) {
            history.seen.insert(point);
        }
        for (point, outcome) in results {
            let Some(place) = space.position(point) else { continue };
            match outcome {
                Outcome::Scored(score) if score.mean.is_finite() => {
                    history.scored.push(Scored { place, score: *score });
                }
                _ => history.failed.push(place),
            }
        }
        history
    }

    /// Whether a point may be proposed.
    pub(crate) fn is_open(&self, space: &Space, point: &Point) -> bool {
        !self.seen.has(point) && space.allows(point)
    }

    /// See [`pooled_variance`].
    pub(crate) fn pooled_variance(&self) -> Option<f64> {
        pooled_variance(self.scored.iter().map(|it| &it.score))
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{Axis, Value};
    use super::*;

    fn history(scores: &[(f64, f64, u32)]) -> History {
        let space = Space::new(vec![Axis::Int { low: 0, high: 99 }], vec![]).expect("a space");
        let results: Vec<_> = (0..)
            .zip(scores)
            .map(|(int, &(mean, sd, n))| {
                (vec![Value::Int(int)], Outcome::Scored(Score { mean, sd, n }))
            })
            .collect();
        History::new(&space, &results, &[vec![Value::Int(100)]])
    }

    #[test]
    fn variances_are_pooled_by_their_degrees_of_freedom() {
        let history = history(&[(0.0, 1.0, 2), (5.0, 2.0, 4), (9.0, f64::NAN, 1)]);
        assert_eq!(history.pooled_variance(), Some((1.0 + 3.0 * 4.0) / 4.0));
    }

    #[test]
    fn one_seed_everywhere_tells_no_variance() {
        assert_eq!(history(&[(0.0, 0.0, 1), (5.0, 0.0, 1)]).pooled_variance(), None);
    }

    #[test]
    fn a_point_outside_counts_and_is_not_learned_from() {
        let history = history(&[(0.0, 0.0, 1), (f64::NAN, 0.0, 1)]);
        let found =
            (history.number, history.scored.len(), history.failed.len(), history.pending.len());
        assert_eq!(found, (3, 1, 1, 0));
    }
}
