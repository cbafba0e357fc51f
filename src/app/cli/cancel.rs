//! `pipeline cancel`: ends what a run has submitted to a cluster.

use serde_json::json;

use super::args::Cancel;
use super::failure::Failure;
use super::project;
use super::root::Root;
use super::terminal;
use crate::engine::exec::slurm;

pub fn run(arguments: &Cancel) -> Result<(), Failure> {
    let root = match &arguments.file {
        Some(file) => Root::of(file, &arguments.place)?,
        None => Root::here(&arguments.place)?,
    };
    let store = project::open_store(&root)?;
    let cancelled = slurm::cancel(&store, arguments.file.as_deref())
        .map_err(|error| Failure::failed_of(&error))?;
    let slurm::Cancelled { jobs, tasks } = cancelled;
    let text = match (arguments.json, tasks) {
        (true, _) => format!("{:#}\n", json!({ "jobs": jobs, "tasks": tasks })),
        (false, 0) => "no job of this project waits or runs\n".to_owned(),
        (false, 1) => "one task was ended\n".to_owned(),
        (false, _) => format!("{tasks} tasks were ended\n"),
    };
    terminal::print(&text)
}
