//! Which run made a folder.

use std::path::Path;

use super::{Failure, project};
use crate::base::outputs::RUNS;
use crate::engine::runs::{MadeBy, RunFile, list_runs, publications};
use crate::engine::store::Store;
use crate::view;

/// What is known of who made a folder.
pub enum Behind {
    Run(Store, Box<RunFile>),
    /// A run whose record is gone.
    Gone(MadeBy),
    Nothing,
}

/// The run whose record lies in a folder, or whose results.
pub fn run_behind(folder: &Path) -> Result<Behind, Failure> {
    let Ok(folder) = folder.canonicalize() else { return Ok(Behind::Nothing) };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let run_of = |outputs: &Path, id: &str| -> Result<Option<(Store, RunFile)>, Failure> {
        if !outputs.join(RUNS).is_dir() {
            return Ok(None);
        }
        let store = project::store_in(outputs)?;
        let run = list_runs(&store)?.into_iter().find(|run| run.id == id);
        Ok(run.map(|run| (store, run)))
    };
    if let Some(runs) = folder.parent().filter(|parent| name(parent) == RUNS)
        && let Some(outputs) = runs.parent()
        && let Some((store, run)) = run_of(outputs, &name(&folder))?
    {
        return Ok(Behind::Run(store, Box::new(run)));
    }
    // What lies in a folder of results, such as `best`, was made by the same run.
    for results in folder.ancestors() {
        let Some(outputs) = results.parent() else { continue };
        let made_by = view::made_by(results);
        let published = if outputs.join(RUNS).is_dir() {
            publications(&project::store_in(outputs)?, &name(results)).pop().map(|(run, _)| run)
        } else {
            None
        };
        let Some(id) = published.or_else(|| Some(made_by.as_ref()?.run.clone())) else { continue };
        if let Some((store, run)) = run_of(outputs, &id)? {
            return Ok(Behind::Run(store, Box::new(run)));
        }
        if let Some(made) = made_by {
            return Ok(Behind::Gone(made));
        }
    }
    Ok(Behind::Nothing)
}

/// The trial of a sweep whose results a folder is: its label.
pub fn trial_behind(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let trials = folder.parent().filter(|parent| parent.ends_with("trials"))?;
    view::made_by(trials.parent()?)?;
    folder.file_name()?.to_str().map(str::to_owned)
}
