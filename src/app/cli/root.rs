//! Where a project begins: the folder that holds `outputs/` and, where there is one, `pipeline.toml`.
//!
//! It follows from where the experiment file lies, so that the same file has the same results from wherever it is run. In this order:
//!
//! 1. what `--root` names;
//! 2. the folder of the nearest `pipeline.toml`, in or above the folder of the experiment file, else in or above the current folder;
//! 3. the folder that holds the `outputs/` in which the file lies, such as `outputs/tiny/experiment.toml`;
//! 4. the file's folder, or its parent where it is called `experiments`.
//!
//! Whatever is called `pipeline.toml` marks a root; where it is no file, that is a mistake.
//!
//! A command without an experiment file takes the current folder for the file's.

use std::path::{Path, PathBuf};

use super::Failure;
use super::args::Place;
use crate::base::disk::regular;

/// The name of the file that marks a project's root and holds how and where work runs.
pub const SETTINGS: &str = "pipeline.toml";
/// What lies in a project's root.
const OUTPUTS: &str = "outputs";

/// The folder that a project begins at, as it is written from the current folder where that is short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The root of an experiment file. Whether the file is there shows when it is read.
    ///
    /// # Errors
    /// When `--root` names no folder.
    pub fn of(file: &Path, place: &Place) -> Result<Self, Failure> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Self::begin_at(folder, place)
    }

    /// The root that the current folder belongs to.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn here(place: &Place) -> Result<Self, Failure> {
        Self::begin_at(Path::new("."), place)
    }

    /// The root that a folder `outputs` lies in.
    pub fn of_outputs(outputs: &Path) -> Option<Self> {
        let root = outputs.parent().filter(|_| outputs.ends_with(OUTPUTS))?;
        Some(Self(relative(root, &std::env::current_dir().unwrap_or_default())))
    }

    fn begin_at(folder: &Path, place: &Place) -> Result<Self, Failure> {
        let current = std::env::current_dir().unwrap_or_default();
        let root = match &place.root {
            Some(asked) => match asked.canonicalize() {
                Ok(root) if root.is_dir() => root,
                _ => {
                    let failure =
                        Failure::usage(format!("there is no folder `{}`", asked.display()));
                    return Err(
                        failure.with_help("`--root` takes the folder that holds `outputs/`")
                    );
                }
            },
            None => {
                // Without links and `..`, so that what is above a folder is its name's beginning.
                let folder = folder.canonicalize().unwrap_or_else(|_| current.join(folder));
                // A file in the place of a folder is what reading the experiment complains about.
                let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(&folder);
                let has_settings = |folder: &Path| folder.join(SETTINGS).symlink_metadata().is_ok();
                find(there, &current, &has_settings).to_owned()
            }
        };
        let root = Self(relative(&root, &current));
        root.check_settings()?;
        Ok(root)
    }

    /// Whether what marks the root, if something does, is a file. What stands in it is for those who need it.
    fn check_settings(&self) -> Result<(), Failure> {
        let path = self.settings();
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        path.metadata().and_then(|metadata| regular::check(&metadata)).map_err(|error| {
            let reason = regular::reason(&error);
            Failure::usage(format!("cannot read `{}`: {reason}", path.display()))
                .with_help("a `pipeline.toml` is a file, which may be empty, or is not there")
        })
    }

    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.0.join(OUTPUTS)
    }

    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.0.join(SETTINGS)
    }
}

/// * `folder`: where the experiment file lies
/// * `has_settings`: whether a folder holds a `pipeline.toml`
fn find<'a>(folder: &'a Path, current: &'a Path, has_settings: &dyn Fn(&Path) -> bool) -> &'a Path {
    let marked = |folder: &'a Path| folder.ancestors().find(|above| has_settings(above));
    let is_called = |folder: &Path, name: &str| folder.file_name().is_some_and(|is| is == name);
    let of_results =
        || folder.ancestors().find(|above| is_called(above, OUTPUTS)).and_then(Path::parent);
    let of_file = || match folder.parent() {
        Some(parent) if is_called(folder, "experiments") => parent,
        _ => folder,
    };
    marked(folder).or_else(|| marked(current)).or_else(of_results).unwrap_or_else(of_file)
}

/// `root` as seen from the current folder where one lies in the other, else the whole path. Both are without links and `..`.
fn relative(root: &Path, current: &Path) -> PathBuf {
    if let Ok(below) = current.strip_prefix(root) {
        return std::iter::repeat_n("..", below.components().count()).collect();
    }
    root.strip_prefix(current).unwrap_or(root).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a file's folder and a current folder, where these folders hold a `pipeline.toml`.
    fn root(folder: &str, current: &str, marked: &[&str]) -> String {
        let has_settings = |folder: &Path| marked.iter().any(|marked| folder == Path::new(marked));
        find(Path::new(folder), Path::new(current), &has_settings).display().to_string()
    }

    #[test]
    fn the_nearest_settings_above_the_file_come_first() {
        assert_eq!(root("/a/b/experiments", "/c", &["/a", "/a/b", "/c"]), "/a/b");
        assert_eq!(root("/a/b/outputs/tiny", "/c", &["/a", "/c"]), "/a");
    }

    #[test]
    fn settings_above_the_current_folder_come_next() {
        assert_eq!(root("/a/experiments", "/c/d", &["/c"]), "/c");
        assert_eq!(root("/a/outputs/tiny", "/c/d", &["/c"]), "/c");
    }

    #[test]
    fn without_settings_results_belong_to_the_outputs_that_they_lie_in() {
        assert_eq!(root("/a/outputs/tiny", "/c", &[]), "/a");
        assert_eq!(root("/a/outputs/sweep/trials/x", "/c", &[]), "/a");
    }

    #[test]
    fn without_anything_a_file_belongs_to_its_folder_or_to_the_one_above_experiments() {
        assert_eq!(root("/a/b", "/c", &[]), "/a/b");
        assert_eq!(root("/a/experiments", "/c", &[]), "/a");
        assert_eq!(root("/a/experiments/old", "/c", &[]), "/a/experiments/old");
        assert_eq!(root("/", "/", &[]), "/");
    }

    #[test]
    fn a_root_is_written_as_it_is_seen_from_the_current_folder() {
        let seen =
            |root, current| relative(Path::new(root), Path::new(current)).display().to_string();
        assert_eq!(seen("/a", "/a"), "");
        assert_eq!(seen("/a", "/a/b/c"), "../..");
        assert_eq!(seen("/a/b", "/a"), "b");
        assert_eq!(seen("/a", "/ab"), "/a");
    }
}
