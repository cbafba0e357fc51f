//! The running average of weights.

use rayon::prelude::*;

use super::TASK_FLOATS;
use super::lanes::vectorised;

/// The share of the newest of `count` values in an average in which each counts `decay` times as much as the one after it.
///
/// Without the denominator the first value would count as if it had been there for ever: it is the correction of Adam's moments.
#[must_use]
pub fn newest_share(decay: f64, count: u64) -> f64 {
    (1.0 - decay) / (1.0 - decay.powf(count as f64))
}

/// `average += share * (values - average)`, element by element. Where the two are equal, they stay so to the bit.
///
/// * `share`: as [`newest_share`] says
pub fn average(average: &mut [f32], values: &[f32], share: f64) {
    assert_eq!(average.len(), values.len(), "an average for every value");
    let share = share as f32;
    let chunks = average.par_chunks_mut(TASK_FLOATS).zip(values.par_chunks(TASK_FLOATS));
    chunks.for_each(|(average, values)| {
        vectorised!(|| {
            for (average, &value) in average.iter_mut().zip(values) {
                *average += share * (value - *average);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_counts_as_much_less_as_it_is_older() {
        let mut found = [7.0_f32];
        let values = [1.0_f32, 2.0, 4.0];
        for (value, count) in values.iter().zip(1..) {
            average(&mut found, &[*value], newest_share(0.5, count));
        }
        let expected = (0.25 * 1.0 + 0.5 * 2.0 + 4.0) / 1.75;
        assert!((found[0] - expected).abs() < 1e-6, "{found:?}");
    }
}
