//! What a head says of the windows of a text, put together to what it says of the text.

use crate::nn::{HeadSpec, Over};
use crate::text::{EncodedSplit, Window, Windows};

/// What a head says of texts, whose sequences come one after the other. A text that is read at once passes through as it is.
///
/// A token's answer is that of the window in which it stands farthest from the nearer edge, of two such windows the earlier one: there the model
/// sees most of what is around it. The answer about the whole text is the mean of its windows' logits.
pub(super) struct Merge {
    over: Over,
    outputs: usize,
    /// `(rows, outputs)`, of the text whose windows are coming.
    logits: Vec<f32>,
    /// `(rows,)`: what the windows that answer were to say.
    targets: Vec<u32>,
    /// `(rows,)`: how far from the edges of a window each token was seen at most, counted from 1; 0 before it is.
    context: Vec<usize>,
}

/// What a head says of some sequences of a split that lie side by side, in their order, whatever the order in which it was said.
pub(super) struct Told {
    first: u32,
    outputs: usize,
    /// Where the rows of each sequence begin, and those of the last one end.
    bounds: Vec<usize>,
    /// `(rows, outputs)`
    logits: Vec<f32>,
    /// `(rows,)`: what they were to say.
    targets: Vec<u32>,
}

impl Told {
    /// * `logits`: `(rows, outputs)`; `targets`: `(rows,)`, of all of these sequences
    pub(super) fn put(&mut self, sequences: &[u32], mut logits: &[f32], mut targets: &[u32]) {
        for sequence in sequences {
            let place = (sequence - self.first) as usize;
            let (start, end) = (self.bounds[place], self.bounds[place + 1]);
            let (said, told);
            (said, logits) = logits.split_at((end - start) * self.outputs);
            (told, targets) = targets.split_at(end - start);
            self.logits[start * self.outputs..end * self.outputs].copy_from_slice(said);
            self.targets[start..end].copy_from_slice(told);
        }
    }
}

impl Merge {
    /// Room for what is said of these sequences, which lie side by side.
    pub(super) fn room(&self, split: &EncodedSplit, sequences: &[u32]) -> Told {
        let mut bounds = vec![0];
        for sequence in sequences {
            bounds.push(bounds[bounds.len() - 1] + self.rows(split.length_of(*sequence as usize)));
        }
        let rows = bounds[sequences.len()];
        Told {
            first: sequences.first().copied().unwrap_or(0),
            outputs: self.outputs,
            bounds,
            logits: vec![0.0; rows * self.outputs],
            targets: vec![0; rows],
        }
    }

    pub(super) fn new(head: &HeadSpec) -> Self {
        let (logits, targets, context) = Default::default();
        Self { over: head.over, outputs: head.outputs, logits, targets, context }
    }

    /// Takes in what is said of the next sequences of a split, and hands on the logits and targets of each text that is whole with them.
    ///
    /// * `text`: takes `(rows, outputs)` and `(rows,)` of a text
    pub(super) fn take(
        &mut self,
        split: &EncodedSplit,
        sequences: &[u32],
        told: &Told,
        mut text: impl FnMut(&[f32], &[u32]),
    ) {
        let (mut logits, mut targets) = (&told.logits[..], &told.targets[..]);
        for &sequence in sequences {
            let sequence = sequence as usize;
            let rows = self.rows(split.length_of(sequence));
            let (said, told);
            (said, logits) = logits.split_at(rows * self.outputs);
            (told, targets) = targets.split_at(rows);
            let Some(windows) = &split.windows else {
                text(said, told);
                continue;
            };
            let length = split.range(split.text_of(sequence)).len();
            if self.add(windows, sequence, length, said, told) {
                text(&self.logits, &self.targets);
            }
        }
    }

    /// How many rows there are of so many tokens.
    fn rows(&self, tokens: usize) -> usize {
        match self.over {
            // No task is over masked tokens.
            Over::Tokens | Over::Masked => tokens,
            Over::FirstToken => 1,
        }
    }

    /// Takes in what is said of a window, and says whether it is the last one of its text.
    ///
    /// * `length`: the tokens of the text, special ones included
    fn add(
        &mut self,
        windows: &Windows,
        row: usize,
        length: usize,
        logits: &[f32],
        targets: &[u32],
    ) -> bool {
        let of_text = windows.of_text(windows.text_of(row));
        let (is_first, is_last) = (row == of_text.start, row + 1 == of_text.end);
        let rows = self.rows(length);
        if is_first {
            self.logits.clear();
            self.logits.resize(rows * self.outputs, 0.0);
            self.targets.clear();
            self.targets.resize(rows, 0);
            self.context.clear();
            self.context.resize(rows, 0);
        }
        match self.over {
            Over::FirstToken => {
                self.targets.copy_from_slice(targets);
                self.logits.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += logit);
                if is_last {
                    let count = of_text.len() as f32;
                    self.logits.iter_mut().for_each(|logit| *logit /= count);
                }
            }
            Over::Tokens | Over::Masked => {
                let (before, behind) = windows.around();
                let Window { tokens, .. } = windows.get(row);
                // Special tokens stand in every window; what is said of them counts nowhere.
                let last = before + tokens.len();
                for place in 0..before {
                    self.decide(place, place, 1, logits, targets);
                }
                for place in 0..tokens.len() {
                    let context = 1 + place.min(tokens.len() - 1 - place);
                    let (to, from) = (before + tokens.start + place, before + place);
                    self.decide(to, from, context, logits, targets);
                }
                for place in 0..behind {
                    self.decide(length - behind + place, last + place, 1, logits, targets);
                }
            }
        }
        is_last
    }

    /// Lets row `from` of a window answer for row `to` of the text, if it sees more than any before it.
    fn decide(&mut self, to: usize, from: usize, context: usize, logits: &[f32], targets: &[u32]) {
        if context <= self.context[to] {
            return;
        }
        self.context[to] = context;
        self.targets[to] = targets[from];
        let outputs = self.outputs;
        self.logits[to * outputs..][..outputs]
            .copy_from_slice(&logits[from * outputs..][..outputs]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of these many tokens between two special ones, in windows of five that share three.
    fn split(texts: &[usize]) -> EncodedSplit {
        let mut windows = Windows::new((1, 1));
        let mut split = EncodedSplit::default();
        for &tokens in texts {
            split.ids.resize(split.ids.len() + tokens + 2, 0);
            split.bounds.push(split.ids.len() as u32);
            let begins = (0..).step_by(2).take_while(|begin| *begin == 0 || begin + 3 < tokens);
            windows.push(
                begins.map(|begin| Window { tokens: begin..(begin + 5).min(tokens), cut: (0, 0) }),
            );
        }
        EncodedSplit { windows: Some(windows), ..split }
    }

    /// What comes of each text, when each row of a sequence says the sequence's number and its own, two at a time and the second first.
    fn merged(split: &EncodedSplit, over: Over) -> Vec<(Vec<f32>, Vec<u32>)> {
        let head = HeadSpec { name: "x".to_owned(), outputs: 2, over };
        let mut merge = Merge::new(&head);
        let sequences: Vec<u32> = (0..split.sequences() as u32).collect();
        let mut texts = Vec::new();
        for window in sequences.chunks(2) {
            let mut told = merge.room(split, window);
            for sequence in window.iter().rev() {
                let rows = merge.rows(split.length_of(*sequence as usize));
                let logits: Vec<f32> =
                    (0..rows).flat_map(|row| [*sequence as f32, row as f32]).collect();
                told.put(&[*sequence], &logits, &vec![10 * sequence; rows]);
            }
            merge.take(split, window, &told, |logits, targets| {
                texts.push((logits.to_vec(), targets.to_vec()));
            });
        }
        texts
    }

    #[test]
    fn the_window_with_more_around_it_answers_for_a_token_and_of_two_the_earlier_one() {
        // 0..5, 2..7, 4..8; then a text of one window
        let found = merged(&split(&[8, 2]), Over::Tokens);
        let of_window = |text: usize, part: usize| -> Vec<f32> {
            found[text].0.chunks(2).map(|row| row[part]).collect()
        };
        assert_eq!(of_window(0, 0)[1..9], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(of_window(0, 1)[1..9], [1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0]);
        assert_eq!(found[0].1[1..9], [0, 0, 0, 0, 10, 10, 20, 20]);
        assert_eq!((of_window(1, 0), of_window(1, 1)), (vec![3.0; 4], vec![0.0, 1.0, 2.0, 3.0]));
    }

    #[test]
    fn what_is_said_of_a_text_is_the_mean_over_its_windows() {
        let found = merged(&split(&[8, 2]), Over::FirstToken);
        assert_eq!(found.iter().map(|text| text.0[0]).collect::<Vec<_>>(), [1.0, 3.0]);
    }

    #[test]
    fn a_text_that_is_read_at_once_passes_as_it_is() {
        let whole = EncodedSplit { windows: None, ..split(&[8, 2]) };
        let found = merged(&whole, Over::Tokens);
        assert_eq!(
            found.iter().map(|text| text.1.clone()).collect::<Vec<_>>(),
            [vec![0; 10], vec![10; 4]]
        );
        assert_eq!(found[1].0, [1.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0]);
    }
}
