//! Bayesian optimisation with a Gaussian process.
//!
//! 1. [`Task`]: scores standardised, failures at the worst score, the noise of each mean.
//! 2. [`fit`]: length scales, signal and, where no point has two seeds, noise: the most probable ones.
//! 3. [`Posterior`](model::Posterior) over results, and pending points at their posterior means.
//! 4. [`acquisition`]: the open point of largest log expected improvement over the best posterior mean.
//!
//! There is no sampling of hyperparameters and no feasibility model.

mod acquisition;
mod fit;
mod kernel;
mod model;
mod task;

use super::history::History;
use super::space::{Point, Space};
use task::Task;

/// The point to try next; `None` where the search found no open point to propose.
pub(crate) fn propose(space: &Space, seed: u64, history: &History) -> Option<Point> {
    let task = Task::new(space, history);
    let hyperparameters = fit::fit(&task);
    let posterior = model::Posterior::new(&task, &hyperparameters)?;
    let posterior = posterior.with_pending(&task, &history.pending)?;
    acquisition::propose(space, seed, history, &posterior)
}
