//! Results in the terms of the process.

use super::super::history::History;
use super::super::space::{Axis, Space};

/// Results in the terms of the process.
pub(super) struct Task {
    /// Per axis, whether it is a choice.
    pub(super) choices: Vec<bool>,
    /// `(points, axes)`
    pub(super) places: Vec<Vec<f64>>,
    /// `(points,)`, standardised; more is better
    pub(super) values: Vec<f64>,
    pub(super) noise: Noise,
}

/// The variance of the values around what the process models.
pub(super) enum Noise {
    /// `(points,)`: that of each mean over its seeds.
    Known(Vec<f64>),
    /// The same for all, to be fitted.
    Unknown,
}

impl Task {
    /// At least one point has a score.
    pub(super) fn new(space: &Space, history: &History) -> Self {
        let means: Vec<f64> = history.scored.iter().map(|it| it.score.mean).collect();
        let Scale { center, spread } = Scale::of(&means);
        let mut places: Vec<Vec<f64>> = history.scored.iter().map(|it| it.place.clone()).collect();
        let mut values: Vec<f64> = means.iter().map(|mean| (mean - center) / spread).collect();
        let pooled = history.pooled_variance().map(|variance| variance / (spread * spread));
        let mut noise: Vec<f64> = history
            .scored
            .iter()
            .map(|it| pooled.unwrap_or(0.0) / f64::from(it.score.n.max(1)))
            .collect();
        // A failure is as bad as the worst that was seen: near it nothing is promised, and no cliff is made up.
        let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
        for place in &history.failed {
            places.push(place.clone());
            values.push(worst);
            noise.push(pooled.unwrap_or(0.0));
        }
        Self {
            choices: space.axes().iter().map(Axis::is_choice).collect(),
            places,
            values,
            noise: if pooled.is_some() { Noise::Known(noise) } else { Noise::Unknown },
        }
    }
}

struct Scale {
    center: f64,
    spread: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let center = values.iter().sum::<f64>() / n;
        let square =
            values.iter().map(|value| (value - center) * (value - center)).sum::<f64>() / n;
        let spread = libm::sqrt(square);
        Self { center, spread: if spread > 0.0 { spread } else { 1.0 } }
    }
}
