//! The ways into a run.

use std::time::Instant;

use super::agenda::Agenda;
use super::cluster::Cluster;
use super::error::ExecError;
use super::event::{Event, Reporter};
use super::options::{Cancel, Options, Setting};
use super::order::WorkOrder;
use super::outcome::RunOutcome;
use super::schedule::Scheduler;
use super::slurm::{Division, Slurm, divide};
use super::threads::Threads;
use crate::engine::plan::Plan;
use crate::engine::runs::Known;
use crate::engine::store::{Claim, Store};

/// Makes every node of `plan` present in `store`. [`Event::RunFinished`] is the caller's to send, once it knows how all has ended.
///
/// # Errors
/// When nothing could be started. The failure of a stage is no error here, but an [`Outcome`](super::Outcome).
pub fn execute(
    plan: &Plan,
    store: &Store,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<RunOutcome, ExecError> {
    let begun = Instant::now();
    let agenda = Agenda::of_plan(plan, store, options)?;
    let _claim = Claim::of(store, plan.names())?;
    let setting = Setting { store, known: &Known::of(store), options, reporter, cancel };
    let division = match &options.cluster {
        Some(cluster) => Some((divide(plan, store, options, cluster)?, cluster)),
        None => None,
    };
    work_off(agenda, &plan.name, setting, begun, division)
}

/// The same for orders, however they are sorted; what no order makes has to be in `store`.
///
/// # Errors
/// When nothing could be started.
pub fn execute_orders(
    orders: &[WorkOrder],
    store: &Store,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<RunOutcome, ExecError> {
    let begun = Instant::now();
    let names = orders.iter().flat_map(|order| {
        [order.key].into_iter().chain(order.warm_start).chain(order.needs().copied())
    });
    // A list that is wrong leaves nothing on the disk. What is removed in between is missed by the stage that reads it.
    let agenda = Agenda::of_orders(orders, store)?;
    let _claim = Claim::of(store, names)?;
    let experiment = orders.first().map_or("", |order| &order.experiment);
    let setting = Setting { store, known: &Known::of(store), options, reporter, cancel };
    work_off(agenda, experiment, setting, begun, None)
}

/// * `division`: what of it is done on a cluster
fn work_off(
    agenda: Agenda<'_>,
    experiment: &str,
    setting: Setting<'_>,
    begun: Instant,
    division: Option<(Division, &Cluster)>,
) -> Result<RunOutcome, ExecError> {
    setting.reporter.event(&Event::RunStarted {
        experiment: experiment.to_owned(),
        nodes: agenda.tasks.len(),
        jobs: setting.options.jobs.max(1),
        threads: setting.options.threads.max(1),
    });
    std::thread::scope(|scope| {
        let (threads, scheduler) = (Threads { scope, setting }, Scheduler::new(agenda, setting));
        match division {
            None => scheduler.run(&threads, begun),
            Some((division, cluster)) => {
                let slurm = Slurm::new(threads, division, cluster);
                scheduler.run(&slurm.map_err(ExecError::NoThread)?, begun)
            }
        }
    })
}
