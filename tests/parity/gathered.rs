//! Weights in shards and in PyTorch's pickles, brought into one file. `make_pickle.py` made the pickles.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use pipeline::nn::{gather_pickles, gather_shards, shards};

use crate::checkpoints::write;
use crate::fixture::{folder, read};

/// The tensors of the fixture in two files, every second one in each.
fn in_two(of: &Path) -> Vec<PathBuf> {
    let tensors = read(&folder("small").join("model.safetensors"));
    let part = |which: usize| {
        let path = of.join(format!("model-0000{}-of-00002.safetensors", which + 1));
        let chosen = tensors.iter().skip(which).step_by(2);
        let tensor = |(name, (shape, values)): (&String, &(Vec<usize>, Vec<f64>))| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name.clone(), "F64", shape.clone(), bytes)
        };
        write(&path, &chosen.map(tensor).collect::<Vec<_>>());
        path
    };
    vec![part(0), part(1)]
}

#[test]
fn shards_become_one_file_with_the_same_tensors() {
    let folder_of_shards = tempfile::tempdir().unwrap();
    let output = folder_of_shards.path().join("model.safetensors");
    gather_shards(&in_two(folder_of_shards.path()), &output).unwrap();
    assert_eq!(read(&output), read(&folder("small").join("model.safetensors")));
}

#[test]
fn a_tensor_in_two_shards_is_said() {
    let folder_of_shards = tempfile::tempdir().unwrap();
    let mut paths = in_two(folder_of_shards.path());
    paths[1] = paths[0].clone();
    let error = gather_shards(&paths, &folder_of_shards.path().join("all.safetensors"));
    assert!(error.unwrap_err().to_string().contains("model-00001-of-00002.safetensors"));
}

#[test]
fn an_index_names_each_shard_once_and_nothing_elsewhere() {
    let index = r#"{"metadata": {}, "weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "2.safetensors"}}"#;
    assert_eq!(shards(index).unwrap(), ["1.safetensors", "2.safetensors"]);
    assert!(shards(r#"{"weight_map": {"a": "../1.safetensors"}}"#).is_err());
    assert!(shards("{}").is_err());
}

#[test]
fn tensors_of_every_type_that_pytorch_pickled_keep_their_bits() {
    let output = tempfile::NamedTempFile::new().unwrap();
    gather_pickles(&[folder("pickle").join("model.bin")], output.path()).unwrap();
    let found = candle_core::safetensors::load(output.path(), &Device::Cpu).unwrap();
    let expected = read(&folder("pickle").join("expected.safetensors"));
    assert_eq!(found.len(), expected.len());
    for (name, (shape, values)) in expected {
        let tensor = &found[&name];
        assert_eq!(tensor.dims(), shape);
        let exact = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all());
        assert_eq!(exact.and_then(|tensor| tensor.to_vec1::<f64>()).unwrap(), values, "{name}");
    }
}

#[test]
fn nothing_in_a_pickle_is_run() {
    let output = tempfile::NamedTempFile::new().unwrap();
    // Whether it counts as damaged or as a file with one tensor more than it needs, what it asks for is not done.
    let _ = gather_pickles(&[folder("pickle").join("hostile.bin")], output.path());
    assert!(!PathBuf::from("ran").exists());
}
