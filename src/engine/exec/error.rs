//! Why something could not be run, beside stages that fail.

use std::borrow::Cow;

use crate::base::problem::Help;
use crate::engine::plan::CacheKey;
use crate::engine::stage::{HubCommit, StageError};
use crate::engine::store::StoreError;

/// Why a plan, or a list of orders, could not be run, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// Commits must be resolved before the plan is made, since they enter the keys.
    #[error("the commit of {commit}, which stage `{stage}` needs, is not known")]
    CommitUnknown { stage: String, commit: HubCommit },
    /// The same for a stage that can be made from several things.
    #[error("the source of stage `{stage}` is not chosen yet")]
    SourceUnknown { stage: String },
    /// What an order needs is made by no other order, and is not in the store.
    #[error("`{stage}` needs the entry {key}, which no order makes and the store does not have")]
    InputMissing { stage: String, key: CacheKey },
    #[error("these orders wait for each other: {}", stages.join(", "))]
    Circle { stages: Vec<String> },
    /// A stage that runs for the best point alone.
    #[error("stage `{stage}` would fail, once the best point is known: {error}")]
    Foreseen { stage: String, error: StageError },
    #[error("a thread cannot be started: {0}")]
    NoThread(std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for ExecError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::CommitUnknown { .. } => Some("give the whole commit as `revision`"),
            Self::SourceUnknown { .. } => {
                Some("run the experiment, which chooses it: `pipeline run FILE`")
            }
            Self::InputMissing { .. } => {
                Some("add the order that makes it, or run the experiment: `pipeline run FILE`")
            }
            Self::Circle { .. } => {
                Some("orders as `pipeline plan FILE --orders` writes them do not")
            }
            Self::NoThread(_) => {
                Some("free memory, or raise the limits (`ulimit -v`, `ulimit -u`)")
            }
            Self::Foreseen { error, .. } => return error.help(),
            Self::Store(error) => return error.help(),
        };
        help.map(Cow::from)
    }
}

/// A stage that failed because the store did.
pub(super) fn stage_error(error: &StoreError) -> StageError {
    StageError::of(error).hindered()
}
