//! The folders of `outputs/` that are no results: no experiment has such a name.

pub const STORE: &str = "store";
pub const RUNS: &str = "runs";
/// What can be made again.
pub const CACHE: &str = "cache";
/// What unfinished work continues from.
pub const SAVED_STATES: &str = "checkpoints";

/// Orders and logs of jobs on a cluster.
pub const SLURM: &str = "slurm";

pub const ALL: [&str; 5] = [STORE, RUNS, CACHE, SAVED_STATES, SLURM];
