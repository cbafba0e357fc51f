//! Successive halving on real trainings: many settings for half an epoch, the best third of them for one, the best third of those to the end; held
//! against training fewer settings to the end, which takes the same number of epochs.

use std::fmt::Write as _;

use pipeline::engine::search::{Method, Outcome, Point, Space, propose};

use crate::surface::{SEEDS, STOPS, Surface};
use crate::{is_full, show};

/// Share of the settings that go on from one rung to the next, rounded up.
const KEEP: f64 = 1.0 / 3.0;
/// Searches, each of which draws other settings.
fn searches() -> u64 {
    if is_full() { 200 } else { 40 }
}

/// How many settings are on each rung, beginning with so many.
fn rungs(settings: usize) -> [usize; STOPS.len()] {
    let mut left = settings;
    [0, 1, 2].map(|rung| {
        if rung > 0 {
            left = (left as f64 * KEEP).ceil() as usize;
        }
        left
    })
}

/// What the rungs take: a setting that goes on trains only what is left.
fn epochs(settings: usize) -> f64 {
    let mut before = 0.0;
    let mut epochs = 0.0;
    for (count, stop) in rungs(settings).into_iter().zip(STOPS) {
        epochs += count as f64 * (stop - before);
        before = stop;
    }
    epochs
}

/// The most settings whose rungs take no more than so many epochs.
fn affordable(budget: f64) -> usize {
    (1..).take_while(|settings| epochs(*settings) <= budget).last().expect("one setting")
}

/// So many settings, drawn at random.
fn drawn(surface: &Surface, count: usize, search: u64) -> Vec<Point> {
    let space = Space::new(surface.axes(), vec![]).expect("a space");
    let mut results: Vec<(Point, Outcome)> = Vec::new();
    while results.len() < count {
        let point = propose(&space, Method::Random, search, &results, &[]).expect("one is open");
        results.push((point, Outcome::Failed));
    }
    results.into_iter().map(|(point, _)| point).collect()
}

/// The best `keep` of them at a stop, the best first; of equals the first.
fn best_of(
    surface: &Surface,
    mut points: Vec<Point>,
    seed: usize,
    stop: usize,
    keep: usize,
) -> Vec<Point> {
    let score = |point: &Point| surface.stops(point, seed)[stop];
    points.sort_by(|a, b| score(b).total_cmp(&score(a)));
    points.truncate(keep);
    points
}

/// The setting that the rungs leave, and the best of fewer that are all trained to the end.
fn chosen(surface: &Surface, budget: f64, seed: usize, search: u64) -> [Point; 2] {
    let last = STOPS.len() - 1;
    let mut points = drawn(surface, affordable(budget), search);
    for (stop, keep) in rungs(points.len()).into_iter().skip(1).enumerate() {
        points = best_of(surface, points, seed, stop, keep);
    }
    let whole = drawn(surface, (budget / STOPS[last]) as usize, search);
    [points, whole].map(|points| best_of(surface, points, seed, last, 1).swap_remove(0))
}

/// The mean regret over searches and seeds of both ways, as a share of the scores' range.
fn mean_regrets(surface: &Surface, budget: f64) -> [f64; 2] {
    let score = |point: &Point| surface.score(point).mean;
    let [least, most] = surface.range();
    let mut sums = [0.0; 2];
    for (search, seed) in
        (0..searches()).flat_map(|search| (0..SEEDS).map(move |seed| (search, seed)))
    {
        let found = chosen(surface, budget, seed, search);
        for (sum, point) in sums.iter_mut().zip(found) {
            *sum += (most - score(&point)) / (most - least);
        }
    }
    sums.map(|sum| sum / (searches() * SEEDS as u64) as f64)
}

#[test]
fn rungs_take_the_epochs_that_they_train() {
    assert_eq!(rungs(18), [18, 6, 2]);
    assert!((epochs(18) - (9.0 + 3.0 + 2.0)).abs() < 1e-9);
    assert_eq!((affordable(14.0), affordable(13.9)), (18, 17));
}

#[test]
fn at_the_same_epochs_rungs_find_better_settings_than_whole_trainings() {
    let surface = Surface::read();
    let all = epochs(surface.points().count());
    let mut table =
        "| epochs for each seed | settings on rungs | regret | settings to the end | regret |\n|---|---|---|---|---|\n"
            .to_owned();
    for share in [0.25, 0.5, 0.75, 1.0] {
        let budget = (all * share).floor();
        let [rungs, whole] = mean_regrets(&surface, budget);
        let (many, few) = (affordable(budget), (budget / 2.0) as usize);
        writeln!(table, "| {budget} | {many} | {rungs:.4} | {few} | {whole:.4} |")
            .expect("a string");
        assert!(rungs < whole, "{table}");
    }
    show(&table);
}
