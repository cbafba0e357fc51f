//! Pinning: branches and tags of hub models become commits, and several sources one, before a run plans.

use std::path::Path;

use super::project::Project;
use super::{Failure, terminal};
use crate::base::problem::Help;
use crate::engine::exec::Cancel;
use crate::engine::plan::pinned_source;
use crate::engine::spec::{Choice, Pin, PinnedSource, Pins, PinsError};
use crate::engine::stage::{HubCommit, Source, Unresolved};
use crate::hub::{self, Commit, HubError};
use crate::stages::artifacts::Backbone;

/// Resolves hub revisions to commits, chooses sources, and pins both beside the experiment file, so that the plan is the same from then on. `false`
/// where `cancel` came first: then nothing is pinned.
pub fn pin(
    project: &Project,
    unresolved: &[Unresolved],
    offline: bool,
    cancel: &Cancel,
) -> Result<bool, Failure> {
    let mut options = hub::Options::from_environment();
    options.offline |= offline;
    let client = hub::Client::new(options).map_err(failure)?;
    let path = Pins::path_for(&project.experiment.file);
    let known = &project.experiment.pins;
    let mut finding = Finding { client, cancel, path: &path, known, found: Pins::default() };
    for one in unresolved {
        let found = match one {
            Unresolved::Commit(revision) => {
                let commit = finding.commit(revision).map_err(failure);
                commit.map(|commit| finding.pin(revision, &commit))
            }
            Unresolved::Source(sources) => finding.choose(sources),
        };
        match found {
            Err(_) if cancel.is_cancelled() => return Ok(false),
            result => result?,
        }
    }
    let waiting = terminal::waiting(Some(cancel.clone()));
    match Pins::write_while(&path, finding.found, &mut |path| waiting(path)) {
        Ok(_) => Ok(true),
        Err(_) if cancel.is_cancelled() => Ok(false),
        Err(PinsError::Malformed(diagnostics)) => Err(diagnostics.into()),
        Err(error @ PinsError::Write { .. }) => Err(Failure::usage_of(&error)),
    }
}

/// What is found out on the way to pins.
struct Finding<'a> {
    client: hub::Client,
    cancel: &'a Cancel,
    /// Where the pins are to lie.
    path: &'a Path,
    /// What is pinned there.
    known: &'a Pins,
    found: Pins,
}

/// Why a source is not taken.
enum Miss {
    /// Another one may be had.
    Unavailable(String),
    Broken(HubError),
}

impl Finding<'_> {
    /// The commit of a hub revision: the pinned one, else what it is now.
    fn commit(&self, HubCommit { repo, revision }: &HubCommit) -> Result<Commit, HubError> {
        let pinned =
            self.known.lookup(repo, revision).or_else(|| self.found.lookup(repo, revision));
        match pinned.and_then(Commit::parse) {
            Some(commit) => Ok(commit),
            None => self.client.resolve(repo, revision, &mut Asking { cancel: self.cancel }),
        }
    }

    fn pin(&mut self, HubCommit { repo, revision }: &HubCommit, commit: &Commit) {
        if commit.as_str() == revision || self.known.lookup(repo, revision).is_some() {
            return;
        }
        let path = self.path.display();
        terminal::complain(&format!("{repo}: {revision} is {commit}, pinned in {path}\n"));
        let (repo, revision) = (repo.clone(), revision.clone());
        self.found.add(Pin { repo, revision, commit: commit.to_string() });
    }

    /// Chooses the first of some sources that can be had.
    fn choose(&mut self, sources: &[Source]) -> Result<(), Failure> {
        let Some(first) = sources.first() else { return Ok(()) };
        let pinned: Vec<PinnedSource> = sources.iter().map(pinned_source).collect();
        if self.found.chosen(&pinned).is_some() {
            return Ok(());
        }
        for source in sources {
            match self.look_for(source) {
                Err(Miss::Broken(error)) => return Err(failure(error)),
                Err(Miss::Unavailable(reason)) => {
                    terminal::complain(&format!("{source} cannot be had: {reason}\n"));
                }
                Ok(commit) => {
                    if let (Source::Hub(revision), Some(commit)) = (source, commit) {
                        self.pin(revision, &commit);
                    }
                    let path = self.path.display();
                    terminal::complain(&format!("{source} is chosen, pinned in {path}\n"));
                    let (first, chosen) = (pinned_source(first), pinned_source(source));
                    self.found.choose(Choice { first, chosen });
                    return Ok(());
                }
            }
        }
        Err(Failure::failed(format!("none of these {} sources can be had", sources.len()))
            .with_help("correct the one that you mean, or add a local folder to `fallback`: `{ path = \"...\" }`"))
    }

    /// Whether a source can be had, even if something should prove wrong with it later. Returns the commit of one on the hub.
    fn look_for(&self, source: &Source) -> Result<Option<Commit>, Miss> {
        match source {
            Source::Folder(folder) => match folder.try_exists() {
                Ok(true) => Ok(None),
                Ok(false) => Err(Miss::Unavailable("there is no such folder".to_owned())),
                Err(error) => Err(Miss::Unavailable(error.to_string())),
            },
            Source::Hub(revision) => match self.reach(revision) {
                Ok(commit) => Ok(Some(commit)),
                Err(error) if error.is_unavailable() => Err(Miss::Unavailable(error.to_string())),
                Err(error) => Err(Miss::Broken(error)),
            },
        }
    }

    /// Looks whether a model may be downloaded, or lies in the cache where the network must not be used.
    fn reach(&self, revision: &HubCommit) -> Result<Commit, HubError> {
        let commit = self.commit(revision)?;
        // What the hub says of a gated model everybody may read, but not its files. These are small, and the tokenizer is the last of a download.
        let files = [Backbone::CONFIG, Backbone::TOKENIZER];
        let observer = &mut Asking { cancel: self.cancel };
        match self.client.fetch(&revision.repo, &commit, &files, observer) {
            // It can be had, and lacks what a model has: its download says so.
            Ok(_) | Err(HubError::MissingFile { .. }) => Ok(commit),
            Err(error) => Err(error),
        }
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
