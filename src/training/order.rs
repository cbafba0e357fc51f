//! The order in which an epoch visits the sequences.

use rand::Rng as _;

use crate::base::rng::Rng;

/// The order of all `sequences` in epoch number `epoch`, counted from zero. Each epoch has its own stream of random numbers, so that a
/// resumed training reaches the order of any epoch without drawing those before it.
#[must_use]
pub fn epoch_order(seed: u64, epoch: u64, sequences: usize) -> Vec<u32> {
    let count = u32::try_from(sequences).expect("a split has fewer than 2^32 sequences");
    let mut random = Rng::new(seed).numbered_stream("shuffle", epoch);
    let mut order: Vec<u32> = (0..count).collect();
    // Fisher and Yates. The high half of a 128-bit product maps a draw to `0..=last` with a bias far below any use of it.
    for last in (1..order.len()).rev() {
        let other = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, other as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_visits_every_sequence_once() {
        let mut order = epoch_order(42, 0, 100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn every_epoch_and_every_seed_has_its_own_order() {
        assert_eq!(epoch_order(42, 3, 50), epoch_order(42, 3, 50));
        assert_ne!(epoch_order(42, 3, 50), epoch_order(42, 4, 50));
        assert_ne!(epoch_order(42, 3, 50), epoch_order(43, 3, 50));
    }
}
