//! `pipeline init`: a commented starter experiment that runs as it is, without network and data, and what makes its folder a project.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::args::Init;
use super::root::SETTINGS;
use super::{Failure, terminal};
use crate::base::disk::no_room::NoRoom;

/// What is written: the path in the folder, and the text.
const FILES: &[(&str, &str)] = &[
    ("experiments/starter.toml", include_str!("starter/starter.toml")),
    ("experiments/starter_events.toml", include_str!("starter/starter_events.toml")),
    ("experiments/starter_lines.jsonl", include_str!("starter/starter_lines.jsonl")),
];

/// What a folder may have already; it then stays as it is.
const OF_THE_FOLDER: &[(&str, &str)] = &[
    (SETTINGS, include_str!("starter/pipeline.toml")),
    (".gitignore", include_str!("starter/gitignore")),
];

pub fn run(arguments: &Init) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if folder.extension().is_some_and(|extension| extension == "toml") || folder.is_file() {
        let message =
            format!("`{}` is the name of a file, and `init` takes a folder", folder.display());
        return Err(Failure::usage(message).with_help(
            "`pipeline init` writes `experiments/starter.toml` into the current folder: call the file as you like afterwards",
        ));
    }
    if let Some((name, _)) = FILES.iter().find(|(name, _)| place(arguments, name).exists()) {
        return Err(Failure::usage(format!(
            "`{}` exists already",
            place(arguments, name).display()
        ))
        .with_help("nothing was written; name another folder: `pipeline init FOLDER`"));
    }
    for (name, text) in FILES {
        write_new(&place(arguments, name), text)?;
    }
    let experiment = place(arguments, FILES[0].0);
    let mut text = String::new();
    for (name, _) in FILES {
        text += &format!("wrote {}\n", place(arguments, name).display());
    }
    for (name, content) in OF_THE_FOLDER {
        let path = place(arguments, name);
        let is_new = path.symlink_metadata().is_err();
        if is_new {
            write_new(&path, content)?;
        }
        let did = if is_new { "wrote" } else { "kept" };
        text += &format!("{did} {}\n", path.display());
    }
    let shown = experiment.display().to_string();
    let quote = if shown.chars().any(|c| c.is_whitespace() || "\"$&();<>*?|`\\".contains(c)) {
        "'"
    } else {
        ""
    };
    terminal::print(&format!("{text}\nRun it: pipeline run {quote}{shown}{quote}\n"))
}

fn place(arguments: &Init, name: &str) -> PathBuf {
    if arguments.folder.as_os_str() == "." { name.into() } else { arguments.folder.join(name) }
}

/// Writes a file that must not exist, so that two of us, or a file made meanwhile, lose nothing.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::File::create_new(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| {
        Failure::usage(format!("cannot write `{}`: {}", path.display(), error.kind()))
            .with_help_of(NoRoom::of(&error, path).map(NoRoom::help))
    })
}
