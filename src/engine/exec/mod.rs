//! Plan -> entries in the store: the only place where anything runs.
//!
//! The life of a run:
//!
//! 1. [`execute`] takes the plan's nodes in topological order; a node is ready when all that it depends on has ended well;
//! 2. a ready node whose entry is in the store is done (a stat per file, nothing is read); one whose inputs have the contents that an older
//!    entry was made from, or of which the kind reads the same, is done by naming that entry (early cutoff);
//! 3. any other waits for a place within [`Options::jobs`] and for threads within [`Options::threads`], becomes an order ([`WorkOrder`]) and
//!    goes to the `Executor`, which takes its key's lock, verifies its inputs (once in a run) and runs it on a thread of its own, inside a
//!    rayon pool of its size;
//! 4. an input found damaged is set aside, and its producer goes back to the queue;
//! 5. what happens is told to the [`Reporter`]; how it ended is the [`RunOutcome`], which the caller publishes before it tells
//!    [`Event::RunFinished`].
//!
//! Where [`Options::cluster`] says so, jobs of a cluster do the work instead, and this process submits them and waits: see [`slurm`].
//!
//! An order can be written to a file: [`execute_orders`] works off such a list in another process, in the same way.
//!
//! Nothing is printed here, and signals are not handled here: the caller sets [`Cancel`]. A stage's panic becomes its error; whether a panic
//! also prints a backtrace is up to the hook that the caller has set.

mod agenda;
mod attempt;
mod board;
mod cluster;
mod error;
mod event;
mod execute;
mod executor;
mod node;
mod options;
mod order;
mod outcome;
mod reads;
mod schedule;
pub mod slurm;
mod survey;
mod threads;
mod wants;
mod work;

pub use cluster::{Cluster, Request};
pub use error::ExecError;
pub use event::{Counts, Event, Finished, Line, PointEnded, Reporter, RunError};
pub use execute::{execute, execute_orders};
pub use node::{Because, NodeName};
pub use options::{Cancel, Options, SavedStates};
pub use order::{Existing, OrderError, WorkOrder};
pub use outcome::{NodeResult, Outcome, RunOutcome};
pub use survey::{Found, Surveyed, survey};
