//! `pipeline review`: what to look at to make data better. It runs nothing of an experiment: the models of a run judge the texts of that run.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::args::{Review as Arguments, ReviewFormat};
use super::behind::{Behind, run_behind};
use super::root::Root;
use super::{Failure, input, project, terminal};
use crate::app::tools::{Judge, Review, TrainedOn, Unlabelled};
use crate::engine::runs::{RunFile, list_runs};
use crate::engine::store::{Entry, Store};
use crate::stages::artifacts::{Artifact as _, Checkpoint, CorpusFiles, Encoded};
use crate::view::{self, format};

/// How sure models have to be of another answer than a label, where nobody says it.
const CONFIDENCE: f64 = 0.6;

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(out) = arguments.out.as_deref().filter(|out| out.symlink_metadata().is_ok()) {
        return Err(there_already(out));
    }
    if let Some(option) = arguments.written.given().filter(|_| arguments.unlabelled.is_none()) {
        let message = format!("`{option}` says how the file of `--unlabelled` is written");
        return Err(
            Failure::usage(message).with_help("`--unlabelled FILE` names texts without labels")
        );
    }
    let confidence = arguments.confidence.unwrap_or(CONFIDENCE);
    let unlabelled = match &arguments.unlabelled {
        None => None,
        Some(file) => {
            input::check(file)?;
            let read = Unlabelled::read(file, input::written(&arguments.written)?);
            Some(read.map_err(|error| Failure::usage_of(&error).with_lines())?)
        }
    };
    let judges = judges(arguments, unlabelled.is_some())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads.map_or(0, |threads| threads as usize))
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let review = pool.install(|| match unlabelled {
        None => Review::of_labels(&judges, confidence),
        Some(texts) => Review::of_texts(&judges, texts),
    });
    let review = review.map_err(|error| Failure::failed_of(&error))?;
    let top = arguments.top as usize;
    let text = match arguments.format {
        ReviewFormat::Jsonl => review.to_jsonl(top),
        ReviewFormat::LabelStudio => review.to_label_studio(top),
    };
    match &arguments.out {
        None => terminal::print(&text)?,
        Some(out) => write(out, &text)?,
    }
    terminal::complain(&said(&review, arguments, confidence));
    Ok(())
}

/// What was looked at, and what to do with what was written.
fn said(review: &Review, arguments: &Arguments, confidence: f64) -> String {
    let texts = format::counted(review.texts, "text");
    let models = format::counted(review.models, "model");
    let (found, written) =
        (review.findings.len(), review.findings.len().min(arguments.top as usize));
    let mut text = if arguments.unlabelled.is_none() {
        format!("{models} judged {texts}, and would label {found} otherwise: ")
    } else {
        format!("{models} read {texts}: ")
    };
    text += &match &arguments.out {
        Some(out) => format!("{written} written to {}\n", out.display()),
        None => format!("{written} written\n"),
    };
    if review.doubted > 0 {
        text += &format!(
            "on {} more they say something else with a confidence below {confidence}: `--confidence` sets how sure they have to be\n",
            format::counted(review.doubted, "text")
        );
    }
    if review.trained_on > 0 {
        text += &format!(
            "{} judged by what was trained on them, which hides mistakes: with `[sweep] folds = 5`, each text is judged by a model that was not\n",
            match review.trained_on {
                1 => "1 of them was".to_owned(),
                count => format!("{count} of them were"),
            }
        );
    }
    if arguments.format == ReviewFormat::LabelStudio {
        text += &format!("the labelling interface of the project:\n{}", review.interface());
    }
    text
}

fn there_already(out: &Path) -> Failure {
    Failure::usage(format!("`{}` exists already", out.display()))
        .with_help("somebody may have corrected it: name another file, or move it away")
}

fn write(out: &Path, text: &str) -> Result<(), Failure> {
    let written = File::create_new(out).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(out),
        kind => Failure::failed(format!("cannot write `{}`: {kind}", out.display())),
    })
}

/// The models that judge.
fn judges(arguments: &Arguments, only_models: bool) -> Result<Vec<Judge>, Failure> {
    let what = &arguments.what;
    let shown = what.display();
    const HELP: &str =
        "name the results of a run, such as `outputs/tiny`, or its id as in `outputs/runs/`";
    if !what.is_dir() {
        let name = what.to_string_lossy();
        let store = project::open_store(&Root::here(&arguments.place)?)?;
        if let Some(run) = list_runs(&store)?.into_iter().find(|run| run.id == name) {
            return judges_of(&store, &run, only_models);
        }
        let is = if what.exists() { "is a file" } else { "is neither a folder nor a run" };
        return Err(Failure::usage(format!("`{shown}` {is}")).with_help(HELP));
    }
    match run_behind(what)? {
        Behind::Run(store, run) => judges_of(&store, &run, only_models),
        Behind::Gone(_) | Behind::Nothing => {
            let model = view::model_in(what).unwrap_or_else(|| what.clone());
            if !Checkpoint::is_one(&model) {
                let message = format!("`{shown}` holds no trained model");
                return Err(Failure::usage(message).with_help(HELP));
            }
            if !only_models {
                let message =
                    format!("nobody knows which texts the model in `{shown}` was trained on");
                return Err(Failure::usage(message).with_help(HELP).with_help(
                    "`--unlabelled FILE` needs a model alone: it finds texts to label next",
                ));
            }
            Ok(vec![Judge { model, data: None }])
        }
    }
}

/// The models of a run, each once, with what they were trained on.
fn judges_of(store: &Store, run: &RunFile, only_models: bool) -> Result<Vec<Judge>, Failure> {
    let (mut judges, mut seen) = (Vec::new(), HashSet::new());
    for node in run.nodes.iter().filter(|node| node.outcome.is_complete()) {
        let Some(entry) = node.key.map(|key| store.get(&key)).transpose()?.flatten() else {
            continue;
        };
        if entry.manifest().artifact != Checkpoint::TYPE || !seen.insert(entry.storage_key()) {
            continue;
        }
        let model = entry.folder().to_owned();
        if only_models {
            judges.push(Judge { model, data: None });
            continue;
        }
        let gone = |what: &str| {
            let file = run.file.display();
            Failure::usage(format!(
                "the {what} that `{}` was trained on is no longer in the store",
                node.title()
            ))
            .with_help(format!("`pipeline run {file}` makes it again"))
        };
        let encoded = input(store, &entry, Encoded::TYPE)?.ok_or_else(|| gone("tokenized text"))?;
        let corpus = input(store, &encoded, CorpusFiles::TYPE)?.ok_or_else(|| gone("corpus"))?;
        let [encoded, corpus] = [encoded, corpus].map(|entry| entry.folder().to_owned());
        judges.push(Judge { model, data: Some(TrainedOn { encoded, corpus }) });
    }
    if judges.is_empty() {
        let message = format!("run `{}` has left no trained model", run.id);
        let help = format!("`pipeline run {}` trains one", run.file.display());
        return Err(Failure::usage(message).with_help(help));
    }
    Ok(judges)
}

/// What of a type an entry was made from, where the store has it.
fn input(store: &Store, entry: &Entry, artifact: &str) -> Result<Option<Entry>, Failure> {
    for key in entry.manifest().fingerprint.inputs.values() {
        if let Some(input) = store.get(key)?.filter(|input| input.manifest().artifact == artifact) {
            return Ok(Some(input));
        }
    }
    Ok(None)
}
