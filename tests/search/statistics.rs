//! How two samples of regrets are held against each other.

use pipeline::engine::search::Score;

/// Shares of a function's range below which nobody cares.
pub const FLOOR: f64 = 1e-3;

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

pub fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// Of a point, from those of its seeds.
pub fn score(scores: &[f64]) -> Score {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    Score { mean, sd: (squares / (n - 1.0).max(1.0)).sqrt(), n: scores.len() as u32 }
}

/// Mann and Whitney's p that `ours` is not larger than `theirs` (one-sided), by the normal approximation with
/// corrections for ties and continuity.
pub fn p_ours_larger(ours: &[f64], theirs: &[f64]) -> f64 {
    let (n, m) = (ours.len() as f64, theirs.len() as f64);
    let wins: f64 = ours
        .iter()
        .flat_map(|a| {
            theirs.iter().map(move |b| {
                if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    let mut all = [ours, theirs].concat();
    all.sort_by(f64::total_cmp);
    let ties: f64 =
        all.chunk_by(|a, b| a == b).map(|tie| (tie.len() as f64).powi(3) - tie.len() as f64).sum();
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (wins - n * m / 2.0 - 0.5) / variance.sqrt();
    0.5 * libm::erfc(z / 2.0_f64.sqrt())
}

/// Holm's correction: each p with those of the whole family in mind.
pub fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut corrected = vec![0.0; ps.len()];
    let mut largest: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        largest = largest.max((ps.len() - rank) as f64 * ps[at]).min(1.0);
        corrected[at] = largest;
    }
    corrected
}
