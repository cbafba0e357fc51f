//! `pipeline export`: a trained model as other programs read it.

use super::args::Export;
use super::failure::Failure;
use super::predict::model::not_opened;
use super::terminal;
use crate::app::tools::{ExportError, Exporter};
use crate::view::{self, format};

pub fn run(arguments: &Export) -> Result<(), Failure> {
    let folder = view::model_in(&arguments.model).unwrap_or_else(|| arguments.model.clone());
    let exporter = Exporter::open(&folder, &arguments.head).map_err(refused)?;
    let mut text = String::new();
    if let Some(target) = &arguments.hf {
        for head in exporter.write_transformers(target).map_err(refused)? {
            let folder = target.join(&head.head);
            let labels = format::counted(head.labels, "label");
            text += &format!("{}  {}, {labels}\n", folder.display(), head.class);
        }
        text += &format!("{}  answers as `predict` does\n", target.join("predict.py").display());
    }
    if let Some(target) = &arguments.onnx {
        for path in exporter.write_onnx(target).map_err(refused)? {
            text += &format!("{}\n", path.display());
        }
    }
    terminal::print(&text)
}

/// The same, with what to do about it.
fn refused(error: ExportError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        ExportError::Open(error) => not_opened(&error),
        ExportError::NoHead { heads, .. } => {
            failure.with_help(format!("it has `{}`", heads.join("`, `")))
        }
        ExportError::NoClass { others, .. } => {
            let failure = failure.with_help("train it with `head = \"prediction\"` in `train`");
            let heads: Vec<String> = others.iter().map(|head| format!("--head {head}")).collect();
            let rest = (!heads.is_empty()).then(|| heads.join(" "));
            failure
                .with_help_of(rest.map(|heads| format!("`{heads}` writes the rest of the model")))
        }
        ExportError::Ending { path } => {
            failure.with_help(format!("`--onnx {}`", path.with_extension("onnx").display()))
        }
        ExportError::NoOnnx { .. } => failure.with_help("`--hf FOLDER` writes it for transformers"),
        ExportError::Taken { .. } => failure.with_help("name one that is not there yet"),
        ExportError::Failed(error) => Failure::failed_of(&error),
    }
}
