//! The ways into a run.

use std::time::Instant;

use super::agenda::Agenda;
use super::error::ExecError;
use super::event::{Event, Reporter};
use super::executor::Threads;
use super::options::{Cancel, Options, Setting};
use super::outcome::RunOutcome;
use super::schedule::Scheduler;
use crate::engine::plan::Plan;
use crate::engine::store::Store;

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
    let agenda = Agenda::of_plan(plan, options)?;
    let _claim = store.claim(plan.names())?;
    let setting = Setting { store, options, reporter, cancel };
    Ok(work_off(agenda, &plan.name, setting, begun))
}

fn work_off(
    agenda: Agenda<'_>,
    experiment: &str,
    setting: Setting<'_>,
    begun: Instant,
) -> RunOutcome {
    setting.reporter.event(&Event::RunStarted {
        experiment: experiment.to_owned(),
        nodes: agenda.tasks.len(),
        jobs: setting.options.jobs.max(1),
        threads: setting.options.threads.max(1),
    });
    std::thread::scope(|scope| {
        Scheduler::new(agenda, setting).run(&Threads { scope, setting }, begun)
    })
}
