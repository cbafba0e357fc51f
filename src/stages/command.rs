//! `command`: any program as a stage.

mod arguments;
mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::process::Program;
use super::reading::{Part, Push, Reading};
use super::{splits, versions, watched};
use crate::engine::stage::{
    Artifact as _, CodeVersion, Context, InputFacts, InputFolders, Inputs, Outputs,
    ParameterProblem, Port, SourceFile, Stage, StageError, StageKind, Usage,
};
use crate::stages::artifacts::{CorpusFiles, Files, ForeignScores, files};
use crate::text::readers::{Format, Heads, Options};
use crate::text::{Division, FileNames, Split};

/// Any program as a stage: what it reads are its inputs, each under a name of your own (`corpus = "@corpus"`), and its `sources`; what it leaves in `{out}` is the result. It runs in the folder of the experiment's file, in an environment of its own, without standard input; what it prints is kept in the run's folder. The program is not held back from reading or writing anything else, the network included, nor from doing something else each time: list in `sources` what it is made of, and let it read nothing else. It is trusted as the experiment is, and never started by `check`, `plan` or `show`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, such as `["python", "clean.py", "{in.corpus}", "{out}"]`: `{in.NAME}` is the folder of the input of that name, `{out}` an empty one for the result, `{{` and `}}` are braces. An argument that names one of `sources` becomes that file's path; a file beside the experiment that is none of them is refused. No shell reads them.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// What it leaves: `"files"` for other commands; `"evaluation"` (`metrics.json`: numbers by name, at any depth, which are shown as others are and may be the objective of a sweep, and `caveats` in a list; `classification_report.txt` and `predictions.csv` are published where it makes them); or `"corpus"` (`train.jsonl`, and `validation.jsonl` and `test.jsonl` where it makes them, in lines as `read_corpus` reads them; with `tasks.json` as it lies in the folder of an input that has other tasks than entities and `anomaly`, fields are classes as it says; with `order.json` as it lies there where the texts were split by `order`, they still are, which `alerts_per_day` of `train` needs).
    #[serde(default)]
    pub output: Output,
    /// Files whose content decides the result, such as the program's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "path"}))]
    pub sources: Vec<PathBuf>,
    /// Names of variables that the program gets beside `PATH`, `HOME` and `TMPDIR`, with the values that they have here, such as `["LANG"]`; `"NAME=value"` sets one. Only what stands here enters the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
}

/// What a program leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Files of any kind.
    #[default]
    Files,
    /// Labelled texts in splits.
    Corpus,
    /// Scores.
    Evaluation,
}

/// The folders of whatever is wired.
pub struct Anything(InputFolders);

impl Inputs for Anything {
    const PORTS: &'static [Port] = &[];
    const FREE: bool = true;

    fn open(folders: &InputFolders) -> Result<Self, StageError> {
        Ok(Self(folders.clone()))
    }
}

/// What every program gets.
const ENVIRONMENT: [&str; 3] = ["PATH", "HOME", "TMPDIR"];

impl Stage for Command {
    const KIND: &'static str = "command";
    const USAGE: Usage = Usage {
        when: "When a step is a program of your own, such as a script that cleans a corpus or scores texts in another way.",
        snippet: r#"[stage.clean]
kind    = "command"
corpus  = "@corpus"
run     = ["python", "clean.py", "{in.corpus}", "{out}"]
output  = "corpus"
sources = ["clean.py"]"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::COMMAND, versions::JSONL];
    const ASIDE: bool = true;
    type Inputs = Anything;
    type Output = Files;
    const OUTPUTS: Option<Outputs> = Some(Outputs {
        parameter: "output",
        kinds: &[
            ("corpus", StageKind::with_output::<Self, CorpusFiles>()),
            ("evaluation", StageKind::with_output::<Self, ForeignScores>()),
        ],
    });

    fn check(&self) -> Vec<ParameterProblem> {
        let mut problems: Vec<ParameterProblem> = Vec::new();
        for argument in &self.run {
            if let Err(message) = arguments::parse(argument) {
                let help = "`{in.NAME}` is an input's folder, `{out}` that of the result, `{{` and `}}` are braces";
                problems.push(ParameterProblem::new(["run"], message).help(help));
            }
        }
        if self.run.first().is_some_and(String::is_empty) {
            problems.push(ParameterProblem::new(["run"], "the first of `run` names no program"));
        }
        for variable in &self.env {
            let (name, _) = assignment(variable);
            if name.is_empty() || variable.contains('\0') {
                let message = format!("`{variable}` in `env` names no variable");
                let help = "such as `LANG`, or `LANG=C.UTF-8`";
                problems.push(ParameterProblem::new(["env"], message).help(help));
            }
        }
        problems
    }

    fn check_beside(&self, folder: &Path) -> Vec<ParameterProblem> {
        // A program without a path is looked for on the `PATH`.
        let is_program = |number: usize, text: &str| number == 0 && !text.contains('/');
        let is_unsaid = |(number, text): &(usize, &String)| {
            !is_program(*number, text)
                && !Path::new(text.as_str()).is_absolute()
                && folder.join(text.as_str()).is_file()
                && self.source(text, folder).is_none()
        };
        let problem = |(_, text): (usize, &String)| {
            let message = format!(
                "`{text}` in `run` is a file, and not among the `sources`: nothing would show when it has changed"
            );
            let help = format!("add it: `sources = [\"{text}\"]`");
            ParameterProblem::new(["run"], message).help(help)
        };
        self.run.iter().enumerate().filter(is_unsaid).map(problem).collect()
    }

    fn sources(&self) -> Vec<SourceFile> {
        let source = |(number, path): (usize, &PathBuf)| SourceFile {
            parameter: "sources",
            name: format!("sources.{number}"),
            path: path.clone(),
            inspection: None,
        };
        self.sources.iter().enumerate().map(source).collect()
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let is_wired = |name: &str| inputs.0.iter().any(|(wired, _)| *wired == name);
        let named = self.run.iter().flat_map(|argument| arguments::inputs(argument));
        let missing = named.filter(|name| !is_wired(name)).map(|name| {
            let message = format!("`{{in.{name}}}` in `run` names no input of the stage");
            let help = format!("wire one: `{name} = \"@stage\"`");
            ParameterProblem::new(["run"], message).help(help)
        });
        missing.collect()
    }

    fn run(&self, inputs: Anything, context: &Context<'_>) -> Result<Files, StageError> {
        let made = self.output.folder(context)?;
        let out = made.as_ref().map_or(context.output, tempfile::TempDir::path);
        self.start(&inputs.0, out, context)?;
        match self.output {
            Output::Files => {
                let mut entries =
                    fs::read_dir(out).map_err(|error| StageError::reading(out, &error))?;
                if entries.next().is_none() {
                    context.warn(
                        "the program has written nothing into the folder that stands for `{out}`",
                    );
                }
            }
            Output::Evaluation => ForeignScores::check(out)?,
            Output::Corpus => {
                warn_of_lost_heads(&inputs.0, out, context)?;
                corpus(out, context)?;
            }
        }
        Files::open(context.output)
    }
}

impl Output {
    /// Where the program is to write, unless what it writes is the artifact as it is.
    fn folder(self, context: &Context<'_>) -> Result<Option<tempfile::TempDir>, StageError> {
        match self {
            Self::Files | Self::Evaluation => Ok(None),
            Self::Corpus => tempfile::Builder::new()
                .prefix("out-")
                .tempdir_in(context.output)
                .map(Some)
                .map_err(|error| StageError::io("create", context.output, &error)),
        }
    }
}

/// A program that writes lines, and not what they are labelled for, loses the heads of the corpus that it has read.
fn warn_of_lost_heads(
    inputs: &InputFolders,
    out: &Path,
    context: &Context<'_>,
) -> Result<(), StageError> {
    if CorpusFiles::classes(out)?.is_some() {
        return Ok(());
    }
    for (name, folder) in inputs {
        if CorpusFiles::classes(folder)?.is_some() {
            context.warn(format!(
                "the corpus `{name}` says its classes in `tasks.json`, which the program has not copied to `{{out}}`: what it left has no heads for them"
            ));
        }
    }
    Ok(())
}

/// Makes a corpus of the lines that a program has left in `out`.
fn corpus(out: &Path, context: &Context<'_>) -> Result<(), StageError> {
    let mut parts = Vec::new();
    for split in Split::ALL {
        let path = out.join(format!("{split}.jsonl"));
        let is_empty = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if !files::present(&path)? || is_empty(&path) {
            if split == Split::Train {
                let help =
                    "it is to write those to train on there, in the folder that stands for `{out}`";
                return Err(
                    StageError::new("the program left no texts in `train.jsonl`").with_help(help)
                );
            }
            continue;
        }
        parts.push(Part { parameter: None, split: Some(split), paths: vec![path] });
    }
    let classes = CorpusFiles::classes(out)?;
    let reading = Reading {
        particular: Vec::new(),
        format: Some(Format::Jsonl),
        options: Options { heads: Heads::of(classes.as_ref()), ..Options::default() },
        classes: classes.as_ref(),
        skips: false,
        division: Division::default(),
        group: None,
        window: None,
        lookup: None,
        corrections: None,
        parts,
        root: out.to_owned(),
    };
    let unusable = |error: StageError| {
        let message = format!("what the program left cannot be used: {error}");
        error.saying(message)
    };
    let found = reading.first(&mut |_, _| Ok(())).map_err(unusable)?;
    let mut corpus = splits::Output::new(found.tasks.clone(), None, FileNames::default(), context)?
        .ordered_by(CorpusFiles::order_in(out)?);
    let push: &mut Push<'_> = &mut |split, example| corpus.push(split, example);
    reading.second(&found, &mut |_, _| Ok(()), push).map_err(unusable)?;
    corpus.finish(Vec::new()).map(drop)
}

impl Command {
    /// Runs the program to its end.
    fn start(
        &self,
        inputs: &InputFolders,
        out: &Path,
        context: &Context<'_>,
    ) -> Result<(), StageError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| StageError::io("find", path, &error))
        };
        let folders: BTreeMap<&str, PathBuf> = inputs
            .iter()
            .map(|(name, folder)| Ok((name.as_str(), absolute(folder)?)))
            .collect::<Result<_, StageError>>()?;
        let out = absolute(out)?;
        watched::refuse(&self.check_beside(context.folder))?;
        let argument = |text: &String| match self.source(text, context.folder) {
            Some(source) => absolute(source).map(OsString::from),
            None => Ok(arguments::fill(text, &folders, &out)),
        };
        let arguments = self.run.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
        if let Some(parent) = context.log.parent() {
            fs::create_dir_all(parent).map_err(|error| StageError::io("create", parent, &error))?;
        }
        let program = Program {
            arguments: &arguments,
            folder: context.folder,
            environment: self.environment(),
            log: context.log,
        };
        let name = &self.run[0];
        let ended = program.run(&|| context.check_cancelled().is_err()).map_err(|error| {
            let help = match error.kind() {
                ErrorKind::NotFound => "install it, or see that it is on the `PATH`",
                _ => "see that it is a program, and may be run",
            };
            let message = format!("`{name}` cannot be started: {}", said(&error));
            StageError::new(message).with_help(help).hindered()
        })?;
        let Some(status) = ended else { return Err(StageError::Cancelled) };
        if status.success() {
            return Ok(());
        }
        let last = process::last_lines(context.log);
        let last = if last.is_empty() {
            ", and printed nothing".to_owned()
        } else {
            format!("; its last lines:\n  {}", last.join("\n  "))
        };
        let help = format!("all that it printed is in `{}`", context.log.display());
        let error = StageError::new(format!("`{name}` failed with {status}{last}")).with_help(help);
        // Somebody has killed it, or the system where memory was short.
        Err(if status.code().is_none() { error.hindered() } else { error })
    }

    /// The source that an argument names: by its path from the experiment's folder, else, where another file has written both, by how it ends.
    fn source(&self, argument: &str, folder: &Path) -> Option<&PathBuf> {
        let argument: PathBuf =
            Path::new(argument).components().filter(|part| *part != Component::CurDir).collect();
        if argument.as_os_str().is_empty() {
            return None;
        }
        let here = std::path::absolute(folder.join(&argument)).ok()?;
        let is_here = |source: &&PathBuf| std::path::absolute(source).is_ok_and(|it| it == here);
        let ends_so = || self.sources.iter().filter(|source| source.ends_with(&argument));
        let only = || ends_so().next().filter(|_| ends_so().count() == 1 && !here.exists());
        self.sources.iter().find(is_here).or_else(only)
    }

    fn environment(&self) -> Vec<(String, OsString)> {
        let variables = ENVIRONMENT.into_iter().chain(self.env.iter().map(String::as_str));
        let given = variables.filter_map(|variable| {
            let (name, value) = assignment(variable);
            let value = value.map(OsString::from).or_else(|| std::env::var_os(name))?;
            Some((name.to_owned(), value))
        });
        given.collect()
    }
}

/// The name of a variable, and its value where it is set.
fn assignment(variable: &str) -> (&str, Option<&str>) {
    match variable.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (variable, None),
    }
}

/// An error of the system without its number.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such program".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
