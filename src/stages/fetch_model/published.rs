//! The files of a model as it is published, in a folder or on the hub, and how they become a [`Backbone`].

use std::path::{Path, PathBuf};

use crate::engine::stage::StageError;
use crate::hub::{Client, Commit, HubError, Observer};
use crate::nn;
use crate::stages::artifacts::{Backbone, files};
use crate::text::{TextTokenizer, with_tokenizer_config};

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// What a repository without `model.safetensors` may have, in the order in which it is looked for.
const OTHER_WEIGHTS: [&str; 3] =
    ["model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// How the weights lie in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weights {
    /// In one safetensors file.
    Whole,
    /// In several, which an index names.
    Shards { index: &'static str, names: Vec<String> },
    /// In pickles of PyTorch.
    Pickles { index: Option<&'static str>, names: Vec<String> },
}

impl Weights {
    /// What a folder has; [`Whole`](Self::Whole) where it has none, for that to be missed.
    pub fn of(folder: &Path) -> Result<Self, StageError> {
        let is_there = |name: &&str| folder.join(name).is_file();
        if is_there(&Backbone::WEIGHTS) {
            return Ok(Self::Whole);
        }
        match OTHER_WEIGHTS.into_iter().find(is_there) {
            None => Ok(Self::Whole),
            Some(name) => Self::other(folder, name),
        }
    }

    /// Those of one of [`OTHER_WEIGHTS`], which is there.
    fn other(folder: &Path, name: &'static str) -> Result<Self, StageError> {
        if !name.ends_with(".index.json") {
            return Ok(Self::Pickles { index: None, names: vec![name.to_owned()] });
        }
        let path = folder.join(name);
        let names = nn::shards(&files::read_text(&path)?).map_err(|reason| {
            StageError::new(format!("`{}` is no index of weights: {reason}", path.display()))
                .with_help("take the file again from where the model came")
        })?;
        Ok(if name.starts_with("model.") {
            Self::Shards { index: name, names }
        } else {
            Self::Pickles { index: Some(name), names }
        })
    }

    /// The names of all files that they lie in.
    pub fn files(&self) -> Vec<String> {
        let (index, names) = match self {
            Self::Whole => return vec![Backbone::WEIGHTS.to_owned()],
            Self::Shards { index, names } => (Some(*index), names),
            Self::Pickles { index, names } => (*index, names),
        };
        index.map(str::to_owned).into_iter().chain(names.iter().cloned()).collect()
    }

    /// Puts them into one file.
    pub fn write(&self, folder: &Path, output: &Path) -> Result<(), StageError> {
        let paths = |names: &[String]| -> Vec<PathBuf> {
            names.iter().map(|name| folder.join(name)).collect()
        };
        match self {
            Self::Whole => return files::copy(&folder.join(Backbone::WEIGHTS), output),
            Self::Shards { names, .. } => nn::gather_shards(&paths(names), output),
            Self::Pickles { names, .. } => nn::gather_pickles(&paths(names), output),
        }
        .map_err(|error| StageError::of(&error))
    }
}

/// The names of the files of a local model on which the result depends.
pub(super) fn sources(folder: &Path) -> Vec<String> {
    // What is wrong with an index is said by the run, which reads it again.
    let weights = Weights::of(folder).unwrap_or(Weights::Whole).files();
    let config = changes_tokenizer(folder).then(|| TOKENIZER_CONFIG.to_owned());
    let first = std::iter::once(Backbone::CONFIG.to_owned()).chain(weights);
    first.chain([Backbone::TOKENIZER.to_owned()]).chain(config).collect()
}

fn changes_tokenizer(folder: &Path) -> bool {
    matches!(tokenizer_of(folder), Ok(Some(_)))
}

/// The `tokenizer.json` that a folder means, where it is not the one that it has.
pub(super) fn tokenizer_of(folder: &Path) -> Result<Option<Vec<u8>>, StageError> {
    let config = folder.join(TOKENIZER_CONFIG);
    if !files::present(&config)? {
        return Ok(None);
    }
    let (tokenizer, config) =
        (files::read(&folder.join(Backbone::TOKENIZER))?, files::read(&config)?);
    with_tokenizer_config(&tokenizer, &config).map_err(|error| {
        StageError::new(format!("`{}` or the one beside it is no JSON: {error}", TOKENIZER_CONFIG))
            .with_help("take the files again from where the model came")
    })
}

/// The tokenizer that a folder means.
pub(super) fn tokenizer(folder: &Path) -> Result<TextTokenizer, StageError> {
    let path = folder.join(Backbone::TOKENIZER);
    let read = match tokenizer_of(folder)? {
        Some(bytes) => TextTokenizer::from_bytes(&bytes, &path),
        None => TextTokenizer::load(&path),
    };
    read.map_err(|error| StageError::new(error.to_string()))
}

/// Downloads the files of a model that there are: its configuration, its tokenizer, and its weights in whichever form.
///
/// # Errors
/// Where a file is not to be had that every model needs.
pub(super) fn download(
    client: &Client,
    repo: &str,
    commit: &Commit,
    observer: &mut dyn Observer,
) -> Result<PathBuf, HubError> {
    let whole = client.fetch(
        repo,
        commit,
        &[Backbone::CONFIG, Backbone::WEIGHTS, Backbone::TOKENIZER],
        observer,
    );
    let mut fetch = |name: &str| client.fetch(repo, commit, &[name], observer);
    let folder = match whole {
        Err(error) if absent(&error) == Some(Backbone::WEIGHTS) => {
            let name = first_there(&mut fetch)?.ok_or(error)?;
            let folder = fetch(name)?;
            // An index that cannot be read is found when its files are brought into one.
            let weights = Weights::other(&folder, name).unwrap_or(Weights::Whole);
            weights.files().iter().try_for_each(|name| fetch(name).map(drop))?;
            fetch(Backbone::TOKENIZER)?
        }
        whole => whole?,
    };
    match fetch(TOKENIZER_CONFIG) {
        Err(error) if absent(&error).is_none() => Err(error),
        _ => Ok(folder),
    }
}

/// The first of [`OTHER_WEIGHTS`] that there is.
fn first_there(
    fetch: &mut dyn FnMut(&str) -> Result<PathBuf, HubError>,
) -> Result<Option<&'static str>, HubError> {
    for name in OTHER_WEIGHTS {
        match fetch(name) {
            Ok(_) => return Ok(Some(name)),
            Err(error) if absent(&error).is_some() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The file that is not there, or was not when there was a network.
fn absent(error: &HubError) -> Option<&str> {
    match error {
        HubError::MissingFile { file, .. } | HubError::OfflineFile { file, .. } => Some(file),
        _ => None,
    }
}
