//! Seeded, named streams of random numbers.
//!
//! One seed in a stage's parameters, one named stream for each use of chance in it: `Rng::new(seed).stream("shuffle")`. A stream depends on
//! nothing but the seed and its name, so a new use of chance never moves the numbers of an old one, and drawing from one stream on several
//! threads is impossible by ownership.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The source of all streams of one seed.
#[derive(Debug, Clone, Copy)]
pub struct Rng {
    seed: u64,
}

impl Rng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream called `name`, from its start.
    #[must_use]
    pub fn stream(&self, name: &str) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new_derive_key("pipeline 2026-11 random stream");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(name.as_bytes());
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }

    /// The stream called `name` with a number, such as the shuffle of one epoch, so that any of them is reached in constant time.
    #[must_use]
    pub fn numbered_stream(&self, name: &str, number: u64) -> ChaCha8Rng {
        self.stream(&format!("{name}/{number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    #[test]
    fn a_stream_depends_on_the_seed_and_the_name_only() {
        let first = Rng::new(42).stream("shuffle").next_u64();
        assert_eq!(first, Rng::new(42).stream("shuffle").next_u64());
        assert_ne!(first, Rng::new(43).stream("shuffle").next_u64());
        assert_ne!(first, Rng::new(42).stream("weights").next_u64());
        assert_ne!(
            Rng::new(42).numbered_stream("shuffle", 1).next_u64(),
            Rng::new(42).numbered_stream("shuffle", 2).next_u64()
        );
    }
}
