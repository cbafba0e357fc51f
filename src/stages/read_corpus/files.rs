//! Which files a parameter means.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::stage::SourceFile;

/// One file, or several that are read one after the other. `*`, `?` and `[..]` in a path stand for all files that fit, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Files {
    One(#[schemars(extend("format" = "path"))] PathBuf),
    Several(
        #[schemars(length(min = 1), extend("items" = {"type": "string", "format": "path"}))]
        Vec<PathBuf>,
    ),
}

impl Files {
    /// The files that are there now; a path that fits none stands for itself, so that it is said to be missing.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::One(path) => expanded(path),
            Self::Several(paths) => paths.iter().flat_map(|path| expanded(path)).collect(),
        }
    }

    /// What enters the key: by the parameter's name, or by their places where there are several.
    pub(super) fn sources(&self, parameter: &'static str) -> Vec<SourceFile> {
        let paths = self.paths();
        let is_one = paths.len() == 1;
        let source = |(number, path): (usize, PathBuf)| SourceFile {
            parameter,
            name: if is_one { parameter.to_owned() } else { format!("{parameter}/{number}") },
            path,
            inspection: None,
        };
        paths.into_iter().enumerate().map(source).collect()
    }
}

fn expanded(path: &Path) -> Vec<PathBuf> {
    let itself = || vec![path.to_owned()];
    let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return itself();
    };
    // A file may be called so.
    if path.exists() {
        return itself();
    }
    let Ok(found) = glob::glob(text) else { return itself() };
    let mut files: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() { itself() } else { files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_the_files_that_fit_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.conll", "a.conll", "c.txt", "[x].conll"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let names = |files: Files| -> Vec<String> {
            let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into());
            files.paths().into_iter().filter_map(name).collect()
        };
        let at = |name: &str| folder.path().join(name);
        assert_eq!(names(Files::One(at("*.conll"))), ["[x].conll", "a.conll", "b.conll"]);
        assert_eq!(names(Files::One(at("[x].conll"))), ["[x].conll"]);
        assert_eq!(names(Files::One(at("*.csv"))), ["*.csv"]);
        let several = Files::Several(vec![at("c.txt"), at("[ab].conll")]);
        assert_eq!(names(several.clone()), ["c.txt", "a.conll", "b.conll"]);
        let sources = several.sources("path");
        assert_eq!(
            sources.iter().map(|it| &*it.name).collect::<Vec<_>>(),
            ["path/0", "path/1", "path/2"]
        );
    }
}
