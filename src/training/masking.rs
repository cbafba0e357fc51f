//! Which tokens of a text are hidden from a model that learns to tell them.
//!
//! Reference: Devlin et al., "BERT: Pre-training of deep bidirectional transformers" (2019), and `DataCollatorForLanguageModeling` of transformers; the
//! share of 30 % is that of ModernBERT.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::base::rng::Rng;
use crate::nn::{Batch, BatchError};
use crate::text::EncodedSplit;

/// Of the tokens that are to be told, so many are replaced by the mask.
const MASKED: f64 = 0.8;
/// So many by any other token; the rest stay.
const REPLACED: f64 = 0.1;

/// How tokens are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Masking {
    /// The share of a text's tokens that are to be told.
    pub share: f64,
    /// The id of the mask.
    pub mask: u32,
    pub vocabulary: usize,
    pub seed: u64,
}

/// When tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Other ones in every epoch, by its number.
    Epoch(u64),
    /// The same ones always.
    Fixed,
}

impl Masking {
    /// Some sequences of a split with some of their tokens hidden, one at least, and which these are as targets. What is drawn in a sequence depends on
    /// no other sequence.
    ///
    /// # Errors
    /// When a sequence is empty, or there is none.
    pub fn batch(
        &self,
        split: &EncodedSplit,
        rows: &[u32],
        draw: Draw,
    ) -> Result<Batch, BatchError> {
        let bounds = split.bounds_of(rows);
        let mut ids = split.gather(&split.ids, rows);
        // Special tokens stand for no part of a text.
        let (starts, ends) = (split.gather(&split.starts, rows), split.gather(&split.ends, rows));
        let is_of_text = |place: usize| starts[place] < ends[place];
        let (mut masked, mut targets) = (Vec::new(), Vec::new());
        for (row, bounds) in rows.iter().zip(bounds.windows(2)) {
            let mut random = self.stream(*row, draw);
            for place in (bounds[0]..bounds[1]).filter(|place| is_of_text(*place)) {
                if uniform(&mut random) < self.share {
                    masked.push(place as u32);
                    targets.push(ids[place]);
                    ids[place] = self.hidden(ids[place], &mut random);
                }
            }
        }
        if masked.is_empty() {
            let place = (0..ids.len()).find(|place| is_of_text(*place)).unwrap_or(0);
            masked.push(place as u32);
            targets.push(ids[place]);
            ids[place] = self.mask;
        }
        Ok(Batch::new(ids, bounds)?.with_masked(masked).with_targets(vec![targets]))
    }

    fn stream(&self, row: u32, draw: Draw) -> ChaCha8Rng {
        let rng = Rng::new(self.seed);
        match draw {
            Draw::Epoch(epoch) => {
                rng.numbered_stream(&format!("masked tokens/{epoch}"), row.into())
            }
            Draw::Fixed => rng.numbered_stream("masked tokens of the validation", row.into()),
        }
    }

    /// What stands in the place of a token that is to be told.
    fn hidden(&self, id: u32, random: &mut ChaCha8Rng) -> u32 {
        match uniform(random) {
            chance if chance < MASKED => self.mask,
            chance if chance < MASKED + REPLACED => {
                (uniform(random) * self.vocabulary as f64) as u32
            }
            _ => id,
        }
    }
}

/// A number from 0 to less than 1.
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 * 0.5_f64.powi(53)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASKING: Masking = Masking { share: 0.3, mask: 4, vocabulary: 100, seed: 1 };

    /// Texts of a first token, `length` that are 50, and a last token.
    fn split(texts: u32, length: u32) -> EncodedSplit {
        let text = || std::iter::once(1).chain((0..length).map(|_| 50)).chain([2]);
        let starts = || (0..length + 2).map(|place| place.saturating_sub(1));
        let ends =
            move || (0..length + 2).map(move |place| if place > length { length } else { place });
        EncodedSplit {
            ids: (0..texts).flat_map(|_| text()).collect(),
            bounds: (0..=texts).map(|text| text * (length + 2)).collect(),
            starts: (0..texts).flat_map(|_| starts()).collect(),
            ends: (0..texts).flat_map(|_| ends()).collect(),
            ..EncodedSplit::default()
        }
    }

    #[test]
    fn three_tenths_are_told_of_which_eight_are_masked_one_is_another_and_one_stays() {
        let split = split(100, 300);
        let rows: Vec<u32> = (0..100).collect();
        let batch = MASKING.batch(&split, &rows, Draw::Epoch(0)).expect("a batch");
        assert_eq!(batch.masked().len(), batch.targets()[0].len());
        assert!(batch.targets()[0].iter().all(|target| *target == 50));
        let told = batch.masked().len() as f64;
        assert!((told / 30_000.0 - 0.3).abs() < 0.01, "{told}");
        let ids = batch.masked().iter().map(|place| batch.ids()[*place as usize]);
        let (masked, same) = ids.fold((0.0, 0.0), |(masked, same), id| match id {
            4 => (masked + 1.0, same),
            50 => (masked, same + 1.0),
            _ => (masked, same),
        });
        assert!((masked / told - 0.8).abs() < 0.02, "{masked} of {told}");
        assert!((same / told - 0.1).abs() < 0.02, "{same} of {told}");
        let special = batch.masked().iter().filter(|place| [0, 301].contains(&(**place % 302)));
        assert_eq!(special.count(), 0);
    }

    #[test]
    fn tokens_are_drawn_anew_in_every_epoch_and_for_each_text_by_itself() {
        let split = split(3, 40);
        let of = |rows: &[u32], draw| MASKING.batch(&split, rows, draw).expect("a batch");
        assert_ne!(of(&[0], Draw::Epoch(0)), of(&[0], Draw::Epoch(1)));
        assert_ne!(of(&[0], Draw::Fixed), of(&[1], Draw::Fixed));
        let (alone, together) = (of(&[2], Draw::Fixed), of(&[0, 2], Draw::Fixed));
        assert_eq!(alone.ids(), &together.ids()[42..]);
    }

    #[test]
    fn a_batch_has_something_to_tell_even_where_chance_would_leave_it_without() {
        let masking = Masking { share: 0.0, ..MASKING };
        let batch = masking.batch(&split(1, 5), &[0], Draw::Fixed).expect("a batch");
        assert_eq!((batch.masked(), batch.ids()[1]), (&[1][..], 4));
        let batch = masking.batch(&split(1, 0), &[0], Draw::Fixed).expect("a batch");
        assert_eq!(batch.masked(), [0]);
    }
}
