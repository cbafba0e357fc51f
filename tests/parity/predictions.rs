//! Heads as transformers' own classes have them, on both paths: `make_families.py` made the fixtures and says what is in them.

use std::collections::BTreeMap;

use candle_core::Device;
use pipeline::base::rng::Rng;
use pipeline::nn::{
    Batch, ComposedModel, EncoderSpec, Gradients, HeadKind, HeadSpec, JointModel, LossOptions,
    Over, Workspace,
};

use crate::checkpoints::write;
use crate::fixture::{Tensor, by_name, folder, read, relative_error};

const FAMILIES: [&str; 6] =
    ["modernbert", "bert", "roberta", "distilbert", "electra", "deberta-v2"];
const ROUNDING: f64 = 5e-6;

fn fixture(family: &str) -> BTreeMap<String, Tensor> {
    read(&folder("families").join(family).join("prediction.safetensors"))
}

fn spec(family: &str) -> EncoderSpec {
    let path = folder("families").join(family).join("config.json");
    let text = std::fs::read_to_string(path).unwrap();
    EncoderSpec::from_json(&text).unwrap().with_heads(HeadKind::Prediction)
}

/// One head of the model of a fixture, and the batch.
fn model(family: &str, head: &str) -> (JointModel, Batch) {
    let fixture = fixture(family);
    let over = if head == "ner" { Over::Tokens } else { Over::FirstToken };
    let outputs = fixture[&format!("{head}_classifier.bias")].1.len();
    let heads = [HeadSpec { name: head.to_owned(), outputs, over }];
    let mut model = JointModel::new_random(spec(family), &heads, &Rng::new(1)).unwrap();
    for parameter in model.layout.parameters().to_vec() {
        let name = match parameter.head() {
            Some(_) => parameter.name.clone(),
            None => format!("encoder.{}", parameter.name),
        };
        let (shape, values) =
            fixture.get(&name).unwrap_or_else(|| panic!("{family} has no {name}"));
        assert_eq!(*shape, parameter.shape, "{name}");
        let place = model.parameters[parameter.range.clone()].iter_mut();
        place.zip(values).for_each(|(place, value)| *place = *value as f32);
    }
    let numbers = |name: &str| fixture[name].1.iter().map(|value| *value as u32);
    let bounds = numbers("bounds").map(|bound| bound as usize).collect();
    let targets = numbers(if head == "ner" { "labels" } else { head }).collect();
    let batch = Batch::new(numbers("ids").collect(), bounds).unwrap().with_targets(vec![targets]);
    (model, batch)
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    let texts = FAMILIES.into_iter().map(|family| (family, "anomaly"));
    texts.chain([("modernbert", "ner")])
}

fn assert_gradients(family: &str, head: &str, found: &[(String, Vec<f32>)]) {
    let fixture = fixture(family);
    let start = format!("gradient.{head}");
    let theirs = fixture.keys().filter(|key| key.starts_with(&start)).count();
    let mut compared = 0;
    for (name, values) in found {
        let name = if name.contains("tok_embeddings") || name.contains("word_embeddings") {
            format!("{head}.tokens")
        } else {
            name.clone()
        };
        let Some((_, expected)) = fixture.get(&format!("gradient.{name}")) else { continue };
        let error = relative_error(values, expected);
        assert!(error < ROUNDING, "{family}: the gradient of {name} is off by {error:e}");
        compared += 1;
    }
    assert_eq!(compared, theirs, "{family}");
}

#[test]
fn losses_and_gradients_are_those_of_transformers_classes() -> candle_core::Result<()> {
    for (family, head) in cases() {
        let (model, batch) = model(family, head);
        let expected = fixture(family)[&format!("loss.{head}")].1[0];
        let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
        let options = [LossOptions::EVEN];
        let losses =
            model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients).unwrap();
        let error = (losses.total / expected - 1.0).abs();
        assert!(error < ROUNDING, "{family}, {head}: {losses:?}, torch has {expected}");
        assert_gradients(family, head, &by_name(&model, &gradients));

        let composed = ComposedModel::new(&model, &Device::Cpu)?;
        let (losses, found) = composed.loss_and_gradients(&batch, &options, false)?;
        assert!((losses.total / expected - 1.0).abs() < ROUNDING, "{family}, {head}: {losses:?}");
        let mut named = Vec::new();
        for (parameter, gradient) in model.layout.parameters().iter().zip(found) {
            let gradient = gradient.unwrap_or_else(|| panic!("{}", parameter.name));
            named.push((parameter.name.clone(), gradient.flatten_all()?.to_vec1()?));
        }
        assert_gradients(family, head, &named);
    }
    Ok(())
}

#[test]
fn a_trained_model_with_such_heads_reads_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (family, head) in cases() {
        let path = folder.path().join(format!("{family}-{head}"));
        let model = model(family, head).0;
        model.save(&path).unwrap();
        let heads: Vec<HeadSpec> = model.heads().cloned().collect();
        let again = JointModel::load_trained(&path, model.spec.clone(), &heads).unwrap();
        assert!(again.parameters == model.parameters, "{family}, {head}");
    }
}

#[test]
fn heads_begin_with_that_of_the_checkpoint_and_else_with_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for (family, ours, theirs) in [
        ("modernbert", "ner_dense.weight", "head.dense.weight"),
        ("modernbert", "ner_norm.weight", "head.norm.weight"),
        ("bert", "anomaly_dense.bias", "bert.pooler.dense.bias"),
        ("roberta", "anomaly_dense.weight", "classifier.dense.weight"),
        ("distilbert", "anomaly_dense.weight", "pre_classifier.weight"),
    ] {
        let (model, _) = model(family, ours.split('_').next().unwrap());
        let heads: Vec<HeadSpec> = model.heads().cloned().collect();
        let mut tensors: Vec<_> = model
            .layout
            .parameters()
            .iter()
            .filter(|parameter| parameter.head().is_none())
            .map(|parameter| {
                let values = &model.parameters[parameter.range.clone()];
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (parameter.name.clone(), "F32", parameter.shape.clone(), bytes)
            })
            .collect();
        let load = || JointModel::load(&path, spec(family), &heads, &Rng::new(5)).unwrap();
        let of = |model: &JointModel| {
            let mut parameters = model.layout.parameters().iter();
            let parameter = parameters.find(|parameter| parameter.name == ours).unwrap();
            model.parameters[parameter.range.clone()].to_vec()
        };
        write(&path, &tensors);
        let drawn = of(&load());
        let shape = if ours.ends_with("dense.weight") {
            vec![drawn.len().isqrt(); 2]
        } else {
            vec![drawn.len()]
        };
        let values: Vec<f32> = (0..drawn.len()).map(|value| value as f32).collect();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((theirs.to_owned(), "F32", shape, bytes));
        write(&path, &tensors);
        assert_eq!(of(&load()), values, "{family}: {ours}");
        assert_ne!(drawn, values);
    }
}
