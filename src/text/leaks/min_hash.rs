//! MinHash: a short signature of a text whose agreement with another's estimates how many of their runs of words are the same.
//!
//! For each of 64 hash functions the signature has the smallest hash of the text's runs of three words; two texts agree in one with the
//! probability of their Jaccard similarity (Broder 1997, "On the resemblance and containment of documents"). Of each hash a byte is kept, which
//! agrees by chance once in 256 (Li and König 2010, "b-Bit minwise hashing"). Texts that agree in a band of four are candidates: at a similarity of
//! 0.7, 99 of 100 pairs share one of the 16 (Leskovec, Rajaraman and Ullman, "Mining of massive datasets", section 3.4).

use rand::Rng as _;

use crate::base::rng::Rng;

const HASHES: usize = 64;
const IN_BAND: usize = 4;
pub(super) const BANDS: usize = HASHES / IN_BAND;
/// Words of a run.
const WORDS: usize = 3;
/// Runs that are looked at of one text, so that a long one takes bounded time.
const MOST_RUNS: usize = 1 << 12;

/// The smallest hashes of a text, a byte of each.
pub(super) struct Signature([u8; HASHES]);

impl Signature {
    pub(super) fn band(&self, band: usize) -> u32 {
        let bytes = self.0[band * IN_BAND..].first_chunk().expect("bands are within it");
        u32::from_le_bytes(*bytes)
    }

    /// An estimate of the Jaccard similarity, 0 to 1.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        const BY_CHANCE: f64 = 1.0 / 256.0;
        let agree = self.0.iter().zip(&other.0).filter(|(one, other)| one == other).count();
        ((agree as f64 / HASHES as f64 - BY_CHANCE) / (1.0 - BY_CHANCE)).max(0.0)
    }
}

/// The hash functions: `x -> a x + b` on 64 bits.
pub(super) struct MinHash {
    factors: [u64; HASHES],
    addends: [u64; HASHES],
}

impl MinHash {
    /// The same ones always: what is said of a corpus does not depend on a seed.
    pub(super) fn new() -> Self {
        let mut random = Rng::new(0).stream("min hash");
        let mut draw = || std::array::from_fn(|_| random.next_u64());
        let (factors, addends): ([u64; HASHES], _) = (draw(), draw());
        Self { factors: factors.map(|factor| factor | 1), addends }
    }

    /// `None` for a text of fewer words than a run has.
    pub(super) fn signature(&self, text: &str) -> Option<Signature> {
        let words: Vec<u64> = text.split_whitespace().take(MOST_RUNS).map(word).collect();
        let mut least = [u64::MAX; HASHES];
        for run in words.windows(WORDS) {
            let run = run.iter().fold(0, |run: u64, word| mixed(run.rotate_left(17) ^ word));
            for ((least, factor), addend) in least.iter_mut().zip(&self.factors).zip(&self.addends)
            {
                *least = (*least).min(run.wrapping_mul(*factor).wrapping_add(*addend));
            }
        }
        (words.len() >= WORDS).then(|| Signature(least.map(|least| (mixed(least) >> 56) as u8)))
    }
}

/// FNV-1a (Fowler, Noll and Vo).
fn word(word: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    word.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): every bit of the input moves half of the output's.
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_estimates_the_share_of_common_runs() {
        let hash = MinHash::new();
        let text = |from: usize| -> String {
            (from..from + 400).map(|word| format!("w{word} ")).collect()
        };
        let one = hash.signature(&text(0)).expect("it has words");
        for shift in [0, 40, 100, 200, 400] {
            let common = 398_usize.saturating_sub(shift) as f64;
            let exact = common / (2.0 * 398.0 - common);
            let found = one.likeness(&hash.signature(&text(shift)).expect("it has words"));
            // Three standard deviations of 64 draws.
            let tolerance = 3.0 * (exact * (1.0 - exact) / 64.0).sqrt() + 0.02;
            assert!((found - exact).abs() <= tolerance, "{shift}: {found} for {exact}");
        }
        assert!(hash.signature("two words").is_none());
    }
}
