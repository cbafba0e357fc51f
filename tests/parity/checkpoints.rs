//! Reading and writing safetensors files.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline::base::problem::Help;
use pipeline::base::rng::Rng;
use pipeline::nn::configs::ModernBertConfig;
use pipeline::nn::{CheckpointError, JointModel, Workspace};

use crate::fixture::{folder, heads, model, read, spec};

/// Writes a safetensors file by hand: names, dtype, shapes and bytes in order.
pub fn write(path: &Path, tensors: &[(String, &str, Vec<usize>, Vec<u8>)]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend_from_slice(bytes);
        header.insert(name.clone(), serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] }));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    std::fs::write(path, file).unwrap();
}

/// The tensors of the fixture, with names and numbers changed.
fn changed(
    prefix: &str,
    dtype: &'static str,
    convert: impl Fn(f32) -> Vec<u8>,
) -> Vec<(String, &'static str, Vec<usize>, Vec<u8>)> {
    let tensors: BTreeMap<_, _> = read(&folder("small").join("model.safetensors"));
    let tensor = |(name, (shape, values)): (String, (Vec<usize>, Vec<f64>))| {
        let bytes = values.into_iter().flat_map(|value| convert(value as f32)).collect();
        (format!("{prefix}{name}"), dtype, shape, bytes)
    };
    tensors.into_iter().map(tensor).collect()
}

fn load(path: &Path) -> Result<JointModel, CheckpointError> {
    JointModel::load_trained(path, spec("small"), &heads(7))
}

#[test]
fn a_saved_model_reads_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = model("uneven");
    model.save(&path).unwrap();
    let again = JointModel::load_trained(
        &path,
        model.spec.clone(),
        &model.heads().cloned().collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(again.parameters == model.parameters);
    assert_eq!(
        read(&path),
        read(&crate::fixture::folder("uneven").join("model.safetensors")),
        "other readers see the same"
    );
}

/// Saves a model with its configuration, and hidden states that it computes, into the folder that `SAVED_MODEL` names.
#[test]
#[ignore = "is run by load_saved.py, which looks at what it leaves"]
fn a_model_for_transformers() {
    let folder = std::path::PathBuf::from(
        std::env::var_os("SAVED_MODEL").expect("load_saved.py names a folder"),
    );
    let config = ModernBertConfig {
        vocab_size: 120,
        pad_token_id: Some(0),
        hidden_size: 96,
        ..ModernBertConfig::base()
    };
    let model = JointModel::new_random(config.spec().unwrap(), &heads(4), &Rng::new(8)).unwrap();
    std::fs::write(folder.join("config.json"), model.spec.to_json()).unwrap();
    model.save(&folder.join("model.safetensors")).unwrap();

    let batch = crate::fixture::batch("uneven");
    let hidden = model.encode(&batch, &mut Workspace::new()).unwrap().to_vec();
    let bytes =
        |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let bounds: Vec<u32> = batch.bounds().iter().map(|&bound| bound as u32).collect();
    let tensors = [
        ("ids".to_owned(), "U32", vec![batch.len()], bytes(batch.ids())),
        ("bounds".to_owned(), "U32", vec![bounds.len()], bytes(&bounds)),
        (
            "hidden".to_owned(),
            "F32",
            vec![batch.len(), 96],
            hidden.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ),
    ];
    write(&folder.join("computed.safetensors"), &tensors);
}

#[test]
fn names_with_a_prefix_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut tensors = changed("model.", "F32", |value| value.to_le_bytes().to_vec());
    for name in ["decoder.bias", "head.dense.weight", "head.norm.weight", "classifier.weight"] {
        tensors.push((name.to_owned(), "F32", vec![1], vec![0; 4]));
    }
    write(&path, &tensors);
    assert!(load(&path).unwrap().parameters == model("small").parameters);
}

#[test]
fn half_precision_is_widened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write(
        &path,
        &changed("", "BF16", |value| ((value.to_bits() >> 16) as u16).to_le_bytes().to_vec()),
    );
    let expected: Vec<f32> = model("small")
        .parameters
        .iter()
        .map(|value| f32::from_bits(value.to_bits() & 0xffff_0000))
        .collect();
    assert!(load(&path).unwrap().parameters == expected);

    // 1.5, -2^-24 (the smallest there is), 65504 (the largest), in turn.
    let bits = [0x3e00u16, 0x8001, 0x7bff];
    let counter = std::cell::Cell::new(0);
    let next = |_| {
        counter.set(counter.get() + 1);
        bits[(counter.get() - 1) % 3].to_le_bytes().to_vec()
    };
    write(&path, &changed("", "F16", next));
    let model = load(&path).unwrap();
    let first = model
        .layout
        .parameters()
        .iter()
        .find(|parameter| parameter.name == "anomaly_classifier.bias")
        .unwrap();
    assert_eq!(model.parameters[first.range.clone()], [1.5, -(2f32.powi(-24))]);
    let second = model
        .layout
        .parameters()
        .iter()
        .find(|parameter| parameter.name == "anomaly_classifier.weight")
        .unwrap();
    assert_eq!(model.parameters[second.range.start], 65504.0);
}

#[test]
fn an_encoder_gets_new_heads_from_the_seed() {
    let load = |seed| {
        JointModel::load(
            &folder("small").join("model.safetensors"),
            spec("small"),
            &heads(50),
            &Rng::new(seed),
        )
        .unwrap()
    };
    let (one, same, other) = (load(1), load(1), load(2));
    assert!(one.parameters == same.parameters && one.parameters != other.parameters);
    let trained = model("small");
    let heads = trained
        .layout
        .parameters()
        .iter()
        .find(|parameter| parameter.name == "ner_classifier.weight")
        .unwrap()
        .range
        .start;
    assert!(one.parameters[..heads] == trained.parameters[..heads]);
    assert_eq!(one.heads().next().map(|head| head.outputs), Some(50));
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut tensors = changed("", "F32", |value| value.to_le_bytes().to_vec());
    tensors.retain(|(name, ..)| name != "final_norm.weight");
    tensors
        .iter_mut()
        .filter(|(name, ..)| name == "ner_classifier.bias")
        .for_each(|(_, _, shape, _)| *shape = vec![7, 1]);
    tensors.push(("layers.9.mlp.Wi.weight".to_owned(), "F32", vec![1], vec![0; 4]));
    tensors.push(("model.embeddings.norm.weight".to_owned(), "F64", vec![32], vec![0; 256]));
    write(&path, &tensors);
    let message = load(&path).unwrap_err().to_string();
    for part in [
        "`final_norm.weight` is missing",
        "`ner_classifier.bias` has shape [7, 1], expected [7]",
        "`layers.9.mlp.Wi.weight` belongs to no part of a ModernBERT",
        "`embeddings.norm.weight` is there twice",
        "`model.embeddings.norm.weight` has dtype F64",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_of_another_size_is_an_error_that_says_so() {
    let error = JointModel::load_trained(
        &folder("small").join("model.safetensors"),
        spec("small"),
        &heads(8),
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("`ner_classifier.weight` has shape [7, 32], expected [8, 32]"),
        "{error}"
    );
}

#[test]
fn damaged_files_are_refused_each_with_its_reason() {
    let whole = std::fs::read(folder("small").join("model.safetensors")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let reason = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load(&path).unwrap_err().to_string()
    };
    let cut = format!("has {} bytes, but its header promises {}", whole.len() - 1, whole.len());
    assert!(reason(&whole[..whole.len() - 1]).contains(&cut));
    assert!(reason(&[&whole[..], b"x"].concat()).contains("the file is damaged"));
    assert!(reason(&whole[..100]).contains("has 100 bytes, but its header promises"));
    assert!(reason(b"").contains("is not a safetensors file: it has 0 bytes"));
    assert!(
        reason(b"<!DOCTYPE html><html>")
            .contains("is not a safetensors file: its first bytes promise")
    );
    assert!(reason(b"\x04\0\0\0\0\0\0\0nope").contains("is not a safetensors file"));
    assert!(
        load(&folder.path().join("absent")).unwrap_err().to_string().starts_with("cannot read")
    );
}

#[test]
fn weights_that_are_not_finite_are_refused_with_their_tensors_name_in_every_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let half = |bits: u16| bits.to_le_bytes().to_vec();
    let spoilt = [
        ("F32", f32::NAN.to_le_bytes().to_vec(), 4),
        ("F32", f32::NEG_INFINITY.to_le_bytes().to_vec(), 4),
        ("BF16", half(0x7f80), 2),
        ("F16", half(0xfc00), 2),
        ("F16", half(0x7e00), 2),
    ];
    for (dtype, bytes, width) in spoilt {
        let mut tensors = changed("", dtype, |_| vec![0; width]);
        let (_, _, _, data) = tensors
            .iter_mut()
            .find(|(name, ..)| name == "layers.1.mlp.Wo.weight")
            .expect("a layer");
        let last = data.len() - width;
        data[last..].copy_from_slice(&bytes);
        write(&path, &tensors);
        let spec = spec("small");
        let encoder = JointModel::load(&path, spec.clone(), &heads(7), &Rng::new(1)).map(drop);
        for error in [load(&path).map(drop), encoder, JointModel::check(&path, &spec)]
            .map(Result::unwrap_err)
        {
            let message = error.to_string();
            assert!(message.contains(&format!("{}`", path.display())), "{dtype}: {message}");
            assert!(
                message.contains(
                    "`layers.1.mlp.Wo.weight` has numbers that are infinite or not a number"
                ),
                "{dtype}: {message}"
            );
            let help = error.help().expect("a remedy");
            assert!(help.contains("`learning_rate`"), "{dtype}: {help}");
        }
    }
}

#[test]
fn weights_that_are_not_finite_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut model = model("small");
    let last = model.layout.parameters().last().expect("a parameter").clone();
    model.parameters[last.range.start] = f32::INFINITY;
    assert!(model.save(&path).unwrap_err().to_string().contains(&*last.name));
    assert!(!path.exists());
}
