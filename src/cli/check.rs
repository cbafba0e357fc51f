//! `pipeline check`: finds every mistake in experiment files, and runs nothing.

use serde_json::json;

use super::args::Check;
use super::failure::{Failure, Outcome};
use super::project::Project;
use super::terminal;
use crate::report::format;

pub fn run(arguments: &Check, color: bool) -> Result<Outcome, Failure> {
    let mut reports = Vec::new();
    let mut text = String::new();
    let mut outcome = Outcome::Done;
    let mut complained = false;
    for file in &arguments.files {
        match Project::plan(file, &arguments.place, &arguments.changes, &[]) {
            Ok((_, plan)) => {
                let trials = if plan.sweep.is_some() {
                    format!(", {}", format::counted(plan.trials.len(), "trial"))
                } else {
                    String::new()
                };
                text += &format!(
                    "{}: ok, {}{trials}\n",
                    file.display(),
                    format::counted(plan.stages().len(), "stage")
                );
                reports
                    .push(json!({"file": file.to_string_lossy(), "ok": true, "stages": plan.stages().len(), "trials": plan.trials.len()}));
            }
            Err(failure) => {
                outcome = Outcome::Refused;
                if !arguments.json {
                    let gap = if std::mem::replace(&mut complained, true) { "\n" } else { "" };
                    terminal::complain(gap);
                    terminal::complain_of(&failure, color);
                }
                reports.push(json!({"file": file.to_string_lossy(), "ok": false, "errors": failure.to_json()}));
            }
        }
    }
    if arguments.json {
        terminal::json(&json!({ "files": reports }))?
    } else {
        terminal::print(&text)?
    }
    Ok(outcome)
}
