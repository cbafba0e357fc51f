//! The most probable hyperparameters: marginal likelihood times a prior, climbed by its exact gradient.
//!
//! Nothing is carried from one proposal to the next, so that a proposal stays a function of the results. What keeps it
//! cheap is that many results are thinned before the climb; the posterior uses them all.
//!
//! Reference: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), equations 5.8 and 5.9.

use pipeline_kernels::positive_definite::{Cholesky, dot};

use super::super::minimise::{Bounds, Limits, minimise};
use super::kernel::{Kernel, matern, square_difference};
use super::task::{Noise, Task};

/// Results that length scales are fitted on: a climb costs their number to the third.
const FITTED_ON: usize = 80;

/// Variance of the values (which have variance 1) that nobody denies: rounding, and what the kernel cannot follow.
const NOISE_FLOOR: f64 = 1e-6;

/// Ends of the climb, as logarithms: lengths, signal, noise.
const LENGTHS: (f64, f64) = (-4.0, 4.0);
const SIGNALS: (f64, f64) = (-4.0, 5.0);
const NOISES: (f64, f64) = (-13.815_510_557_964_274, 0.0); // ln of NOISE_FLOOR and 1

const CLIMB: Limits = Limits { steps: 40, first_step: 0.5, tolerance: 1e-4 };

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hyperparameters {
    pub(super) kernel: Kernel,
    /// The variance of every value, where it is fitted.
    noise: f64,
}

impl Hyperparameters {
    /// * `parameters`: logarithms of the length per axis, of the signal and of the noise
    fn of(parameters: &[f64]) -> Self {
        let axes = parameters.len() - 2;
        let weights = parameters[..axes].iter().map(|length| libm::exp(-2.0 * length)).collect();
        let kernel = Kernel { signal: libm::exp(parameters[axes]), weights };
        Self { kernel, noise: libm::exp(parameters[axes + 1]) }
    }

    /// The variance of each value, `(points,)`
    pub(super) fn noise_of(&self, task: &Task) -> Vec<f64> {
        match &task.noise {
            Noise::Known(variances) => variances.iter().map(|it| it.max(NOISE_FLOOR)).collect(),
            Noise::Unknown => vec![self.noise.max(NOISE_FLOOR); task.values.len()],
        }
    }
}

/// A normal prior on a logarithm.
#[derive(Clone, Copy)]
struct Prior {
    center: f64,
    sd: f64,
}

impl Prior {
    /// Minus its logarithm, up to a constant, and the derivative of that.
    fn cost(self, at: f64) -> (f64, f64) {
        let z = (at - self.center) / self.sd;
        (0.5 * z * z, z / self.sd)
    }
}

/// Half of an axis: with three times that, the median regret on Hartmann 6 after 20 points is 0.34 of the range rather than
/// 0.14.
const LENGTH: Prior = Prior { center: -0.7, sd: 0.8 };
/// The values have variance 1.
const SIGNAL: Prior = Prior { center: 0.0, sd: 1.0 };
/// Anything from the floor to a tenth of the values' variance.
const NOISE: Prior = Prior { center: -9.0, sd: 3.0 };

fn priors(axes: usize) -> Vec<Prior> {
    let mut priors = vec![LENGTH; axes];
    priors.extend([SIGNAL, NOISE]);
    priors
}

/// Climbs from several places and keeps the highest top.
pub(super) fn fit(task: &Task) -> Hyperparameters {
    let axes = task.choices.len();
    let thinned = Thinned::of(task);
    let priors = priors(axes);
    let low = [vec![LENGTHS.0; axes], vec![SIGNALS.0, NOISES.0]].concat();
    let high = [vec![LENGTHS.1; axes], vec![SIGNALS.1, NOISES.1]].concat();
    let bounds = Bounds { low: &low, high: &high };
    let middle: Vec<f64> = priors.iter().map(|prior| prior.center).collect();
    let start = |longer: f64, noise: f64| {
        let mut start = middle.clone();
        start[..axes].iter_mut().for_each(|length| *length += longer);
        start[axes + 1] = noise;
        start
    };
    let starts = [start(0.0, NOISE.center), start(-1.0, -4.0), start(1.0, -4.0)];
    let climbs = starts
        .iter()
        .map(|start| minimise(|at, slope| thinned.cost(&priors, at, slope), start, &bounds, CLIMB));
    let best = climbs.reduce(|best, next| if next.1 < best.1 { next } else { best });
    let (parameters, _) = best.expect("there are several starts");
    Hyperparameters::of(&parameters)
}

/// The results that the climb looks at.
struct Thinned {
    /// Squared differences of every pair `j < i`, `(pairs, axes)`
    squares: Vec<f64>,
    values: Vec<f64>,
    noise: Option<Vec<f64>>,
    axes: usize,
}

impl Thinned {
    fn of(task: &Task) -> Self {
        let kept = kept(&task.values);
        let mut squares = Vec::new();
        for (row, i) in kept.iter().enumerate() {
            for j in &kept[..row] {
                let pairs = task.places[*i].iter().zip(&task.places[*j]).zip(&task.choices);
                squares.extend(pairs.map(|((a, b), choice)| square_difference(*choice, *a, *b)));
            }
        }
        Self {
            squares,
            values: kept.iter().map(|i| task.values[*i]).collect(),
            noise: match &task.noise {
                Noise::Known(noise) => {
                    Some(kept.iter().map(|i| noise[*i].max(NOISE_FLOOR)).collect())
                }
                Noise::Unknown => None,
            },
            axes: task.choices.len(),
        }
    }

    /// Minus the logarithm of likelihood times prior, up to a constant; its gradient goes to `slope`.
    fn cost(&self, priors: &[Prior], at: &[f64], slope: &mut [f64]) -> f64 {
        let (n, axes) = (self.values.len(), self.axes);
        let Hyperparameters { kernel, noise } = Hyperparameters::of(at);
        let mut covariance = vec![0.0; n * n];
        let mut factors = Vec::with_capacity(n * n / 2); // (pairs,)
        let mut pairs = self.squares.chunks_exact(axes);
        for i in 0..n {
            for j in 0..i {
                let pair = pairs.next().expect("one per pair");
                let square = pair.iter().zip(&kernel.weights).map(|(d, w)| d * w).sum();
                let (value, factor) = matern(kernel.signal, square);
                covariance[i * n + j] = value;
                factors.push(factor);
            }
            covariance[i * n + i] = kernel.signal + self.noise.as_ref().map_or(noise, |it| it[i]);
        }
        let signal_part = covariance.clone();
        let Some(cholesky) = Cholesky::new(n, covariance) else { return f64::INFINITY };
        let weights = cholesky.solve(&self.values);
        let inverse = cholesky.inverse();
        // d cost / d K = (K⁻¹ - w wᵀ) / 2, each pair counted twice.
        slope.fill(0.0);
        let mut trace = 0.0;
        let mut pair = 0;
        for i in 0..n {
            for j in 0..i {
                let by = inverse[i * n + j] - weights[i] * weights[j];
                slope[axes] += by * signal_part[i * n + j];
                let by = by * factors[pair];
                let squares = &self.squares[pair * axes..(pair + 1) * axes];
                for ((slope, weight), square) in slope.iter_mut().zip(&kernel.weights).zip(squares)
                {
                    *slope += by * weight * square;
                }
                pair += 1;
            }
            let by = (inverse[i * n + i] - weights[i] * weights[i]) / 2.0;
            slope[axes] += by * kernel.signal;
            trace += by;
        }
        slope[axes + 1] = if self.noise.is_none() { trace * noise } else { 0.0 };
        let log_determinant = 2.0 * cholesky.diagonal().map(libm::log).sum::<f64>();
        let mut cost = (dot(&self.values, &weights) + log_determinant) / 2.0;
        for ((prior, at), slope) in priors.iter().zip(at).zip(slope) {
            let (more, steeper) = prior.cost(*at);
            cost += more;
            *slope += steeper;
        }
        cost
    }
}

/// All results while they are few; then the better half of those that may stay, and the rest evenly in time.
fn kept(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    if values.len() <= FITTED_ON {
        return order;
    }
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
    let (best, rest) = order.split_at_mut(FITTED_ON / 2);
    rest.sort_unstable();
    let evenly = FITTED_ON - best.len();
    let spread = (0..evenly).map(|i| rest[i * rest.len() / evenly]);
    let mut kept: Vec<usize> = best.iter().copied().chain(spread).collect();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(noise: Noise) -> Task {
        let places: Vec<Vec<f64>> =
            (0..12).map(|i| vec![f64::from(i) / 11.0, f64::from(i * 5 % 12) / 11.0]).collect();
        let values =
            places.iter().map(|place| 4.0 * (place[0] - 0.4) * (place[0] - 0.4) - 0.5).collect();
        Task { choices: vec![false, false], places, values, noise }
    }

    #[test]
    fn the_gradient_is_that_of_the_cost() {
        for noise in [Noise::Unknown, Noise::Known(vec![0.01; 12])] {
            let thinned = Thinned::of(&task(noise));
            let (priors, at) = (priors(2), [-0.7, 0.3, 0.2, -4.0]);
            let mut slope = [0.0; 4];
            thinned.cost(&priors, &at, &mut slope);
            for i in 0..4 {
                let cost = |by: f64| {
                    let mut there = at;
                    there[i] += by;
                    thinned.cost(&priors, &there, &mut [0.0; 4])
                };
                let difference = (cost(1e-5) - cost(-1e-5)) / 2e-5;
                assert!((difference - slope[i]).abs() < 1e-5, "{i}: {difference} {}", slope[i]);
            }
        }
    }

    #[test]
    fn an_axis_that_does_nothing_gets_the_longer_scale() {
        let weights = fit(&task(Noise::Unknown)).kernel.weights;
        assert!(weights[1] < weights[0] / 4.0, "{weights:?}");
    }

    #[test]
    fn noise_is_fitted_where_it_is_unknown_and_taken_where_it_is_known() {
        let mut noisy = task(Noise::Unknown);
        // The same place again and again, and never the same value.
        for (i, value) in noisy.values.iter_mut().enumerate() {
            noisy.places[i] = vec![0.5, if i < 6 { 0.2 } else { 0.8 }];
            *value = if i % 2 == 0 { 1.0 } else { -1.0 };
        }
        let fitted = fit(&noisy).noise_of(&noisy)[0];
        noisy.noise = Noise::Known(vec![0.25; 12]);
        assert_eq!((fitted > 0.1, fit(&noisy).noise_of(&noisy)[0]), (true, 0.25), "{fitted}");
    }

    #[test]
    fn of_many_results_the_best_stay() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 77 % 200)).collect();
        let kept = kept(&values);
        let best = kept.iter().filter(|i| values[**i] >= 160.0).count();
        assert_eq!((kept.len(), best), (FITTED_ON, 40));
    }
}
