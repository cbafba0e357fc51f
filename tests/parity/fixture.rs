//! Reading what `make_fixtures.py` wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline::nn::configs::ModernBertConfig;
use pipeline::nn::{Batch, EncoderSpec, Gradients, HeadSpec, JointModel};
use pipeline::tasks;
use safetensors::{Dtype, SafeTensors};

/// The names of the parity fixtures.
pub const NAMES: [&str; 2] = ["small", "uneven"];

/// How far f32 may be from float64: torch itself is up to 8e-7 away on these fixtures (norms, relative, `float32.safetensors`), by rounding
/// alone. Sums in another order may double that, and no more.
pub const ROUNDING: f64 = 2e-6;

/// How many times the error of PyTorch's autocast an error in bf16 may be, in the worst parameter and in the middle one: rounding has luck, and
/// these are small matrices.
pub const BF16_WORST: f64 = 1.3;
pub const BF16_MIDDLE: f64 = 1.0;

/// A tensor of a fixture: shape and values.
pub type Tensor = (Vec<usize>, Vec<f64>);

/// The texts of a fixture, and what the heads should say of them.
pub fn batch(name: &str) -> Batch {
    let tensors = read(&folder(name).join("batch.safetensors"));
    let numbers =
        |name: &str| -> Vec<u32> { tensors[name].1.iter().map(|&value| value as u32).collect() };
    let bounds = numbers("bounds").into_iter().map(|bound| bound as usize).collect();
    let targets = vec![numbers("labels"), numbers("anomaly")];
    Batch::new(numbers("ids"), bounds).unwrap().with_targets(targets)
}

/// Some of the sequences, as a batch of their own.
pub fn part(batch: &Batch, sequences: std::ops::Range<usize>) -> Batch {
    let bounds = &batch.bounds()[sequences.start..=sequences.end];
    let tokens = bounds[0]..bounds[bounds.len() - 1];
    let [labels, anomaly] = batch.targets() else { panic!("targets of two heads") };
    let targets = vec![labels[tokens.clone()].to_vec(), anomaly[sequences].to_vec()];
    let bounds = bounds.iter().map(|bound| bound - tokens.start).collect();
    Batch::new(batch.ids()[tokens].to_vec(), bounds).unwrap().with_targets(targets)
}

/// One that tags with so many labels, and one that classifies.
pub fn heads(labels: usize) -> Vec<HeadSpec> {
    tasks::heads(&tasks::joint(labels))
}

/// Beside the current folder, which cargo has tests run in that of `Cargo.toml`: a program may have been compiled elsewhere.
pub fn folder(name: &str) -> PathBuf {
    Path::new("tests/parity").join(name)
}

pub fn config(name: &str) -> ModernBertConfig {
    ModernBertConfig::from_json(&std::fs::read_to_string(folder(name).join("config.json")).unwrap())
        .unwrap()
}

pub fn spec(name: &str) -> EncoderSpec {
    config(name).spec().unwrap()
}

pub fn model(name: &str) -> JointModel {
    let path = folder(name).join("model.safetensors");
    let labels = read(&path)["ner_classifier.bias"].1.len();
    JointModel::load_trained(&path, spec(name), &heads(labels)).unwrap()
}

/// What float64 says.
pub fn expected(name: &str) -> BTreeMap<String, Tensor> {
    read(&folder(name).join("expected.safetensors"))
}

/// Relative errors of PyTorch's mixed precision against float64, by the names of what `make_bf16_fixtures.py` compared.
pub fn autocast(name: &str) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(folder("bf16.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

/// All gradients of a model by name, the embedding's in full.
pub fn by_name(model: &JointModel, gradients: &Gradients) -> Vec<(String, Vec<f32>)> {
    let named = model.layout.parameters().iter().map(|parameter| {
        let values = gradients.parameter(parameter).map(<[f32]>::to_vec).unwrap_or_else(|| {
            let mut full = vec![0.0; parameter.range.len()];
            let rows = gradients.embedding();
            for (row, &id) in rows.rows.chunks_exact(rows.width).zip(&rows.ids) {
                full[id as usize * rows.width..][..rows.width].copy_from_slice(row);
            }
            full
        });
        (parameter.name.clone(), values)
    });
    named.collect()
}

pub fn read(path: &Path) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F64 => {
                data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
            }
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
                .collect(),
            Dtype::U32 => data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from(u32::from_le_bytes(bytes)))
                .collect(),
            other => panic!("{name} has dtype {other:?}"),
        };
        (name, (view.shape().to_vec(), values))
    };
    tensors.tensors().into_iter().map(tensor).collect()
}

/// `|found - expected| / |expected|`, in Euclidean norms.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| value * value).sum::<f64>().sqrt()
    };
    let error =
        norm(&mut found.iter().zip(expected).map(|(&found, expected)| f64::from(found) - expected));
    error / norm(&mut expected.iter().copied())
}
