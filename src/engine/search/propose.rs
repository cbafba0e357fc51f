//! The next point: quasi-random at first, then what a method makes of the results.

use super::draws::Halton;
use super::history::{History, Outcome};
use super::space::{Axis, Point, Space};
use super::{gp, random, tpe};

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
