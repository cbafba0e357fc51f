//! The hidden states, the loss and every gradient of the fixtures in `tests/parity`, as the device computes them.

use std::collections::BTreeMap;

use candle_core::{DType, Device};
use pipeline::nn::{ComposedModel, Gradients, Instructions, JointModel, LossOptions, Workspace};
use pipeline::training::Dtype;
use serde_json::{Value, json};

use crate::Failure;
use crate::fixture::{
    BF16_MIDDLE, BF16_WORST, NAMES, ROUNDING, autocast, batch, by_name, expected, model,
    relative_error,
};

/// Relative errors against float64 in Euclidean norms, in units of what is allowed: in f32 [`ROUNDING`], in bf16 the error of PyTorch's autocast on the
/// same fixture.
pub fn parity(device: &Device, dtype: Dtype) -> Result<Value, Failure> {
    let mut told = serde_json::Map::new();
    let mut holds = true;
    for name in NAMES {
        let (found, expected) = (computed(name, device, dtype)?, expected(name));
        let theirs = autocast(name);
        let mut ratios: Vec<(f64, f64, &str)> = Vec::new();
        for (key, values) in &found {
            let error = relative_error(values, &expected[key].1);
            let allowed = if dtype.is_f32() { ROUNDING } else { theirs[key] };
            ratios.push((error / allowed, error, key));
        }
        ratios.sort_by(|left, right| left.0.total_cmp(&right.0));
        let (middle, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        // Rounding has luck in bf16, and these are small matrices.
        let (most, most_in_the_middle) =
            if dtype.is_f32() { (1.0, 1.0) } else { (BF16_WORST, BF16_MIDDLE) };
        holds &= worst.0 < most && middle.0 < most_in_the_middle;
        let of = json!({
            "compared": ratios.len(),
            "largest_error": worst.1,
            "in": worst.2,
            "over_allowed": worst.0,
            "median_over_allowed": middle.0,
        });
        told.insert(name.to_owned(), of);
    }
    told.insert("holds".to_owned(), json!(holds));
    Ok(Value::Object(told))
}

/// Hidden states and every gradient, by the names that they have in fixtures.
fn computed(
    name: &str,
    device: &Device,
    dtype: Dtype,
) -> Result<BTreeMap<String, Vec<f32>>, Failure> {
    let (model, batch) = (model(name), batch(name));
    let options = [LossOptions::EVEN; 2];
    // Candle has no products in bf16 on CPUs, where our kernels have them.
    if device.is_cpu() && !dtype.is_f32() {
        let model = model.with_bf16_products(Instructions::best())?;
        let mut workspace = Workspace::new();
        let hidden = model.encode(&batch, &mut workspace)?.to_vec();
        let mut gradients = Gradients::new(&model.layout);
        model.loss_and_gradients(&batch, &options, &mut workspace, &mut gradients)?;
        return Ok(named(by_name(&model, &gradients), hidden));
    }
    let composed = ComposedModel::new(&model, device)?.with_products_in(DType::from(dtype));
    let hidden = composed.encode(&batch)?.flatten_all()?.to_vec1()?;
    let (_, found) = composed.loss_and_gradients(&batch, &options, false)?;
    Ok(named(read_back(&model, found)?, hidden))
}

fn read_back(
    model: &JointModel,
    gradients: Vec<Option<candle_core::Tensor>>,
) -> Result<Vec<(String, Vec<f32>)>, Failure> {
    let parameters = model.layout.parameters().iter();
    let values = parameters.zip(gradients).map(|(parameter, gradient)| -> Result<_, Failure> {
        let gradient = gradient.ok_or_else(|| format!("{} has no gradient", parameter.name))?;
        Ok((parameter.name.clone(), gradient.flatten_all()?.to_vec1()?))
    });
    values.collect()
}

fn named(gradients: Vec<(String, Vec<f32>)>, hidden: Vec<f32>) -> BTreeMap<String, Vec<f32>> {
    let gradients =
        gradients.into_iter().map(|(name, values)| (format!("gradient.{name}"), values));
    gradients.chain([("hidden".to_owned(), hidden)]).collect()
}
