//! Writes a trained model in the forms of other programs, with an example beside it that reads their answers as `predict` does.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::trained::{self, OpenError};
use crate::base::disk::durable;
use crate::nn::{JointModel, NoStockClass, OnnxHead, StockHead, StockModel};
use crate::stages::artifacts::{Checkpoint, Head, StageError, Task, files};
use crate::tasks::{Decode, classification};

/// What both examples begin with.
const DECODING: &str = include_str!("decoding.py");
const WITH_TRANSFORMERS: &str = include_str!("transformers.py");
const WITH_ONNX: &str = include_str!("onnx.py");

/// How the name of a file ends that ONNX reads.
const ONNX: &str = "onnx";

/// A trained model, and those of its heads that are written.
pub struct Exporter {
    checkpoint: Checkpoint,
    model: JointModel,
    /// Their places among the model's heads.
    heads: Vec<usize>,
}

/// A head that was written.
pub struct Exported {
    /// Also the name of its folder.
    pub head: String,
    /// What transformers calls its class.
    pub class: String,
    pub labels: usize,
}

/// Why a model was not written in another form. Nothing is then left of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the model has no head `{asked}`")]
    NoHead { asked: String, heads: Vec<String> },
    #[error("{refused}")]
    NoClass {
        refused: NoStockClass,
        /// The heads that can be written.
        others: Vec<String>,
    },
    #[error(
        "a {family} cannot be written for ONNX: its attention by distances has no operators there yet"
    )]
    NoOnnx { family: &'static str },
    #[error("`{}` does not end in `.{ONNX}`", path.display())]
    Ending { path: PathBuf },
    #[error("`{}` is there already", path.display())]
    Taken { path: PathBuf },
    #[error(transparent)]
    Failed(#[from] StageError),
}

/// How the answers of what was written become those of `predict`.
#[derive(Serialize)]
struct Description<'a> {
    heads: Vec<DescribedHead<'a>>,
    decoding: Decode,
    viterbi: bool,
    max_length: usize,
    overlap: usize,
}

#[derive(Serialize)]
struct DescribedHead<'a> {
    name: &'a str,
    task: Task,
    /// In the order of the head's outputs, as `predict` writes them.
    labels: Vec<Value>,
    threshold: Option<f64>,
}

impl Exporter {
    /// Opens a model's folder, of which every file is held against its digest.
    ///
    /// * `asked`: the names of heads; all where there is none
    ///
    /// # Errors
    /// [`ExportError::Open`] and [`ExportError::NoHead`]
    pub fn open(folder: &Path, asked: &[String]) -> Result<Self, ExportError> {
        let checkpoint = trained::open(folder)?;
        let all: Vec<&String> = checkpoint.heads.heads.iter().map(|head| &head.name).collect();
        if let Some(asked) = asked.iter().find(|asked| !all.contains(asked)) {
            let heads = all.into_iter().cloned().collect();
            return Err(ExportError::NoHead { asked: asked.clone(), heads });
        }
        let is_asked = |number: &usize| asked.is_empty() || asked.contains(all[*number]);
        let heads = (0..all.len()).filter(is_asked).collect();
        let model = checkpoint.model().map_err(|error| OpenError::of(&error))?;
        Ok(Self { checkpoint, model, heads })
    }

    /// Writes a folder for each head, which transformers loads as a model for the head's task, and `predict.py` with `decoding.json`, which reads
    /// them all. The folder appears whole or not at all.
    ///
    /// * `target`: a folder that is not there, or empty
    ///
    /// # Errors
    /// [`ExportError::NoClass`], [`ExportError::Taken`] and [`ExportError::Failed`]
    pub fn write_transformers(&self, target: &Path) -> Result<Vec<Exported>, ExportError> {
        let stock = self.stock_models()?;
        if target.symlink_metadata().is_ok() && !is_empty_folder(target) {
            return Err(ExportError::Taken { path: target.to_owned() });
        }
        let writing = |error: io::Error| StageError::io("write", target, &error);
        let parent = folder_of(target);
        let beside = beside(parent).map_err(writing)?;
        let building = beside.path().join("folder");
        let mut exported = Vec::new();
        for (head, stock) in self.heads().zip(&stock) {
            let folder = building.join(&head.name);
            std::fs::create_dir_all(&folder).map_err(writing)?;
            self.checkpoint.write_stock(&folder, stock)?;
            let (head, labels) = (head.name.clone(), head.labels.len());
            exported.push(Exported { head, class: stock.class.clone(), labels });
        }
        files::write_json(&building.join("decoding.json"), &self.description())?;
        files::write_text(&building.join("predict.py"), &example(WITH_TRANSFORMERS))?;
        durable::sync_below(&building).map_err(writing)?;
        durable::rename(&building, target).map_err(writing)?;
        durable::sync_folder(parent).map_err(writing)?;
        Ok(exported)
    }

    /// Writes all heads into one file for ONNX, and beside it, by the same name, what reads their answers: a `.json`, the `.tokenizer.json` and an example in a
    /// `.py`. Returns the names, that of the file first. Weights of more than 2 GiB lie in a file of their own, `.onnx.data`.
    ///
    /// * `target`: a file that is not there, whose name ends in `.onnx`
    ///
    /// # Errors
    /// [`ExportError::NoOnnx`], [`ExportError::Ending`], [`ExportError::Taken`] and [`ExportError::Failed`]
    pub fn write_onnx(&self, target: &Path) -> Result<Vec<PathBuf>, ExportError> {
        let path = || target.to_owned();
        if self.model.spec.distances().is_some() {
            return Err(ExportError::NoOnnx { family: self.model.spec.names.family });
        }
        if target.extension().is_none_or(|extension| extension != ONNX) {
            return Err(ExportError::Ending { path: path() });
        }
        let of = |extension: &str| target.with_extension(extension);
        let data = of("onnx.data");
        let names = [path(), of("json"), of("tokenizer.json"), of("py"), data];
        if let Some(taken) = names.iter().find(|name| name.symlink_metadata().is_ok()) {
            return Err(ExportError::Taken { path: taken.clone() });
        }
        let writing = |error: io::Error| StageError::io("write", target, &error);
        let parent = folder_of(target);
        let beside = beside(parent).map_err(writing)?;
        let built =
            names.each_ref().map(|name| beside.path().join(name.file_name().unwrap_or_default()));
        let [graph, description, tokenizer, program, data] = &built;
        let heads = self.heads.iter().zip(self.heads());
        let heads = heads
            .map(|(number, head)| OnnxHead { number: *number, temperature: temperature(head) });
        self.model
            .write_onnx(&heads.collect::<Vec<_>>(), graph, data)
            .map_err(|error| StageError::writing(target, &error))?;
        files::write_json(description, &self.description())?;
        files::copy(&self.checkpoint.tokenizer(), tokenizer)?;
        files::write_text(program, &example(WITH_ONNX))?;
        durable::sync_below(beside.path()).map_err(writing)?;
        let mut written = Vec::new();
        // The file itself comes last, so that it has all that belongs to it.
        for (built, name) in built.iter().zip(&names).rev().filter(|(built, _)| built.exists()) {
            durable::rename(built, name).map_err(writing)?;
            written.insert(0, name.clone());
        }
        durable::sync_folder(parent).map_err(writing)?;
        Ok(written)
    }

    fn heads(&self) -> impl Iterator<Item = &Head> {
        self.heads.iter().map(|number| &self.checkpoint.heads.heads[*number])
    }

    /// Of each head, or the first that has no such class.
    fn stock_models(&self) -> Result<Vec<StockModel<'_>>, ExportError> {
        let (mut fitting, mut refused) = (Vec::new(), None);
        for (number, head) in self.heads.iter().zip(self.heads()) {
            let (labels, temperature) = (&head.labels, temperature(head));
            let of = StockHead { number: *number, labels, temperature };
            match StockModel::of(&self.model, of) {
                Ok(stock) => fitting.push((&head.name, stock)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            None => Ok(fitting.into_iter().map(|(_, stock)| stock).collect()),
            Some(refused) => {
                let others = fitting.into_iter().map(|(name, _)| name.clone()).collect();
                Err(ExportError::NoClass { refused, others })
            }
        }
    }

    fn description(&self) -> Description<'_> {
        let heads = self.heads().map(|head| DescribedHead {
            name: &head.name,
            task: head.task,
            labels: self.written_labels(head),
            threshold: head.threshold,
        });
        let all = &self.checkpoint.heads;
        Description {
            heads: heads.collect(),
            decoding: all.decoding,
            viterbi: all.viterbi,
            max_length: all.max_length,
            overlap: all.overlap,
        }
    }

    fn written_labels(&self, head: &Head) -> Vec<Value> {
        match self.checkpoint.heads.corpus_tasks().head(&head.name) {
            Some(classes) => (0..head.labels.len() as u32)
                .map(|class| classification::written(classes, class))
                .collect(),
            None => head.labels.iter().map(|label| label.as_str().into()).collect(),
        }
    }
}

/// What the logits of a head are divided by; tags are read as they came.
fn temperature(head: &Head) -> f64 {
    if head.task == Task::Tagging { 1.0 } else { head.temperature }
}

/// The folder that something is to lie in.
fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary folder in `parent`, which is made where it is not there.
fn beside(parent: &Path) -> io::Result<tempfile::TempDir> {
    durable::create_folder(parent)?;
    tempfile::Builder::new().prefix(".export-").tempdir_in(parent)
}

/// A program that answers texts.
fn example(model: &str) -> String {
    format!("{DECODING}\n\n{model}")
}

fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
