//! What a row of logits says.

/// The first of the largest.
pub(super) fn argmax<T: PartialOrd>(logits: &[T]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best
}

/// `log(sum(exp(logits))) - logits[class]`, of a single row and in f64.
#[must_use]
pub fn cross_entropy(logits: &[f32], class: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    sum.ln() + f64::from(largest) - f64::from(logits[class as usize])
}

/// The most likely class, and its probability.
pub(super) fn most_likely(logits: &[f32]) -> (u32, f64) {
    let best = argmax(logits) as u32;
    (best, probability(logits, best))
}

/// Of one class.
pub(super) fn probability(logits: &[f32], class: u32) -> f64 {
    (-cross_entropy(logits, class)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_even_logits_is_the_logarithm_of_their_number() {
        assert!((cross_entropy(&[100.0, 100.0, 100.0], 1) - 3.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        assert_eq!(argmax(&[0.0, 2.0, 2.0]), 1);
        assert_eq!(argmax(&[f32::NAN, f32::NAN]), 0);
    }
}
