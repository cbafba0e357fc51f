//! `pipeline init`: a commented starter experiment that runs as it is, without network and data, and what makes its folder a project.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use super::args::{Init, Template};
use super::root::SETTINGS;
use super::{Failure, terminal};
use crate::app::tools::{Asked, DataFiles, Sketch};
use crate::base::disk::no_room::NoRoom;
use crate::base::outputs;
use crate::stages::Files;

/// What a template consists of: the experiment first; the path in the folder, and the text.
fn files(template: Template) -> &'static [(&'static str, &'static str)] {
    match template {
        Template::Ner => &[
            ("experiments/ner.toml", include_str!("starter/ner.toml")),
            ("experiments/ner.conll", include_str!("starter/ner.conll")),
        ],
        Template::Classify => &[
            ("experiments/classify.toml", include_str!("starter/classify.toml")),
            ("experiments/classify.csv", include_str!("starter/classify.csv")),
        ],
        Template::Joint => &[
            ("experiments/starter.toml", include_str!("starter/starter.toml")),
            ("experiments/starter_events.toml", include_str!("starter/starter_events.toml")),
            ("experiments/starter_lines.jsonl", include_str!("starter/starter_lines.jsonl")),
        ],
        Template::Demo => &[
            ("experiments/demo.toml", include_str!("starter/demo.toml")),
            ("experiments/demo_events.toml", include_str!("starter/starter_events.toml")),
        ],
    }
}

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
    let files: Vec<(String, Cow<'static, str>)> = match &arguments.data {
        Some(data) => vec![sketched(arguments, data)?],
        None => files(arguments.template)
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).into()))
            .collect(),
    };
    if let Some((name, _)) = files.iter().find(|(name, _)| place(arguments, name).exists()) {
        return Err(Failure::usage(format!(
            "`{}` exists already",
            place(arguments, name).display()
        ))
        .with_help("nothing was written; name another folder: `pipeline init FOLDER`"));
    }
    for (name, text) in &files {
        write_new(&place(arguments, name), text)?;
    }
    let experiment = place(arguments, &files[0].0);
    let mut text = String::new();
    for (name, _) in &files {
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

/// An experiment that trains on a file of somebody's.
fn sketched(arguments: &Init, data: &Path) -> Result<(String, Cow<'static, str>), Failure> {
    let files = DataFiles { named: data, paths: Files::One(data.to_owned()).paths() };
    let classes: Vec<String> =
        arguments.classes.iter().map(|name| name.trim().to_owned()).collect();
    let asked = Asked { text: arguments.text.as_deref(), classes: &classes };
    let sketch = Sketch::of(&files, asked)
        .map_err(|problem| Failure::usage(problem.message).with_help_of(problem.help))?;
    terminal::print(&format!("{}: {}\n", data.display(), sketch.summary()))?;
    let stem = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or_default().to_owned()
    };
    let is_pattern = |stem: &String| !stem.contains(|it: char| it.is_ascii_alphanumeric());
    let folder = data.parent().unwrap_or(data);
    let stem = Some(stem(data)).filter(|it| !is_pattern(it)).unwrap_or_else(|| stem(folder));
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let name: String = stem.chars().map(|it| if is_plain(it) { it } else { '_' }).collect();
    let begins_well = name.starts_with(|it: char| it.is_ascii_alphanumeric());
    let is_taken = outputs::ALL.contains(&name.as_str());
    let name = if begins_well && !is_taken { name } else { format!("data_{name}") };
    let file = from_experiments(&arguments.folder, data).map_err(|error| {
        Failure::usage(format!("cannot find `{}`: {}", data.display(), error.kind()))
    })?;
    let text = sketch.to_toml(&file.to_string_lossy(), &name);
    Ok((format!("experiments/{name}.toml"), text.into()))
}

/// How a file in `folder/experiments` names another one: by the way to it where that lies in `folder` too.
fn from_experiments(folder: &Path, file: &Path) -> std::io::Result<PathBuf> {
    let (folder, file) = (std::path::absolute(folder)?, std::path::absolute(file)?);
    let folder = folder.components().filter(|it| *it != Component::CurDir).collect::<PathBuf>();
    Ok(match file.strip_prefix(folder.join("experiments")) {
        Ok(beside) => beside.to_owned(),
        Err(_) => match file.strip_prefix(&folder) {
            Ok(inside) => Path::new("..").join(inside),
            Err(_) => file,
        },
    })
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
