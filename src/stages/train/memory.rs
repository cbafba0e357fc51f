//! How much memory a training takes on the CPU, told from sizes alone.

use crate::engine::stage::{Memory, Part};
use crate::stages::artifacts::known::Sizes;
use crate::training::{Dtype, Recipe};

/// The memory of training a model of these sizes with full batches of the longest texts, without the program itself. Mostly from above, since few
/// texts are as long as they may be.
///
/// The parameters take 16 bytes each: weights, gradients and both moments of AdamW, or 4 where the encoder is not trained; 4 more where they are averaged; with `dtype = "bf16"` the weights of linear layers 4 more, for products in
/// both directions. Rows of the embedding that no text uses take 4 in truth, but sizes do not say how many these are. A batch takes what the forward keeps for the backward, and
/// temporaries: for one micro-batch, however many are accumulated.
///
/// Per token, in floats of 4 bytes (hidden h, intermediate i, expanded e, heads a, layers n, labels l), what [`Workspace`](crate::nn::Workspace) holds:
///
/// | kept by each layer | input h, queries, keys and values 3 h, attended h, middle h, expanded e, log sums a, moments 4 |
/// |---|---|
/// | once | last hidden states and the norms around them 3 h, temporaries 6 h + i, labels l |
/// | where norms stand after, each layer | h, moments 2, and once another h of what is dropped |
/// | with `dtype = "bf16"` | queries, keys and values half of that |
///
/// With activation checkpointing every layer keeps its input only, and one layer at a time all of the above.
///
/// Measured with batches of 16 and 4 texts of 256 tokens on 14 M parameters, when the temporaries were 9 h + i: 984 and 436 MB for 972 and 416 that
/// this said; the rest is the program itself. The gradient of the embedding has a row for each token of the batch, at most one for each entry of the vocabulary; it is part of the
/// 16 bytes for each parameter. Attention never holds a row for each pair of tokens, so that the length counts linearly.
#[must_use]
pub fn memory(sizes: &Sizes, recipe: &Recipe, max_length: usize) -> Memory {
    let float = |count: usize| (count as u64).saturating_mul(4);
    let (hidden, layers) = (sizes.hidden_size, sizes.layers);
    let after = usize::from(sizes.norms_after);
    let turned = match recipe.dtype {
        Dtype::F32 => 3 * hidden,
        Dtype::Bf16 => 3 * hidden / 2,
    };
    let rest = sizes.expanded_size + sizes.attention_heads + 4 + 2 * after;
    let state = turned + (2 + after) * hidden + rest;
    let states = if recipe.activation_checkpointing { 1 } else { layers };
    let once = (9 + after) * hidden + sizes.intermediate_size + Sizes::LABELS;
    let tokens = recipe.batch_size.saturating_mul(max_length) as u64;
    let kept = hidden.saturating_mul(layers).saturating_add(state.saturating_mul(states));
    let batch = if recipe.activation_checkpointing {
        "lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`"
    } else {
        "set `activation_checkpointing = true`, lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`"
    };
    let rounded = match recipe.dtype {
        Dtype::F32 => 0,
        Dtype::Bf16 => layers.saturating_mul(of_layer(sizes)),
    };
    Memory(vec![
        Part {
            bytes: float(sizes.parameters.saturating_add(adapters(sizes, recipe)))
                .saturating_mul(if recipe.ema.is_some() { 2 } else { 1 })
                .saturating_add(float(trained(sizes, recipe)).saturating_mul(3))
                .saturating_add(float(rounded)),
            purpose: "parameters",
            remedy: "its parameters alone do not fit: take a smaller model",
        },
        Part {
            bytes: tokens.saturating_mul(float(kept.saturating_add(once))),
            purpose: "a batch",
            remedy: batch,
        },
    ])
}

/// How many numbers are trained: all where only parts of the encoder are frozen.
fn trained(sizes: &Sizes, recipe: &Recipe) -> usize {
    let heads = (Sizes::LABELS + 2).saturating_mul(sizes.hidden_size + 1);
    if recipe.lora.is_some() || recipe.freezes_encoder() {
        heads.saturating_add(adapters(sizes, recipe))
    } else {
        sizes.parameters
    }
}

/// The numbers of adapters beside every matrix, though there may be fewer.
fn adapters(sizes: &Sizes, recipe: &Recipe) -> usize {
    let Sizes { hidden_size, intermediate_size, expanded_size, layers, .. } = *sizes;
    let ends = 8 * hidden_size + expanded_size + intermediate_size;
    let rank = recipe.lora.as_ref().map_or(0, |lora| lora.rank);
    rank.saturating_mul(ends).saturating_mul(layers)
}

/// Weights of the linear maps of a layer.
fn of_layer(sizes: &Sizes) -> usize {
    let Sizes { hidden_size: hidden, intermediate_size, expanded_size, .. } = sizes;
    hidden.saturating_mul(4 * hidden + intermediate_size + expanded_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{EncoderSpec, Lora};

    /// The bytes of the parameters, and of a batch of ModernBERT-base.
    fn parts(batch_size: usize, max_length: usize, activation_checkpointing: bool) -> [u64; 2] {
        let sizes = Sizes::of(&EncoderSpec::published("base").unwrap());
        let recipe = Recipe { batch_size, activation_checkpointing, ..Recipe::default() };
        let Memory(parts) = memory(&sizes, &recipe, max_length);
        [parts[0].bytes, parts[1].bytes]
    }

    #[test]
    fn base_takes_16_bytes_for_each_of_its_149_million_parameters() {
        let [parameters, _] = parts(16, 128, false);
        assert!((2_380_000_000..2_400_000_000).contains(&parameters), "{parameters}");
    }

    #[test]
    fn bf16_takes_4_more_for_each_weight_of_a_linear_layer() {
        let sizes = Sizes::of(&EncoderSpec::published("base").unwrap());
        let bytes = |dtype| memory(&sizes, &Recipe { dtype, ..Recipe::default() }, 128).0[0].bytes;
        assert_eq!(bytes(Dtype::Bf16) - bytes(Dtype::F32), 4 * 110_297_088);
    }

    #[test]
    fn bf16_keeps_half_of_the_queries_keys_and_values() {
        let sizes = Sizes::of(&EncoderSpec::published("base").unwrap());
        let bytes = |dtype| memory(&sizes, &Recipe { dtype, ..Recipe::default() }, 128).0[1].bytes;
        let batch = Recipe::default().batch_size as u64 * 128;
        assert_eq!(bytes(Dtype::F32) - bytes(Dtype::Bf16), batch * 22 * 3 * 768 * 2);
    }

    #[test]
    fn what_is_not_trained_takes_4_bytes_and_an_average_as_many_more() {
        let sizes = Sizes::of(&EncoderSpec::published("base").unwrap());
        let bytes = |recipe: Recipe| memory(&sizes, &recipe, 128).0[0].bytes as f64 / 1e6;
        let lora = bytes(Recipe { lora: Some(Lora::default()), ..Recipe::default() });
        let (weights, adapters) =
            (4.0 * 149.1, 16.0 * 22.0 * 16.0 * (6144.0 + 2304.0 + 1152.0) / 1e6);
        assert!((lora - weights - adapters).abs() < 5.0, "{lora}");
        let frozen = bytes(Recipe { freeze: vec!["encoder".to_owned()], ..Recipe::default() });
        assert!((frozen - weights).abs() < 3.0, "{frozen}");
        let averaged = bytes(Recipe { ema: Some(0.99), ..Recipe::default() });
        assert!((averaged - 5.0 * weights).abs() < 3.0, "{averaged}");
    }

    #[test]
    fn activations_grow_with_texts_and_their_length_and_parameters_do_not() {
        assert_eq!(parts(32, 64, false), parts(16, 128, false));
        let ([parameters, batch], [of_half, half]) = (parts(32, 128, false), parts(16, 128, false));
        assert_eq!((parameters, batch), (of_half, 2 * half));
    }

    #[test]
    fn activation_checkpointing_leaves_about_a_fifth_of_the_activations() {
        let ([parameters, less], [of_all, all]) = (parts(16, 128, true), parts(16, 128, false));
        let share = less as f64 / all as f64;
        assert!((0.18..0.22).contains(&share), "{share}");
        assert_eq!(parameters, of_all);
    }

    #[test]
    fn sizes_beyond_all_bounds_do_not_overflow() {
        assert_eq!(parts(usize::MAX, usize::MAX, false)[1], u64::MAX);
    }
}
