//! The executor of a cluster: jobs of Slurm that work off orders, and a run that waits for what they leave in the store.
//!
//! 1. [`divide`] makes batches of what a plan lacks: what several trials share is one, and the rest of each trial is one;
//! 2. a submission is a folder in `outputs/slurm/` with the orders of some batches, one file for each task of a job array, its script and
//!    its logs. It is complete before `sbatch` is called, and its token stands in the jobs' comment: whoever finds the jobs knows the folder;
//! 3. the watcher ([`Slurm`]) submits what can begin, and reports what the scheduler waits for: an entry that has appeared is a result, whatever Slurm
//!    says of the job; where none appears, the log and Slurm's word for how the job ended say why.
//!
//! Nothing here has to live: a run that is started again finds the jobs of the one before by their comments.

mod batch;
mod client;
mod ending;
mod jobs;
mod log;
mod submission;
mod watcher;

pub(super) use batch::{Division, divide};
pub use client::{ClusterError, check, describe, is_cancelled, requeue};
pub use submission::{CANCELLED, Cancelled, cancel};
pub(super) use watcher::Slurm;
