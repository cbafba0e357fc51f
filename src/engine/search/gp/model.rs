//! What the process is told, and what it says then.

use pipeline_kernels::positive_definite::{Cholesky, dot, times};

use super::fit::Hyperparameters;
use super::kernel::{Kernel, matern};
use super::task::Task;

/// The process given the results.
pub(super) struct Posterior {
    choices: Vec<bool>,
    kernel: Kernel,
    places: Vec<Vec<f64>>,
    values: Vec<f64>,
    /// `(points,)`
    noise: Vec<f64>,
    /// K⁻¹ y, `(points,)`
    weights: Vec<f64>,
    /// K⁻¹, `(points, points)`
    inverse: Vec<f64>,
    /// The best posterior mean among the points.
    pub(super) best: f64,
}

/// Mean and standard deviation at a place, with their derivatives by it.
pub(super) struct Belief {
    pub(super) mean: f64,
    pub(super) sd: f64,
    pub(super) mean_slope: Vec<f64>,
    pub(super) sd_slope: Vec<f64>,
}

/// Share of the signal below which a variance is rounding.
const VARIANCE_FLOOR: f64 = 1e-10;

impl Posterior {
    /// `None` where the covariance is not positive definite, which the noise's floor prevents in all but broken input.
    pub(super) fn new(task: &Task, hyperparameters: &Hyperparameters) -> Option<Self> {
        let noise = hyperparameters.noise_of(task);
        let kernel = hyperparameters.kernel.clone();
        Self::over(task.choices.clone(), kernel, task.places.clone(), task.values.clone(), noise)
    }

    fn over(
        choices: Vec<bool>,
        kernel: Kernel,
        places: Vec<Vec<f64>>,
        values: Vec<f64>,
        noise: Vec<f64>,
    ) -> Option<Self> {
        let n = places.len();
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let square = kernel.square(&choices, &places[i], &places[j]);
                covariance[i * n + j] = matern(kernel.signal, square).0;
            }
            covariance[i * n + i] = kernel.signal + noise[i];
        }
        let cholesky = Cholesky::new(n, covariance)?;
        let weights = cholesky.solve(&values);
        // The posterior mean at a point is its value less what is laid to the noise.
        let means = (0..n).map(|i| values[i] - noise[i] * weights[i]);
        let best = means.fold(f64::NEG_INFINITY, f64::max);
        let inverse = cholesky.inverse();
        Some(Self { choices, kernel, places, values, noise, weights, inverse, best })
    }

    /// The process that also expects its own means at the pending points: they teach nothing but where not to look twice.
    pub(super) fn with_pending(self, task: &Task, pending: &[Vec<f64>]) -> Option<Self> {
        if pending.is_empty() {
            return Some(self);
        }
        let (mut places, mut values, mut noise) =
            (self.places.clone(), self.values.clone(), self.noise.clone());
        let typical = self.noise.iter().sum::<f64>() / self.noise.len() as f64;
        for place in pending {
            values.push(self.mean_and_sd(place).0);
            places.push(place.clone());
            noise.push(typical);
        }
        let best = self.best;
        Self::over(task.choices.clone(), self.kernel, places, values, noise)
            .map(|posterior| Self { best, ..posterior })
    }

    pub(super) fn mean_and_sd(&self, place: &[f64]) -> (f64, f64) {
        let shared: Vec<f64> = self.covariances(place).map(|(covariance, _)| covariance).collect();
        let explained: f64 = dot(&shared, &times(&self.inverse, &shared));
        (dot(&shared, &self.weights), self.sd(explained))
    }

    pub(super) fn belief(&self, place: &[f64]) -> Belief {
        let (shared, factors): (Vec<f64>, Vec<f64>) = self.covariances(place).unzip();
        let pulled = times(&self.inverse, &shared); // K⁻¹ k, (points,)
        let sd = self.sd(dot(&shared, &pulled));
        let axes = self.kernel.weights.len();
        let (mut mean_slope, mut sd_slope) = (vec![0.0; axes], vec![0.0; axes]);
        for (i, other) in self.places.iter().enumerate() {
            let (by_mean, by_sd) = (factors[i] * self.weights[i], factors[i] * pulled[i] / sd);
            for axis in (0..axes).filter(|axis| !self.choices[*axis]) {
                let way = self.kernel.weights[axis] * (place[axis] - other[axis]);
                mean_slope[axis] -= by_mean * way;
                sd_slope[axis] += by_sd * way;
            }
        }
        Belief { mean: dot(&shared, &self.weights), sd, mean_slope, sd_slope }
    }

    /// Squared distance of two places in length scales.
    pub(super) fn square(&self, a: &[f64], b: &[f64]) -> f64 {
        self.kernel.square(&self.choices, a, b)
    }

    /// Per point, its covariance with a place and the factor of that one's derivative.
    fn covariances(&self, place: &[f64]) -> impl Iterator<Item = (f64, f64)> {
        let square = move |other| self.kernel.square(&self.choices, place, other);
        self.places.iter().map(move |other| matern(self.kernel.signal, square(other)))
    }

    fn sd(&self, explained: f64) -> f64 {
        let floor = VARIANCE_FLOOR * self.kernel.signal;
        libm::sqrt((self.kernel.signal - explained).max(floor))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::fit;
    use super::super::task::Noise;
    use super::*;

    fn posterior() -> (Task, Posterior) {
        let places: Vec<Vec<f64>> = (0..9).map(|i| vec![f64::from(i) / 8.0, 0.25]).collect();
        let wave = |place: &Vec<f64>| libm::sin(7.0 * place[0]);
        let values = places.iter().map(wave).collect();
        let noise = Noise::Known(vec![1e-4; 9]);
        let task = Task { choices: vec![false, true], places, values, noise };
        let posterior = Posterior::new(&task, &fit(&task)).expect("positive definite");
        (task, posterior)
    }

    #[test]
    fn the_mean_follows_a_smooth_function_between_its_points() {
        let (mean, sd) = posterior().1.mean_and_sd(&[0.31, 0.25]);
        assert!((mean - libm::sin(7.0 * 0.31)).abs() < 3.0 * sd && sd < 0.1, "{mean} {sd}");
    }

    #[test]
    fn slopes_are_those_of_mean_and_sd() {
        let (_, posterior) = posterior();
        let belief = posterior.belief(&[0.31, 0.25]);
        let (up, down) = (
            posterior.mean_and_sd(&[0.31 + 1e-5, 0.25]),
            posterior.mean_and_sd(&[0.31 - 1e-5, 0.25]),
        );
        let differences = [(up.0 - down.0) / 2e-5, (up.1 - down.1) / 2e-5];
        assert!((differences[0] - belief.mean_slope[0]).abs() < 1e-4, "{differences:?}");
        assert!((differences[1] - belief.sd_slope[0]).abs() < 1e-4, "{differences:?}");
    }

    #[test]
    fn a_pending_point_is_expected_at_its_mean_and_leaves_less_doubt() {
        let (task, posterior) = posterior();
        let place = vec![0.31, 0.75];
        let before = posterior.mean_and_sd(&place);
        let after =
            posterior.with_pending(&task, std::slice::from_ref(&place)).expect("positive definite");
        let after = after.mean_and_sd(&place);
        assert!(
            (after.0 - before.0).abs() < 1e-6 && after.1 < before.1 / 2.0,
            "{before:?} {after:?}"
        );
    }
}
