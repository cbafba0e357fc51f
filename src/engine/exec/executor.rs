//! Who does the work that was decided upon.

use std::sync::mpsc::Sender;
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::options::Setting;
use super::order::WorkOrder;
use super::work::Job;
use crate::engine::plan::CacheKey;
use crate::engine::stage::StageError;
use crate::engine::store::{Entry, StoreError};

/// Does the work of orders. The scheduler decides which, and when.
pub(super) trait Executor {
    /// Begins the work of an order, and returns at once.
    ///
    /// * `threads`: how many it may use
    /// * `report`: where to say how it ended, once it has begun
    ///
    /// # Errors
    /// When it cannot be seen whether another process is at it.
    fn start(
        &self,
        order: WorkOrder,
        threads: usize,
        report: ReportTo,
    ) -> Result<Started, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    Yes,
    /// Another process is building this entry, or another stage of this run that asks for the same thing. No report will come.
    Elsewhere,
}

/// How work ended.
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// What went wrong in attempts that were not the last.
    pub(super) earlier_errors: Vec<String>,
    pub(super) elapsed: Duration,
}

pub(super) enum Verdict {
    Built(Entry),
    /// Another process had built it by the time its lock was free.
    Found(Entry),
    /// These inputs are not what their manifests say; nothing was run.
    InputsDamaged(Vec<CacheKey>),
    Failed(StageError),
    Cancelled,
}

/// Where the report of one node's work goes.
pub(super) struct ReportTo {
    pub(super) node: usize,
    pub(super) sender: Sender<(usize, Report)>,
}

impl ReportTo {
    pub(super) fn send(&self, report: Report) {
        // The other end lives as long as anything runs.
        let _ = self.sender.send((self.node, report));
    }
}

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
