//! The same bits for any number of threads.

use pipeline::base::rng::Rng;
use pipeline::nn::configs::ModernBertConfig;
use pipeline::nn::{
    Batch, EncoderSpec, Gradients, Instructions, JointModel, LossOptions, Workspace,
};

use crate::fixture::heads;

/// A model whose products lie above gemm's threshold for threads, 589,824 multiplications, with batches of a few sequences.
fn model() -> JointModel {
    let base = ModernBertConfig::base();
    let config = ModernBertConfig {
        vocab_size: 500,
        hidden_size: 192,
        intermediate_size: 288,
        num_hidden_layers: 4,
        num_attention_heads: 3,
        layer_types: base.layer_types[..4].to_vec(),
        local_attention: 32,
        pad_token_id: None,
        ..base
    };
    JointModel::new_random(config.spec().unwrap(), &heads(9), &Rng::new(3)).unwrap()
}

fn step(model: &JointModel, lengths: &[usize], threads: usize) -> (f64, Vec<f32>, Vec<f32>) {
    let mut bounds = vec![0];
    lengths.iter().for_each(|length| bounds.push(bounds[bounds.len() - 1] + length));
    let count = bounds[lengths.len()] as u32;
    let ids: Vec<u32> = (0..count).map(|token| token * 7_919 % 500).collect();
    let labels: Vec<u32> = (0..count).map(|token| token % 9).collect();
    let anomaly: Vec<u32> = (0..lengths.len() as u32).map(|sequence| sequence % 2).collect();
    let batch = Batch::new(ids, bounds).unwrap().with_targets(vec![labels, anomaly]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut gradients = Gradients::new(&model.layout);
    let losses = pool.install(|| {
        model.loss_and_gradients(
            &batch,
            &[LossOptions::EVEN; 2],
            &mut Workspace::new(),
            &mut gradients,
        )
    });
    (losses.unwrap().total, gradients.dense().to_vec(), gradients.embedding().rows.clone())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    assert_same_bits(&model());
}

#[test]
fn any_number_of_threads_gives_the_same_bits_in_bf16() {
    for instructions in Instructions::available() {
        assert_same_bits(&model().with_bf16_products(instructions).unwrap());
    }
}

/// Heads sum the gradients of distances over sequences.
#[test]
fn any_number_of_threads_gives_the_same_bits_where_attention_tells_distances() {
    let config = r#"{"model_type": "deberta-v2", "vocab_size": 500, "hidden_size": 192, "intermediate_size": 288,
        "num_hidden_layers": 2, "num_attention_heads": 3, "position_buckets": 32, "max_position_embeddings": 100}"#;
    let spec = EncoderSpec::from_json(config).unwrap();
    assert_same_bits(&JointModel::new_random(spec, &heads(9), &Rng::new(3)).unwrap());
}

fn assert_same_bits(model: &JointModel) {
    let lengths: [&[usize]; 4] = [&[150, 12, 34, 1, 20, 77], &[1], &[1, 1, 1], &[65]];
    for lengths in lengths {
        let one = step(model, lengths, 1);
        for threads in [2, 3] {
            assert!(one == step(model, lengths, threads), "lengths {lengths:?}, {threads} threads");
        }
    }
}
