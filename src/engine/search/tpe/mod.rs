//! The multivariate tree-structured Parzen estimator.
//!
//! 1. The results are split into the best few and the rest; failures and pending points go to the rest, so that nothing
//!    more is looked for where something failed or is under way.
//! 2. Each group becomes a density over the cube: [`parzen::Estimator`].
//! 3. Candidates are drawn from the good density; the one at which it exceeds the other most is proposed.
//!
//! Reference: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011); Watanabe, "Tree-Structured Parzen
//! Estimator: Understanding Its Algorithm Components and Their Roles for Better Empirical Performance" (2023).

mod parzen;

use super::draws::stream;
use super::history::History;
use super::space::{Point, Space};
use parzen::Estimator;

/// Points drawn from the good density; twice as many were no better.
const CANDIDATES: usize = 24;
/// Share of the results that counts as good, rounded up; a tenth, as often used, leaves one good point among ten.
const GOOD_SHARE: f64 = 0.15;
const GOOD_MOST: usize = 25;

/// The open candidate at which the good density exceeds the other most; `None` where no candidate is open.
pub(crate) fn propose(space: &Space, seed: u64, history: &History) -> Option<Point> {
    let mut rng = stream(seed, "tpe", history.number);
    let (good, bad) = split(history);
    let known = good.len() + bad.len();
    let good = Estimator::new(space, &good, known);
    let bad = Estimator::new(space, &bad, known);
    let mut best: Option<(f64, Point)> = None;
    for _ in 0..CANDIDATES {
        let point = space.at(&good.draw(&mut rng));
        if !history.is_open(space, &point) {
            continue;
        }
        let place = space.position(&point).expect("a point of the space");
        let gain = good.log_density(&place) - bad.log_density(&place);
        if best.as_ref().is_none_or(|(most, _)| gain > *most) {
            best = Some((gain, point));
        }
    }
    best.map(|(_, point)| point)
}

/// The good ones and the rest, each in the order of the proposals: older ones weigh less.
fn split(history: &History) -> (Vec<&[f64]>, Vec<&[f64]>) {
    let scores: Vec<f64> = history.scored.iter().map(|it| it.score.mean).collect();
    let known = scores.len() + history.failed.len();
    let share = libm::ceil(GOOD_SHARE * known as f64) as usize;
    let good = share.min(GOOD_MOST).min(scores.len());
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let (good, rest) = order.split_at_mut(good);
    good.sort_unstable();
    rest.sort_unstable();
    let place = |i: &usize| history.scored[*i].place.as_slice();
    let others = history.failed.iter().chain(&history.pending).map(Vec::as_slice);
    (good.iter().map(place).collect(), rest.iter().map(place).chain(others).collect())
}
