//! Which of the waiting texts are read next.

use std::collections::BTreeMap;

/// By how many times its own length a text may be overtaken, in tokens.
const PATIENCE: u64 = 8;

/// Texts that wait, the most urgent first.
///
/// A text is the more urgent the longer it waits and the shorter it is: its rank is how many tokens came before it, and [`PATIENCE`] times its own. So a short
/// text does not wait for the long ones of others, and what overtakes a long one has no more than [`PATIENCE`] times as many tokens as it.
#[derive(Debug)]
pub struct Queue<T> {
    /// By rank, and by number, which tells those of one rank apart.
    waiting: BTreeMap<(u64, u64), (usize, T)>,
    /// Of all that wait.
    tokens: usize,
    /// That ever came.
    came: u64,
    number: u64,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self { waiting: BTreeMap::new(), tokens: 0, came: 0, number: 0 }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Of all that wait.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// * `tokens`: what the text costs
    pub fn push(&mut self, tokens: usize, text: T) {
        let rank = self.came + PATIENCE * tokens as u64;
        self.waiting.insert((rank, self.number), (tokens, text));
        self.number += 1;
        self.came += tokens as u64;
        self.tokens += tokens;
    }

    /// The most urgent texts that have at most `budget` tokens together; one with more goes alone. None where none waits.
    pub fn take(&mut self, budget: usize) -> Vec<T> {
        let (mut batch, mut total) = (Vec::new(), 0);
        while let Some(first) = self.waiting.first_entry() {
            let tokens = first.get().0;
            if !batch.is_empty() && total + tokens > budget {
                break;
            }
            batch.push(first.remove().1);
            total += tokens;
        }
        self.tokens -= total;
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(tokens: &[usize]) -> Queue<usize> {
        let mut queue = Queue::new();
        tokens.iter().enumerate().for_each(|(text, tokens)| queue.push(*tokens, text));
        queue
    }

    #[test]
    fn a_short_text_does_not_wait_for_long_ones_that_came_before() {
        assert_eq!(queue(&[500, 500, 500, 10]).take(100), [3]);
    }

    #[test]
    fn texts_of_one_length_are_read_in_the_order_in_which_they_came() {
        let mut queue = queue(&[10; 7]);
        assert_eq!([queue.take(30), queue.take(39)], [[0, 1, 2], [3, 4, 5]]);
        assert_eq!((queue.take(30), queue.take(30)), (vec![6], vec![]));
    }

    #[test]
    fn what_is_longer_than_a_batch_goes_alone() {
        let mut queue = queue(&[90, 10]);
        assert_eq!((queue.take(50), queue.take(50)), (vec![1], vec![0]));
    }

    proptest! {
        #[test]
        fn every_text_is_read_once_in_batches_within_the_budget(
            tokens in prop::collection::vec(1_usize..300, 0..60), budget in 1_usize..400,
        ) {
            let mut queue = queue(&tokens);
            let mut read = Vec::new();
            while !queue.is_empty() {
                let batch = queue.take(budget);
                let total: usize = batch.iter().map(|text| tokens[*text]).sum();
                prop_assert!(total <= budget || batch.len() == 1);
                read.extend(batch);
            }
            read.sort_unstable();
            prop_assert_eq!(read, (0..tokens.len()).collect::<Vec<_>>());
            prop_assert_eq!(queue.tokens(), 0);
        }

        #[test]
        fn what_overtakes_a_text_is_bounded_by_its_length(
            tokens in prop::collection::vec(1_usize..300, 1..60), budget in 1_usize..400,
        ) {
            let mut queue = queue(&tokens);
            let order: Vec<usize> = std::iter::from_fn(|| {
                Some(queue.take(budget)).filter(|batch| !batch.is_empty())
            }).flatten().collect();
            for (place, text) in order.iter().enumerate() {
                let overtook = order[..place].iter().filter(|other| *other > text);
                let overtook: usize = overtook.map(|other| tokens[*other]).sum();
                prop_assert!(overtook as u64 <= PATIENCE * tokens[*text] as u64);
            }
        }
    }
}
