//! `pipeline bench`: what a training step costs on this machine, and what limits it.

use std::any::Any;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::args::Bench;
use super::cost::{self, Costs, entry_folder};
use super::project::{self, Project};
use super::root::Root;
use super::{Failure, terminal};
use crate::app::tools::{Measurement, Workload, bench};
use crate::engine::plan::{NodeId, Plan};
use crate::engine::stage::InputFacts;
use crate::engine::store::Store;
use crate::stages::artifacts::known::{self, Sizes};
use crate::stages::train::{DATA, MODEL, Recipe, Speed, SpeedSource};
use crate::view::{Status, format};

pub fn run(arguments: &Bench) -> Result<(), Failure> {
    let root = match &arguments.file {
        Some(file) => Root::of(file, &arguments.place)?,
        None => Root::here(&arguments.place)?,
    };
    let (workload, store) = match (&arguments.file, &arguments.model) {
        (Some(file), None) => {
            let (project, plan) = Project::plan(file, &arguments.place, &arguments.changes, &[])?;
            (of_experiment(&plan, &project.store, arguments)?, Some(project.store))
        }
        (None, _) if !arguments.changes.is_empty() => {
            return Err(Failure::usage(
                "`--set`, `--sweep` and `--seeds` change an experiment, and no experiment file is named",
            ));
        }
        // Where there is a project, its plans will use it.
        (None, model) => {
            let store = root.outputs().is_dir().then(|| project::open_store(&root));
            (
                of_published(model.as_deref().unwrap_or("base"), arguments),
                store.and_then(Result::ok),
            )
        }
        (Some(_), Some(_)) => {
            return Err(Failure::usage("an experiment file and `--model` exclude each other"));
        }
    };
    if let Some(warning) = cost::warning_of_bench(&workload) {
        terminal::complain(&warning);
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(
            arguments
                .threads
                .or(super::profile::profile(&root, None)?.threads)
                .map_or(0, |threads| threads as usize),
        )
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let status = Status::begin();
    let found = pool
        .install(|| bench(&workload, &|what| status.say(what)))
        .map_err(|error| Failure::failed_of(&error))?;
    drop(status);
    // Texts of another length say less about the experiment's.
    if let (Some(store), None) = (&store, workload.length) {
        let (sizes, recipe) = (Sizes::of(&workload.encoder), &workload.recipe);
        Speed::of(SpeedSource::Bench, &sizes, recipe, found.tokens_per_step, found.step_s)
            .remember(&store.cache());
    }
    if arguments.json {
        return terminal::json(&json!(found));
    }
    terminal::print(
        &(text(&found) + &if arguments.profile { profile(&found) } else { String::new() }),
    )
}

fn of_published(name: &str, arguments: &Bench) -> Workload {
    Workload {
        length: arguments.length.map(|length| length as usize),
        recipe: recipe(&Recipe::default(), arguments),
        instructions: arguments.instructions,
        steps: arguments.steps as usize,
        ..Workload::of_published(name).expect("the command line takes no other names")
    }
}

/// What of a recipe makes a step dear or cheap.
fn recipe(recipe: &Recipe, arguments: &Bench) -> Recipe {
    Recipe {
        batch_size: arguments.batch_size.map_or(recipe.batch_size, |size| size as usize),
        gradient_accumulation: recipe.gradient_accumulation,
        activation_checkpointing: recipe.activation_checkpointing,
        dtype: arguments.dtype.unwrap_or(recipe.dtype),
        head: recipe.head,
        dropout: recipe.dropout,
        freeze: recipe.freeze.clone(),
        lora: recipe.lora.clone(),
        optimizer: recipe.optimizer,
        ema: recipe.ema,
        ..Recipe::default()
    }
}

/// The first training of an experiment, with what the store has of its model and data.
fn of_experiment(plan: &Plan, store: &Store, arguments: &Bench) -> Result<Workload, Failure> {
    let training = |id: NodeId| {
        let stage: &dyn Any = &*plan.node(id).instance;
        Some((id, stage.downcast_ref::<Recipe>()?))
    };
    let (id, trained) = plan.ids().find_map(training).ok_or_else(|| {
        Failure::not_found(format!("`{}` has no stage of kind `train`", plan.file.display()))
    })?;
    let input = |port: &str| {
        let mut inputs = plan.node(id).inputs.iter();
        inputs.find(|(name, _)| **name == *port).map(|(_, id)| *id).expect("every port is wired")
    };
    let mut costs = Costs::new(plan, store, 1);
    let inputs = costs.inputs(id);
    let encoder = known::encoder(InputFacts(&inputs), MODEL).ok_or_else(|| {
        let stage = &plan.node(input(MODEL)).stage;
        Failure::usage(format!("the sizes of the model of `{stage}` are not known yet"))
            .with_help(format!("`pipeline run {} {stage}` fetches it", plan.file.display()))
    })?;
    let recipe = recipe(trained, arguments);
    // Made-up texts of one length say nothing of the whole training.
    let own_texts = arguments.length.is_none();
    let texts = known::texts(InputFacts(&inputs), DATA).filter(|_| own_texts);
    let whole = Recipe { epochs: trained.epochs, stop_after: trained.stop_after, ..recipe.clone() };
    Ok(Workload {
        encoder,
        data: entry_folder(plan, input(DATA), store).filter(|_| own_texts),
        length: arguments.length.map(|length| length as usize),
        recipe,
        instructions: arguments.instructions,
        total_steps: texts.map(|texts| whole.last_step(texts.train)),
        steps: arguments.steps as usize,
    })
}

fn text(found: &Measurement) -> String {
    let mut text = String::new();
    let mut row =
        |name: &str, value: String| writeln!(text, "{name:<22} {value}").expect("a string");
    row("parameters", format::grouped(found.parameters as u64));
    row("threads", found.threads.to_string());
    let texts = match (found.synthetic, found.length) {
        (false, _) => "texts of the training split".to_owned(),
        (true, None) => "made-up texts of 12 to 34 tokens".to_owned(),
        (true, Some(length)) => {
            format!("made-up texts of {} tokens", format::grouped(length as u64))
        }
    };
    row(
        "step",
        format!(
            "{} x {} {texts}, {:.0} tokens",
            found.gradient_accumulation, found.batch_size, found.tokens_per_step
        ),
    );
    row("seconds per step", format::number(found.step_s));
    row("tokens per second", format::grouped(found.tokens_per_s as u64));
    row(
        "texts per second",
        format!("{} (no gradients)", format::grouped(found.inference_texts_per_s as u64)),
    );
    let arithmetic = found.instructions.map(|name| format!(", in bf16 by {name}"));
    row(
        "matrix products",
        format!(
            "{} GFLOP/s on these shapes{}",
            format::number(found.matmul_gflops),
            arithmetic.unwrap_or_default()
        ),
    );
    let trained = if found.trains_all_weights { "" } else { " where all weights are trained" };
    row(
        "floor of a step",
        format!(
            "{} s of matrix products{trained}: the step takes {:.2} times that",
            format::number(found.floor_s),
            found.floor_ratio
        ),
    );
    // Where the machine was slower while the products ran alone than during the steps, they would be more than the whole.
    let products = (100.0 / found.floor_ratio).min(100.0);
    let limit = if products >= 50.0 {
        "the processor's rate of matrix products"
    } else {
        "what surrounds the matrix products, since they are small"
    };
    if found.trains_all_weights {
        row("limited by", format!("{limit} ({products:.0} % of the step)"));
    }
    if let Some(memory) = found.peak_rss_gib {
        row("peak memory", format!("{memory:.2} GiB"));
    }
    if let (Some(steps), Some(seconds)) = (found.total_steps, found.training_s) {
        let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        row(
            "whole training",
            format!("{} steps, about {}", format::grouped(steps), format::duration(duration)),
        );
    }
    text
}

/// The parts of a step, by the time that they take.
fn profile(found: &Measurement) -> String {
    let parts = found.profile_s.iter().flat_map(|(pass, parts)| {
        parts.iter().map(move |(part, seconds)| (*pass, *part, *seconds))
    });
    let mut parts: Vec<(&str, &str, f64)> = parts.collect();
    parts.sort_by(|left, right| right.2.total_cmp(&left.2));
    let total: f64 = parts.iter().map(|(.., seconds)| seconds).sum();
    let mut text = format!("\n{:<9} {:<17} {:>10} {:>7}\n", "pass", "part", "ms a step", "share");
    for (pass, part, seconds) in parts {
        let part = part.replace('_', " ");
        writeln!(
            text,
            "{pass:<9} {part:<17} {:>10.3} {:>5.1} %",
            seconds * 1e3,
            100.0 * seconds / total
        )
        .expect("a string");
    }
    text
}
