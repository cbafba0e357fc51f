//! Curves with more points than pixels: a moving average to read the trend, and thinning that keeps the extremes.

use super::scale::is_shown;

/// The mean over a window around each value, ignoring gaps. Near the start, where losses fall steeply, the window shrinks on both
/// sides, so that the curve starts at the data; at the end it only loses what lies beyond, so that the last values do not wag the curve.
pub(super) fn moving_average(values: &[f64], half_window: usize) -> Vec<f64> {
    // Sums with what rounding took from them (Neumaier 1974), so that a spike does not swallow what comes after it.
    let (mut sums, mut lost, mut counts) = (vec![0.0f64], vec![0.0f64], vec![0usize]);
    for value in values {
        let (before, value, finite) =
            (sums[sums.len() - 1], if is_shown(*value) { *value } else { 0.0 }, is_shown(*value));
        let sum = before + value;
        let rounding =
            if before.abs() >= value.abs() { before - sum + value } else { value - sum + before };
        sums.push(sum);
        lost.push(lost[lost.len() - 1] + rounding);
        counts.push(counts[counts.len() - 1] + usize::from(finite));
    }
    (0..values.len())
        .map(|index| {
            let half = half_window.min(index);
            let (from, to) = (index - half, (index + half + 1).min(values.len()));
            (sums[to] - sums[from] + (lost[to] - lost[from])) / (counts[to] - counts[from]) as f64
        })
        .collect()
}

/// Two moving averages on top of each other, which leaves no corners, over about a twentieth of the curve and at least
/// seven values.
pub(super) fn trend(values: &[f64]) -> Vec<f64> {
    let half = (values.len() / 40).max(3);
    moving_average(&moving_average(values, half), half)
}

/// Keeps the first, lowest, highest and last of the points that share a bin, in their order: what one sees of a line is the same.
///
/// `bin` must not fall along the points.
pub(super) fn thin(points: &[(f64, f64)], bin: impl Fn(f64) -> i64) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| bin(a.0) == bin(b.0)) {
        let by_height = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
        let heights: Vec<_> = group.iter().map(|point| point.1).enumerate().collect();
        let lowest = heights.iter().min_by(by_height).map_or(0, |(index, _)| *index);
        let highest = heights.iter().max_by(by_height).map_or(0, |(index, _)| *index);
        let mut indices = [0, lowest, highest, group.len() - 1];
        indices.sort_unstable();
        kept.extend(
            indices
                .iter()
                .enumerate()
                .filter(|(n, index)| *n == 0 || indices[n - 1] != **index)
                .map(|(_, index)| group[*index]),
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_average_keeps_the_start_and_skips_gaps() {
        assert_eq!(moving_average(&[4.0, 1.0, f64::NAN, 3.0, 8.0], 1), [4.0, 2.5, 2.0, 5.5, 5.5]);
    }

    #[test]
    fn a_spike_leaves_no_trace_beyond_its_window() {
        assert_eq!(moving_average(&[0.5, 1e20, 0.5, 0.25, 0.25, 0.25], 1)[4..], [0.25, 0.25]);
    }

    #[test]
    fn a_straight_line_is_its_own_trend_up_to_the_last_window() {
        let line: Vec<_> = (0..200).map(f64::from).collect();
        assert!(trend(&line).iter().zip(&line).take(190).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn thinning_keeps_a_spike() {
        let mut points: Vec<_> = (0..10_000).map(|i| (f64::from(i), 0.0)).collect();
        points[5_003].1 = 7.0;
        let thinned = thin(&points, |x| (x / 100.0) as i64);
        assert!(thinned.len() <= 400 && thinned.contains(&(5_003.0, 7.0)));
    }
}
