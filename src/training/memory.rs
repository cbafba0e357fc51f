//! How much memory a training takes on the CPU, told from sizes alone.

use crate::nn::{EncoderSpec, Layout};

/// Main memory in bytes, without the program itself. Mostly from above, since few texts are as long as they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Weights, gradients and both moments of AdamW: 16 bytes for each parameter.
    pub parameters: u64,
    /// What the forward keeps for the backward, and temporaries: for one micro-batch, however many are accumulated.
    pub activations: u64,
}

impl MemoryNeed {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parameters.saturating_add(self.activations)
    }
}

/// The memory of training a model of these sizes with full batches of the longest texts.
///
/// Per token, in floats of 4 bytes (hidden h, intermediate i, expanded e, heads a, layers n, labels l), what [`Workspace`](crate::nn::Workspace) holds:
///
/// | kept by each layer | input h, queries, keys and values 3 h, attended h, middle h, expanded e, log sums a, moments 4 |
/// |---|---|
/// | once | last hidden states and the norms around them 3 h, temporaries 9 h + i, labels l |
///
/// With activation checkpointing every layer keeps its input only, and one layer at a time all of the above.
///
/// Measured with batches of 16 and 4 texts of 256 tokens on 14 M parameters: 984 and 436 MB for 972 and 416 that this says; the rest is the
/// program itself. The gradient of the embedding has a row for each token of the batch, at most one for each entry of the vocabulary; it is part of the
/// 16 bytes for each parameter. Attention never holds a row for each pair of tokens, so that the length counts linearly.
#[must_use]
pub fn memory_need(
    spec: &EncoderSpec,
    labels: usize,
    batch_size: usize,
    max_length: usize,
    activation_checkpointing: bool,
) -> MemoryNeed {
    let float = |count: usize| (count as u64).saturating_mul(4);
    let (hidden, intermediate) = (spec.hidden_size, spec.intermediate_size);
    let (input, state) = (hidden, 5 * hidden + spec.expanded_size() + spec.num_attention_heads + 4);
    let states = if activation_checkpointing { 1 } else { spec.layers.len() };
    let once = 12 * hidden + intermediate + labels;
    let tokens = batch_size.saturating_mul(max_length) as u64;
    let kept = input.saturating_mul(spec.layers.len()).saturating_add(state.saturating_mul(states));
    let floats = float(kept.saturating_add(once));
    MemoryNeed {
        parameters: float(Layout::new(spec, labels).len()).saturating_mul(4),
        activations: tokens.saturating_mul(floats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> EncoderSpec {
        EncoderSpec::published("base").unwrap()
    }

    #[test]
    fn base_takes_16_bytes_for_each_of_its_149_million_parameters() {
        let need = memory_need(&base(), 93, 16, 128, false);
        assert!((2_380_000_000..2_400_000_000).contains(&need.parameters), "{need:?}");
    }

    #[test]
    fn activations_grow_with_texts_and_their_length_and_parameters_do_not() {
        let of = |batch_size, max_length| memory_need(&base(), 93, batch_size, max_length, false);
        assert_eq!(of(32, 64), of(16, 128));
        assert_eq!(of(32, 128).activations, 2 * of(16, 128).activations);
        assert_eq!(of(32, 128).parameters, of(16, 128).parameters);
    }

    #[test]
    fn activation_checkpointing_leaves_about_a_fifth_of_the_activations() {
        let of =
            |activation_checkpointing| memory_need(&base(), 93, 16, 128, activation_checkpointing);
        let share = of(true).activations as f64 / of(false).activations as f64;
        assert!((0.18..0.22).contains(&share), "{share}");
        assert_eq!(of(true).parameters, of(false).parameters);
    }

    #[test]
    fn sizes_beyond_all_bounds_do_not_overflow() {
        assert_eq!(memory_need(&base(), 93, usize::MAX, usize::MAX, false).bytes(), u64::MAX);
    }
}
