//! The families with BERT's layers, and Ettin and mmBERT, against transformers': hidden states, losses, every gradient and twenty steps of AdamW, on both paths.
//! `make_families.py` made the fixtures and says what is in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device};
use pipeline::base::rng::Rng;
use pipeline::nn::{
    Batch, ComposedModel, EncoderSpec, Gradients, JointModel, LossOptions, Workspace,
};
use pipeline::text::TextTokenizer;
use pipeline::training::adamw::{Update, clip_coefficient};
use pipeline::training::schedule::LearningRate;
use pipeline::training::{CandleEngine, CpuEngine, Engine, Schedule, StateVector, Warmup};

use crate::fixture::{Tensor, by_name, folder, heads, read, relative_error};

const FAMILIES: [&str; 9] = [
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "ettin",
    "mmbert",
    "deberta-v2",
];

/// Those without a table of positions, which are angles or distances.
const WITHOUT_TABLE: [&str; 3] = ["ettin", "mmbert", "deberta-v2"];

/// A step in float32 is this far away from one in float64 by rounding.
const ROUNDING: f64 = 5e-6;

fn path(family: &str, file: &str) -> PathBuf {
    folder("families").join(family).join(file)
}

pub fn model(family: &str) -> JointModel {
    let text = std::fs::read_to_string(path(family, "config.json")).unwrap();
    let spec = EncoderSpec::from_json(&text).unwrap();
    JointModel::load_trained(&path(family, "model.safetensors"), spec, &heads(5)).unwrap()
}

fn expected(family: &str) -> BTreeMap<String, Tensor> {
    read(&path(family, "expected.safetensors"))
}

fn batches(family: &str) -> Vec<Batch> {
    let tensors = read(&path(family, "batches.safetensors"));
    let batch = |step: usize| {
        let numbers = |name: &str| -> Vec<u32> {
            tensors[&format!("{step}.{name}")].1.iter().map(|value| *value as u32).collect()
        };
        let bounds = numbers("bounds").into_iter().map(|bound| bound as usize).collect();
        let targets = vec![numbers("labels"), numbers("anomaly")];
        Batch::new(numbers("ids"), bounds).unwrap().with_targets(targets)
    };
    (0..20).map(batch).collect()
}

/// Keys that all move alike change no weight of attention: the gradient of their bias is 0, and what is found is rounding.
pub fn has_no_gradient(name: &str) -> bool {
    [".key.bias", ".k_lin.bias"].iter().any(|end| name.ends_with(end))
}

fn assert_gradients_match(family: &str, found: &[(String, Vec<f32>)]) {
    let expected = expected(family);
    let count = expected.keys().filter(|key| key.starts_with("gradient.")).count();
    assert_eq!(found.len(), count, "a gradient per parameter");
    for (name, values) in found {
        let theirs = &expected[&format!("gradient.{name}")].1;
        if has_no_gradient(name) {
            assert!(values.iter().all(|value| value.abs() < 1e-6), "{family}: {name}");
            continue;
        }
        let error = relative_error(values, theirs);
        assert!(error < ROUNDING, "{family}: the gradient of {name} is off by {error:e}");
    }
}

#[test]
fn hidden_states_and_logits_are_those_of_transformers() {
    for family in FAMILIES {
        let (model, batch, expected) = (model(family), batches(family).remove(0), expected(family));
        let mut workspace = Workspace::new();
        let hidden = model.encode(&batch, &mut workspace).unwrap();
        let error = relative_error(hidden, &expected["hidden"].1);
        assert!(error < ROUNDING, "{family}: hidden states are off by {error:e}");
        let logits = model.forward(&batch, &mut workspace).unwrap();
        assert!(relative_error(&logits[0], &expected["ner_logits"].1) < ROUNDING);
        assert!(relative_error(&logits[1], &expected["anomaly_logits"].1) < ROUNDING);
    }
}

#[test]
fn every_gradient_is_that_of_torch_also_where_layers_are_computed_anew() {
    for family in FAMILIES {
        let (model, batch) = (model(family), batches(family).remove(0));
        let step = |workspace: &mut Workspace| {
            let mut gradients = Gradients::new(&model.layout);
            let options = [LossOptions::EVEN; 2];
            let losses =
                model.loss_and_gradients(&batch, &options, workspace, &mut gradients).unwrap();
            assert!((losses.total / expected(family)["losses"].1[2] - 1.0).abs() < ROUNDING);
            by_name(&model, &gradients)
        };
        let kept = step(&mut Workspace::new());
        assert_gradients_match(family, &kept);
        assert!(kept == step(&mut Workspace::new().recompute_layers(true)), "{family}: the bits");
    }
}

#[test]
fn micro_batches_add_up_to_twice_the_gradient() {
    for family in FAMILIES {
        let (model, batch) = (model(family), batches(family).remove(0));
        let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
        let halved = LossOptions { weight: 0.5, ..LossOptions::EVEN };
        let options = [halved.clone(), halved];
        for _ in 0..2 {
            model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients).unwrap();
        }
        assert_gradients_match(family, &by_name(&model, &gradients));
    }
}

#[test]
fn composed_candle_operations_give_the_gradients_of_torch() -> candle_core::Result<()> {
    for family in FAMILIES {
        let (model, batch, expected) = (model(family), batches(family).remove(0), expected(family));
        let composed = ComposedModel::new(&model, &Device::Cpu)?;
        let hidden = composed.encode(&batch)?.flatten_all()?.to_vec1()?;
        assert!(relative_error(&hidden, &expected["hidden"].1) < ROUNDING, "{family}");
        for recompute in [false, true] {
            let options = [LossOptions::EVEN; 2];
            let (losses, found) = composed.loss_and_gradients(&batch, &options, recompute)?;
            assert!((losses.total / expected["losses"].1[2] - 1.0).abs() < ROUNDING);
            let mut named = Vec::new();
            for (parameter, gradient) in model.layout.parameters().iter().zip(found) {
                let gradient =
                    gradient.unwrap_or_else(|| panic!("{} has no gradient", parameter.name));
                named.push((parameter.name.clone(), gradient.flatten_all()?.to_vec1()?));
            }
            assert_gradients_match(family, &named);
        }
    }
    Ok(())
}

#[test]
fn twenty_steps_on_both_paths_are_those_of_torch() {
    for family in FAMILIES {
        let model = model(family);
        let candle = CandleEngine::new(&model, &Device::Cpu, DType::F32).unwrap();
        assert_twenty_steps(family, &mut CpuEngine::new(model));
        assert_twenty_steps(family, &mut { candle });
    }
}

/// Twenty steps enlarge rounding; 1e-4 is what the product promises.
fn assert_twenty_steps(family: &str, engine: &mut dyn Engine) {
    let expected = expected(family);
    let rates = LearningRate::new(1e-3, Schedule::Linear, Warmup::default(), 20);
    let history = expected["history"].1.chunks(5);
    for ((step, batch), row) in batches(family).iter().enumerate().zip(history) {
        let losses = engine.accumulate(batch, &[LossOptions::EVEN; 2]).unwrap();
        let norm = engine.gradient_norm().unwrap();
        for (found, expected) in [(losses.total, row[2]), (norm, row[3])] {
            let error = (found / expected - 1.0).abs();
            assert!(error < 1e-4, "{family}, step {step}: {found}, torch has {expected}");
        }
        let update = Update {
            learning_rate: rates.at(step as u64),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.01,
            gradient_scale: clip_coefficient(norm, Some(1.0)),
            clips_updates: false,
        };
        engine.step(&update).unwrap();
    }
    let mut weights = Vec::new();
    let mut sink = |values: &[f32]| {
        weights.push(values.to_vec());
        Ok(())
    };
    engine.export(StateVector::Parameters, &mut sink).unwrap();
    for (parameter, found) in engine.parameters().iter().zip(&weights) {
        // AdamW makes whole steps of rounding, too.
        if !has_no_gradient(&parameter.name) {
            let theirs = &expected[&format!("final.{}", parameter.name)].1;
            let error = relative_error(found, theirs);
            assert!(error < 1e-4, "{family}: {} is off by {error:e}", parameter.name);
        }
    }
}

#[test]
fn names_and_shapes_are_those_of_transformers() {
    for family in FAMILIES {
        let theirs: Vec<_> = read(&path(family, "model.safetensors"))
            .into_iter()
            .map(|(name, (shape, _))| (name, shape))
            .collect();
        let layout = model(family).layout;
        let ours = layout.parameters().iter();
        let mut ours: Vec<_> =
            ours.map(|parameter| (parameter.name.clone(), parameter.shape.clone())).collect();
        ours.sort();
        assert_eq!(ours, theirs, "{family}");
    }
}

/// Of `ModernBertForMaskedLM` and `ModernBertForTokenClassification`, whose heads are no part of the encoder.
#[test]
fn checkpoints_of_classes_with_a_head_hold_the_same_encoder() {
    let encoder = "layers.0.attn.Wqkv.weight";
    for (family, head) in [("ettin", "decoder.bias"), ("mmbert", "classifier.weight")] {
        let (file, trained) = (path(family, "checkpoint.safetensors"), model(family));
        let written = read(&file);
        for name in [&format!("model.{encoder}"), "head.dense.weight", "head.norm.weight", head] {
            assert!(written.contains_key(name), "{family}: {name}");
        }
        let loaded =
            JointModel::load(&file, trained.spec.clone(), &heads(5), &Rng::new(1)).unwrap();
        let hidden = |model: &JointModel| {
            let batch = batches(family).remove(0);
            model.encode(&batch, &mut Workspace::new()).unwrap().to_vec()
        };
        assert!(hidden(&loaded) == hidden(&trained), "{family}: the bits");
        let error = relative_error(&hidden(&loaded), &expected(family)["hidden"].1);
        assert!(error < ROUNDING, "{family}: hidden states are off by {error:e}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for family in FAMILIES {
        let spec = model(family).spec;
        assert_eq!(EncoderSpec::from_json(&spec.to_json()).unwrap(), spec);
    }
}

#[test]
fn a_text_beyond_the_table_of_positions_is_refused_with_its_length() {
    for family in FAMILIES.into_iter().filter(|family| !WITHOUT_TABLE.contains(family)) {
        let model = model(family);
        assert_eq!(model.spec.max_position_embeddings, 24, "{family}");
        let batch = Batch::new(vec![5; 30], vec![0, 5, 30]).unwrap();
        let error = model.encode(&batch, &mut Workspace::new()).unwrap_err().to_string();
        let expected = "sequence 1 has 25 tokens, but the model has positions for 24";
        assert_eq!(error, expected);
        let composed = ComposedModel::new(&model, &Device::Cpu).unwrap();
        assert!(composed.encode(&batch).unwrap_err().to_string().contains(expected));
    }
}

#[test]
fn new_weights_have_the_deviation_of_the_file_and_biases_are_0() {
    let spec = model("bert").spec;
    let model = JointModel::new_random(spec, &heads(5), &Rng::new(1)).unwrap();
    for parameter in model.layout.parameters().iter().filter(|parameter| parameter.head().is_none())
    {
        let values = &model.parameters[parameter.range.clone()];
        if parameter.name.ends_with("bias") {
            assert!(values.iter().all(|value| *value == 0.0), "{}", parameter.name);
        } else if parameter.name.ends_with("LayerNorm.weight") {
            assert!(values.iter().all(|value| *value == 1.0), "{}", parameter.name);
        } else {
            let squares: f32 = values.iter().map(|value| value * value).sum();
            let deviation = (squares / values.len() as f32).sqrt();
            assert!((deviation / 0.02 - 1.0).abs() < 0.3, "{}: {deviation}", parameter.name);
        }
    }
}

#[test]
fn the_published_sizes_have_the_published_numbers_of_parameters() {
    let parameters = |name: &str| {
        let spec = EncoderSpec::published(name).unwrap_or_else(|| panic!("{name} is known"));
        assert_eq!(EncoderSpec::from_json(&spec.to_json()).unwrap(), spec, "{name}");
        pipeline::nn::Layout::new(&spec, &[]).trainable()
    };
    // `sum(p.numel() for p in Model(config, add_pooling_layer=False).parameters())`
    for (name, expected) in [
        ("google-bert/bert-base-uncased", 108_891_648),
        ("bert-large", 334_092_288),
        ("sentence-transformers/all-MiniLM-L6-v2", 22_565_376),
        ("roberta-base", 124_055_040),
        ("xlm-roberta-base", 277_453_056),
        ("distilbert-base", 66_362_880),
        ("electra-small", 13_483_008),
        ("electra-base", 108_891_648),
        ("deberta-v3-xsmall", 70_682_112),
        ("deberta-v3-base", 183_831_552),
        ("mdeberta-v3-base", 278_218_752),
    ] {
        assert_eq!(parameters(name), expected, "{name}");
    }
    // In millions, as their papers say.
    for (name, millions) in [
        ("ettin-17m", 17),
        ("ettin-32m", 32),
        ("ettin-68m", 68),
        ("ettin-150m", 149),
        ("ettin-400m", 395),
        ("ettin-1b", 1_028),
        ("mmbert-small", 140),
        ("jhu-clsp/mmBERT-base", 307),
    ] {
        let found = (parameters(name) as f64 / 1e6).round() as usize;
        assert!(found.abs_diff(millions) <= 1, "{name}: {found}");
    }
    for name in EncoderSpec::published_names() {
        parameters(name);
    }
}

#[test]
fn names_of_published_checkpoints_are_those_of_the_layout() {
    for (family, written, name) in [
        ("bert", "bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
        ("bert", "embeddings.LayerNorm.beta", "embeddings.LayerNorm.bias"),
        (
            "roberta",
            "roberta.encoder.layer.1.output.dense.bias",
            "encoder.layer.1.output.dense.bias",
        ),
        (
            "distilbert",
            "distilbert.transformer.layer.0.ffn.lin1.bias",
            "transformer.layer.0.ffn.lin1.bias",
        ),
        ("electra", "electra.embeddings_project.weight", "embeddings_project.weight"),
    ] {
        let names = model(family).spec.names;
        assert_eq!(names.of(written), name);
        assert!(!names.is_of_other_head(written), "{written}");
    }
    for (family, head) in [
        ("bert", "bert.pooler.dense.weight"),
        ("bert", "cls.predictions.transform.dense.weight"),
        ("roberta", "lm_head.dense.weight"),
        ("distilbert", "vocab_transform.weight"),
        ("electra", "discriminator_predictions.dense.weight"),
    ] {
        assert!(model(family).spec.names.is_of_pretraining(head), "{head}");
    }
    assert!(model("bert").spec.names.is_constant("embeddings.position_ids"));
}

#[test]
fn distances_have_the_rows_that_transformers_gives_them() {
    // `make_log_bucket_position(distances, 256, 512)` and `(distances, 8, 24)`, the first distance of each bucket beyond half of them.
    let published = EncoderSpec::published("deberta-v3-base").unwrap().distances().unwrap();
    for (distance, row) in [
        (-512, 0),
        (-511, 1),
        (-128, 128),
        (0, 256),
        (128, 384),
        (300, 463),
        (511, 511),
        (512, 511),
    ] {
        assert_eq!(published.row(distance), row, "{distance}");
    }
}

/// A model with dropout everywhere, of the family of the name or ModernBERT's with windows.
fn dropping(name: &str) -> (JointModel, Batch) {
    let (mut model, batch) = match name {
        "small" => (crate::fixture::model(name), crate::fixture::batch(name)),
        family => (model(family), batches(family).remove(0)),
    };
    model.spec = model.spec.with_dropout(0.25);
    (model, batch)
}

#[test]
fn both_paths_drop_the_same_features_and_pass_the_same_gradients_on() -> candle_core::Result<()> {
    for name in ["small", "bert", "electra", "deberta-v2"] {
        let (model, batch) = dropping(name);
        let step = |noise: Option<u64>, workspace: &mut Workspace| {
            let mut gradients = Gradients::new(&model.layout);
            let batch =
                noise.map_or_else(|| batch.clone(), |noise| batch.clone().with_noise(noise));
            let options = [LossOptions::EVEN; 2];
            let losses =
                model.loss_and_gradients(&batch, &options, workspace, &mut gradients).unwrap();
            (losses.total, by_name(&model, &gradients))
        };
        let (loss, ours) = step(Some(7), &mut Workspace::new());
        assert!((loss, ours.clone()) == step(Some(7), &mut Workspace::new()), "{name}: again");
        assert!(loss != step(Some(8), &mut Workspace::new()).0, "{name}: another noise");
        assert!(loss != step(None, &mut Workspace::new()).0, "{name}: no noise");
        let mut anew = Workspace::new().recompute_layers(true);
        assert!((loss, ours.clone()) == step(Some(7), &mut anew), "{name}: computed anew");
        let composed = ComposedModel::new(&model, &Device::Cpu)?;
        for recompute in [false, true] {
            let (losses, theirs) = composed.loss_and_gradients(
                &batch.clone().with_noise(7),
                &[LossOptions::EVEN; 2],
                recompute,
            )?;
            assert!((losses.total / loss - 1.0).abs() < ROUNDING, "{name}: {losses:?} {loss}");
            for ((parameter, found), expected) in ours.iter().zip(theirs) {
                let expected: Vec<f32> = expected.unwrap().flatten_all()?.to_vec1()?;
                let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
                let error = relative_error(found, &expected);
                let bound = if has_no_gradient(parameter) { f64::INFINITY } else { ROUNDING };
                assert!(error < bound, "{name}: {parameter} is off by {error:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn dropout_gives_the_same_bits_for_any_number_of_threads() {
    for name in ["small", "bert"] {
        let (model, batch) = dropping(name);
        let batch = batch.with_noise(3);
        let step = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut gradients = Gradients::new(&model.layout);
            let options = [LossOptions::EVEN; 2];
            let mut workspace = Workspace::new();
            let losses = pool.install(|| {
                model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients)
            });
            (losses.unwrap().total, by_name(&model, &gradients))
        };
        assert!(step(1) == step(3), "{name}");
    }
}

/// The mean over many draws of what is dropped is what is computed without.
#[test]
fn dropped_features_are_made_up_for_by_the_others() {
    let (model, batch) = dropping("bert");
    let mean = |share: f64| {
        let mut model = model.clone();
        model.spec = model.spec.with_dropout(share);
        let losses = (0..200).map(|noise| {
            let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
            let batch = batch.clone().with_noise(noise);
            let options = [LossOptions::EVEN; 2];
            model
                .loss_and_gradients(&batch, &options, &mut workspace, &mut gradients)
                .unwrap()
                .total
        });
        losses.sum::<f64>() / 200.0
    };
    let (without, with) = (mean(0.0), mean(0.02));
    assert!(without != with && (with / without - 1.0).abs() < 0.05, "{with} {without}");
}

/// Real weights, real texts, and the tokenizer that comes with them. `make_minilm.py` makes the folder that `MINILM` names.
#[test]
#[ignore = "needs the 90 MB that make_minilm.py copies from a package"]
fn minilm_gives_the_tokens_and_hidden_states_of_transformers() {
    let folder = PathBuf::from(std::env::var_os("MINILM").expect("make_minilm.py names a folder"));
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let spec = EncoderSpec::from_json(&text).unwrap();
    let model =
        JointModel::load(&folder.join("model.safetensors"), spec, &heads(5), &Rng::new(1)).unwrap();
    let expected = read(&folder.join("expected.safetensors"));
    let numbers = |name: &str| expected[name].1.iter().map(|value| *value as u32);
    let tokenizer = TextTokenizer::load(&folder.join("tokenizer.json")).unwrap();
    let texts = std::fs::read_to_string(folder.join("texts.json")).unwrap();
    let texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    let ids: Vec<u32> =
        texts.iter().flat_map(|text| tokenizer.encode(text, 128).unwrap().ids).collect();
    assert!(ids == numbers("ids").collect::<Vec<_>>(), "the tokens are others");
    let bounds = numbers("bounds").map(|bound| bound as usize).collect();
    let batch = Batch::new(ids, bounds).unwrap();
    let mut workspace = Workspace::new();
    let hidden = model.encode(&batch, &mut workspace).unwrap();
    let error = relative_error(hidden, &expected["hidden"].1);
    assert!(error < ROUNDING, "hidden states are off by {error:e}");
    #[expect(clippy::print_stderr, reason = "a measurement")]
    {
        eprintln!("{} texts, {} tokens: off by {error:.1e}", texts.len(), batch.len());
    }
}
