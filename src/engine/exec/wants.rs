//! What a node that may take all threads can use of them, so that others run beside it where it leaves some.

use std::sync::Arc;

use super::agenda::Task;
use crate::engine::stage::{Circumstances, Facts, InputFacts, Threads};

/// What a node can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wants {
    /// More make it hardly faster.
    pub(super) threads: usize,
    /// In bytes, as far as it is known.
    pub(super) memory: u64,
}

impl Wants {
    /// All threads that there are.
    pub(super) const ALL: Self = Self { threads: usize::MAX, memory: 0 };

    /// * `inputs`: what is known of them, by port
    pub(super) fn of(task: &Task, inputs: &[(Arc<str>, Facts)]) -> Self {
        let inputs: Vec<(&str, &Facts)> =
            inputs.iter().map(|(port, facts)| (&**port, facts)).collect();
        let inputs = InputFacts(&inputs);
        let Some(threads) = task.instance.useful_threads(inputs) else { return Self::ALL };
        let here = Circumstances { threads, speeds: &(), saved: &[] };
        let memory = task.instance.cost(inputs, here).and_then(|cost| cost.memory);
        Self { threads: threads.max(1), memory: memory.map_or(0, |memory| memory.bytes()) }
    }
}

/// Whether a node may take all threads there are.
pub(super) fn may_take_all(task: &Task) -> bool {
    task.instance.resources().threads == Threads::All
}
