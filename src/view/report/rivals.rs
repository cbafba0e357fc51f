//! What the best setting is held against.

use super::background::Background;
use crate::view::difference::Comparison;
use crate::view::rows::PointRows;

/// Why a point is held against the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has the values that the file gives without the sweep.
    Own,
    /// It stands next in the order.
    Next,
}

/// Two points to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub role: Role,
    /// The place of what the best is held against.
    pub rival: usize,
    /// The place of the best; where the other went no further than an earlier rung, as it was there.
    pub best: usize,
}

/// Two points that were compared: the rival is A, the best is B.
#[derive(Debug, Clone)]
pub struct Rival {
    pub pair: Pair,
    pub comparison: Comparison,
    /// What says the same, and more, on a command line.
    pub command: String,
}

/// The place of the point that is judged and whose values are those that the file gives without a sweep.
///
/// * `order`: the places of the points that are judged
#[must_use]
pub fn own(background: &Background, points: &[PointRows<'_>], order: &[usize]) -> Option<usize> {
    order.iter().copied().find(|place| background.gives(points[*place].point))
}

/// What the best point is held against: the file's own values, on the last level that both have come to, and the next best.
///
/// * `order`: the places of the points that are judged, the best first
/// * `chosen`: the place of the best
#[must_use]
pub fn pairs(
    background: &Background,
    points: &[PointRows<'_>],
    order: &[usize],
    chosen: usize,
    metric: &str,
) -> Vec<Pair> {
    let best = &points[chosen];
    let own = own(background, points, order);
    let of_own = match own {
        Some(own) => (own != chosen).then_some((own, chosen)),
        None => {
            let is_own = |place: &usize| background.gives(points[*place].point);
            let given_up = (0..points.len()).rev().find(is_own);
            given_up.and_then(|own| {
                let is_best = |point: &PointRows<'_>| {
                    point.point.label == best.point.label && point.level == points[own].level
                };
                Some((own, points.iter().position(is_best)?))
            })
        }
    };
    // Scores of fresh seeds compare with each other alone.
    let is_next = |place: &usize| {
        *place != chosen
            && Some(*place) != own
            && points[*place].level.is_fresh == best.level.is_fresh
    };
    let next = order.iter().copied().find(is_next).map(|next| (next, chosen));
    let pairs = [(Role::Own, of_own), (Role::Next, next)];
    let pairs = pairs
        .into_iter()
        .filter_map(|(role, pair)| pair.map(|(rival, best)| Pair { role, rival, best }));
    let is_scored = |place: usize| points[place].moments(metric).count > 0;
    pairs.filter(|pair| is_scored(pair.rival) && is_scored(pair.best)).collect()
}
