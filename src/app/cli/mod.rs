//! The program's commands, and rendering to a person. Only this module knows the command line.

mod args;
mod behind;
mod bench;
mod cancel;
mod check;
mod compare;
mod complain;
mod complete;
mod cost;
mod data;
mod diff;
mod doctor;
mod explain;
mod export;
mod export_runs;
mod failure;
mod gc;
mod graph;
mod init;
mod input;
mod jobs;
mod kinds;
mod lines;
mod listener;
mod ls;
mod origin;
mod output;
mod page;
mod pin;
mod pinned;
mod plan;
mod predict;
mod profile;
mod progress;
mod project;
mod review;
mod root;
mod rounds;
mod run;
mod schema;
mod search;
mod serve;
mod show;
mod side;
mod signals;
mod stage;
mod terminal;
mod typed;
mod usage;
mod verify;
mod watch;
mod worth;

pub use failure::{Failure, Outcome};
pub use kinds::markdown as kinds_markdown;

use args::{Cli, Command, Stage, When};
use clap::Parser as _;
use complain::complain;

/// Reads the command line, does what it says, and returns the exit code.
#[must_use]
pub fn main() -> std::process::ExitCode {
    // A panic in a stage becomes that stage's error, with its text, and any other is reported below; neither prints by itself.
    std::panic::set_hook(Box::new(|_| {}));
    // A file that grows over the limit is an error with a remedy, and not the end of the process.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::refuse(&error),
    };
    let (when, color) = (cli.color, terminal::colored(cli.color));
    let form = cli.command.form();
    let outcome = std::panic::catch_unwind(|| dispatch(cli.command, when, color))
        .unwrap_or_else(|panic| Err(bug(&*panic)));
    outcome
        .unwrap_or_else(|failure| {
            complain(&failure, form, color);
            failure.outcome()
        })
        .into()
}

/// * `color`: whether standard error takes colours
fn dispatch(command: Command, when: When, color: bool) -> Result<Outcome, Failure> {
    let done = |()| Outcome::Done;
    match command {
        Command::Run(arguments) => run::run(&arguments, color),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Check(arguments) => check::run(&arguments, color),
        Command::Data(arguments) => data::run(&arguments, when).map(done),
        Command::Explain(arguments) => explain::run(&arguments).map(done),
        Command::Show(arguments) => show::run(&arguments).map(done),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments, when),
        Command::Ls(arguments) => ls::run(&arguments, when),
        Command::Graph(arguments) => graph::run(&arguments).map(done),
        Command::Stage(Stage::Run(arguments)) => stage::run(&arguments, color),
        Command::Cancel(arguments) => cancel::run(&arguments).map(done),
        Command::Kinds(arguments) => kinds::run(&arguments).map(done),
        Command::Predict(arguments) => predict::run(&arguments, when),
        Command::Export(arguments) => export::run(&arguments).map(done),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Review(arguments) => review::run(&arguments).map(done),
        Command::Bench(arguments) => bench::run(&arguments).map(done),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Gc(arguments) => gc::run(&arguments).map(done),
        Command::Pin(arguments) => pinned::run(&arguments, true).map(done),
        Command::Unpin(arguments) => pinned::run(&arguments, false).map(done),
        Command::ExportRuns(arguments) => export_runs::run(&arguments).map(done),
        Command::Doctor(arguments) => doctor::run(&arguments).map(done),
        Command::Schema => schema::run().map(done),
        Command::Init(arguments) => init::run(&arguments).map(done),
        Command::Completions { shell } => complete::run(shell).map(done),
        Command::Man { folder } => complete::manual(folder.as_deref()).map(done),
    }
}

/// A mistake of ours, which is no reason to show a user a backtrace.
fn bug(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Failure::failed(format!("internal error: {text}")).with_help(
        "this is a mistake in the program; please report it with the command and the file",
    )
}
