//! Random search, and whatever is still open where another method has nothing to say.

use rand::RngExt as _;

use super::draws::{stream, uniform};
use super::history::History;
use super::space::{Point, Space};

/// Draws before a finite space is walked through.
const DRAWS: usize = 100;
/// Draws before a space with a continuum counts as exhausted: what is left out leaves nearly nothing.
const DRAWS_OF_A_CONTINUUM: usize = 10_000;
/// Points of a finite space looked at before it counts as exhausted.
const WALK: u64 = 1 << 20;

/// The first open point of the stream of this point's number: it depends on the number and the seed, and on other points
/// only where it would repeat one. `None` where the space is exhausted.
pub(crate) fn propose(space: &Space, seed: u64, history: &History) -> Option<Point> {
    let mut rng = stream(seed, "random", history.number);
    let draws = if space.count().is_some() { DRAWS } else { DRAWS_OF_A_CONTINUUM };
    let drawn = (0..draws)
        .map(|_| space.at(&uniform(&mut rng, space.axes().len())))
        .find(|point| history.is_open(space, point));
    drawn.or_else(|| {
        let count = space.count()?;
        let first = rng.random_range(0..count);
        let left = count - first;
        (0..count.min(WALK))
            .map(|step| if step < left { first + step } else { step - left })
            .map(|number| space.nth(number))
            .find(|point| history.is_open(space, point))
    })
}
