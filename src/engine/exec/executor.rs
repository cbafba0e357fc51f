//! Who does the work that was decided upon.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::order::WorkOrder;
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

    /// Whether it takes any number of orders at once, and sees to what runs when by itself.
    fn limits_itself(&self) -> bool {
        false
    }

    /// Whether it has the work for a key in hand, ordered or not, so that what appears there is for it to report.
    fn has_in_hand(&self, _key: &CacheKey) -> bool {
        false
    }
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

#[derive(Clone)]
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
