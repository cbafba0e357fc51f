//! LoRA against PEFT's: hidden states, gradients, twenty steps of AdamW and what is merged, on both paths. `make_lora.py` made the fixtures and says what
//! is in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device};
use pipeline::base::rng::Rng;
use pipeline::nn::{
    Batch, ComposedModel, EncoderSpec, Gradients, JointModel, Lora, LossOptions, Parameter,
    Workspace,
};
use pipeline::training::adamw::{Update, clip_coefficient};
use pipeline::training::{CandleEngine, CpuEngine, Engine, Recipe, StateVector};

use crate::fixture::{Tensor, by_name, folder, heads, read, relative_error};

/// A step in float32 is this far away from one in float64 by rounding.
const ROUNDING: f64 = 5e-6;

struct Case {
    model: JointModel,
    batches: Vec<Batch>,
    expected: BTreeMap<String, Tensor>,
}

fn case(name: &str, of: PathBuf, rank: usize, alpha: f64, targets: &[&str]) -> Case {
    let expected = read(&folder("lora").join(format!("{name}.safetensors")));
    let text = std::fs::read_to_string(of.join("config.json")).unwrap();
    let spec = EncoderSpec::from_json(&text).unwrap();
    let weights = of.join("model.safetensors");
    let labels = read(&weights)["ner_classifier.bias"].1.len();
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    let lora = Lora { rank, alpha, targets };
    let model = JointModel::load_trained(&weights, spec, &heads(labels)).unwrap();
    let mut model = model.with_adapters(&lora, &Rng::new(1)).unwrap();
    for parameter in model.layout.parameters().to_vec() {
        if let Some((shape, values)) = expected.get(&format!("start.{}", parameter.name)) {
            assert_eq!(*shape, parameter.shape);
            let places = model.parameters[parameter.range.clone()].iter_mut();
            places.zip(values).for_each(|(place, value)| *place = *value as f32);
        }
    }
    let (recipe, layers) =
        (Recipe { lora: Some(lora), ..Recipe::default() }, model.spec.layers.len());
    model.layout.regroup(|parameter| recipe.group(parameter, layers));

    let tensors = read(&of.join("batches.safetensors"));
    let batch = |step: usize| {
        let numbers = |name: &str| -> Vec<u32> {
            tensors[&format!("{step}.{name}")].1.iter().map(|value| *value as u32).collect()
        };
        let bounds = numbers("bounds").into_iter().map(|bound| bound as usize).collect();
        let targets = vec![numbers("labels"), numbers("anomaly")];
        Batch::new(numbers("ids"), bounds).unwrap().with_targets(targets)
    };
    Case { model, batches: (0..20).map(batch).collect(), expected }
}

/// One matrix of queries, keys and values; and of three that are computed as one, two.
fn cases() -> [Case; 2] {
    let of_modernbert = ["Wqkv", "attn.Wo", "Wi", "mlp.Wo"];
    let of_bert = ["query", "value", "output.dense"];
    [
        case("modernbert", folder("training"), 3, 6.0, &of_modernbert),
        case("bert", folder("families").join("bert"), 4, 2.0, &of_bert),
    ]
}

fn trained(model: &JointModel) -> impl Iterator<Item = &Parameter> {
    model.layout.parameters().iter().filter(|parameter| parameter.group.trainable)
}

fn assert_gradients_match(case: &Case, found: &BTreeMap<String, Vec<f32>>) {
    let expected = case.expected.keys().filter(|key| key.starts_with("gradient."));
    assert_eq!(expected.count(), trained(&case.model).count());
    for Parameter { name, .. } in trained(&case.model) {
        let error = relative_error(&found[name], &case.expected[&format!("gradient.{name}")].1);
        assert!(error < ROUNDING, "the gradient of {name} is off by {error:e}");
    }
}

#[test]
fn hidden_states_and_gradients_are_those_of_peft() {
    for case in cases() {
        let hidden = case.model.encode(&case.batches[0], &mut Workspace::new()).unwrap().to_vec();
        assert!(relative_error(&hidden, &case.expected["hidden"].1) < ROUNDING);
        let step = |workspace: &mut Workspace| {
            let mut gradients = Gradients::new(&case.model.layout);
            let options = [LossOptions::EVEN; 2];
            let batch = &case.batches[0];
            case.model.loss_and_gradients(batch, &options, workspace, &mut gradients).unwrap();
            by_name(&case.model, &gradients)
        };
        let kept = step(&mut Workspace::new());
        assert!(kept == step(&mut Workspace::new().recompute_layers(true)));
        assert_gradients_match(&case, &kept.into_iter().collect());
    }
}

#[test]
fn composed_candle_operations_give_the_gradients_of_peft() -> candle_core::Result<()> {
    for case in cases() {
        let composed = ComposedModel::new(&case.model, &Device::Cpu)?;
        for recompute in [false, true] {
            let options = [LossOptions::EVEN; 2];
            let (_, found) = composed.loss_and_gradients(&case.batches[0], &options, recompute)?;
            let mut named = BTreeMap::new();
            for (parameter, gradient) in case.model.layout.parameters().iter().zip(found) {
                assert_eq!(gradient.is_some(), parameter.group.trainable, "{}", parameter.name);
                if let Some(gradient) = gradient {
                    named.insert(parameter.name.clone(), gradient.flatten_all()?.to_vec1()?);
                }
            }
            assert_gradients_match(&case, &named);
        }
    }
    Ok(())
}

#[test]
fn twenty_steps_and_what_is_merged_are_those_of_peft() {
    for case in cases() {
        let mut candle = CandleEngine::new(&case.model, &Device::Cpu, DType::F32).unwrap();
        assert_twenty_steps(&case, &mut candle);
        let mut cpu = CpuEngine::new(case.model.clone());
        assert_twenty_steps(&case, &mut cpu);
        let merged = cpu.into_model().merged();
        let mut count = 0;
        for parameter in merged.layout.parameters() {
            let found = &merged.parameters[parameter.range.clone()];
            if let Some((_, theirs)) = case.expected.get(&format!("merged.{}", parameter.name)) {
                let error = relative_error(found, theirs);
                assert!(error < ROUNDING, "{} is off by {error:e}", parameter.name);
                count += 1;
            }
        }
        assert_eq!(count, case.expected.keys().filter(|key| key.starts_with("merged.")).count());
    }
}

/// Twenty steps enlarge rounding; 1e-4 is what the product promises.
fn assert_twenty_steps(case: &Case, engine: &mut dyn Engine) {
    let rows = case.expected["history"].1.chunks(2);
    for (batch, row) in case.batches.iter().zip(rows) {
        let losses = engine.accumulate(batch, &[LossOptions::EVEN; 2]).unwrap();
        let norm = engine.gradient_norm().unwrap();
        for (found, expected) in [(losses.total, row[0]), (norm, row[1])] {
            assert!((found / expected - 1.0).abs() < 1e-4, "{found}, PEFT has {expected}");
        }
        let update = Update {
            learning_rate: 1e-3,
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
    assert_eq!(weights.len(), trained(&case.model).count());
    for (parameter, found) in trained(&case.model).zip(&weights) {
        let theirs = &case.expected[&format!("final.{}", parameter.name)].1;
        let error = relative_error(found, theirs);
        assert!(error < 1e-4, "{} is off by {error:e}", parameter.name);
    }
}

#[test]
fn adapters_are_written_under_the_names_of_peft() {
    for case in cases() {
        let file = tempfile::NamedTempFile::new().unwrap();
        case.model.save_adapters(file.path()).unwrap();
        let theirs = case.expected.keys().filter_map(|key| key.strip_prefix("start."));
        let theirs: Vec<String> = theirs.map(|name| format!("base_model.model.{name}")).collect();
        assert_eq!(read(file.path()).into_keys().collect::<Vec<_>>(), theirs);
    }
}
