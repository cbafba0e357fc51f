//! The open point of largest log expected improvement: many candidates, then climbs from the best of them.
//!
//! Reals climb by the gradient; entries of lists and choices and whole numbers are tried in turn, one axis at a time,
//! so that the process is only ever asked about points that exist.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::super::draws::{normal, stream, uniform};
use super::super::history::History;
use super::super::minimise::{Bounds, Limits, minimise};
use super::super::normal::log_improvement;
use super::super::space::{Axis, Point, Space};
use super::model::Posterior;

/// Candidates all over the space; a space of no more points is looked at whole.
const SCATTERED: usize = 1000;
/// Candidates around each of the best points, and how far they are scattered.
const NEAR: usize = 40;
const NEAR_SDS: [f64; 2] = [0.1, 0.01];
/// Best points that candidates are scattered around.
const CENTERS: usize = 5;
const CLIMBS: usize = 8;
/// Squared distance, in length scales, between starts of climbs: nearer ones end on the same top.
const APART: f64 = 0.05;
/// Times that a climb alternates between reals and entries.
const ROUNDS: usize = 3;
/// Entries of one axis that are all tried; among more, only near ones.
const ENTRIES: u64 = 16;

const CLIMB: Limits = Limits { steps: 30, first_step: 0.05, tolerance: 1e-4 };

/// A place of the cube and its log expected improvement.
type Rated = (f64, Vec<f64>);

/// `None` where none of the candidates is open.
pub(super) fn propose(
    space: &Space,
    seed: u64,
    history: &History,
    posterior: &Posterior,
) -> Option<Point> {
    let mut rng = stream(seed, "gp", history.number);
    let mut rated: Vec<Rated> = candidates(space, history, &mut rng)
        .into_iter()
        .map(|place| (improvement(posterior, &place), place))
        .collect();
    sort(&mut rated);
    let starts = starts(&rated, posterior);
    let tops: Vec<Vec<f64>> =
        starts.into_iter().map(|start| climb(space, posterior, start)).collect();
    for top in tops {
        let point = space.at(&top);
        if history.is_open(space, &point) {
            let place = space.position(&point).expect("a point of the space");
            rated.push((improvement(posterior, &place), place));
        }
    }
    sort(&mut rated);
    rated.first().map(|(_, place)| space.at(place))
}

fn sort(rated: &mut [Rated]) {
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
}

fn improvement(posterior: &Posterior, place: &[f64]) -> f64 {
    let (mean, sd) = posterior.mean_and_sd(place);
    log_improvement((mean - posterior.best) / sd).0 + libm::log(sd)
}

/// Places of open points.
fn candidates(space: &Space, history: &History, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let axes = space.axes().len();
    let points: Vec<Point> = match space.count() {
        Some(count) if count <= SCATTERED as u64 => (0..count).map(|it| space.nth(it)).collect(),
        _ => {
            let scattered = (0..SCATTERED).map(|_| space.at(&uniform(rng, axes)));
            let mut points: Vec<Point> = scattered.collect();
            let mut best: Vec<_> = history.scored.iter().collect();
            best.sort_by(|a, b| b.score.mean.total_cmp(&a.score.mean));
            for center in best.iter().take(CENTERS) {
                for step in 0..NEAR {
                    let sd = NEAR_SDS[step % NEAR_SDS.len()];
                    points.push(space.at(&near(space, &center.place, sd, rng)));
                }
            }
            points
        }
    };
    let open = points.into_iter().filter(|point| history.is_open(space, point));
    open.filter_map(|point| space.position(&point)).collect()
}

/// A place around another: numbers moved a little, a choice drawn anew now and then.
fn near(space: &Space, center: &[f64], sd: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let pairs = space.axes().iter().zip(center);
    let moved = pairs.map(|(axis, at)| match axis {
        Axis::Choice(_) if rng.random::<f64>() < 0.2 => rng.random(),
        Axis::Choice(_) => *at,
        _ => (at + sd * normal(rng)).clamp(0.0, 1.0),
    });
    moved.collect()
}

/// The best candidates that know little of each other.
fn starts<'a>(rated: &'a [Rated], posterior: &Posterior) -> Vec<&'a [f64]> {
    let mut starts: Vec<&[f64]> = Vec::new();
    for (_, place) in rated {
        if starts.iter().all(|start| posterior.square(start, place) > APART) {
            starts.push(place);
        }
        if starts.len() == CLIMBS {
            break;
        }
    }
    starts
}

fn climb(space: &Space, posterior: &Posterior, start: &[f64]) -> Vec<f64> {
    let mut place = start.to_vec();
    let is_real = |axis: &Axis| axis.count().is_none();
    let reals: Vec<usize> = (0..place.len()).filter(|axis| is_real(&space.axes()[*axis])).collect();
    for _ in 0..ROUNDS {
        if !reals.is_empty() {
            climb_reals(posterior, &mut place, &reals);
        }
        let mut has_moved = false;
        for (axis, it) in space.axes().iter().enumerate() {
            if let Some(count) = it.count() {
                has_moved |= try_entries(posterior, &mut place, axis, count);
            }
        }
        if !has_moved {
            break;
        }
    }
    place
}

fn climb_reals(posterior: &Posterior, place: &mut [f64], reals: &[usize]) {
    let mut whole = place.to_vec();
    let cost = |at: &[f64], slope: &mut [f64]| {
        reals.iter().zip(at).for_each(|(axis, at)| whole[*axis] = *at);
        let belief = posterior.belief(&whole);
        let z = (belief.mean - posterior.best) / belief.sd;
        let (log, steepness) = log_improvement(z);
        for (slope, axis) in slope.iter_mut().zip(reals) {
            let z_slope = (belief.mean_slope[*axis] - z * belief.sd_slope[*axis]) / belief.sd;
            *slope = -(steepness * z_slope + belief.sd_slope[*axis] / belief.sd);
        }
        -(log + libm::log(belief.sd))
    };
    let start: Vec<f64> = reals.iter().map(|axis| place[*axis]).collect();
    let bounds = Bounds { low: &vec![0.0; reals.len()], high: &vec![1.0; reals.len()] };
    let (top, _) = minimise(cost, &start, &bounds, CLIMB);
    reals.iter().zip(&top).for_each(|(axis, top)| place[*axis] = *top);
}

/// Moves one axis to its best entry; whether that is another one.
fn try_entries(posterior: &Posterior, place: &mut [f64], axis: usize, count: u64) -> bool {
    let width = 1.0 / count as f64;
    let here = place[axis];
    let others: Vec<f64> = if count <= ENTRIES {
        (0..count).map(|cell| (cell as f64 + 0.5) * width).collect()
    } else {
        let steps = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0].into_iter().flat_map(|step| [-step, step]);
        steps.map(|step| here + step * width).filter(|at| (0.0..=1.0).contains(at)).collect()
    };
    let mut best = (improvement(posterior, place), here);
    for other in others {
        place[axis] = other;
        let there = improvement(posterior, place);
        if there > best.0 {
            best = (there, other);
        }
    }
    place[axis] = best.1;
    best.1 != here
}
