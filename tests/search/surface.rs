//! What real trainings came to: every setting of a grid, after each of three stops, with three seeds. `surface.toml` says how they were made.

use std::collections::BTreeMap;

use pipeline::engine::search::{Axis, Point, Score, Value};

use crate::statistics::score;

/// Epochs after which there is a score; at the last the training is over.
pub const STOPS: [f64; 3] = [0.5, 1.0, 2.0];
pub const SEEDS: usize = 3;
const AXES: usize = 3;

pub struct Surface {
    /// The values of each axis, the least first.
    values: [Vec<f64>; AXES],
    /// By the number of each value: for each seed the score at each stop.
    scores: BTreeMap<[usize; AXES], Vec<[f64; STOPS.len()]>>,
}

impl Surface {
    pub fn read() -> Self {
        let rows: Vec<Vec<f64>> = include_str!("surface.csv")
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(|cell| cell.parse().expect("a number")).collect())
            .collect();
        let values = [0, 1, 2].map(|axis| {
            let mut values: Vec<f64> = rows.iter().map(|row| row[axis]).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            values
        });
        let mut scores: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &rows {
            let number = |axis: usize| {
                values[axis].iter().position(|value| *value == row[axis]).expect("it is listed")
            };
            let at_stops = [row[AXES + 1], row[AXES + 2], row[AXES + 3]];
            scores.entry([0, 1, 2].map(number)).or_default().push(at_stops);
        }
        let count: usize = values.iter().map(Vec::len).product();
        assert!(scores.len() == count && scores.values().all(|seeds| seeds.len() == SEEDS));
        Self { values, scores }
    }

    pub fn axes(&self) -> Vec<Axis> {
        self.values.iter().cloned().map(Axis::Ordered).collect()
    }

    pub fn points(&self) -> impl Iterator<Item = Point> {
        self.scores.keys().map(|numbers| numbers.map(Value::Entry).to_vec())
    }

    /// Of the whole training, over its seeds.
    pub fn score(&self, point: &Point) -> Score {
        let last: Vec<f64> = self.seeds(point).iter().map(|stops| stops[STOPS.len() - 1]).collect();
        score(&last)
    }

    /// The lowest and the highest mean of a setting.
    pub fn range(&self) -> [f64; 2] {
        let means = self.points().map(|point| self.score(&point).mean);
        means.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], mean| {
            [low.min(mean), high.max(mean)]
        })
    }

    /// Of one seed, at each stop.
    pub fn stops(&self, point: &Point, seed: usize) -> [f64; STOPS.len()] {
        self.seeds(point)[seed]
    }

    fn seeds(&self, point: &Point) -> &[[f64; STOPS.len()]] {
        let number = |value: &Value| match value {
            Value::Entry(number) => *number,
            other => unreachable!("a list has entries, not {other:?}"),
        };
        let numbers: Vec<usize> = point.iter().map(number).collect();
        &self.scores[numbers.as_slice()]
    }
}
