//! `pipeline watch`: follows a run from another terminal.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::args::{Changes, Watch, When};
use super::behind::{Behind, run_behind};
use super::failure::{Failure, Outcome};
use super::root::Root;
use super::signals::ignores_hangup;
use super::{project, side, terminal};
use crate::engine::exec::Line;
use crate::engine::runs::{
    Following, RunFile, RunStatus, find_run, folder_of, is_alive, list_runs, name_of_file,
    newest_run,
};
use crate::engine::spec::Experiment;
use crate::engine::store::Store;
use crate::view::{Left, Lines, Watched, on_screen};

/// Between two looks at a record, where nobody sees that one waits.
const INTERVAL: Duration = Duration::from_millis(200);

pub fn run(arguments: &Watch, when: When) -> Result<Outcome, Failure> {
    let (store, run) = asked(arguments)?;
    let asked = signals()?;
    let following = Following::of(&folder_of(&store, &run.id));
    let stages = stages(&store, &run);
    let watched = Watched::new(run, stages.clone());
    let watch = Watching { store, following, watched, asked };
    if arguments.json {
        watch.lines(|watched, line| {
            watched.line(line);
            // Of another program there may be other events.
            match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
                Ok(_) => format!("{}\n", String::from_utf8_lossy(line)),
                Err(_) => String::new(),
            }
        })
    } else if io::stdin().is_terminal() && has_a_screen() && !terminal::is_dumb() {
        watch.on_screen(when)
    } else {
        let mut lines = Lines::new(stages.iter().map(String::as_str));
        watch.lines(|watched, line| match watched.line(line) {
            Some(Line { at_ms, event }) => lines.of(at_ms, &event),
            None => String::new(),
        })
    }
}

/// Whether standard output is a terminal, and says how large it is.
fn has_a_screen() -> bool {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.is_ok_and(|size| size.ws_col > 0 && size.ws_row > 0)
}

/// The run that is meant.
fn asked(arguments: &Watch) -> Result<(Store, RunFile), Failure> {
    let word = arguments.run.as_deref();
    let path = word.map(Path::new);
    if let Some(path) = path.filter(|path| path.is_dir())
        && let Behind::Run(store, run) = run_behind(path)?
    {
        return Ok((store, *run));
    }
    let root = match path.filter(|path| path.is_file()) {
        Some(file) => Root::of(file, &arguments.place)?,
        None => Root::here(&arguments.place)?,
    };
    let store = project::open_store(&root)?;
    let Some(word) = word else {
        let outputs = store.outputs().display().to_string();
        return match newest_run(&store)? {
            Some(run) => Ok((store, run)),
            None => Err(Failure::not_found(format!("there are no runs in `{outputs}`"))
                .with_help("`pipeline run FILE` makes one; `--root DIR` looks elsewhere")),
        };
    };
    if let Some(run) = find_run(&store, word) {
        return Ok((store, run));
    }
    let file = path.filter(|path| path.is_file()).map(|path| name_of_file(&store, path));
    let is_meant = |run: &RunFile| match &file {
        Some(file) => run.file == *file,
        None => run.experiment == word || run.file == Path::new(word),
    };
    match list_runs(&store)?.into_iter().rfind(is_meant) {
        Some(run) => Ok((store, run)),
        None => Err(side::no_run(&store, word)),
    }
}

/// Set when a signal asks to end; the second one ends the program whatever it does.
fn signals() -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::<AtomicBool>::default();
    let hangup = (!ignores_hangup()).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        let code = i32::from(Outcome::Interrupted.code());
        flag::register_conditional_shutdown(signal, code, Arc::clone(&asked))
            .and_then(|_| flag::register(signal, Arc::clone(&asked)))
            .map_err(|error| Failure::failed(format!("signals cannot be handled: {error}")))?;
    }
    Ok(asked)
}

/// The stages that are to come, as far as the record knows the experiment.
fn stages(store: &Store, run: &RunFile) -> Vec<String> {
    let resolved = folder_of(store, &run.id).join("experiment.toml");
    let experiment = project::overrides(&Changes::default())
        .ok()
        .and_then(|overrides| Experiment::read(&resolved, &overrides).ok());
    let stages = experiment.into_iter().flat_map(|experiment| experiment.stages);
    stages.map(|stage| stage.name.to_string()).collect()
}

struct Watching {
    store: Store,
    following: Following,
    watched: Watched,
    /// Whether a signal asks to end.
    asked: Arc<AtomicBool>,
}

impl Watching {
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Shows the run on the terminal.
    fn on_screen(mut self, when: When) -> Result<Outcome, Failure> {
        let Self { store, following, watched, asked } = &mut self;
        let began = watched.run().moment();
        let elapsed = || SystemTime::now().duration_since(began).unwrap_or_default();
        let mut update = |watched: &mut Watched| {
            // The record before the events: those of its end are there when it says so, or follow.
            let record = if watched.is_over() { None } else { find_run(store, &watched.run().id) };
            following.lines(|line| drop(watched.line(line)))?;
            record.into_iter().for_each(|run| watched.record(run));
            Ok(())
        };
        let is_asked = || asked.load(Ordering::SeqCst);
        let color = terminal::prints_colors(when);
        let left = on_screen(watched, color, &mut update, &elapsed, &is_asked)
            .map_err(|error| Failure::failed(format!("the run cannot be watched: {error}")))?;
        match left {
            Left::Interrupted => Ok(Outcome::Interrupted),
            Left::Quit => self.end(),
        }
    }

    /// Prints what is told of each line of its events until it ends.
    fn lines(
        mut self,
        mut told: impl FnMut(&mut Watched, &[u8]) -> String,
    ) -> Result<Outcome, Failure> {
        loop {
            let id = &self.watched.run().id;
            // Before the events are read, so that none is missed.
            let (is_alive, record) = (is_alive(&self.store, id), find_run(&self.store, id));
            let (mut text, watched) = (String::new(), &mut self.watched);
            self.following
                .lines(|line| text += &told(watched, line))
                .map_err(|error| Failure::failed(format!("the run cannot be read: {error}")))?;
            record.into_iter().for_each(|run| watched.record(run));
            if !text.is_empty() && !terminal::print_while_read(&text)? {
                return Ok(Outcome::Done);
            }
            if self.watched.is_over() && !is_alive {
                return self.end();
            }
            if self.is_asked() {
                return Ok(Outcome::Interrupted);
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Says how the run stands, which is the exit code of one that has ended.
    fn end(&self) -> Result<Outcome, Failure> {
        let run = self.watched.run();
        let mut text = format!("{}: {}\n", run.id, self.watched.status());
        let outcome = match run.status {
            RunStatus::Running | RunStatus::Done => Outcome::Done,
            RunStatus::Interrupted => Outcome::Interrupted,
            RunStatus::Failed | RunStatus::Died => Outcome::Failed,
        };
        match run.status {
            RunStatus::Died | RunStatus::Interrupted if !run.asked.command.is_empty() => {
                text += &format!("the same command continues: {}\n", run.asked.command);
            }
            RunStatus::Failed => text += &format!("`pipeline show {}` says more\n", run.id),
            _ => {}
        }
        // Standard output is for what the run tells.
        terminal::complain(&text);
        Ok(outcome)
    }
}
