//! Which point of a space to try next: a pure function of the space, a seed and the results so far.
//!
//! 1. [`Space`]: axes mapped to the unit cube, and regions that are left out.
//! 2. [`propose`]: results and pending points become a history; the first points are quasi-random, then a method proposes
//!    from what was learned, and where it has nothing to say (all its candidates were proposed before) any open
//!    point does.
//! 3. `None` ends a search: no open point is left;
//! 4. [`Search`] does that for the sweep of a file, as far as results allow;
//! 5. [`ranked`] says which of its points is the best.
//!
//! The arithmetic is scalar, in a fixed order, with the functions of `libm`, and what is proposed is rounded: another
//! machine proposes the same. There is no state beside the results, no clock, no thread.

mod choice;
mod draws;
mod gp;
mod history;
mod matrix;
mod memo;
mod minimise;
mod normal;
mod points;
mod random;
mod space;
mod tpe;

pub use choice::{Standing, best_of, distance, kept, ranked};
pub use history::{Outcome, Score};
pub use memo::Memo;
pub use points::{Proposed, Search};
pub use space::{Axis, Condition, Point, Skip, Space, SpaceError, Value};

use draws::Halton;
use history::History;

/// How the next point is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Random,
    Tpe,
    Gp,
}

impl Method {
    /// [`Gp`](Self::Gp) where every axis is ordered, [`Tpe`](Self::Tpe) where one is a choice.
    #[must_use]
    pub fn auto(space: &Space) -> Self {
        if space.axes().iter().any(Axis::is_choice) { Self::Tpe } else { Self::Gp }
    }

    /// Points before the results are asked: too few mislead a model, too many are wasted.
    fn start(self) -> u64 {
        match self {
            Self::Random => 0,
            Self::Tpe => 10,
            Self::Gp => 8,
        }
    }
}

/// Scores that a model needs.
const SCORES: usize = 2;

/// The point to try next, or `None` where no point is open: every one was proposed or is left out.
///
/// * `results`: what became of the points before, in the order of the proposals; one outside of the space counts as a
///   point and teaches nothing
/// * `pending`: proposed before and not known yet
///
/// The same arguments give the same point, and how many points there will be is none of them.
#[must_use]
pub fn propose(
    space: &Space,
    method: Method,
    seed: u64,
    results: &[(Point, Outcome)],
    pending: &[Point],
) -> Option<Point> {
    let history = History::new(space, results, pending);
    let is_start = history.number < method.start() || history.scored.len() < SCORES;
    let proposed = match method {
        Method::Random => None,
        _ if is_start => {
            let halton = Halton::new(seed, "start", space.axes().len());
            let point = space.at(&halton.point(history.number));
            history.is_open(space, &point).then_some(point)
        }
        Method::Tpe => tpe::propose(space, seed, &history),
        Method::Gp => gp::propose(space, seed, &history),
    };
    proposed.or_else(|| random::propose(space, seed, &history))
}

#[cfg(test)]
mod tests;
