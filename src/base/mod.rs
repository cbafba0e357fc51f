//! What every room may use: places in texts and messages about them, problems, units, random streams, and the disk.

pub(crate) mod allocator;
pub mod diagnostics;
pub(crate) mod disk;
pub(crate) mod machine;
pub mod median;
pub(crate) mod outputs;
pub mod problem;
pub mod rng;
pub(crate) mod shell;
pub mod toml;
pub mod topic;
pub mod units;
pub(crate) mod visible;

pub use pipeline_kernels::IGNORE;
