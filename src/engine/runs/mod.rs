//! What runs leave behind beside entries: their records in `outputs/runs/`, and what is known and kept because of them.
//!
//! 1. [`RunRecord::begin`] writes that a run has begun, and [`RunRecord::finish`] what it came to;
//! 2. what it puts into a results folder it says before, in a [`Publication`];
//! 3. all that is shown of it is made from its [`Results`];
//! 4. the next plan compares with the latest run of its file ([`Known`]);
//! 5. [`Index`] knows a little of all runs at once;
//! 6. [`collect`] removes from the store what no run needs, and [`collect_runs`] the records that nothing needs.

mod built;
mod following;
mod gc;
mod index;
mod known;
mod labels;
mod latest;
mod machines;
mod old;
mod outcomes;
mod outline;
mod planned;
mod publications;
mod record;
mod recorder;
mod records;
mod results;
mod scores;
mod states;
#[cfg(test)]
mod tests;

pub use built::note_built;
pub use following::Following;
pub use gc::{Collection, Limits, Waste, WasteOf, collect};
pub use index::{About, AboutTrial, Head, Index, IndexedRun, Part};
pub use known::Known;
pub use old::{OldRun, OldRuns, collect_runs};
pub use outcomes::{OutcomeError, PointOutcome, outcomes};
pub use outline::{Outline, TriedPoint};
pub use publications::{KeysByTrial, Publication, ResultsLock, forget_publication, publications};
pub use record::{Asked, Built, CameTo, Changes, MadeBy, NodeStatus, RunFile, RunNode, RunStatus};
pub use recorder::{NewRun, RunRecord};
pub use records::{find_run, folder_of, is_alive, list_runs, name_of_file, newest_run, pin};
pub use results::{Of, Results, Step, TrialResults, TrialStatus, Unreadable};
pub use scores::{score_of, scores_of};
pub use states::{SavedStates, saved_states};
