//! Models on disk: safetensors files, read tensor by tensor into the flat buffer and written straight out of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use thiserror::Error;

use super::linear::Arithmetic;
use super::{EncoderSpec, HeadSpec, JointModel, Layout, Names, NoMemory, Over, Parameter, zeros};
use crate::base::disk::regular;
use crate::base::problem::Help;
use crate::base::rng::Rng;
use crate::base::visible;

/// Bytes that are in flight between file and buffer.
const PIECE_BYTES: usize = 1 << 20;

/// A header larger than this is damage: the largest published ones have some hundred kilobytes.
const LARGEST_HEADER: u64 = 100 << 20;

/// Why a model could not be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not a safetensors file: {reason}", path.display())]
    Header { path: PathBuf, reason: String },
    #[error("`{}` has {found} bytes, but its header promises {expected}: the file is damaged or its download was cut short", path.display())]
    Length { path: PathBuf, expected: u64, found: u64 },
    #[error("`{}` is no PyTorch checkpoint that can be read without running what is in it: {reason}", path.display())]
    Pickle { path: PathBuf, reason: String },
    #[error("`{}` does not hold a usable model of its configuration: {}", path.display(), list(problems))]
    Tensors { path: PathBuf, problems: Vec<TensorProblem> },
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

/// What is wrong with one tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TensorProblem {
    #[error("`{}` is missing", visible::line(name))]
    Missing { name: String },
    #[error("`{}` belongs to no part of a {family}", visible::line(name))]
    Unexpected { name: String, family: &'static str },
    #[error("`{}` is there twice, once with another beginning or spelling", visible::line(name))]
    Twice { name: String },
    #[error("`{}` has shape {found:?}, expected {expected:?}", visible::line(name))]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("`{}` has dtype {found}, expected F32, F16 or BF16", visible::line(name))]
    Dtype { name: String, found: String },
    #[error("`{}` has numbers that are infinite or not a number", visible::line(name))]
    NotFinite { name: String },
}

impl Help for CheckpointError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let spoilt = |problem: &TensorProblem| matches!(problem, TensorProblem::NotFinite { .. });
        let help = match self {
            Self::Tensors { problems, .. } if problems.iter().all(spoilt) => {
                "such weights give no finite loss: get the file again, or train the model again with a lower `learning_rate`"
            }
            Self::Pickle { .. } => {
                "save it as safetensors: `AutoModel.from_pretrained(folder).save_pretrained(folder)` in transformers"
            }
            Self::NoMemory(_) => "take a smaller model, or free memory",
            Self::Io { .. } => "see that the file is there and can be read",
            _ => "get the file again, or the configuration that belongs to it",
        };
        Some(help.into())
    }
}

fn list(problems: &[TensorProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl JointModel {
    /// Reads an encoder and gives it new heads from `rng`. Heads in the file, of whatever task, are passed over, but for the dense layer that heads
    /// of [`HeadKind::Prediction`](super::HeadKind::Prediction) begin with.
    ///
    /// The names may begin with one of the family's [`Names::prefixes`] or not; numbers may be f32, f16 or bf16.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or holds another model, or there is no memory.
    pub fn load(
        path: &Path,
        spec: EncoderSpec,
        heads: &[HeadSpec],
        rng: &Rng,
    ) -> Result<Self, CheckpointError> {
        let mut model = Self::read(path, spec, heads, false)?;
        model.draw_heads(rng);
        model.start_heads(path)?;
        Ok(model)
    }

    /// Gives the dense layers of heads the weights of the head that the encoder was trained with, where the file has it.
    fn start_heads(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let mut starts = Vec::new();
        for layout in self.layout.heads.iter().filter_map(|head| head.dense.as_ref()) {
            let matrix = Some((layout.dense.name, &layout.matrix));
            let norm = layout.dense.norm.zip(layout.norm.as_ref());
            for (name, affine) in matrix.into_iter().chain(norm) {
                starts.push((format!("{name}.weight"), affine.weight.clone()));
                starts
                    .extend(affine.bias.iter().map(|bias| (format!("{name}.bias"), bias.clone())));
            }
        }
        for head in self.layout.heads.iter().filter(|head| head.spec.over == Over::Masked) {
            starts.push((format!("{}.bias", self.spec.names.masked_bias), head.bias.clone()));
        }
        if starts.is_empty() {
            return Ok(());
        }
        let io_error =
            |source| CheckpointError::Io { action: "read", path: path.to_owned(), source };
        let mut file = regular::open(path).map_err(io_error)?;
        let (metadata, data_start) = read_header(&mut file, path)?;
        let mut piece = vec![0; PIECE_BYTES];
        for full_name in metadata.offset_keys() {
            let name = self.spec.names.of(&full_name);
            for (_, range) in starts.iter().filter(|(start, _)| *start == *name) {
                let info = metadata.info(&full_name).expect("the name comes from the same header");
                let numbers: usize = info.shape.iter().product();
                if numbers != range.len() || bytes_per_value(info.dtype).is_none() {
                    continue;
                }
                let from = SeekFrom::Start(data_start + info.data_offsets.0 as u64);
                file.seek(from).map_err(io_error)?;
                let values = &mut self.parameters[range.clone()];
                if !read_values(&mut file, values, info.dtype, &mut piece).map_err(io_error)? {
                    let problems = vec![TensorProblem::NotFinite { name: full_name.clone() }];
                    return Err(CheckpointError::Tensors { path: path.to_owned(), problems });
                }
            }
        }
        Ok(())
    }

    /// Reads a whole joint model as [`JointModel::save`] wrote it, heads included.
    ///
    /// # Errors
    /// As [`JointModel::load`], and when a head is missing or has another number of labels.
    pub fn load_trained(
        path: &Path,
        spec: EncoderSpec,
        heads: &[HeadSpec],
    ) -> Result<Self, CheckpointError> {
        Self::read(path, spec, heads, true)
    }

    /// Whether a file holds the encoder that `spec` describes. Every number is looked at, and none is kept.
    ///
    /// # Errors
    /// As [`JointModel::load`].
    pub fn check(path: &Path, spec: &EncoderSpec) -> Result<(), CheckpointError> {
        let layout = Layout::new(spec, &[]);
        let mut values = vec![0.0; PIECE_BYTES / 4];
        Found::of(path, &layout, spec.names, false)?.read(|index, read| {
            let mut left = layout.parameters()[index].range.len();
            let mut finite = true;
            while left > 0 {
                let part = left.min(values.len());
                finite &= read(&mut values[..part])?;
                left -= part;
            }
            Ok(finite)
        })
    }

    /// The names of tensors in a file that belong to heads, which a pretrained encoder leaves out: sorted, without what [`check`](Self::check)
    /// refuses.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn heads_in(path: &Path, spec: &EncoderSpec) -> Result<Vec<String>, CheckpointError> {
        let mut file = regular::open(path).map_err(|source| CheckpointError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let (metadata, _) = read_header(&mut file, path)?;
        let mut names = metadata.offset_keys();
        names.retain(|name| is_of_head(name, spec.names));
        names.sort_unstable();
        Ok(names)
    }

    /// Writes all parameters, named as transformers' class of the encoder names them, with the heads beside it: `from_pretrained` reads the
    /// encoder, [`JointModel::load_trained`] everything. Takes no memory to speak of beyond the model's own.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], and [`TensorProblem::NotFinite`] where the weights are beyond use.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        self.write(path, &self.layout.parameters().iter().collect::<Vec<_>>())
    }

    /// Writes the encoder alone, as a pretrained model has it.
    ///
    /// # Errors
    /// As [`JointModel::save`].
    pub fn save_encoder(&self, path: &Path) -> Result<(), CheckpointError> {
        let of_encoder = |parameter: &&Parameter| parameter.head().is_none();
        self.write(path, &self.layout.parameters().iter().filter(of_encoder).collect::<Vec<_>>())
    }

    /// Writes the encoder with the head that tells masked tokens, named as transformers' class for that names them.
    ///
    /// # Errors
    /// As [`JointModel::save`].
    pub fn save_pretrained(&self, path: &Path) -> Result<(), CheckpointError> {
        let prefix = self.spec.names.prefixes.first().copied().unwrap_or_default();
        let named = self.layout.parameters().iter().map(|parameter| match parameter.head() {
            Some(_) => parameter.clone(),
            None => Parameter { name: format!("{prefix}{}", parameter.name), ..parameter.clone() },
        });
        let named: Vec<Parameter> = named.collect();
        self.write(path, &named.iter().collect::<Vec<_>>())
    }

    /// Writes parameters, which may have other names than in the layout.
    pub(super) fn write(
        &self,
        path: &Path,
        parameters: &[&Parameter],
    ) -> Result<(), CheckpointError> {
        let tensor = |parameter: &&Parameter| Tensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: Cow::Borrowed(&self.parameters[parameter.range.clone()]),
        };
        write_tensors(path, &parameters.iter().map(tensor).collect::<Vec<_>>())
    }

    fn read(
        path: &Path,
        spec: EncoderSpec,
        heads: &[HeadSpec],
        with_heads: bool,
    ) -> Result<Self, CheckpointError> {
        let layout = Layout::new(&spec, heads);
        // Before there is memory for them: a file of another model needs none.
        let found = Found::of(path, &layout, spec.names, with_heads)?;
        let mut parameters = zeros(layout.len(), "the weights")?;
        found
            .read(|index, read| read(&mut parameters[layout.parameters()[index].range.clone()]))?;
        Ok(Self { parameters, layout, spec, arithmetic: Arithmetic::F32 })
    }
}

/// Fills a slice with the next numbers of a tensor; false when one of them is infinite or not a number.
type ReadNumbers<'r> = dyn FnMut(&mut [f32]) -> io::Result<bool> + 'r;

/// The tensors of a file that are the parameters of a layout.
struct Found<'a> {
    path: &'a Path,
    layout: &'a Layout,
    file: File,
    /// Each with the index of its parameter, in the order of the file.
    tensors: Vec<(usize, TensorInfo)>,
    /// Where the first tensor's bytes begin.
    data_start: u64,
}

impl<'a> Found<'a> {
    /// Reads the header alone.
    fn of(
        path: &'a Path,
        layout: &'a Layout,
        names: &Names,
        with_heads: bool,
    ) -> Result<Self, CheckpointError> {
        let mut file = regular::open(path).map_err(|source| CheckpointError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let (metadata, data_start) = read_header(&mut file, path)?;
        let found = find(&metadata, layout, names, with_heads)
            .map_err(|problems| CheckpointError::Tensors { path: path.to_owned(), problems })?;
        let tensors = found.into_iter().map(|(index, info)| (index, info.clone())).collect();
        Ok(Self { path, layout, file, tensors, data_start })
    }

    /// Hands each tensor to `take`, by its parameter's index. `take` reads all of its numbers, in pieces of any size, and says whether all were
    /// finite.
    fn read(
        mut self,
        mut take: impl FnMut(usize, &mut ReadNumbers<'_>) -> io::Result<bool>,
    ) -> Result<(), CheckpointError> {
        let path = || self.path.to_owned();
        let io_error = |source| CheckpointError::Io { action: "read", path: path(), source };
        let mut piece = vec![0; PIECE_BYTES];
        let mut problems = Vec::new();
        for (index, info) in &self.tensors {
            let start = SeekFrom::Start(self.data_start + info.data_offsets.0 as u64);
            self.file.seek(start).map_err(io_error)?;
            let mut read =
                |values: &mut [f32]| read_values(&mut self.file, values, info.dtype, &mut piece);
            if !take(*index, &mut read).map_err(io_error)? {
                let name = self.layout.parameters()[*index].name.clone();
                problems.push(TensorProblem::NotFinite { name });
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::Tensors { path: path(), problems })
    }
}

/// A tensor to be written.
#[derive(Debug)]
pub(super) struct Tensor<'m> {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Cow<'m, [f32]>,
}

/// Writes a safetensors file of these tensors, in this order.
///
/// # Errors
/// [`CheckpointError::Io`], and [`TensorProblem::NotFinite`] where numbers are beyond use.
pub(super) fn write_tensors(path: &Path, tensors: &[Tensor<'_>]) -> Result<(), CheckpointError> {
    let spoilt = tensors.iter().filter(|tensor| !all_finite(&tensor.values));
    let problems: Vec<_> =
        spoilt.map(|tensor| TensorProblem::NotFinite { name: tensor.name.clone() }).collect();
    if !problems.is_empty() {
        return Err(CheckpointError::Tensors { path: path.to_owned(), problems });
    }
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&header(tensors))?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        for tensor in tensors {
            for values in tensor.values.chunks(PIECE_BYTES / 4) {
                piece.clear();
                piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                file.write_all(&piece)?;
            }
        }
        file.flush()
    });
    written.map_err(|source| CheckpointError::Io { action: "write", path: path.to_owned(), source })
}

/// The beginning of a safetensors file with these tensors, up to the first one's bytes.
fn header(tensors: &[Tensor<'_>]) -> Vec<u8> {
    let mut end = 0;
    let tensors = tensors.iter().map(|tensor| {
        let start = end;
        end += 4 * tensor.values.len();
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        (tensor.name.clone(), info)
    });
    head_of(tensors.collect())
}

/// The beginning of a safetensors file with these tensors, which follow each other, up to the first one's bytes.
pub(super) fn head_of(tensors: Vec<(String, TensorInfo)>) -> Vec<u8> {
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata =
        Metadata::new(Some(format), tensors).expect("tensors that follow each other are valid");
    let mut text =
        serde_json::to_vec(&metadata).expect("names and numbers always have a JSON form");
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    bytes
}

/// The header of a safetensors file and where its tensors begin, checked against the length of the file.
pub(super) fn read_header(
    file: &mut File,
    path: &Path,
) -> Result<(Metadata, u64), CheckpointError> {
    let io_error = |source| CheckpointError::Io { action: "read", path: path.to_owned(), source };
    let bad = |reason: &dyn fmt::Display| CheckpointError::Header {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let found = file.metadata().map_err(io_error)?.len();
    let mut size = [0; 8];
    if found < size.len() as u64 {
        return Err(bad(&format_args!("it has {found} bytes")));
    }
    file.read_exact(&mut size).map_err(io_error)?;
    let size = u64::from_le_bytes(size);
    if size > LARGEST_HEADER {
        return Err(bad(&format_args!("its first bytes promise a header of {size} bytes")));
    }
    if size + 8 > found {
        return Err(CheckpointError::Length { path: path.to_owned(), expected: size + 8, found });
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(io_error)?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| bad(&error))?;
    let expected = size + 8 + metadata.data_len() as u64;
    if expected != found {
        return Err(CheckpointError::Length { path: path.to_owned(), expected, found });
    }
    Ok((metadata, size + 8))
}

/// The tensors of a file that are parameters of `layout`, by the parameter's index; in the order of the file.
fn find<'m>(
    metadata: &'m Metadata,
    layout: &Layout,
    names: &Names,
    with_heads: bool,
) -> Result<Vec<(usize, &'m TensorInfo)>, Vec<TensorProblem>> {
    let indices: HashMap<&str, usize> = layout
        .parameters()
        .iter()
        .enumerate()
        .map(|(index, parameter)| (&*parameter.name, index))
        .collect();
    let mut problems = Vec::new();
    let mut found = BTreeMap::new();
    for full_name in metadata.offset_keys() {
        let name = names.of(&full_name);
        let Some(&index) = indices.get(&*name) else {
            if !is_of_head(&full_name, names) && !names.is_constant(&name) {
                let family = names.family;
                problems.push(TensorProblem::Unexpected { name: full_name, family });
            }
            continue;
        };
        if layout.parameters()[index].head().is_some() && !with_heads {
            continue;
        }
        let info = metadata.info(&full_name).expect("the name comes from the same header");
        if found.insert(index, info).is_some() {
            problems.push(TensorProblem::Twice { name: name.into_owned() });
        }
        let expected = &layout.parameters()[index].shape;
        if info.shape != *expected {
            problems.push(TensorProblem::Shape {
                name: full_name,
                expected: expected.clone(),
                found: info.shape.clone(),
            });
        } else if bytes_per_value(info.dtype).is_none() {
            problems
                .push(TensorProblem::Dtype { name: full_name, found: format!("{:?}", info.dtype) });
        }
    }
    for (index, parameter) in layout.parameters().iter().enumerate() {
        if !found.contains_key(&index) && (with_heads || parameter.head().is_none()) {
            problems.push(TensorProblem::Missing { name: parameter.name.clone() });
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, info)| info.data_offsets);
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Whether a tensor of a file belongs to a head: one of ours, or one that others put on such an encoder.
fn is_of_head(name: &str, names: &Names) -> bool {
    let own = names.of(name);
    let is_final_norm = own.split_once('.').is_some_and(|(part, _)| part == names.final_norm);
    names.is_of_other_head(name) || HeadSpec::owns(&own) && !is_final_norm
}

fn bytes_per_value(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

/// Whether no number is infinite or not a number. It looks at all of them, which takes less time than to stop at the first.
fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}

/// Reads as many numbers as `values` holds, and says whether all are finite; `dtype` has [`bytes_per_value`].
fn read_values(
    file: &mut File,
    values: &mut [f32],
    dtype: Dtype,
    piece: &mut [u8],
) -> io::Result<bool> {
    let width =
        bytes_per_value(dtype).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut finite = true;
    for values in values.chunks_mut(piece.len() / 4) {
        let bytes = &mut piece[..values.len() * width];
        file.read_exact(bytes)?;
        match dtype {
            Dtype::F32 => {
                values
                    .iter_mut()
                    .zip(bytes.as_chunks().0)
                    .for_each(|(value, &bytes)| *value = f32::from_le_bytes(bytes));
            }
            Dtype::BF16 => {
                let widen = |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16);
                values
                    .iter_mut()
                    .zip(bytes.as_chunks().0)
                    .for_each(|(value, &bytes)| *value = widen(bytes));
            }
            _ => values
                .iter_mut()
                .zip(bytes.as_chunks().0)
                .for_each(|(value, &bytes)| *value = from_half(u16::from_le_bytes(bytes))),
        }
        finite &= all_finite(values);
    }
    Ok(finite)
}

/// The number that the bits of an IEEE half-precision float stand for.
fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * (2f32).powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * (2f32).powi(exponent - 25),
    }
}
