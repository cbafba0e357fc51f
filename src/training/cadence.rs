//! How often the state of a training is saved.

use std::time::Duration;

/// How often a saved state is written. It never changes a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cadence {
    /// After this many steps; `None` goes by time.
    pub steps: Option<u64>,
    /// After this much time, where `steps` is `None`.
    pub time: Duration,
    /// The fraction of the time that writing may take. Whatever the two above say, the next one waits until what was written is below it.
    pub budget: f64,
}

/// What writing has taken, for [`Cadence::is_due`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Writing the last saved state.
    pub state: Duration,
    /// Writing best weights since, those that might have waited in memory.
    pub best: Duration,
}

impl Default for Cadence {
    /// Once a minute, for at most a fiftieth of the time.
    fn default() -> Self {
        Self { steps: None, time: Duration::from_secs(60), budget: 0.02 }
    }
}

impl Cadence {
    /// After every so many steps, whatever it costs.
    #[must_use]
    pub fn every(steps: u64) -> Self {
        Self { steps: Some(steps), time: Duration::ZERO, budget: f64::INFINITY }
    }

    /// Whether to write one, `steps` and `elapsed` after the last one.
    #[must_use]
    pub fn is_due(&self, steps: u64, elapsed: Duration, cost: Spent) -> bool {
        let wanted = self.steps.map_or(elapsed >= self.time, |every| steps >= every);
        steps > 0 && wanted && self.affords(elapsed, cost)
    }

    /// Whether writing, `elapsed` after the last saved state, stays within the budget.
    #[must_use]
    pub fn affords(&self, elapsed: Duration, cost: Spent) -> bool {
        elapsed.as_secs_f64() >= (cost.state + cost.best).as_secs_f64() / self.budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_state_waits_until_the_last_ones_cost_is_within_the_budget() {
        let cadence = Cadence::default();
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let cost = |state| Spent { state, best: Duration::ZERO };
        assert!(!cadence.is_due(10, minute - second, cost(Duration::ZERO)));
        assert!(cadence.is_due(10, minute, cost(second)));
        assert!(!cadence.is_due(10, minute, cost(second * 2)));
        assert!(cadence.is_due(10, minute * 2, cost(second * 2)));
        assert!(!cadence.is_due(0, minute * 2, cost(second)));
    }

    #[test]
    fn best_weights_count_in_the_budget() {
        let cadence = Cadence::default();
        let second = Duration::from_secs(1);
        let cost = Spent { state: second * 2, best: second };
        assert!(!cadence.is_due(10, second * 149, cost) && !cadence.affords(second * 149, cost));
        assert!(cadence.is_due(10, second * 150, cost) && cadence.affords(second * 150, cost));
    }

    #[test]
    fn a_cadence_of_steps_goes_by_steps_alone() {
        let cost = Spent { state: Duration::from_secs(9), best: Duration::from_secs(9) };
        assert!(Cadence::every(2).is_due(2, Duration::ZERO, cost));
        assert!(!Cadence::every(2).is_due(1, Duration::from_secs(9), Spent::default()));
    }
}
