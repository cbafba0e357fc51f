//! `pipeline stage run`: does the work of orders, in a process of its own.
//!
//! There is no plan here, so that nothing is published and no run is recorded: that is for `run`, which finds in the store what was made.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::{Place, StageRun};
use super::failure::{Failure, Outcome};
use super::output::Output;
use super::root::Root;
use super::run::{ending, line_of, means};
use super::signals::Signals;
use super::{project, terminal};
use crate::base::disk::regular;
use crate::base::problem::Help;
use crate::engine::exec::{self, Event, ExecError, Reporter as _, WorkOrder, slurm};
use crate::stages;
use crate::view::Console;

/// How many lines that are no orders are told.
const TOLD: usize = 5;

const HELP: &str =
    "`pipeline plan FILE --orders` writes the orders of an experiment, for this version";

pub fn run(arguments: &StageRun, color: bool) -> Result<Outcome, Failure> {
    let task = Task::of_this_process();
    let signals = if task.is_some() { Signals::watch_in_job()? } else { Signals::watch()? };
    let orders = read(&arguments.orders)?;
    if orders.is_empty() {
        terminal::complain("there are no orders: nothing is to be done\n");
        return Ok(Outcome::Done);
    }
    let root = root(arguments.root.as_ref(), &orders)?;
    let options = means(&arguments.means, &root)?;
    let mut store = project::open_store(&root)?;
    signals.begin();
    store.when_waiting(terminal::waiting(Some(signals.cancel.clone())));
    let console = (!arguments.json).then(|| Arc::new(console(&orders, arguments.quiet, color)));
    if let Some(console) = &console {
        signals.answer_on(console);
    }
    let output = Output::new(console, arguments.json);
    let done = in_time(&task, || {
        exec::execute_orders(&orders, &store, &options, &output, &signals.cancel)
    });
    let outcome = match done {
        // Whoever waits for a lock when the signal comes has not begun.
        Err(_) if signals.cancel.is_cancelled() => return Ok(Outcome::Interrupted),
        done => done.map_err(|error| refused(&error))?,
    };
    let ending = ending(&outcome);
    output.event(&Event::RunFinished(outcome.finished(ending.code())));
    if let Some(failure) = output.unwritten() {
        return Err(match ending {
            Outcome::Done => failure,
            ending => failure.ending(ending),
        });
    }
    if !arguments.json {
        terminal::print(&line_of(ending, outcome.elapsed, outcome.counts()))?;
    }
    if let Some(task) = &task
        && ending == Outcome::Interrupted
        && signals.is_noticed()
    {
        task.go_on_later(&arguments.orders);
    }
    Ok(ending)
}

/// What a cluster's node may not have heard of yet: the entries of a job that has just ended.
const VISIBLE_AFTER: Duration = Duration::from_secs(60);

/// Tries again, in a job, while an input is not to be seen that another job has made.
fn in_time<T>(
    task: &Option<Task>,
    mut attempt: impl FnMut() -> Result<T, ExecError>,
) -> Result<T, ExecError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(ExecError::InputMissing { .. })
                if task.is_some() && begun.elapsed() < VISIBLE_AFTER =>
            {
                std::thread::sleep(Duration::from_secs(1));
            }
            result => return result,
        }
    }
}

/// The task of a Slurm job that this process is.
struct Task {
    id: String,
    /// How often it was put back into the queue.
    restarts: u32,
}

impl Task {
    /// A task that comes back as often as this without an end is not to run for ever.
    const MOST_RESTARTS: u32 = 100;

    /// Of the batch script, which has become this program; what a person starts inside of a job is none.
    fn of_this_process() -> Option<Self> {
        std::env::var_os("SLURM_ARRAY_TASK_ID")?;
        let restarts = std::env::var("SLURM_RESTART_COUNT").ok();
        Some(Self {
            id: std::env::var("SLURM_JOB_ID").ok()?,
            restarts: restarts.and_then(|count| count.parse().ok()).unwrap_or(0),
        })
    }

    /// Puts the task back into the queue, unless somebody has ended it: its time is over, or it gives way to another, and it goes on from what
    /// it has saved. So it does where nobody is left who waits for it.
    fn go_on_later(&self, orders: &Path) {
        let mark = orders.with_file_name(slurm::CANCELLED);
        if self.restarts >= Self::MOST_RESTARTS || mark.exists() || slurm::is_cancelled(&self.id) {
            return;
        }
        if let Err(error) = slurm::requeue(&self.id) {
            terminal::complain(&format!("the job does not go on by itself: {error}\n"));
        }
    }
}

/// The root of the store that all orders are about.
///
/// * `asked`: where it lies on this machine
fn root(asked: Option<&PathBuf>, orders: &[WorkOrder]) -> Result<Root, Failure> {
    if let Some(asked) = asked {
        return Root::here(&Place { root: Some(asked.clone()) });
    }
    let outputs = &orders[0].outputs;
    if let Some(other) = orders.iter().find(|order| order.outputs != *outputs) {
        let (one, other) = (outputs.display(), other.outputs.display());
        return Err(Failure::usage(format!(
            "the orders are about two stores, in `{one}` and in `{other}`"
        ))
        .with_help("run those of each store by themselves, or say with `--root` where it is"));
    }
    Root::of_outputs(outputs).ok_or_else(|| {
        Failure::usage(format!(
            "the store of the orders lies in no `outputs`: `{}`",
            outputs.display()
        ))
        .with_help(HELP)
    })
}

fn console(orders: &[WorkOrder], quiet: bool, color: bool) -> Console {
    let titles: Vec<String> = orders.iter().map(|order| order.name.to_string()).collect();
    let console = Console::new(titles.iter().map(String::as_str), color);
    if quiet { console.quietly() } else { console }
}

/// Why nothing ran. What is missing is a mistake in the list.
fn refused(error: &ExecError) -> Failure {
    let failure = match error {
        ExecError::InputMissing { .. } | ExecError::Circle { .. } => {
            Failure::usage(error.to_string())
        }
        ExecError::CommitUnknown { .. }
        | ExecError::SourceUnknown { .. }
        | ExecError::Foreseen { .. }
        | ExecError::NoThread(_)
        | ExecError::Store(_) => Failure::failed(error.to_string()),
    };
    failure.with_help_of(error.help())
}

/// The orders of a file, one on each line that is not blank, or what is wrong with those that are none.
fn read(path: &Path) -> Result<Vec<WorkOrder>, Failure> {
    let is_standard_input = path == Path::new("-");
    let text = if is_standard_input {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        regular::read_to_string(path)
    };
    let name = if is_standard_input {
        "standard input".to_owned()
    } else {
        format!("`{}`", path.display())
    };
    let text = text.map_err(|error| {
        Failure::usage(format!("cannot read {name}: {}", regular::reason(&error))).with_help(HELP)
    })?;
    let (mut orders, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match WorkOrder::read(line, stages::ALL) {
            Ok(order) => orders.push(order),
            Err(error) => wrong.push(format!("line {}: {error}", number + 1)),
        }
    }
    if wrong.is_empty() {
        return Ok(orders);
    }
    let more = match wrong.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    wrong.truncate(TOLD);
    let message = format!("{name} cannot be used: {}{more}", wrong.join("; "));
    Err(Failure::usage(message).with_help(HELP))
}
