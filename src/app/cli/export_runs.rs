//! `pipeline export-runs`: runs as another program keeps them.

use super::args::ExportRuns;
use super::root::Root;
use super::{Failure, gc, project, terminal};
use crate::engine::runs::{RunFile, RunStatus, list_runs};
use crate::stages;
use crate::view::{Exported, MlflowStore, format};

pub fn run(arguments: &ExportRuns) -> Result<(), Failure> {
    let store = project::open_store(&Root::here(&arguments.place)?)?;
    let asked = gc::runs(&store, &arguments.runs)?;
    let is_asked = |run: &RunFile| asked.is_empty() || asked.contains(&run.id);
    let mut runs = list_runs(&store)?;
    runs.retain(is_asked);
    let folder = &arguments.mlflow;
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::usage(format!("`{}` is no folder", folder.display())));
    }
    let target = MlflowStore { folder, store: &store, kinds: stages::ALL };
    let mut text = String::new();
    for run in &runs {
        let id = &run.id;
        if run.status == RunStatus::Running {
            text += &format!("{id}  is running: left out\n");
            continue;
        }
        let Exported { trials, was_there } = target.export(run).map_err(|error| {
            Failure::failed(format!("run `{id}` cannot be exported: {error}"))
                .with_help("`pipeline verify` lists damaged entries; `run` rebuilds them")
        })?;
        let below = if trials == 0 {
            String::new()
        } else {
            format!(" with {}", format::counted(trials, "trial"))
        };
        text += &if was_there {
            format!("{id}  was there\n")
        } else {
            format!("{id}  written{below}\n")
        };
    }
    text += &match runs.len() {
        0 => "there is no run to export\n".to_owned(),
        _ => format!(
            "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}\n",
            folder.display()
        ),
    };
    terminal::print(&text)
}
