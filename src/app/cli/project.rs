//! What most commands begin with: the experiment, its plan, and the store beside it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::args::{Changes, Place};
use super::progress::Progress;
use super::root::Root;
use super::search;
use super::{Failure, terminal};
use crate::base::diagnostics::Diagnostics;
use crate::base::problem::Help;
use crate::engine::plan::{CacheKey, Plan, PlanError, Points};
use crate::engine::runs;
use crate::engine::spec::{Experiment, Overrides};
use crate::engine::store::Store;
use crate::stages;

/// An experiment with the store beside it.
pub struct Project {
    pub experiment: Experiment,
    pub store: Store,
    /// How far it is, of a file that is planned in steps.
    pub search: Option<Progress>,
}

impl Project {
    /// Opens the store, reads the experiment, and plans it. Every mistake of both is reported in one go.
    pub fn plan(
        file: &Path,
        place: &Place,
        changes: &Changes,
        stages: &[String],
    ) -> Result<(Self, Plan), Failure> {
        let store = open_store(&Root::of(file, place)?)?;
        let reading = Experiment::read_recovering(file, &overrides(changes)?);
        let Some(experiment) = reading.experiment else { return Err(reading.diagnostics.into()) };
        let planned = planned(&experiment, reading.diagnostics.is_empty(), stages, &store)?;
        let (plan, search) = sound(planned, reading.diagnostics)?;
        Ok((Self { experiment, store, search }, plan))
    }

    /// Plans again, with what the results since lead to; without a plan where that is what there was.
    pub fn go_on(
        &self,
        plan: &Plan,
        stages: &[String],
    ) -> Result<(Option<Plan>, Option<Progress>), Failure> {
        let planned = planned(&self.experiment, true, stages, &self.store)?;
        let nothing = Diagnostics::new(Arc::clone(&self.experiment.sources), Vec::new());
        let (mut next, search) = sound(planned, nothing)?;
        next.results.clone_from(&plan.results);
        // Two stages may ask for the same thing.
        let nodes = |plan: &Plan| -> BTreeSet<(Arc<str>, Option<CacheKey>)> {
            plan.nodes.iter().map(|node| (Arc::clone(&node.stage), node.identity.key())).collect()
        };
        let is_other = nodes(&next) != nodes(plan);
        Ok((Some(next).filter(|_| is_other), search))
    }
}

/// A plan and how far its search is, or what is wrong with it.
type Planned = Result<(Plan, Option<Progress>), PlanError>;

/// * `is_whole`: whether all of the file could be read
fn planned(
    experiment: &Experiment,
    is_whole: bool,
    stages: &[String],
    store: &Store,
) -> Result<Planned, Failure> {
    let has_steps = search::has_steps(experiment);
    let mut points = Points::of(experiment);
    // What is wrong with a bound, or with what comes last, is not to show after hours.
    let selected = if has_steps { &[] } else { stages };
    points.try_all(experiment);
    let plan = Plan::build(experiment, stages::ALL, &points, store.digests(), selected);
    if is_whole
        && has_steps
        && let Ok(whole) = &plan
    {
        let planned = search::plan(experiment, whole, stages, store)?;
        return Ok(planned.map(|(plan, progress)| (plan, Some(progress))));
    }
    Ok(plan.map(|plan| (plan, None)))
}

/// The plan, unless something is wrong with it, or with the file (`diagnostics`).
fn sound(
    planned: Planned,
    mut diagnostics: Diagnostics,
) -> Result<(Plan, Option<Progress>), Failure> {
    match planned {
        Ok(planned) if diagnostics.is_empty() => Ok(planned),
        Ok(_) => Err(diagnostics.into()),
        Err(PlanError::Diagnostics(more)) => {
            diagnostics = diagnostics.merge(more);
            Err(diagnostics.into())
        }
        Err(PlanError::NothingSelected { selector, suggestion, stages }) => {
            if !diagnostics.is_empty() {
                return Err(diagnostics.into());
            }
            let help = match suggestion {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "the stages are {}",
                    stages.iter().map(|stage| format!("`{stage}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            Err(Failure::not_found(format!("no stage is named `{selector}`")).with_help(help))
        }
        Err(PlanError::NoTrial { .. }) if !diagnostics.is_empty() => Err(diagnostics.into()),
        Err(PlanError::NoTrial { selector, suggestion, known, count }) => {
            let more =
                if count > known.len() { format!(", ... ({count} in all)") } else { String::new() };
            let names: Vec<String> = known.iter().map(|title| format!("`{title}`")).collect();
            let help = match suggestion {
                Some(near) => format!("did you mean `{near}`?"),
                None if count == 1 => format!("there is only {}", names.join(", ")),
                None => format!("there are {}{more}", names.join(", ")),
            };
            Err(Failure::not_found(format!("no trial is named `{selector}`")).with_help(help))
        }
    }
}

pub fn overrides(changes: &Changes) -> Result<Overrides, Failure> {
    let folder = std::env::current_dir().map_err(|error| {
        Failure::usage(format!("the current folder cannot be used: {}", error.kind()))
            .with_help("change into a folder that exists")
    })?;
    Ok(Overrides {
        set: changes.set.clone(),
        sweep: changes.sweep.clone(),
        seeds: changes.seeds.clone(),
        objective: changes.objective.clone(),
        folder,
    })
}

/// What the command line changes, for records.
pub fn asked(changes: &Changes) -> runs::Changes {
    let Changes { set, sweep, seeds, objective } = changes.clone();
    runs::Changes { set, sweep, seeds, objective }
}

/// The store in a root's `outputs/`. Nothing is made on the disk.
pub fn open_store(root: &Root) -> Result<Store, Failure> {
    store_in(&root.outputs())
}

/// The store of a folder `outputs`. Nothing is made on the disk.
pub fn store_in(outputs: &Path) -> Result<Store, Failure> {
    let opened = Store::open(outputs).map(|mut store| {
        store.when_waiting(terminal::waiting(None));
        store
    });
    opened.map_err(|error| {
        let elsewhere =
            "results and the store lie there: move it away, or name another folder with `--root`";
        Failure::usage(error.to_string()).with_help(error.help().unwrap_or(elsewhere.into()))
    })
}
