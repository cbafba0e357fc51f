//! Training steps and forward passes of a joint model with random weights on made-up texts, by the loop and the engine that `train` uses on the device.

use std::time::Instant;

use candle_core::Device;
use pipeline::app::tools::{peak_rss_gib, synthetic_split};
use pipeline::base::median::median;
use pipeline::base::rng::Rng;
use pipeline::nn::{EncoderSpec, JointModel};
use pipeline::tasks;
use pipeline::text::{CorpusTasks, EncodedSplit, LabelSet};
use pipeline::training::{self, Data, Dtype, Engine, ModelEngine, Recipe, Storage};
use serde_json::{Value, json};

use crate::Failure;

/// Steps that are not counted: in the first ones a device compiles and chooses its kernels.
const WARM_UP: usize = 2;
/// Of the reference recipe.
const LABELS: usize = 93;

/// Medians of the seconds that a training step and a forward pass take.
///
/// * `batch_size`: texts of 12 to 34 tokens in a batch
/// * `steps`: that are counted
pub fn steps(
    device: &Device,
    shape: &str,
    batch_size: usize,
    dtype: Dtype,
    steps: usize,
) -> Result<Value, Failure> {
    let spec = spec(shape)?;
    let split = synthetic_split(batch_size * (WARM_UP + steps), spec.vocab_size, None);
    let heads = tasks::heads(&tasks::joint(LABELS));
    let model = JointModel::new_random(spec, &heads, &Rng::new(0))?;
    let recipe = Recipe { epochs: 1, batch_size, dtype, ..Recipe::default() };
    let mut engine = ModelEngine::on(device, model, dtype.into(), false)?;
    let step_s = trained(engine.engine(), &split, &recipe)?;
    let forward_s = forward(engine.engine(), &split, batch_size)?;
    let texts_per_s = |seconds: f64| batch_size as f64 / seconds;
    Ok(json!({
        "step_s": step_s,
        "texts_per_s": texts_per_s(step_s),
        "forward_texts_per_s": texts_per_s(forward_s),
        "tokens": split.tokens(),
        "peak_rss_gib": peak_rss_gib(),
    }))
}

/// As `torch_step.py` has them; `tiny` is the model of `tiny.toml`.
fn spec(shape: &str) -> Result<EncoderSpec, Failure> {
    const TINY: &str = r#"{"vocab_size": 2000, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}"#;
    match shape {
        "tiny" => Ok(EncoderSpec::from_json(TINY)?),
        _ => EncoderSpec::published(shape)
            .ok_or_else(|| format!("there is no shape `{shape}`").into()),
    }
}

fn trained(engine: &mut dyn Engine, split: &EncodedSplit, recipe: &Recipe) -> Result<f64, Failure> {
    let types: Vec<String> = (0..LABELS / 2).map(|kind| kind.to_string()).collect();
    let labels = LabelSet::of(types.iter().map(String::as_str));
    let data =
        Data { train: split, validation: None, labels: &labels, tasks: &CorpusTasks::default() };
    let trained = training::train(engine, data, recipe, Storage::default(), &())?;
    Ok(median(trained.timings[WARM_UP..].iter().map(|timing| timing.seconds)))
}

/// Logits are read back, so that the device has computed them.
fn forward(
    engine: &mut dyn Engine,
    split: &EncodedSplit,
    batch_size: usize,
) -> Result<f64, Failure> {
    let tasks = tasks::joint(LABELS);
    let rows: Vec<u32> = (0..split.len() as u32).collect();
    let mut seconds = Vec::new();
    for rows in rows.chunks(batch_size) {
        let batch = tasks::batch(&tasks, split, rows)?;
        let begun = Instant::now();
        engine.logits(&batch)?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    Ok(median(seconds[WARM_UP..].iter().copied()))
}
