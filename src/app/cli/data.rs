//! `pipeline data`: what is in a corpus. Nothing is built: a corpus that the store has is read there, another one as `check --data` reads it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::args::{Data, When};
use super::cost::entry_folder;
use super::project::Project;
use super::{Failure, terminal};
use crate::app::tools::{Look, Looking, Tokenizing};
use crate::base::problem::Help as _;
use crate::engine::exec;
use crate::engine::plan::{NodeId, Plan};
use crate::engine::stage::{Artifact as _, Remark, StageError};
use crate::engine::store::Store;
use crate::stages::artifacts::{Backbone, CorpusFiles};
use crate::stages::{self, Passed};

/// How files of texts are called, and no experiment is.
const TEXTS: [&str; 10] =
    ["jsonl", "ndjson", "json", "csv", "tsv", "conll", "txt", "log", "gz", "zst"];

pub fn run(arguments: &Data, when: When) -> Result<(), Failure> {
    let file = &arguments.file;
    let is_texts = file.extension().is_some_and(|it| TEXTS.iter().any(|name| it == *name));
    if is_texts && file.is_file() {
        let file = file.display();
        return Err(Failure::usage(format!("`{file}` is a file of texts, and no experiment"))
            .with_help(format!(
                "`pipeline init --data {file}` says what is in it, and writes an experiment"
            )));
    }
    let (project, plan) =
        Project::plan(&arguments.file, &arguments.place, &arguments.changes, &[])?;
    let corpora: Vec<NodeId> = corpora(&plan);
    let id = chosen(&plan, &corpora, arguments)?;
    let stage = &plan.node(id).stage;
    let (look, messages) = look(&plan, id, &project.store, arguments)?;
    let fold = &plan.node(id).instance.parameters()["fold"];
    if arguments.json {
        let mut value = look.to_json(stage, &messages);
        if fold.is_object() {
            value["fold"] = fold.clone();
        }
        return terminal::json(&value);
    }
    let color = terminal::prints_colors(when);
    let mut text = look.to_text(stage, &messages, color);
    if let (Some(index), Some(of)) = (fold["index"].as_u64(), fold["of"].as_u64()) {
        let last = of.saturating_sub(1);
        writeln!(text, "\nthis is fold {index} of 0 to {last}: in each, other texts validate")
            .expect("a string");
    }
    let others = corpora.iter().filter(|other| plan.node(**other).stage != *stage);
    for other in others {
        let other = &plan.node(*other).stage;
        writeln!(text, "\n`pipeline data {} {other}` shows `{other}`", arguments.file.display())
            .expect("a string");
    }
    terminal::print_styled(&text)
}

/// Looks at the corpus of a node: in the store, else as its stage makes it.
fn look(
    plan: &Plan,
    id: NodeId,
    store: &Store,
    arguments: &Data,
) -> Result<(Look, Vec<String>), Failure> {
    let failed = |error: StageError| Failure::failed_of(&error);
    let looking = Looking::new(tokenizing(plan, id, store), arguments.examples).map_err(failed)?;
    if let Some(folder) = entry_folder(plan, id, store) {
        return looking.stored(&folder).map_err(failed);
    }
    match passed(plan, id, looking)? {
        Ok(looked) => Ok(looked),
        Err(looking) => surveyed(plan, id, store, arguments, looking),
    }
}

/// Looks at the texts of a stage that makes them of its parameters alone, of which few are in memory at a time. Gives `looking` back where it is another
/// one.
fn passed(
    plan: &Plan,
    id: NodeId,
    mut looking: Looking,
) -> Result<Result<(Look, Vec<String>), Looking>, Failure> {
    let stage = &plan.node(id).stage;
    let (mut heads, mut remarks) = (Vec::new(), Vec::new());
    // What is said of a stage is what is said of all of its nodes.
    for other in plan.ids().filter(|other| plan.node(*other).stage == *stage) {
        let node = plan.node(other);
        let mut is_unreadable = false;
        let passed =
            stages::pass(node.kind, &node.instance.parameters(), &mut |split, texts| match other
                == id
            {
                true => looking.add(split, &texts).inspect_err(|_| is_unreadable = true),
                false => Ok(()),
            });
        match passed {
            None => return Ok(Err(looking)),
            Some(Ok(Passed { tasks, remarks: more })) => {
                if other == id {
                    heads = tasks.heads;
                }
                for remark in more {
                    if !remarks.contains(&remark) {
                        remarks.push(remark);
                    }
                }
            }
            Some(Err(error)) if is_unreadable => return Err(Failure::failed_of(&error)),
            Some(Err(error)) => return Err(wrong(stage, &error)),
        }
    }
    Ok(Ok((looking.finish(heads), remarks.iter().filter_map(message).collect())))
}

/// Looks at a corpus that stands on others, in memory.
fn surveyed(
    plan: &Plan,
    id: NodeId,
    store: &Store,
    arguments: &Data,
    looking: Looking,
) -> Result<(Look, Vec<String>), Failure> {
    let stage = &plan.node(id).stage;
    let surveyed = exec::survey(plan, store);
    let said = surveyed.found.iter().find(|found| found.stage == *stage);
    if let Some(error) = said.and_then(|found| found.errors.first()) {
        return Err(wrong(stage, error));
    }
    let look = match &surveyed.findings[id.index()] {
        Some(found) => looking.found(&**found).map_err(|error| Failure::failed_of(&error))?,
        None => None,
    };
    let look = look.ok_or_else(|| {
        let file = arguments.file.display();
        Failure::usage(format!("the corpus of stage `{stage}` is not there yet"))
            .with_help(format!("`pipeline run {file} {stage}` makes it"))
    })?;
    let remarks = said.map_or(&[][..], |found| &found.remarks);
    Ok((look, remarks.iter().filter_map(message).collect()))
}

/// What a run would fail with.
fn wrong(stage: &str, error: &StageError) -> Failure {
    let message = format!("stage `{stage}`: {error}");
    Failure::usage(message).with_lines().with_help_of(error.help())
}

/// The corpora of the first trial, in the plan's order.
fn corpora(plan: &Plan) -> Vec<NodeId> {
    let stages = plan.stages().iter().filter_map(|stage| plan.node_of(0, stage));
    stages.filter(|id| plan.node(*id).kind.output.name == CorpusFiles::TYPE).collect()
}

fn chosen(plan: &Plan, corpora: &[NodeId], arguments: &Data) -> Result<NodeId, Failure> {
    let named = |stage: &str| corpora.iter().find(|id| *plan.node(**id).stage == *stage);
    let names = || {
        let names = corpora.iter().map(|id| format!("`{}`", plan.node(*id).stage));
        names.collect::<Vec<_>>().join(", ")
    };
    let Some(first) = corpora.first() else {
        let file = arguments.file.display();
        return Err(Failure::not_found(format!("`{file}` has no stage that makes a corpus")));
    };
    match &arguments.stage {
        None => Ok(*first),
        Some(stage) => named(stage).copied().ok_or_else(|| {
            Failure::not_found(format!("no stage `{stage}` makes a corpus"))
                .with_help(format!("corpora are {}", names()))
        }),
    }
}

/// What is worth reading of a remark here, where all that is counted stands anyway.
fn message(remark: &Remark) -> Option<String> {
    match remark {
        Remark::Note(_) => None,
        Remark::Warning(text) => Some(text.clone()),
        Remark::Caveat(caveat) => Some(caveat.message.clone()),
    }
}

/// How the corpus becomes tokens, where a stage makes some of it and its model is in the store.
fn tokenizing(plan: &Plan, corpus: NodeId, store: &Store) -> Option<Tokenizing> {
    plan.ids().find_map(|id| {
        let node = plan.node(id);
        let is_backbone = |input: &NodeId| plan.node(*input).kind.output.name == Backbone::TYPE;
        let inputs = || node.inputs.iter().map(|(_, input)| *input);
        let model = inputs().find(is_backbone).filter(|_| inputs().any(|input| input == corpus))?;
        Some(Tokenizing {
            stage: Arc::clone(&node.stage),
            max_length: node.instance.parameters()["max_length"].as_u64()?,
            in_windows: node.instance.parameters()["overlap"].as_u64() > Some(0),
            backbone: entry_folder(plan, model, store)?,
        })
    })
}
