//! Hidden states, losses and gradients, on every path.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use pipeline::base::IGNORE;
use pipeline::base::rng::Rng;
use pipeline::nn::configs::ModernBertConfig;
use pipeline::nn::{Batch, ComposedModel, Gradients, HeadLoss, JointModel, LossOptions, Workspace};

use crate::fixture::{
    NAMES, ROUNDING, batch, by_name, config, expected, folder, heads, model, part, read,
    relative_error,
};

fn step(
    model: &JointModel,
    batch: &Batch,
    workspace: &mut Workspace,
) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut gradients = Gradients::new(&model.layout);
    let losses = model
        .loss_and_gradients(batch, &[LossOptions::EVEN; 2], workspace, &mut gradients)
        .unwrap();
    (losses.total, by_name(model, &gradients))
}

fn assert_gradients_match(name: &str, found: &[(String, Vec<f32>)]) {
    let expected = expected(name);
    assert_eq!(
        found.len(),
        expected.keys().filter(|key| key.starts_with("gradient.")).count(),
        "a gradient per parameter"
    );
    for (parameter, values) in found {
        let error = relative_error(values, &expected[&format!("gradient.{parameter}")].1);
        assert!(error < ROUNDING, "{name}: the gradient of {parameter} is off by {error:e}");
    }
}

#[test]
fn hidden_states_and_logits_are_those_of_transformers() {
    for name in NAMES {
        let (model, batch, expected) = (model(name), batch(name), expected(name));
        let mut workspace = Workspace::new();
        let error =
            relative_error(model.encode(&batch, &mut workspace).unwrap(), &expected["hidden"].1);
        assert!(error < ROUNDING, "{name}: hidden states are off by {error:e}");
        let logits = model.forward(&batch, &mut workspace).unwrap();
        assert!(relative_error(&logits[0], &expected["ner_logits"].1) < ROUNDING);
        assert!(relative_error(&logits[1], &expected["anomaly_logits"].1) < ROUNDING);
    }
}

#[test]
fn losses_are_those_of_torch() {
    for name in NAMES {
        let (model, batch) = (model(name), batch(name));
        let [ner, anomaly, total, weighted] = *expected(name)["losses"].1 else {
            panic!("four losses")
        };
        let losses = |options: &[LossOptions]| {
            model.evaluate(&batch, options, &mut Workspace::new()).unwrap()
        };
        let found = losses(&[LossOptions::EVEN; 2]);
        let weighing = LossOptions { class_weights: Some(vec![0.5, 2.0]), ..LossOptions::EVEN };
        let by_class = losses(&[LossOptions::EVEN, weighing]);
        for (found, expected) in [
            (found.heads[0].mean, ner),
            (found.heads[1].mean, anomaly),
            (found.total, total),
            (by_class.heads[1].mean, weighted),
        ] {
            assert!(
                (found / expected - 1.0).abs() < ROUNDING,
                "{name}: {found} instead of {expected}"
            );
        }
        assert_eq!(
            found.heads[0].counted,
            batch.targets()[0].iter().filter(|&&label| label != IGNORE).count()
        );
    }
}

#[test]
fn every_gradient_is_that_of_torch() {
    for name in NAMES {
        let (model, batch) = (model(name), batch(name));
        let (loss, gradients) = step(&model, &batch, &mut Workspace::new());
        assert!((loss / expected(name)["losses"].1[2] - 1.0).abs() < ROUNDING);
        assert_gradients_match(name, &gradients);
    }
}

#[test]
fn the_rows_of_queries_keys_and_values_each_get_the_gradient_of_torch() {
    for name in NAMES {
        let (model, batch, expected) = (model(name), batch(name), expected(name));
        let (_, gradients) = step(&model, &batch, &mut Workspace::new());
        let mut layers = 0;
        for (parameter, values) in
            gradients.iter().filter(|(parameter, _)| parameter.ends_with("attn.Wqkv.weight"))
        {
            let third = values.len() / 3;
            for (part, rows) in ["queries", "keys", "values"].iter().zip(values.chunks_exact(third))
            {
                let place = if *part == "queries" {
                    0
                } else if *part == "keys" {
                    third
                } else {
                    2 * third
                };
                let error = relative_error(
                    rows,
                    &expected[&format!("gradient.{parameter}")].1[place..place + third],
                );
                assert!(error < ROUNDING, "{name}: {part} of {parameter} are off by {error:e}");
            }
            layers += 1;
        }
        assert_eq!(layers, model.spec.layers.len());
    }
}

#[test]
fn layers_computed_anew_give_the_same_bits() {
    let (model, batch) = (model("small"), batch("small"));
    let kept = step(&model, &batch, &mut Workspace::new());
    assert!(kept == step(&model, &batch, &mut Workspace::new().recompute_layers(true)));
}

#[test]
fn a_workspace_that_has_seen_other_batches_gives_the_same_bits() {
    let (small, uneven) = (model("small"), model("uneven"));
    let mut workspace = Workspace::new();
    step(&uneven, &batch("uneven"), &mut workspace);
    let reused = step(&small, &batch("small"), &mut workspace);
    assert!(reused == step(&small, &batch("small"), &mut Workspace::new()));
}

#[test]
fn composed_candle_operations_give_the_gradients_of_torch() -> candle_core::Result<()> {
    for name in NAMES {
        let (model, batch, expected) = (model(name), batch(name), expected(name));
        let composed = ComposedModel::new(&model, &Device::Cpu)?;
        let hidden = composed.encode(&batch)?.flatten_all()?.to_vec1()?;
        assert!(relative_error(&hidden, &expected["hidden"].1) < ROUNDING);
        let (total, losses) = composed.loss(&batch, &[LossOptions::EVEN; 2])?;
        assert!((losses.total / expected["losses"].1[2] - 1.0).abs() < ROUNDING);
        let store = total.backward()?;
        let mut found = Vec::new();
        for (parameter, variable) in model.layout.parameters().iter().zip(composed.variables()) {
            let gradient =
                store.get(variable).unwrap_or_else(|| panic!("{} has no gradient", parameter.name));
            found.push((parameter.name.clone(), gradient.flatten_all()?.to_vec1()?));
        }
        assert_gradients_match(name, &found);
    }
    Ok(())
}

/// A half-precision product has 11 bits of its factors (f16; candle's CPU has no bf16 product), so a gradient is off by some 1e-3.
#[test]
fn products_in_half_precision_give_the_gradients_to_half_precision() -> candle_core::Result<()> {
    let (model, batch, expected) = (model("small"), batch("small"), expected("small"));
    let composed = ComposedModel::new(&model, &Device::Cpu)?.with_products_in(DType::F16);
    let (total, losses) = composed.loss(&batch, &[LossOptions::EVEN; 2])?;
    let error = (losses.total / expected["losses"].1[2] - 1.0).abs();
    assert!(error > ROUNDING && error < 1e-2, "the loss is off by {error:e}");
    let store = total.backward()?;
    for (parameter, variable) in model.layout.parameters().iter().zip(composed.variables()) {
        let gradient: Vec<f32> = store
            .get(variable)
            .unwrap_or_else(|| panic!("{} has no gradient", parameter.name))
            .flatten_all()?
            .to_vec1()?;
        let error = relative_error(&gradient, &expected[&format!("gradient.{}", parameter.name)].1);
        assert!(error < 2e-2, "{} is off by {error:e}", parameter.name);
    }
    Ok(())
}

#[test]
fn all_paths_weigh_losses_and_classes_alike() -> candle_core::Result<()> {
    let (model, batch) = (model("small"), batch("small"));
    let of = |weight, class_weights, normaliser| LossOptions {
        weight,
        class_weights,
        normaliser,
        ..LossOptions::EVEN
    };
    let options = [of(0.3, None, Some(100.0)), of(1.7, Some(vec![0.5, 2.0]), Some(7.0))];
    let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
    let found = model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients).unwrap();
    let composed = ComposedModel::new(&model, &Device::Cpu)?;
    let (total, losses) = composed.loss(&batch, &options)?;
    assert!((found.total / losses.total - 1.0).abs() < ROUNDING, "{found:?} {losses:?}");
    let store = total.backward()?;
    for ((name, found), variable) in by_name(&model, &gradients).iter().zip(composed.variables()) {
        let expected: Vec<f32> = store.get(variable).unwrap().flatten_all()?.to_vec1()?;
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        assert!(
            relative_error(found, &expected) < 2.0 * ROUNDING,
            "{name}: both are off by rounding"
        );
    }
    Ok(())
}

#[test]
fn the_windows_of_a_text_count_as_one_text_on_all_paths() -> candle_core::Result<()> {
    let model = model("small");
    let batch = |texts: &[(u32, u32)]| {
        let ids = texts.iter().flat_map(|(word, _)| [1, *word, *word + 1, 2]).collect();
        let bounds = (0..=texts.len()).map(|text| 4 * text).collect();
        let targets =
            vec![vec![IGNORE; 4 * texts.len()], texts.iter().map(|(_, class)| *class).collect()];
        Batch::new(ids, bounds).unwrap().with_targets(targets)
    };
    let whole = batch(&[(7, 0), (9, 1)]);
    let windows = batch(&[(7, 0), (9, 1), (9, 1), (9, 1)]).with_shares(vec![1, 3, 3, 3]);
    let of = |batch: &Batch| {
        let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
        let options = [LossOptions::EVEN; 2];
        let losses =
            model.loss_and_gradients(batch, &options, &mut workspace, &mut gradients).unwrap();
        (losses.total, by_name(&model, &gradients))
    };
    let ((expected, of_whole), (total, of_windows)) = (of(&whole), of(&windows));
    assert!((total / expected - 1.0).abs() < ROUNDING, "{total} {expected}");
    let composed = ComposedModel::new(&model, &Device::Cpu)?;
    let (losses, on_candle) =
        composed.loss_and_gradients(&windows, &[LossOptions::EVEN; 2], false)?;
    assert!((losses.total / expected - 1.0).abs() < ROUNDING, "{losses:?} {expected}");
    for (((name, expected), (_, found)), on_candle) in
        of_whole.iter().zip(&of_windows).zip(on_candle)
    {
        if expected.iter().all(|value| *value == 0.0) {
            assert_eq!(found, expected, "{name}");
            continue;
        }
        let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
        assert!(relative_error(found, &expected) < 2.0 * ROUNDING, "{name}");
        if let Some(found) = on_candle {
            let found: Vec<f32> = found.flatten_all()?.to_vec1()?;
            assert!(relative_error(&found, &expected) < 2.0 * ROUNDING, "{name} on candle");
        }
    }
    Ok(())
}

/// Both paths cut the queries of a local layer into blocks, each in its own way.
#[test]
fn all_paths_agree_on_texts_much_longer_than_the_window() -> candle_core::Result<()> {
    let config =
        ModernBertConfig { local_attention: 16, max_position_embeddings: 700, ..config("small") };
    let model = JointModel::new_random(config.spec().unwrap(), &heads(5), &Rng::new(4)).unwrap();
    let bounds = vec![0, 600, 603, 1_000];
    let ids: Vec<u32> =
        (0..1_000).map(|token| token * 7_919 % model.spec.vocab_size as u32).collect();
    let targets = vec![(0..1_000).map(|token| token % 5).collect(), vec![1, 0, 1]];
    let batch = Batch::new(ids, bounds).unwrap().with_targets(targets);
    let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
    let found = model
        .loss_and_gradients(&batch, &[LossOptions::EVEN; 2], &mut workspace, &mut gradients)
        .unwrap();
    let composed = ComposedModel::new(&model, &Device::Cpu)?;
    let (losses, expected) = composed.loss_and_gradients(&batch, &[LossOptions::EVEN; 2], false)?;
    assert!((found.total / losses.total - 1.0).abs() < ROUNDING, "{found:?} {losses:?}");
    for ((name, found), expected) in by_name(&model, &gradients).iter().zip(expected) {
        let expected: Vec<f32> = expected.expect("a gradient").flatten_all()?.to_vec1()?;
        let error = relative_error(found, &expected.into_iter().map(f64::from).collect::<Vec<_>>());
        assert!(error < 2.0 * ROUNDING, "{name}: both are off by rounding, not by {error:e}");
    }
    Ok(())
}

#[test]
fn candle_transformers_computes_the_same_hidden_states() -> candle_core::Result<()> {
    for name in NAMES {
        let (model, batch) = (model(name), batch(name));
        let text = std::fs::read_to_string(folder(name).join("config.published.json")).unwrap();
        let theirs: candle_transformers::models::modernbert::Config =
            serde_json::from_str(&text).unwrap();
        let tensors = read(&folder(name).join("model.safetensors")).into_iter().map(
            |(name, (shape, values))| {
                let tensor = Tensor::from_vec(
                    values.into_iter().map(|value| value as f32).collect(),
                    shape,
                    &Device::Cpu,
                )?;
                Ok((format!("model.{name}"), tensor))
            },
        );
        let weights = VarBuilder::from_tensors(
            tensors.collect::<candle_core::Result<_>>()?,
            DType::F32,
            &Device::Cpu,
        );
        let theirs = candle_transformers::models::modernbert::ModernBert::load(weights, &theirs)?;
        // One sequence at a time: with padding, their mask turns rows that see nothing into NaN.
        for bounds in batch.bounds().windows(2) {
            let ids = &batch.ids()[bounds[0]..bounds[1]];
            let input = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
            let hidden =
                theirs.forward(&input, &input.ones_like()?)?.flatten_all()?.to_vec1::<f32>()?;
            let hidden: Vec<f64> = hidden.into_iter().map(f64::from).collect();
            let alone = Batch::new(ids.to_vec(), vec![0, ids.len()]).unwrap();
            let error =
                relative_error(model.encode(&alone, &mut Workspace::new()).unwrap(), &hidden);
            assert!(error < 2.0 * ROUNDING, "{name}: both are off by rounding, not by {error:e}");
        }
    }
    Ok(())
}

#[test]
fn micro_batches_add_up_to_the_whole_batch() {
    let (model, batch) = (model("small"), batch("small"));
    let expected = step(&model, &batch, &mut Workspace::new());
    let of_whole = |targets: &Vec<u32>| {
        let normaliser = Some(LossOptions::EVEN.count(targets, &[]));
        LossOptions { normaliser, ..LossOptions::EVEN }
    };
    let options: Vec<LossOptions> = batch.targets().iter().map(of_whole).collect();
    let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
    let mut total = 0.0;
    for part in [part(&batch, 0..1), part(&batch, 1..4)] {
        total += model
            .loss_and_gradients(&part, &options, &mut workspace, &mut gradients)
            .unwrap()
            .total;
    }
    assert!((total / expected.0 - 1.0).abs() < ROUNDING);
    assert_gradients_match("small", &by_name(&model, &gradients));
}

#[test]
fn cleared_gradients_are_overwritten() {
    let (model, batch) = (model("small"), batch("small"));
    let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
    let mut step = |gradients: &mut Gradients| {
        model
            .loss_and_gradients(&batch, &[LossOptions::EVEN; 2], &mut workspace, gradients)
            .unwrap();
        by_name(&model, gradients)
    };
    let first = step(&mut gradients);
    gradients.clear();
    assert!(first == step(&mut gradients));
}

#[test]
fn a_batch_whose_labels_are_all_ignored_adds_nothing_to_the_token_loss() {
    let (model, batch) = (model("small"), batch("small"));
    let targets = vec![vec![IGNORE; batch.len()], batch.targets()[1].clone()];
    let batch = batch.with_targets(targets);
    let (mut workspace, mut gradients) = (Workspace::new(), Gradients::new(&model.layout));
    let losses = model
        .loss_and_gradients(&batch, &[LossOptions::EVEN; 2], &mut workspace, &mut gradients)
        .unwrap();
    assert_eq!(losses.heads[0], HeadLoss { mean: 0.0, counted: 0 });
    assert_eq!(losses.total, losses.heads[1].mean);
    let head = by_name(&model, &gradients)
        .into_iter()
        .find(|(name, _)| name == "ner_classifier.weight")
        .unwrap()
        .1;
    assert!(head.iter().all(|&value| value == 0.0));
}

#[test]
fn names_and_shapes_are_those_of_transformers() {
    for name in NAMES {
        let theirs: Vec<_> = read(&folder(name).join("model.safetensors"))
            .into_iter()
            .map(|(name, (shape, _))| (name, shape))
            .collect();
        let layout = model(name).layout;
        let mut ours: Vec<_> = layout
            .parameters()
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.shape.clone()))
            .collect();
        ours.sort();
        assert_eq!(ours, theirs);
    }
}
