//! The trials of a sweep and their scores, point by point: what its tables and pictures show.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::io;

use crate::engine::plan::{Level, Objective, SweepShape};
use crate::engine::runs::{Results, TrialStatus, TriedPoint};
use crate::engine::search::{self, Standing};
use crate::engine::stage::{Score, Scores};
use crate::view::format;

/// A trial with what came of it.
pub struct Row<'a> {
    /// In [`Results::trials`].
    pub index: usize,
    pub label: &'a str,
    pub status: TrialStatus,
    /// Of each stage that the sweep's seeds replicate.
    pub seeds: &'a [Option<u64>],
    /// Which part of the corpus validated, in a sweep with folds.
    pub fold: Option<usize>,
    /// Of what it has, also where another stage of it failed.
    pub scores: Scores,
}

/// The trials of one point on one level.
pub struct PointRows<'a> {
    pub point: &'a TriedPoint,
    pub level: Level,
    pub rows: Vec<Row<'a>>,
}

/// The points of a run in its order.
///
/// A trial counts by the scores that it has, whatever became of what is beside them, such as a picture: so it is with a search, which chooses by them.
///
/// # Errors
/// When the scores of a trial cannot be read.
pub fn points(results: &Results) -> io::Result<Vec<PointRows<'_>>> {
    let mut points: Vec<PointRows<'_>> = Vec::new();
    for (index, of) in results.trials.iter().enumerate() {
        let scores = results.scores(of)?;
        let (label, point) = (&*of.label, &*of.point);
        let row = Row { index, label, status: of.status, seeds: &of.seeds, fold: of.fold, scores };
        match points.last_mut() {
            Some(last) if last.point.label == point.label && last.level == of.level => {
                last.rows.push(row);
            }
            _ => points.push(PointRows { point, level: of.level, rows: vec![row] }),
        }
    }
    Ok(points)
}

/// Those by which points are judged.
pub fn judged<'r, 'a>(points: &'r [PointRows<'a>]) -> Vec<&'r PointRows<'a>> {
    let tried: Vec<(&str, Level)> =
        points.iter().map(|point| (&*point.point.label, point.level)).collect();
    let are_judged = are_judged(&tried).into_iter();
    points
        .iter()
        .zip(are_judged)
        .filter(|(_, is_judged)| *is_judged)
        .map(|(point, _)| point)
        .collect()
}

/// Whether points are judged by what was tried, of each point with the level on which it was: of those that have come to the last rung so far, by what
/// they came to there, or with fresh seeds where they have them.
pub fn are_judged<P: Copy + Eq + Hash>(tried: &[(P, Level)]) -> Vec<bool> {
    let last = tried.iter().map(|(_, level)| level.rung).max().unwrap_or(0);
    let fresh: HashSet<P> =
        tried.iter().filter(|(_, level)| level.is_fresh).map(|(point, _)| *point).collect();
    let is_judged =
        |(point, level): &(P, Level)| level.rung == last && level.is_fresh == fresh.contains(point);
    tried.iter().map(is_judged).collect()
}

impl PointRows<'_> {
    /// Those that came to their end.
    pub fn done(&self) -> impl Iterator<Item = &Row<'_>> {
        self.rows.iter().filter(|row| row.status == TrialStatus::Done)
    }

    /// Those of which there is something to show.
    pub fn shown(&self) -> impl Iterator<Item = &Row<'_>> {
        self.rows.iter().filter(|row| row.status == TrialStatus::Done || !row.scores.is_empty())
    }

    /// Whether all came to their end, or to a score.
    pub fn has_ended(&self, name: &str) -> bool {
        let has_score = |row: &Row<'_>| row.scores.get(name).copied().flatten().is_some();
        self.rows.iter().all(|row| row.status == TrialStatus::Done || has_score(row))
    }

    /// What became of the first that did not.
    pub fn lost(&self) -> Option<TrialStatus> {
        self.rows.iter().map(|row| row.status).find(|status| *status != TrialStatus::Done)
    }

    /// The values of a score that are defined.
    pub fn scores(&self, name: &str) -> Vec<Score> {
        self.rows.iter().filter_map(|row| *row.scores.get(name)?).collect()
    }

    /// The trial that stands for the others by a score: the first seed's, not the luckiest; where that one has no score, the next.
    pub fn first_with(&self, name: &str) -> Option<&Row<'_>> {
        self.rows.iter().find(|row| row.scores.get(name).copied().flatten().is_some())
    }

    pub fn moments(&self, name: &str) -> Moments {
        Moments::of(&self.scores(name))
    }

    /// What is known of how good it is.
    fn standing(&self, objective: &Objective) -> Standing {
        let sign = if objective.maximize { 1.0 } else { -1.0 };
        let scores = self.scores(&objective.metric);
        let values: Vec<f64> = scores.iter().map(|score| sign * score.value()).collect();
        Standing {
            score: (!values.is_empty()).then(|| search::Score::of(&values)),
            lacks_some: values.len() < self.rows.len(),
            distance: self.point.distance,
            is_finalist: self.level.is_fresh,
        }
    }
}

/// The places of points, the best first, and whether the first of them is the best: it is where it has a score.
pub fn ranked(
    shape: &SweepShape,
    objective: &Objective,
    points: &[&PointRows<'_>],
) -> (Vec<usize>, bool) {
    let standings: Vec<Standing> = points.iter().map(|point| point.standing(objective)).collect();
    let places = search::ranked(shape.choose, &standings);
    let has_best = places.first().is_some_and(|first| standings[*first].score.is_some());
    (places, has_best)
}

/// The point that a sweep has chosen, with its objective; none where there is no objective, or no score to choose by.
pub fn best<'r, 'a>(
    results: &'r Results,
    points: &'r [PointRows<'a>],
) -> Option<(&'r Objective, &'r PointRows<'a>)> {
    let shape = results.sweep.as_ref()?;
    let objective = shape.objective.as_ref()?;
    let judged = judged(points);
    let (places, has_best) = ranked(shape, objective, &judged);
    let best = places.first().filter(|_| has_best)?;
    Some((objective, judged[*best]))
}

/// The labels of the trials from which the score of the point comes that a sweep has chosen; none where there is no such point.
///
/// # Errors
/// When the scores of a trial cannot be read.
pub fn best_trials(results: &Results) -> io::Result<Vec<String>> {
    if results.sweep.is_none() {
        return Ok(Vec::new());
    }
    let points = points(results)?;
    let rows = best(results, &points).into_iter().flat_map(|(_, best)| &best.rows);
    Ok(rows.map(|row| row.label.to_owned()).collect())
}

/// The names of scores, sorted.
pub struct Names<'a> {
    pub plain: Vec<&'a str>,
    /// Those of single labels: the name, the label and the metric of it, such as `PER` and `evaluate.ner.f1`. There are many, and a sweep is not
    /// looked at for them.
    pub of_labels: Vec<(&'a str, &'a str, String)>,
}

impl<'a> Names<'a> {
    pub fn of(results: &Results, points: &'a [PointRows<'_>]) -> Self {
        let of_label = |name: &'a str| {
            let prefix = results.label_prefix(name)?;
            let (label, metric) = name[prefix.len()..].rsplit_once('.')?;
            let (scores, _) = prefix.trim_end_matches('.').rsplit_once('.')?;
            Some((name, label, format!("{scores}.{metric}")))
        };
        let rows = points.iter().flat_map(|point| &point.rows);
        let all: BTreeSet<&str> =
            rows.flat_map(|row| row.scores.keys()).map(String::as_str).collect();
        let mut names = Self { plain: Vec::new(), of_labels: Vec::new() };
        for name in all {
            match of_label(name) {
                Some(of_label) => names.of_labels.push(of_label),
                None => names.plain.push(name),
            }
        }
        names
    }
}

/// Mean, standard deviation of the sample, and how many there were, of the values that are defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    pub mean: Option<f64>,
    pub deviation: Option<f64>,
    pub count: usize,
    /// Whether the values count things.
    pub are_counts: bool,
}

impl Moments {
    pub fn of(scores: &[Score]) -> Self {
        let values: Vec<f64> = scores.iter().map(|score| score.value()).collect();
        let count = values.len();
        // From the first value on, so that equal values have that mean and no deviation.
        let mean = values.first().map(|first| {
            first + values.iter().map(|value| value - first).sum::<f64>() / count as f64
        });
        let deviation = mean.filter(|_| count > 1).map(|mean| {
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64)
                .sqrt()
        });
        let are_counts = scores.iter().all(|score| matches!(score, Score::Count(_)));
        Self { mean, deviation, count, are_counts }
    }

    /// `0.8000 ± 0.0707`, or the only value.
    pub fn shown(&self) -> String {
        let number = |value| format::score(self.score(value));
        match (self.mean, self.deviation) {
            (None, _) => "undefined".to_owned(),
            (Some(mean), None) => number(mean),
            // A count that is the same in all trials.
            (Some(mean), Some(0.0)) if self.are_counts => number(mean),
            (Some(mean), Some(deviation)) => {
                format!("{} ± {}", number(mean), number(deviation))
            }
        }
    }

    /// One of these moments as a score of the same sort.
    pub fn score(&self, value: f64) -> Score {
        let is_whole = value.fract() == 0.0 && value >= 0.0;
        if self.are_counts && is_whole {
            Score::Count(value as u64)
        } else {
            Score::Measured(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample_and_undefined_for_one_value() {
        let moments = |values: &[f64]| {
            let scores: Vec<Score> = values.iter().copied().map(Score::Measured).collect();
            let Moments { mean, deviation, count, .. } = Moments::of(&scores);
            (mean, deviation, count)
        };
        assert_eq!(moments(&[1.0, 3.0]), (Some(2.0), Some(2.0_f64.sqrt()), 2));
        assert_eq!(moments(&[1.0]), (Some(1.0), None, 1));
        assert_eq!(moments(&[]), (None, None, 0));
        assert_eq!(moments(&[0.7; 3]), (Some(0.7), Some(0.0), 3));
    }
}
