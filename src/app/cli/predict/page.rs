//! A page of answers for people who would rather look: texts with their entities marked, and classes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::answered::{Answered, Shape};
use crate::app::cli::Failure;
use crate::app::cli::page::{SCRIPT, STYLE, data, escaped};
use crate::base::disk::durable;

/// Most texts on a page: more of them nobody looks at, and a browser would not like them.
const MOST: usize = 5000;

const OF_FILE: &str = include_str!("../page/file.js");

/// A page that is being made.
pub struct Page {
    path: PathBuf,
    /// Beside it, until it is whole.
    file: NamedTempFile,
    answers: Vec<Value>,
    /// Texts that came.
    texts: usize,
}

impl Page {
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            let message = format!("`{}` is a folder, not a file for a page", path.display());
            return Err(Failure::usage(message));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut beside = tempfile::Builder::new();
        // As any other file, and not for its owner alone.
        #[cfg(unix)]
        beside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = beside
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), file, answers: Vec::new(), texts: 0 })
    }

    pub fn add(&mut self, answered: &Answered) {
        self.texts += 1;
        if self.answers.len() < MOST {
            self.answers.push(shown(answered));
        }
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, shape: &Shape, model: &Path) -> Result<(), Failure> {
        let html = self.html(shape, model);
        let written = self.file.write_all(html.as_bytes()).and_then(|()| {
            durable::sync_file(self.file.as_file(), self.file.path())?;
            durable::rename(self.file.path(), &self.path)
        });
        written.map_err(|error| unwritable(&self.path, &error))
    }

    fn html(&self, shape: &Shape, model: &Path) -> String {
        let title = escaped(&model.display().to_string());
        let count = match self.texts > self.answers.len() {
            true => format!("the first {} of {} texts", self.answers.len(), self.texts),
            false => format!("{} texts", self.texts),
        };
        let data = data(&json!({ "answers": self.answers, "heads": shape.on_page() }));
        format!(
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
            <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
            <title>{title}</title>\n<style>\n{STYLE}</style>\n\
            <h1>{title}</h1>\n<p class=soft>{count} · <span id=shown></span></p>\n\
            <div class=bar><input type=search id=search placeholder=\"Search texts\" aria-label=\"Search texts\"></div>\n\
            <div class=\"bar legend\" id=legend></div>\n\
            <noscript><p class=bad>This page needs JavaScript to mark its texts.</p></noscript>\n\
            <ol id=list></ol>\n\
            <script type=\"application/json\" id=answers>{data}</script>\n\
            <script>\n{SCRIPT}{OF_FILE}</script>\n"
        )
    }
}

/// What the page's script reads of a line.
fn shown(answered: &Answered) -> Value {
    let mut shown = Map::from_iter([("number".to_owned(), json!(answered.number))]);
    match (&answered.line.text, &answered.answer) {
        (Ok(text), Ok(prediction)) => {
            shown.insert("text".to_owned(), json!(text));
            let answer = serde_json::to_value(&**prediction).expect("plain data");
            shown.extend(answer.as_object().cloned().unwrap_or_default());
            let names = prediction.classes.iter().map(|said| (said.head.clone(), json!(said.name)));
            shown.extend(names);
        }
        (_, Err(error)) => drop(shown.insert("error".to_owned(), json!(error))),
        (Err(_), Ok(_)) => unreachable!("without a text there is no answer"),
    }
    Value::Object(shown)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {}", path.display(), error.kind()))
}
