//! What a stage takes of the machine while it runs.

use std::time::Duration;

/// What a stage takes of the machine while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    pub threads: Threads,
    /// Cores that a job of a cluster asks for.
    pub cpus: Option<u32>,
    /// Memory that it asks for, in bytes.
    pub memory: Option<u64>,
    pub gpus: Option<u32>,
    /// How long it may take.
    pub time: Option<Duration>,
}

/// How many of a run's threads a stage takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// A share of those that are free, beside other stages.
    #[default]
    Share,
    /// All of them for long: it has the machine to itself, unless it can use fewer (`Stage::useful_threads`).
    All,
}
