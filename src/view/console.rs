//! A run as a person follows it: live lines per stage on a terminal, plain lines otherwise. Everything goes to standard error.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format;
use super::standings::Standings;
use super::tally::{Remark, Tally, Telling};
use super::words::{Tone, Words, point_line, progress, title, within, words};
use crate::base::visible;
use crate::engine::exec::{Event, NodeName, PointEnded, Reporter};
use crate::engine::runs::NodeStatus;

/// Without a terminal, a running stage says how far it is this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The place of the line about publishing among those of stages: no plan has as many nodes.
const PUBLISHING: usize = usize::MAX;

/// Prints a run's events.
pub struct Console {
    /// Absent where standard error is no terminal, or one that cannot take lines away.
    live: Option<MultiProgress>,
    color: bool,
    /// Width of the column of stage names.
    width: usize,
    running: Mutex<HashMap<usize, Running>>,
    /// By stage: a sweep's trainings all say on which device they run, and once is enough.
    notes: Mutex<HashSet<(String, String)>>,
    /// Where a line for each node would be more than one reads.
    tally: Option<Mutex<Tally>>,
    /// Only what needs attention is told.
    quiet: bool,
    sweep: Mutex<Sweep>,
}

/// What was told of the points of a sweep.
#[derive(Default)]
struct Sweep {
    /// The table of the best so far.
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

/// A stage under way.
struct Running {
    bar: Option<ProgressBar>,
    /// When and at what count progress began, since a resumed training does not begin at zero.
    first: Option<(Instant, u64)>,
    last_line: Instant,
}

impl Console {
    /// * `names`: the titles of the plan's nodes, for the width of the first column
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, color: bool) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(12);
        // What a terminal that knows no cursor (`TERM=dumb`) is not shown would be lost with the live lines.
        let terminal = std::io::stderr().is_terminal() && !target.is_hidden();
        Self {
            live: terminal.then(|| MultiProgress::with_draw_target(target)),
            color,
            width: names
                .into_iter()
                .map(|name| name.chars().count())
                .max()
                .unwrap_or(0)
                .clamp(8, if terminal { 44 } else { 64 }),
            running: Mutex::default(),
            notes: Mutex::default(),
            tally: None,
            quiet: false,
            sweep: Mutex::default(),
        }
    }

    /// Tells of stages instead of their nodes.
    ///
    /// * `totals`: how many nodes each stage has
    #[must_use]
    pub fn by_stage(self, totals: impl IntoIterator<Item = (Arc<str>, usize)>) -> Self {
        Self { tally: Some(Mutex::new(Tally::new(totals, PLAIN_INTERVAL))), ..self }
    }

    /// Tells only what needs attention.
    #[must_use]
    pub fn quietly(self) -> Self {
        Self { live: None, quiet: true, ..self }
    }

    /// Shows how the points of a sweep stand, in a table that changes, where there is a terminal to show it on.
    pub fn stand(&self, standings: &Standings) {
        let Some(live) = &self.live else { return };
        let size = rustix::termios::tcgetwinsize(std::io::stderr());
        let rows = size.ok().map_or(24, |size| usize::from(size.ws_row));
        let mut sweep = open(&self.sweep);
        if let Some(table) = standings.table((rows / 2).saturating_sub(3), Instant::now()) {
            let bar = sweep.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{msg}").expect("it is well-formed");
                live.insert(0, ProgressBar::new_spinner().with_style(style))
            });
            let columns = terminal_width();
            let cut = |line: &str| line.chars().take(columns.saturating_sub(1)).collect();
            let lines: Vec<String> = visible::message(&table).lines().map(cut).collect();
            bar.set_message(lines.join("\n"));
            bar.tick();
        }
    }

    /// Tells of a point that has ended. Where stages are summed up, so are points, but for the last, and for those of a search.
    fn point(&self, point: &PointEnded) {
        if self.quiet {
            return;
        }
        if self.tally.is_some() && point.left_ms.is_some() {
            let (now, last) = (Instant::now(), &mut open(&self.sweep).last_line);
            if last.is_some_and(|last| now.duration_since(last) < PLAIN_INTERVAL) {
                return;
            }
            *last = Some(now);
        }
        self.print(&point_line(point));
    }

    /// Takes the table of a sweep away, whose end says more.
    fn clear_table(&self) {
        if let Some(bar) = open(&self.sweep).bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Whether something about a single node is told.
    fn tells(&self, name: &NodeName, remark: Remark) -> bool {
        let Some(tally) = &self.tally else { return true };
        open(tally).tells(&name.stage, remark)
    }

    /// Counts the end of a node, and says what there is to say. False where the node itself is to be told of.
    fn counted(&self, name: &NodeName, status: NodeStatus) -> bool {
        let Some(tally) = &self.tally else { return false };
        let told = open(tally).ended(&name.stage, status, Instant::now());
        let stage = NodeName { label: "".into(), ..name.clone() };
        match told {
            Telling::Nothing => {}
            Telling::Progress(text) => self.line(&stage, Tone::Quiet, "running", &text),
            Telling::End(status, text) => {
                let (tone, state) = match status {
                    NodeStatus::Built => (Tone::Good, "done"),
                    NodeStatus::Cached | NodeStatus::Reused => (Tone::Quiet, "cached"),
                    NodeStatus::Failed => (Tone::Bad, "failed"),
                    NodeStatus::Cancelled | NodeStatus::NotRun => (Tone::Attention, "stopped"),
                };
                self.line(&stage, tone, state, &text);
            }
        }
        true
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.color => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Quiet => "2",
            Tone::Attention => "33",
            Tone::Bad => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Says something about the run as a whole that a signal caused, between the lines of its stages.
    ///
    /// * `typed`: the signal was typed, as Ctrl-C, so that the terminal may have echoed `^C`
    pub fn interrupt(&self, text: &str, typed: bool) {
        self.step_over_echo(typed);
        self.print(text);
    }

    /// Takes the live lines away, for who is about to end the program. `typed` as in [`interrupt`](Self::interrupt).
    pub fn clear(&self, typed: bool) {
        if let Some(live) = &self.live {
            self.step_over_echo(typed);
            drop(live.clear());
            drop(write!(std::io::stderr().lock(), "\r\x1b[J"));
        }
    }

    /// Live lines are drawn up to the right edge, so an echoed `^C` goes to the line below them, and whoever clears them would begin one line
    /// too low and leave the first one behind.
    fn step_over_echo(&self, typed: bool) {
        use rustix::termios::{LocalModes, tcgetattr};
        let echoes = || {
            tcgetattr(std::io::stderr()).is_ok_and(|modes| {
                modes.local_modes.contains(LocalModes::ECHO | LocalModes::ECHOCTL)
            })
        };
        if self.live.is_some() && typed && echoes() {
            let step = if open(&self.running).is_empty() { "\r\x1b[K" } else { "\x1b[A" };
            drop(write!(std::io::stderr().lock(), "{step}"));
        }
    }

    fn line(&self, name: &NodeName, tone: Tone, state: &str, rest: &str) {
        if self.quiet && matches!(tone, Tone::Good | Tone::Quiet) {
            return;
        }
        let state = self.paint(tone, &format!("{state:<8}"));
        self.print(
            format!("{:width$}  {state} {}", title(name), self.fold(rest), width = self.width)
                .trim_end(),
        );
    }

    /// Breaks what stands behind a stage's name and state, so that a terminal does not break it anywhere; a file gets whole lines.
    fn fold(&self, text: &str) -> String {
        let text = &*visible::message(text);
        let indent = self.width + 11;
        let columns = terminal_width();
        if self.live.is_none() || columns < indent + 20 {
            return text.replace('\n', &format!("\n{:indent$}", ""));
        }
        let fits = |line: &str| indent + line.chars().count() <= columns;
        let fold = |line: &str| {
            if fits(line) { line.to_owned() } else { format::fold(line, indent, columns) }
        };
        text.lines().map(fold).collect::<Vec<_>>().join(&format!("\n{:indent$}", ""))
    }

    fn print(&self, line: &str) {
        match &self.live {
            Some(live) => drop(live.println(line)),
            None => drop(writeln!(std::io::stderr().lock(), "{line}")),
        }
    }

    fn begin(&self, name: &NodeName) {
        let bar = self.live.as_ref().map(|live| {
            let style = ProgressStyle::with_template("{prefix}  {spinner} {msg}")
                .expect("the template is well-formed");
            let bar =
                live.add(ProgressBar::new_spinner().with_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")));
            bar.set_prefix(format!("{:width$}", title(name), width = self.width));
            bar.set_message("running");
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        if let Some(tally) = &self.tally {
            open(tally).begun(&name.stage, now);
        }
        open(&self.running).insert(name.node, Running { bar, first: None, last_line: now });
    }

    fn progress(
        &self,
        name: &NodeName,
        done: u64,
        total: u64,
        unit: &str,
        numbers: &[(Cow<'static, str>, f64)],
    ) {
        let mut guard = open(&self.running);
        let Some(running) = guard.get_mut(&name.node) else { return };
        let now = Instant::now();
        let (since, at) = *running.first.get_or_insert((now, done));
        let since = Some((now.duration_since(since), at));
        let parts = progress(done, total, unit, since, numbers);
        if let Some(bar) = &running.bar {
            bar.set_message(within(terminal_width().saturating_sub(self.width + 4), &parts));
        } else if self.tally.is_none() && now.duration_since(running.last_line) >= PLAIN_INTERVAL {
            running.last_line = now;
            drop(guard);
            self.line(name, Tone::Quiet, "running", &parts.join("  "));
        }
    }

    fn publishing(&self, done: u64, total: u64) {
        let text =
            format!("publishing {}/{} trials", format::grouped(done), format::grouped(total));
        let mut guard = open(&self.running);
        let now = Instant::now();
        let is_first = !guard.contains_key(&PUBLISHING);
        let running = guard.entry(PUBLISHING).or_insert_with(|| {
            let bar = self.live.as_ref().map(|live| live.add(ProgressBar::new_spinner()));
            Running { bar, first: None, last_line: now }
        });
        if let Some(bar) = &running.bar {
            bar.set_message(text);
            bar.tick();
        } else if is_first || now.duration_since(running.last_line) >= PLAIN_INTERVAL {
            running.last_line = now;
            drop(guard);
            self.print(&text);
        }
    }

    /// Takes a live line away.
    fn clear_line(&self, node: usize) {
        let running = open(&self.running).remove(&node);
        if let Some(bar) = running.and_then(|running| running.bar) {
            bar.finish_and_clear();
        }
    }

    /// Tells what there is to say of a node, and takes its live line away where it has ended.
    fn tell(&self, Words { name, tone, state, text, help, end, remark }: &Words<'_>) {
        if end.is_some() {
            self.clear_line(name.node);
        }
        // A failure is told whether its stage is summed up or not.
        let is_counted = match end {
            Some(status) if remark.is_none() => self.counted(name, *status),
            _ => false,
        };
        if !is_counted && remark.is_none_or(|remark| self.tells(name, remark)) {
            self.line(name, *tone, state, text);
            let indent = self.width + 11;
            for line in help.iter().flat_map(|help| help.lines()) {
                self.print(&format!("{:indent$}{}", "", self.fold(&format!("help: {line}"))));
            }
        }
        if let Some(status) = end.filter(|_| remark.is_some()) {
            self.counted(name, status);
        }
    }
}

impl Reporter for Console {
    fn event(&self, event: &Event) {
        match event {
            Event::RunStarted { .. } | Event::Evaluated { .. } => {}
            Event::Publishing { done, total } => self.publishing(*done, *total),
            Event::RunFinished(_) => {
                self.clear_line(PUBLISHING);
                self.clear_table();
            }
            Event::Jobs { text } => self.print(&self.paint(Tone::Quiet, text)),
            Event::Warning { text } => {
                self.print(&format!("{} {text}", self.paint(Tone::Attention, "warning:")));
            }
            Event::PointEnded(point) => self.point(point),
            Event::StageStarted { name, .. } => self.begin(name),
            Event::StageProgress { name, done, total, unit, numbers } => {
                self.progress(name, *done, *total, unit, numbers)
            }
            Event::StageMessage { name, warning: false, text }
                if !open(&self.notes).insert((name.stage.to_string(), text.clone())) => {}
            event => {
                if let Some(words) = words(event) {
                    self.tell(&words);
                }
            }
        }
    }
}

/// A panic elsewhere must not silence the rest of the run.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Columns of the terminal behind standard error.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}
