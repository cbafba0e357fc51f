//! Random numbers of a search: named streams of one seed, and a quasi-random sequence.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A stream of its own for each use (`name`) and point (`index`): what one draws never shifts what another does.
pub(crate) fn stream(seed: u64, name: &str, index: u64) -> ChaCha8Rng {
    // FNV-1a: names are few and ours.
    let name = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut key = [0; 32];
    for (place, part) in key.chunks_exact_mut(8).zip([seed, name, index, 0]) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A place of the unit cube, uniform.
pub(crate) fn uniform(rng: &mut ChaCha8Rng, dimensions: usize) -> Vec<f64> {
    (0..dimensions).map(|_| rng.random()).collect()
}

/// A standard normal number, by Box and Muller.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // 1 - u is above 0, as the logarithm needs it.
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(2.0 * std::f64::consts::PI * v)
}

/// The Halton sequence with the digits of every base permuted at random: point `k` depends on the seed and `k`, not on
/// how many points there are, and the first `b` points take each of the `b` slices of an axis of base `b` once.
///
/// Reference: Owen, "A randomized Halton algorithm in R" (2017).
pub(crate) struct Halton {
    /// Per axis the base, and per digit a permutation of 0..base.
    axes: Vec<(u64, Vec<Vec<u64>>)>,
}

/// Points that the digits can tell apart.
const HALTON_POINTS: f64 = 4_294_967_296.0;

impl Halton {
    pub(crate) fn new(seed: u64, name: &str, dimensions: usize) -> Self {
        let axes = primes(dimensions).into_iter().enumerate().map(|(axis, base)| {
            let mut rng = stream(seed, name, axis as u64);
            let mut digits = Vec::new();
            let mut told_apart = 1.0;
            while told_apart < HALTON_POINTS {
                digits.push(permutation(&mut rng, base));
                told_apart *= base as f64;
            }
            (base, digits)
        });
        Self { axes: axes.collect() }
    }

    pub(crate) fn point(&self, index: u64) -> Vec<f64> {
        let coordinate = |(base, digits): &(u64, Vec<Vec<u64>>)| {
            let (mut rest, mut scale, mut sum) = (index, 1.0, 0.0);
            for permuted in digits {
                scale /= *base as f64;
                sum += scale * permuted[(rest % base) as usize] as f64;
                rest /= base;
            }
            sum + scale / 2.0
        };
        self.axes.iter().map(coordinate).collect()
    }
}

fn permutation(rng: &mut ChaCha8Rng, base: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..base).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, rng.random_range(0..=last as u64) as usize);
    }
    order
}

fn primes(count: usize) -> Vec<u64> {
    let mut primes: Vec<u64> = Vec::with_capacity(count);
    let mut candidate = 2;
    while primes.len() < count {
        if primes.iter().all(|prime| candidate % prime != 0) {
            primes.push(candidate);
        }
        candidate += 1;
    }
    primes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_points_take_every_slice_of_an_axis_once() {
        let halton = Halton::new(7, "test", 5);
        let slices: BTreeSet<u64> =
            (0..11).map(|index| (halton.point(index)[4] * 11.0) as u64).collect();
        assert_eq!(slices.len(), 11);
    }

    #[test]
    fn points_are_spread_more_evenly_than_random_ones() {
        let halton = Halton::new(7, "test", 3);
        let inside =
            (0..4096).filter(|index| halton.point(*index).iter().all(|x| *x < 0.5)).count();
        assert!((505..=519).contains(&inside), "{inside} of 4096, an eighth is 512");
    }

    #[test]
    fn another_seed_gives_other_points() {
        assert_ne!(Halton::new(1, "test", 2).point(0), Halton::new(2, "test", 2).point(0));
    }

    #[test]
    fn streams_differ_by_name_and_index() {
        let draw = |name, index| stream(3, name, index).random::<u64>();
        let draws = BTreeSet::from([draw("a", 0), draw("b", 0), draw("a", 1)]);
        assert_eq!(draws.len(), 3);
    }
}
