//! Reading what `make_fixtures.py` wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline::nn::configs::ModernBertConfig;
use pipeline::nn::{EncoderSpec, JointModel, Targets, Tokens};
use safetensors::{Dtype, SafeTensors};

/// The names of the parity fixtures.
pub const NAMES: [&str; 2] = ["small", "uneven"];

/// A tensor of a fixture: shape and values.
pub type Tensor = (Vec<usize>, Vec<f64>);

/// A batch, owned.
pub struct Batch {
    pub ids: Vec<u32>,
    pub bounds: Vec<usize>,
    pub labels: Vec<u32>,
    pub anomaly: Vec<u32>,
}

impl Batch {
    pub fn read(name: &str) -> Self {
        let tensors = read(&folder(name).join("batch.safetensors"));
        let numbers = |name: &str| -> Vec<u32> {
            tensors[name].1.iter().map(|&value| value as u32).collect()
        };
        let bounds = numbers("bounds").into_iter().map(|bound| bound as usize).collect();
        Self { ids: numbers("ids"), bounds, labels: numbers("labels"), anomaly: numbers("anomaly") }
    }

    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::new(&self.ids, &self.bounds).unwrap()
    }

    pub fn targets(&self) -> Targets<'_> {
        Targets { labels: &self.labels, anomaly: &self.anomaly }
    }

    /// Some of the sequences, as a batch of their own.
    pub fn part(&self, sequences: std::ops::Range<usize>) -> Self {
        let tokens = self.bounds[sequences.start]..self.bounds[sequences.end];
        Self {
            ids: self.ids[tokens.clone()].to_vec(),
            bounds: self.bounds[sequences.start..=sequences.end]
                .iter()
                .map(|bound| bound - tokens.start)
                .collect(),
            labels: self.labels[tokens].to_vec(),
            anomaly: self.anomaly[sequences].to_vec(),
        }
    }
}

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(name)
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
    JointModel::load_trained(&path, spec(name), labels).unwrap()
}

/// What float64 says.
pub fn expected(name: &str) -> BTreeMap<String, Tensor> {
    read(&folder(name).join("expected.safetensors"))
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
