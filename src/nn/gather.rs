//! Weights as they are published, brought into one safetensors file: shards with an index, and PyTorch's pickles.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_core::pickle::PthTensors;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserialize;

use super::checkpoint::{CheckpointError, TensorProblem, head_of, read_header};
use crate::base::disk::regular;

/// The part of a `model.safetensors.index.json` or `pytorch_model.bin.index.json` that says where each tensor is.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index names, each once, in order.
///
/// # Errors
/// What is wrong with the text.
pub fn shards(index: &str) -> Result<Vec<String>, String> {
    let Index { weight_map } = serde_json::from_str(index).map_err(|error| error.to_string())?;
    let mut names: Vec<String> = weight_map.into_values().collect();
    names.sort_unstable();
    names.dedup();
    if let Some(name) = names.iter().find(|name| Path::new(name).components().count() != 1) {
        return Err(format!("`{name}` is no file beside it"));
    }
    Ok(names)
}

/// Writes the tensors of several safetensors files into one, as they are.
///
/// # Errors
/// [`CheckpointError`] when a file cannot be read or is damaged, a tensor is in two of them, or `output` cannot be written.
pub fn gather_shards(shards: &[PathBuf], output: &Path) -> Result<(), CheckpointError> {
    let mut tensors: Vec<(String, TensorInfo)> = Vec::new();
    let mut places = Vec::new();
    let (mut seen, mut twice) = (HashMap::new(), Vec::new());
    let mut end = 0;
    for (shard, path) in shards.iter().enumerate() {
        let mut file = regular::open(path).map_err(|source| reading(path, source))?;
        let (metadata, start) = read_header(&mut file, path)?;
        for name in metadata.offset_keys() {
            let info = metadata.info(&name).expect("the name comes from the same header");
            let (from, to) = info.data_offsets;
            if seen.insert(name.clone(), shard).is_some() {
                twice.push(TensorProblem::Twice { name });
                continue;
            }
            let data_offsets = (end, end + to - from);
            end = data_offsets.1;
            places.push((shard, start + from as u64, to - from));
            tensors.push((name, TensorInfo { data_offsets, ..info.clone() }));
        }
    }
    if !twice.is_empty() {
        let path = shards.first().cloned().unwrap_or_default();
        return Err(CheckpointError::Tensors { path, problems: twice });
    }
    let mut into = create(output)?;
    into.write_all(&head_of(tensors)).map_err(|source| writing(output, source))?;
    for (shard, start, length) in places {
        let path = &shards[shard];
        let mut file = regular::open(path).map_err(|source| reading(path, source))?;
        file.seek(SeekFrom::Start(start)).map_err(|source| reading(path, source))?;
        // Which of both files failed matters little: the error says what happened.
        let copied = io::copy(&mut file.take(length as u64), &mut into);
        copied.map_err(|source| writing(output, source))?;
    }
    into.flush().map_err(|source| writing(output, source))
}

/// Writes the tensors of PyTorch's pickles into a safetensors file. Nothing in a pickle is run; what is no tensor of floating-point numbers, or of
/// whole ones as some constants are, is left out.
///
/// # Errors
/// [`CheckpointError`] when a file cannot be read or is none, or `output` cannot be written.
pub fn gather_pickles(pickles: &[PathBuf], output: &Path) -> Result<(), CheckpointError> {
    let opened = pickles.iter().map(|path| {
        let found = PthTensors::new(path, None).map_err(|error| damaged(path, &error));
        found.map(|tensors| (path, tensors))
    });
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let mut sources = BTreeMap::new();
    for (path, tensors) in &opened {
        for (name, info) in tensors.tensor_infos() {
            if let Some(dtype) = dtype_of(info.dtype) {
                sources.insert(name.clone(), (*path, tensors, dtype));
            }
        }
    }
    if sources.is_empty() {
        let path = pickles.first().cloned().unwrap_or_default();
        let reason = "it holds no tensors by name".to_owned();
        return Err(CheckpointError::Pickle { path, reason });
    }
    let mut end = 0;
    let mut tensors = Vec::new();
    for (name, (_, pickle, dtype)) in &sources {
        let info = &pickle.tensor_infos()[name];
        let shape = info.layout.shape().dims().to_vec();
        let data_offsets =
            (end, end + shape.iter().product::<usize>() * info.dtype.size_in_bytes());
        end = data_offsets.1;
        tensors.push((name.clone(), TensorInfo { dtype: *dtype, shape, data_offsets }));
    }
    let mut into = create(output)?;
    into.write_all(&head_of(tensors)).map_err(|source| writing(output, source))?;
    for (name, (path, pickle, _)) in &sources {
        let tensor = pickle.get(name).map_err(|error| damaged(path, &error))?;
        let tensor = tensor.expect("its name was read from the same file");
        let written = tensor.flatten_all().and_then(|tensor| tensor.write_bytes(&mut into));
        written.map_err(|error| damaged(path, &error))?;
    }
    into.flush().map_err(|source| writing(output, source))
}

fn dtype_of(dtype: DType) -> Option<Dtype> {
    match dtype {
        DType::F32 => Some(Dtype::F32),
        DType::F16 => Some(Dtype::F16),
        DType::BF16 => Some(Dtype::BF16),
        DType::F64 => Some(Dtype::F64),
        DType::I64 => Some(Dtype::I64),
        _ => None,
    }
}

fn damaged(path: &Path, error: &candle_core::Error) -> CheckpointError {
    CheckpointError::Pickle { path: path.to_owned(), reason: error.to_string() }
}

fn create(path: &Path) -> Result<BufWriter<File>, CheckpointError> {
    let file = File::create(path).map_err(|source| writing(path, source))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

fn reading(path: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::Io { action: "read", path: path.to_owned(), source }
}

fn writing(path: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::Io { action: "write", path: path.to_owned(), source }
}
