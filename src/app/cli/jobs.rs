//! What becomes of the jobs of a cluster when the run that submitted them ends before them.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::args::Run;
use super::failure::{Failure, Outcome};
use super::project::Project;
use super::signals::Signals;
use super::terminal;
use crate::engine::exec::slurm;

/// How the command ends, now that its run has ended so. A person who interrupted it is asked what is to become of the jobs.
pub fn left(
    ending: Outcome,
    arguments: &Run,
    project: &Project,
    signals: &Signals,
) -> Result<Outcome, Failure> {
    if ending != Outcome::Interrupted {
        return Ok(ending);
    }
    let file = arguments.file.display();
    terminal::complain(&format!(
        "the jobs go on: the same command follows them and publishes what they leave; `pipeline cancel {file}` ends them\n"
    ));
    if arguments.detach && !signals.is_asked() {
        return Ok(Outcome::Done);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() && wants_to_cancel() {
        slurm::cancel(&project.store, Some(&arguments.file))
            .map_err(|error| Failure::failed_of(&error).ending(ending))?;
    }
    Ok(ending)
}

fn wants_to_cancel() -> bool {
    terminal::complain("end them now? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
