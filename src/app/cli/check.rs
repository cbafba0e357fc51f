//! `pipeline check`: finds every mistake in experiment files, and runs nothing. With `--data` it reads the data too.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Check;
use super::failure::{Failure, Outcome};
use super::progress::Progress;
use super::project::Project;
use super::terminal;
use crate::base::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::base::problem::Help;
use crate::base::visible;
use crate::engine::exec::{self, Found};
use crate::engine::plan::Plan;
use crate::engine::spec::{AxisTarget, Experiment};
use crate::engine::stage::{Remark, StageError};
use crate::view::format;

pub fn run(arguments: &Check, color: bool) -> Result<Outcome, Failure> {
    let mut reports = Vec::new();
    let mut text = String::new();
    let mut failures = Vec::new();
    for file in &arguments.files {
        let name = file.to_string_lossy();
        let name = visible::cut(&name);
        match Project::plan(file, &arguments.place, &arguments.changes, &[]) {
            Ok((project, plan)) => {
                let found = if arguments.data {
                    exec::survey(&plan, &project.store).found
                } else {
                    Vec::new()
                };
                let of_stage = |found| failures_of(found, &project.experiment);
                let wrong: Vec<Failure> = found.iter().flat_map(of_stage).collect();
                let (stages, trials) = (plan.stages().len(), plan.trials.len());
                let mut report = json!({"file": name, "ok": wrong.is_empty(), "stages": stages, "trials": trials});
                if !plan.warnings.is_empty() {
                    report["warnings"] = json!(plan.warnings);
                }
                if arguments.data {
                    report["data"] = found.iter().flat_map(remarks_json).collect();
                }
                if wrong.is_empty() {
                    writeln!(
                        text,
                        "{}: ok, {}",
                        file.display(),
                        size(&plan, project.search.as_ref())
                    )
                    .expect("a string");
                } else {
                    let errors: Vec<Value> = wrong
                        .iter()
                        .filter_map(|failure| failure.to_json().as_array().cloned())
                        .flatten()
                        .collect();
                    report["errors"] = errors.into();
                    let count = format::counted(wrong.len(), "mistake");
                    writeln!(text, "{}: {count} in its data", file.display()).expect("a string");
                }
                for warning in &plan.warnings {
                    writeln!(text, "  warning: {warning}").expect("a string");
                }
                found.iter().for_each(|found| text += &remarks_text(found));
                reports.push(report);
                failures.extend(wrong);
            }
            Err(failure) => {
                reports.push(json!({"file": name, "ok": false, "errors": failure.to_json()}));
                failures.push(failure);
            }
        }
    }
    if arguments.json {
        terminal::json(&json!({ "files": reports }))?;
    } else {
        for (number, failure) in failures.iter().enumerate() {
            terminal::complain(if number > 0 { "\n" } else { "" });
            terminal::complain_of(failure, color);
        }
        terminal::print(&text)?;
    }
    Ok(if failures.is_empty() { Outcome::Done } else { Outcome::Refused })
}

fn size(plan: &Plan, search: Option<&Progress>) -> String {
    let stages = format::counted(plan.stages().len(), "stage");
    if let Some(search) = search.filter(|search| search.searches) {
        return format!("{stages}, {} to search", format::counted(search.count, "point"));
    }
    match plan.sweep {
        Some(_) => format!("{stages}, {}", format::counted(plan.trials.len(), "trial")),
        None => stages,
    }
}

/// What a run would fail with.
fn failures_of(found: &Found, experiment: &Experiment) -> Vec<Failure> {
    let failure = |error: &StageError| {
        let message = format!("stage `{}`: {error}", found.stage);
        match place_of(experiment, &found.stage, error) {
            Some(span) => {
                let help = error.help().map(Cow::into_owned).into_iter().collect();
                let diagnostic =
                    Diagnostic { help, ..Diagnostic::new("bad-data", message).at(span) };
                Diagnostics::new(Arc::clone(&experiment.sources), vec![diagnostic]).into()
            }
            None => Failure::usage(message).with_lines().with_help_of(error.help()),
        }
    };
    found.errors.iter().map(failure).collect()
}

/// Where the experiment says what a stage found a mistake in, or names the file that has it.
pub fn place_of(experiment: &Experiment, stage: &str, error: &StageError) -> Option<Span> {
    let name = error.parameter()?;
    let swept = experiment.sweep.iter().flat_map(|sweep| &sweep.axes).find(|axis| {
        matches!(&axis.target, AxisTarget::Stage { stage: of, parameter } if **of == *stage && **parameter == *name)
    });
    let stage = experiment.stages.iter().find(|known| *known.name == *stage)?;
    swept.map(|axis| axis.span).or_else(|| Some(stage.parameter(name)?.value.span))
}

/// A remark as a line and as data say it: its level and its text.
fn level(remark: &Remark) -> (&'static str, &str) {
    match remark {
        Remark::Note(text) => ("note", text),
        Remark::Warning(text) => ("warning", text),
        Remark::Caveat(caveat) => ("warning", &caveat.message),
    }
}

fn remarks_text(found: &Found) -> String {
    let line = |remark: &Remark| {
        let (level, text) = level(remark);
        let begin = format!("  {:10}  {level:7}  ", found.stage);
        let indent = format!("\n{:width$}", "", width = begin.chars().count());
        format!("{begin}{}\n", text.replace('\n', &indent))
    };
    found.remarks.iter().map(line).collect()
}

fn remarks_json(found: &Found) -> Vec<Value> {
    let value = |remark: &Remark| {
        let (level, text) = level(remark);
        let mut value = json!({"stage": &*found.stage, "level": level, "message": text});
        if let Remark::Caveat(caveat) = remark {
            value["code"] = caveat.code.as_str().into();
            value["count"] = caveat.count.into();
        }
        value
    };
    found.remarks.iter().map(value).collect()
}
