//! Products in bf16 on the CPU, against what `make_bf16_fixtures.py` measured of PyTorch's mixed precision on the same batches.

use std::collections::BTreeMap;

use pipeline::nn::{Batch, Gradients, Instructions, JointModel, LossOptions, Workspace};

use crate::fixture::{
    BF16_MIDDLE, BF16_WORST, NAMES, autocast, batch, by_name, expected, model, relative_error,
};

/// Hidden states and every gradient, by the names that they have in fixtures.
fn computed(
    model: &JointModel,
    batch: &Batch,
    workspace: &mut Workspace,
) -> BTreeMap<String, Vec<f32>> {
    let hidden = model.encode(batch, workspace).unwrap().to_vec();
    let mut gradients = Gradients::new(&model.layout);
    model.loss_and_gradients(batch, &[LossOptions::EVEN; 2], workspace, &mut gradients).unwrap();
    let gradients = by_name(model, &gradients).into_iter();
    let of = gradients.map(|(name, values)| (format!("gradient.{name}"), values));
    of.chain([("hidden".to_owned(), hidden)]).collect()
}

/// Relative errors against float64.
fn errors(name: &str, instructions: Instructions) -> BTreeMap<String, f64> {
    let model = model(name).with_bf16_products(instructions).unwrap();
    let found = computed(&model, &batch(name), &mut Workspace::new());
    let expected = expected(name);
    found
        .into_iter()
        .map(|(key, values)| (key.clone(), relative_error(&values, &expected[&key].1)))
        .collect()
}

#[test]
fn gradients_in_bf16_are_no_further_from_float64_than_those_of_torch() {
    for name in NAMES {
        let theirs = autocast(name);
        for instructions in Instructions::available() {
            let ours = errors(name, instructions);
            assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
            // What f32 would be off by is a thousandth of this.
            assert!(ours["hidden"] > 1e-5, "{name} was not computed in bf16");
            let ratios = ours.iter().map(|(key, error)| (error / theirs[key], key));
            let mut ratios: Vec<_> = ratios.collect();
            ratios.sort_by(|left, right| left.0.total_cmp(&right.0));
            let (worst, key) = ratios[ratios.len() - 1];
            let middle = ratios[ratios.len() / 2].0;
            assert!(
                worst < BF16_WORST && middle < BF16_MIDDLE,
                "{name}, {instructions:?}: {worst} times their error in {key}, {middle} in the middle"
            );
        }
    }
}

#[test]
fn all_instructions_agree_up_to_the_rounding_of_sums() {
    for name in NAMES {
        let of = |instructions| {
            let model = model(name).with_bf16_products(instructions).unwrap();
            computed(&model, &batch(name), &mut Workspace::new())
        };
        let portable = of(Instructions::Portable);
        for instructions in Instructions::available() {
            for (key, values) in of(instructions) {
                let expected: Vec<f64> =
                    portable[&key].iter().map(|value| f64::from(*value)).collect();
                let error = relative_error(&values, &expected);
                // A sum that is rounded otherwise may fall on the other side of the next bf16.
                assert!(error < 4e-3, "{name}, {instructions:?}: {key} is off by {error:e}");
            }
        }
    }
}

#[test]
fn layers_computed_anew_give_the_same_bits_in_bf16() {
    for instructions in Instructions::available() {
        let (model, batch) =
            (model("small").with_bf16_products(instructions).unwrap(), batch("small"));
        let kept = computed(&model, &batch, &mut Workspace::new());
        assert!(kept == computed(&model, &batch, &mut Workspace::new().recompute_layers(true)));
    }
}
