//! The executor of this process: a thread for each stage that runs.

use std::thread::Scope;
use std::time::{Duration, Instant};

use super::executor::{Executor, Report, ReportTo, Started, Verdict};
use super::options::Setting;
use super::order::WorkOrder;
use super::work::Job;
use crate::engine::stage::StageError;
use crate::engine::store::StoreError;

/// Threads of this process, one for each stage that runs.
pub(super) struct Threads<'scope, 'env> {
    pub(super) scope: &'scope Scope<'scope, 'env>,
    pub(super) setting: Setting<'env>,
}

impl Executor for Threads<'_, '_> {
    fn start(
        &self,
        order: WorkOrder,
        threads: usize,
        report: ReportTo,
    ) -> Result<Started, StoreError> {
        let setting = self.setting;
        let Some(lock) = setting.store.try_lock(&order.key)? else {
            return Ok(Started::Elsewhere);
        };
        let job = Job { setting, order, lock, threads };
        let to = ReportTo { node: report.node, sender: report.sender.clone() };
        let work = move || {
            let begun = Instant::now();
            let (verdict, earlier_errors) = job.run();
            to.send(Report { verdict, earlier_errors, elapsed: begun.elapsed() });
        };
        if let Err(error) = std::thread::Builder::new().spawn_scoped(self.scope, work) {
            let error = StageError::new(format!("a thread cannot be started: {error}"))
                .with_help("free memory, or raise the limits (`ulimit -v`, `ulimit -u`)");
            report.send(Report {
                verdict: Verdict::Failed(error),
                earlier_errors: Vec::new(),
                elapsed: Duration::ZERO,
            });
        }
        Ok(Started::Yes)
    }
}
