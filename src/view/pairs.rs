//! What pairs of trainings with the same seeds can show at all, whatever their scores are.

/// A p-value above this is no sign of anything.
pub const SIGNIFICANT: f64 = 0.05;

/// The smallest p-value that flipping the signs of so many differences can come to: that of all signs being alike.
#[must_use]
pub fn smallest_p(pairs: usize) -> f64 {
    let pairs = i32::try_from(pairs).unwrap_or(i32::MAX);
    (2.0 * 0.5_f64.powi(pairs)).min(1.0)
}

/// How many pairs it takes for a p-value to be as small as this.
#[must_use]
pub fn pairs_for(p: f64) -> usize {
    (1..64).find(|pairs| smallest_p(*pairs) <= p).unwrap_or(64)
}

/// That so many pairs cannot show a difference; `None` where they can.
#[must_use]
pub fn too_few(pairs: usize) -> Option<String> {
    let (least, fewest) = (smallest_p(pairs), pairs_for(SIGNIFICANT));
    let seeds = super::format::counted(pairs, "seed");
    (least > SIGNIFICANT).then(|| {
        // One pair has one sign, and p says nothing.
        let p = match pairs {
            1 => "p is 1 whatever the scores are".to_owned(),
            _ => format!("p is {least} at least"),
        };
        format!(
            "{seeds} cannot show a difference: {p}, and {fewest} seeds are the fewest with which it can be {SIGNIFICANT} or less"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_pairs_are_the_fewest_that_can_show_a_difference() {
        assert_eq!([1, 2, 5, 6].map(smallest_p), [1.0, 0.5, 0.0625, 0.03125]);
        assert_eq!(pairs_for(SIGNIFICANT), 6);
        assert_eq!([1, 5, 6].map(|pairs| too_few(pairs).is_some()), [true, true, false]);
        assert!(too_few(1).expect("too few").contains("p is 1 whatever the scores are, and 6"));
        let said = too_few(2).expect("too few");
        assert!(said.starts_with("2 seeds cannot show a difference: p is 0.5 at least"), "{said}");
    }
}
