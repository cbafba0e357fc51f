//! A density over the unit cube: one kernel around each place, and a wide one over everything.
//!
//! Along a real axis a kernel is a normal distribution cut off at the bounds, along whole numbers and lists that
//! distribution's share of an entry's cell, along a choice a table. Kernels multiply over the axes, so that what
//! belongs together stays together.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::super::draws::normal;
use super::super::normal::between;
use super::super::space::{Axis, Space};

/// Standard deviation of a kernel around a single place, as a share of an axis.
///
/// With twice of it, as often used, the median regret on Hartmann 6 after 50 points is 0.19 of the range rather than 0.11.
const WIDTH: f64 = 0.1;

pub(super) struct Estimator {
    kinds: Vec<Kind>,
    /// The wide kernel comes last.
    kernels: Vec<Kernel>,
    /// Logarithms of the kernels' shares.
    log_weights: Vec<f64>,
}

/// How a kernel reads an axis.
#[derive(Clone, Copy)]
enum Kind {
    Real,
    /// So many cells.
    Cells(f64),
    Choice(usize),
}

/// What one kernel says along each axis.
struct Kernel {
    parts: Vec<Part>,
}

enum Part {
    /// Cut off at 0 and 1, which leaves the share `exp(log_inside)` of it.
    Normal { center: f64, sd: f64, log_inside: f64 },
    /// Share of one entry, and of each other.
    Choice { entry: Option<usize>, there: f64, elsewhere: f64 },
}

impl Estimator {
    /// * `places`: of one group, the oldest first
    /// * `known`: the places of all groups
    pub(super) fn new(space: &Space, places: &[&[f64]], known: usize) -> Self {
        let kinds: Vec<Kind> = space.axes().iter().map(Kind::of).collect();
        let (n, axes) = (places.len() as f64, kinds.len() as f64);
        // Scott's rule for the decline with n; while little is known, never so narrow that nothing is found besides.
        let narrowest = 1.0 / (1.0 + known as f64).min(100.0);
        let sd = WIDTH * libm::pow(n.max(1.0), -1.0 / (axes + 4.0));
        let sd = sd.max(narrowest);
        let part = |kind: &Kind, at: Option<f64>| match (*kind, at) {
            (Kind::Choice(entries), _) => Part::choice(at.map(|at| cell(at, entries)), entries, n),
            (_, Some(center)) => Part::normal(center, sd),
            (_, None) => Part::normal(0.5, 1.0),
        };
        let around = |place: &&[f64]| Kernel {
            parts: kinds.iter().zip(*place).map(|(kind, at)| part(kind, Some(*at))).collect(),
        };
        let wide = Kernel { parts: kinds.iter().map(|kind| part(kind, None)).collect() };
        let kernels: Vec<Kernel> = places.iter().map(around).chain([wide]).collect();
        let weights: Vec<f64> = weights(places.len()).chain([1.0]).collect();
        let total: f64 = weights.iter().sum();
        let log_weights = weights.iter().map(|weight| libm::log(weight / total)).collect();
        Self { kinds, kernels, log_weights }
    }

    /// A place of the cube.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut rest: f64 = rng.random();
        let mut chosen = self.kernels.len() - 1;
        for (i, log_weight) in self.log_weights.iter().enumerate() {
            rest -= libm::exp(*log_weight);
            if rest < 0.0 {
                chosen = i;
                break;
            }
        }
        let parts = self.kernels[chosen].parts.iter().zip(&self.kinds);
        parts.map(|(part, kind)| part.draw(*kind, rng)).collect()
    }

    /// The logarithm of the density at the place of a point; along an axis of entries, of the probability.
    pub(super) fn log_density(&self, place: &[f64]) -> f64 {
        let pairs = self.kernels.iter().zip(&self.log_weights);
        let logs: Vec<f64> = pairs
            .map(|(kernel, weight)| {
                let parts = kernel.parts.iter().zip(&self.kinds).zip(place);
                weight + parts.map(|((part, kind), at)| part.log_density(*kind, *at)).sum::<f64>()
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + libm::log(logs.iter().map(|log| libm::exp(log - largest)).sum())
    }
}

impl Kind {
    fn of(axis: &Axis) -> Self {
        match (axis, axis.count()) {
            (Axis::Choice(entries), _) => Self::Choice(*entries),
            (_, Some(cells)) => Self::Cells(cells as f64),
            (_, None) => Self::Real,
        }
    }
}

impl Part {
    fn normal(center: f64, sd: f64) -> Self {
        let log_inside = libm::log(between(-center / sd, (1.0 - center) / sd));
        Self::Normal { center, sd, log_inside }
    }

    /// Every entry starts with an equal share of one observation, spread over the kernels.
    fn choice(entry: Option<usize>, entries: usize, n: f64) -> Self {
        let base = 1.0 / (n + 1.0);
        let total = base * entries as f64 + if entry.is_some() { 1.0 } else { 0.0 };
        Self::Choice { entry, there: (1.0 + base) / total, elsewhere: base / total }
    }

    fn draw(&self, kind: Kind, rng: &mut ChaCha8Rng) -> f64 {
        match (self, kind) {
            (Self::Choice { entry, there, elsewhere }, Kind::Choice(entries)) => {
                let mut rest: f64 = rng.random();
                let share = |i| if Some(i) == *entry { *there } else { *elsewhere };
                let drawn = (0..entries).find(|i| {
                    rest -= share(*i);
                    rest < 0.0
                });
                (drawn.unwrap_or(entries - 1) as f64 + 0.5) / entries as f64
            }
            (Self::Normal { center, sd, .. }, _) => loop {
                // At least a third of a kernel lies inside, as its centre does.
                let at = center + sd * normal(rng);
                if (0.0..=1.0).contains(&at) {
                    break at;
                }
            },
            (Self::Choice { .. }, _) => unreachable!("a choice's part belongs to a choice"),
        }
    }

    fn log_density(&self, kind: Kind, at: f64) -> f64 {
        match (self, kind) {
            (Self::Choice { entry, there, elsewhere }, Kind::Choice(entries)) => {
                libm::log(if *entry == Some(cell(at, entries)) { *there } else { *elsewhere })
            }
            (Self::Normal { center, sd, log_inside }, Kind::Cells(cells)) => {
                let edge = |side: f64| (at + side / cells - center) / sd;
                libm::log(between(edge(-0.5), edge(0.5)).max(f64::MIN_POSITIVE)) - log_inside
            }
            (Self::Normal { center, sd, log_inside }, _) => {
                let z = (at - center) / sd;
                -0.5 * z * z - libm::log(sd * libm::sqrt(2.0 * std::f64::consts::PI)) - log_inside
            }
            (Self::Choice { .. }, _) => unreachable!("a choice's part belongs to a choice"),
        }
    }
}

fn cell(at: f64, entries: usize) -> usize {
    ((at * entries as f64) as usize).min(entries - 1)
}

/// Results that weigh in full: the newest.
const RECENT: usize = 25;

/// 1 for the newest [`RECENT`], falling evenly to 1 / n for the oldest.
fn weights(n: usize) -> impl Iterator<Item = f64> {
    let old = n.saturating_sub(RECENT);
    let lowest = 1.0 / n.max(1) as f64;
    (0..n).map(move |i| match old {
        _ if i >= old => 1.0,
        1 => lowest,
        _ => lowest + (1.0 - lowest) * i as f64 / (old - 1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::draws::stream;
    use super::*;

    fn estimator() -> Estimator {
        let axes = vec![
            Axis::Uniform { low: 0.0, high: 1.0 },
            Axis::Ordered(vec![8.0, 16.0, 32.0, 64.0]),
            Axis::Choice(3),
        ];
        let space = Space::new(axes, vec![]).expect("a space");
        Estimator::new(
            &space,
            &[&[0.9, 0.125, 0.5], &[0.7, 0.375, 0.5], &[0.8, 0.875, 1.0 / 6.0]],
            12,
        )
    }

    #[test]
    fn the_density_is_one_over_the_whole_space() {
        let estimator = estimator();
        let mut total = 0.0;
        for real in 0..200 {
            for (list, choice) in (0..4).flat_map(|list| (0..3).map(move |choice| (list, choice))) {
                let place = [
                    (f64::from(real) + 0.5) / 200.0,
                    (f64::from(list) + 0.5) / 4.0,
                    (f64::from(choice) + 0.5) / 3.0,
                ];
                total += libm::exp(estimator.log_density(&place)) / 200.0;
            }
        }
        assert!((total - 1.0).abs() < 1e-4, "{total}");
    }

    #[test]
    fn draws_follow_the_density() {
        let estimator = estimator();
        let mut rng = stream(1, "test", 0);
        let drawn: Vec<Vec<f64>> = (0..20_000).map(|_| estimator.draw(&mut rng)).collect();
        let is_second = |place: &&Vec<f64>| place[0] > 0.5 && cell(place[2], 3) == 1;
        let share = drawn.iter().filter(is_second).count() as f64 / 20_000.0;
        let cells = (100..200).flat_map(|real| (0..4).map(move |list| (real, list)));
        let density = |(real, list): (i32, i32)| {
            let place = [(f64::from(real) + 0.5) / 200.0, (f64::from(list) + 0.5) / 4.0, 0.5];
            libm::exp(estimator.log_density(&place)) / 200.0
        };
        let expected: f64 = cells.map(density).sum();
        assert!((share - expected).abs() < 0.015, "{share} {expected}");
    }

    #[test]
    fn old_places_weigh_less() {
        let weights: Vec<f64> = weights(30).collect();
        assert_eq!((weights[0], weights[4], weights[5], weights[29]), (1.0 / 30.0, 1.0, 1.0, 1.0));
    }
}
