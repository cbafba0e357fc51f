//! Masked-language modelling as transformers' classes for it have it, on both paths: `make_masked.py` made the fixtures and says what is in them.

use std::collections::BTreeMap;

use candle_core::Device;
use pipeline::base::rng::Rng;
use pipeline::nn::{
    Batch, ComposedModel, EncoderSpec, Gradients, HeadKind, HeadSpec, JointModel, LossOptions,
    Over, Workspace,
};
use pipeline::training::masked_head;

use crate::fixture::{Tensor, by_name, folder, read, relative_error};

const FAMILIES: [&str; 5] = ["modernbert", "bert", "roberta", "distilbert", "electra"];
const ROUNDING: f64 = 5e-6;

fn fixture(family: &str) -> BTreeMap<String, Tensor> {
    read(&folder("masked").join(format!("{family}.safetensors")))
}

fn spec(family: &str) -> EncoderSpec {
    let path = folder("masked").join(format!("{family}.json"));
    EncoderSpec::from_json(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn model(family: &str) -> JointModel {
    let (fixture, spec) = (fixture(family), spec(family));
    let head = masked_head(spec.vocab_size);
    let mut model = JointModel::new_random(spec, &[head], &Rng::new(1)).unwrap();
    for parameter in model.layout.parameters().to_vec() {
        let (shape, values) = fixture
            .get(&parameter.name)
            .unwrap_or_else(|| panic!("{family} has no {}", parameter.name));
        assert_eq!(*shape, parameter.shape, "{}", parameter.name);
        let place = model.parameters[parameter.range.clone()].iter_mut();
        place.zip(values).for_each(|(place, value)| *place = *value as f32);
    }
    model
}

fn batch(family: &str) -> Batch {
    let fixture = fixture(family);
    let numbers =
        |name: &str| -> Vec<u32> { fixture[name].1.iter().map(|value| *value as u32).collect() };
    let bounds = numbers("bounds").into_iter().map(|bound| bound as usize).collect();
    let batch = Batch::new(numbers("ids"), bounds).unwrap();
    batch.with_masked(numbers("masked")).with_targets(vec![numbers("targets")])
}

fn assert_gradients(family: &str, found: &[(String, Vec<f32>)]) {
    let fixture = fixture(family);
    assert_eq!(found.len(), fixture.keys().filter(|key| key.starts_with("gradient.")).count());
    for (name, values) in found {
        // Keys that all move alike change no weight of attention: what is found is rounding.
        if [".key.bias", ".k_lin.bias"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let error = relative_error(values, &fixture[&format!("gradient.{name}")].1);
        assert!(error < ROUNDING, "{family}: the gradient of {name} is off by {error:e}");
    }
}

#[test]
fn losses_and_gradients_are_those_of_transformers_classes() -> candle_core::Result<()> {
    for family in FAMILIES {
        let (model, batch, options) = (model(family), batch(family), [LossOptions::EVEN]);
        let expected = fixture(family)["loss"].1[0];
        let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
        // Twice, to see that the second one replaces the first.
        for _ in 0..2 {
            gradients.clear();
            let losses =
                model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients).unwrap();
            assert!((losses.total / expected - 1.0).abs() < ROUNDING, "{family}: {losses:?}");
            assert_gradients(family, &by_name(&model, &gradients));
        }
        let composed = ComposedModel::new(&model, &Device::Cpu)?;
        let (losses, found) = composed.loss_and_gradients(&batch, &options, false)?;
        assert!((losses.total / expected - 1.0).abs() < ROUNDING, "{family}: {losses:?}");
        let mut named = Vec::new();
        for (parameter, gradient) in model.layout.parameters().iter().zip(found) {
            let gradient = gradient.unwrap_or_else(|| panic!("{}", parameter.name));
            named.push((parameter.name.clone(), gradient.flatten_all()?.to_vec1()?));
        }
        assert_gradients(family, &named);
    }
    Ok(())
}

#[test]
fn what_was_pretrained_is_read_back_and_heads_begin_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let (model, spec) = (model(family), spec(family));
        model.save_pretrained(&path).unwrap();
        let again =
            JointModel::load(&path, spec.clone(), &[masked_head(spec.vocab_size)], &Rng::new(2));
        assert!(again.unwrap().parameters == model.parameters, "{family}");
    }
    let head = HeadSpec { name: "ner".to_owned(), outputs: 3, over: Over::Tokens };
    let spec = spec("modernbert").with_heads(HeadKind::Prediction);
    let started =
        JointModel::load(&folder.path().join("modernbert"), spec, &[head], &Rng::new(3)).unwrap();
    let fixture = fixture("modernbert");
    for (ours, theirs) in
        [("ner_dense.weight", "head.dense.weight"), ("ner_norm.weight", "head.norm.weight")]
    {
        let parameter = started.layout.parameters().iter().find(|it| it.name == ours).unwrap();
        let values = &started.parameters[parameter.range.clone()];
        assert!(relative_error(values, &fixture[theirs].1) == 0.0, "{ours}");
    }
}
