//! `pipeline bench`: what a training step costs on this machine, and what limits it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::args::{Bench, Changes, Preset};
use super::project::Project;
use super::{Failure, terminal};
use crate::plan::{Node, Plan};
use crate::report::format;
use crate::store::Store;
use crate::tools::{Measurement, Shape, Workload, bench};

pub fn run(arguments: &Bench) -> Result<(), Failure> {
    let workload = match (&arguments.file, arguments.model) {
        (Some(file), None) => of_experiment(file, &arguments.changes, arguments.steps as usize)?,
        (None, model) => Workload {
            shape: match model.unwrap_or(Preset::Base) {
                Preset::Base => Shape::Base,
                Preset::Large => Shape::Large,
            },
            data: None,
            batch_size: 16,
            gradient_accumulation: 1,
            epochs: 0,
            steps: arguments.steps as usize,
        },
        (Some(_), Some(_)) => return Err(Failure::usage("an experiment file and `--model` exclude each other")),
    };
    let workload = Workload { batch_size: arguments.batch_size.map_or(workload.batch_size, |size| size as usize), ..workload };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads.map_or(0, |threads| threads as usize))
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let found = pool.install(|| bench(&workload)).map_err(|error| Failure::failed(error.to_string()))?;
    if arguments.json { terminal::json(&json!(found)) } else { terminal::print(&text(&found)) }
}

/// The first training of an experiment, with what the store has of its model and data.
fn of_experiment(file: &Path, changes: &Changes, steps: usize) -> Result<Workload, Failure> {
    let (project, plan) = Project::plan(file, changes, &[])?;
    let train = plan.nodes.iter().find(|node| node.kind.name == "train");
    let train = train.ok_or_else(|| Failure::not_found(format!("`{}` has no stage of kind `train`", file.display())))?;
    let parameters = train.instance.parameters();
    let number = |name: &str| parameters[name].as_u64().unwrap_or(1);
    let input = |port: &str| train.inputs.iter().find(|(name, _)| *name == port).map(|(_, id)| plan.node(*id));
    let data = input("data").and_then(|node| folder(node, &project.store));
    let shape = input("model").map_or(Ok(Shape::Base), |node| shape(node, &project.store, &plan))?;
    let size = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
    Ok(Workload {
        shape,
        data,
        batch_size: size("batch_size"),
        gradient_accumulation: size("gradient_accumulation"),
        epochs: number("epochs"),
        steps,
    })
}

fn folder(node: &Node, store: &Store) -> Option<std::path::PathBuf> {
    let entry = store.get(&node.identity.key()?).ok()??;
    Some(entry.folder().to_owned())
}

/// The sizes of a model: of its entry, else as far as they are known without it.
pub(super) fn shape(node: &Node, store: &Store, plan: &Plan) -> Result<Shape, Failure> {
    if let Some(folder) = folder(node, store) {
        return Ok(Shape::Folder(folder));
    }
    let parameters = node.instance.parameters();
    if node.kind.name == "init_model" {
        return Ok(Shape::Sizes(parameters));
    }
    if let Some(path) = parameters["path"].as_str() {
        return Ok(Shape::Folder(path.into()));
    }
    match parameters["repo"].as_str().and_then(|repo| repo.rsplit('/').next()) {
        Some("ModernBERT-base") => Ok(Shape::Base),
        Some("ModernBERT-large") => Ok(Shape::Large),
        _ => Err(Failure::failed(format!("the sizes of the model of `{}` are not known yet", node.stage)).with_help(format!(
            "`pipeline run {} {}` fetches it",
            plan.file.display(),
            node.stage
        ))),
    }
}

fn text(found: &Measurement) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| writeln!(text, "{name:<22} {value}").expect("a string");
    row("parameters", format::grouped(found.parameters as u64));
    row("threads", found.threads.to_string());
    let texts = if found.synthetic { "made-up texts of 12 to 34 tokens" } else { "texts of the training split" };
    row("step", format!("{} x {} {texts}, {:.0} tokens", found.gradient_accumulation, found.batch_size, found.tokens_per_step));
    row("seconds per step", format::number(found.step_s));
    row("tokens per second", format::grouped(found.tokens_per_s as u64));
    row("texts per second", format!("{} (no gradients)", format::grouped(found.inference_texts_per_s as u64)));
    row("matrix products", format!("{} GFLOP/s on these shapes", format::number(found.matmul_gflops)));
    row(
        "floor of a step",
        format!("{} s of matrix products: the step takes {:.2} times that", format::number(found.floor_s), found.floor_ratio),
    );
    let products = 100.0 / found.floor_ratio;
    let limit = if products >= 50.0 {
        "the processor's rate of matrix products"
    } else {
        "what surrounds the matrix products, since they are small"
    };
    row("limited by", format!("{limit} ({products:.0} % of the step)"));
    if let Some(memory) = found.peak_rss_gib {
        row("peak memory", format!("{memory:.2} GiB"));
    }
    if let (Some(steps), Some(seconds)) = (found.total_steps, found.training_s) {
        let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        row("whole training", format!("{} steps, about {}", format::grouped(steps), format::duration(duration)));
    }
    text
}
