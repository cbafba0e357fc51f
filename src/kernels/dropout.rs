//! Dropout: features that a training sets to 0 by chance, and the others made larger by as much.
//!
//! Which ones follows from a key and the place of each feature alone. So they are the same for any number of threads, and the backward finds
//! them again without a mask that the forward would have to keep.

use rayon::prelude::*;

use super::TASK_FLOATS;
use super::lanes::vectorised;

/// What is dropped of one matrix of features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    key: u64,
    /// A hash below it drops.
    threshold: u32,
    scale: f32,
}

impl Dropout {
    /// * `share`: of the features that are dropped, from 0 to less than 1
    #[must_use]
    pub fn new(share: f64, key: u64) -> Self {
        let threshold = (share * 2f64.powi(32)) as u32;
        Self { key, threshold, scale: (1.0 / (1.0 - share)) as f32 }
    }

    /// The same share of other features, drawn independently.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        // The step and the finaliser of SplitMix64.
        let mut key = self.key.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { key: key ^ (key >> 31), ..self }
    }

    /// What the feature at `place` is multiplied by: 0, or one over the share that stays.
    #[inline(always)]
    #[must_use]
    pub fn factor(self, place: u32) -> f32 {
        // The two rounds of a 32-bit finaliser, half of the key before each.
        let mut hash = place ^ self.key as u32;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d);
        hash = (hash ^ (hash >> 15)).wrapping_add((self.key >> 32) as u32);
        hash = hash.wrapping_mul(0x846c_a68b);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x9e37_79b1);
        hash ^= hash >> 15;
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

/// Drops features in place.
pub fn drop_out(values: &mut [f32], dropout: Dropout) {
    values.par_chunks_mut(TASK_FLOATS).enumerate().for_each(|(chunk, values)| {
        let first = (chunk * TASK_FLOATS) as u32;
        vectorised!(|| {
            for (place, value) in (first..).zip(values.iter_mut()) {
                *value *= dropout.factor(place);
            }
        });
    });
}

/// Adds what dropout leaves of `values` to `sum`, of the same length.
pub fn add_dropped(sum: &mut [f32], values: &[f32], dropout: Dropout) {
    let chunks = sum.par_chunks_mut(TASK_FLOATS).zip(values.par_chunks(TASK_FLOATS));
    chunks.enumerate().for_each(|(chunk, (sum, values))| {
        let first = (chunk * TASK_FLOATS) as u32;
        vectorised!(|| {
            for (place, (sum, value)) in (first..).zip(sum.iter_mut().zip(values)) {
                *sum += value * dropout.factor(place);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_dropped_as_asked_for_and_the_mean_stays() {
        for share in [0.1, 0.5] {
            let mut values = vec![1.0; 400_000];
            drop_out(&mut values, Dropout::new(share, 7).numbered(3));
            let dropped = values.iter().filter(|value| **value == 0.0).count() as f64 / 4e5;
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / 4e5;
            // Six standard deviations.
            assert!(
                (dropped - share).abs() < 0.005 && (mean - 1.0).abs() < 0.01,
                "{dropped} {mean}"
            );
        }
    }

    #[test]
    fn neighbours_other_keys_and_other_numbers_are_drawn_independently() {
        let drawn = |dropout: Dropout, place: u32| dropout.factor(place) == 0.0;
        let half = Dropout::new(0.5, 1);
        let agree = |other: &dyn Fn(u32) -> bool| {
            (0..100_000).filter(|&place| drawn(half, place) == other(place)).count()
        };
        for agreeing in [
            agree(&|place| drawn(half, place + 1)),
            agree(&|place| drawn(half, place + 384)),
            agree(&|place| drawn(Dropout::new(0.5, 2), place)),
            agree(&|place| drawn(Dropout::new(0.5, 1 << 40), place)),
            agree(&|place| drawn(half.numbered(0), place)),
        ] {
            assert!(agreeing.abs_diff(50_000) < 1_000, "{agreeing}");
        }
        assert_eq!(half.numbered(5), half.numbered(5));
    }

    #[test]
    fn what_is_added_is_what_stays() {
        let values: Vec<f32> = (0..40_000).map(|value| value as f32).collect();
        let dropout = Dropout::new(0.25, 9);
        let (mut sum, mut stays) = (vec![1.0; values.len()], values.clone());
        add_dropped(&mut sum, &values, dropout);
        drop_out(&mut stays, dropout);
        assert!(sum.iter().zip(&stays).all(|(sum, stays)| *sum == 1.0 + stays));
    }
}
