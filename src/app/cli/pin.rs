//! Pinning: branches and tags of hub models become commits before a run plans.

use super::project::Project;
use super::{Failure, terminal};
use crate::base::problem::Help;
use crate::engine::exec::Cancel;
use crate::engine::spec::{Pin, Pins, PinsError};
use crate::engine::stage::HubCommit;
use crate::hub::{self, HubError};

/// Resolves hub revisions to commits and pins them beside the experiment file, so that the plan is the same from then on. `false` where
/// `cancel` came first: then nothing is pinned.
pub fn pin(
    project: &Project,
    unresolved: &[HubCommit],
    offline: bool,
    cancel: &Cancel,
) -> Result<bool, Failure> {
    let mut options = hub::Options::from_environment();
    options.offline |= offline;
    let client = hub::Client::new(options).map_err(failure)?;
    let path = Pins::path_for(&project.experiment.file);
    let mut pins = Vec::new();
    for HubCommit { repo, revision } in unresolved {
        let commit = match client.resolve(repo, revision, &mut Asking { cancel }) {
            Err(HubError::Cancelled) => return Ok(false),
            result => result.map_err(failure)?,
        };
        terminal::complain(&format!(
            "{repo}: {revision} is {}, pinned in {}\n",
            commit.as_str(),
            path.display()
        ));
        pins.push(Pin {
            repo: repo.clone(),
            revision: revision.clone(),
            commit: commit.as_str().to_owned(),
        });
    }
    let waiting = terminal::waiting(Some(cancel.clone()));
    match Pins::write_while(&path, pins, &mut |path| waiting(path)) {
        Ok(_) => Ok(true),
        Err(_) if cancel.is_cancelled() => Ok(false),
        Err(PinsError::Malformed(diagnostics)) => Err(diagnostics.into()),
        Err(error @ PinsError::Write { .. }) => Err(Failure::usage_of(&error)),
    }
}

/// Nothing has run yet: what is wrong with the settings is wrong usage, the rest a failure.
fn failure(error: HubError) -> Failure {
    let failure = match error {
        HubError::InvalidEndpoint { .. }
        | HubError::InvalidProxy { .. }
        | HubError::MalformedToken
        | HubError::Certificates { .. }
        | HubError::NoCacheFolder => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    };
    failure.with_help_of(error.help())
}

/// Who waits for the hub before anything runs.
struct Asking<'a> {
    cancel: &'a Cancel,
}

impl hub::Observer for Asking<'_> {
    fn progress(&mut self, _file: &str, _done: u64, _total: u64) {}

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn message(&mut self, text: String) {
        terminal::complain(&format!("{text}\n"));
    }

    fn waiting(&mut self, text: String) {
        self.message(text);
    }
}
