//! What a stage takes of the machine while it runs.

/// What a stage takes of the machine while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    pub threads: Threads,
}

/// How many of a run's threads a stage takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// A share of those that are free, beside other stages.
    #[default]
    Share,
    /// All of them for long: it has the machine to itself.
    All,
}
