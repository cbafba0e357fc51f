//! What is known of a run that is watched: a function of what its record has said so far.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::super::format;
use super::super::words::{Tone, point_line, title, words};
use super::curves::Curves;
use crate::engine::exec::{Event, Finished, Line, NodeName, PointEnded};
use crate::engine::runs::{NodeStatus, RunFile, RunStatus};

/// So many lines of the log are kept.
const LOG: usize = 5_000;

/// What is known of a run.
pub struct Watched {
    pub(super) run: RunFile,
    /// In the order of the file, then as they come.
    pub(super) stages: Vec<Stage>,
    /// How many nodes there are, as far as the run has said.
    pub(super) planned: usize,
    pub(super) trainings: Vec<Curves>,
    /// The training that has told something last.
    pub(super) latest: usize,
    /// In the order in which they ended.
    pub(super) points: Vec<PointEnded>,
    /// How many trials lie in the folder of results, of how many.
    pub(super) publishing: Option<(u64, u64)>,
    pub(super) log: VecDeque<Entry>,
    notes: HashSet<(String, String)>,
    pub(super) finished: Option<Box<Finished>>,
    /// When the last event came, since the run began.
    pub(super) at_ms: u64,
    /// Lines that are no events of this program.
    pub(super) unknown: usize,
}

pub(super) struct Stage {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    /// By their titles.
    places: HashMap<String, usize>,
}

impl Stage {
    fn new(name: String) -> Self {
        Self { name, nodes: Vec::new(), places: HashMap::new() }
    }
}

pub(super) struct Node {
    /// The stage, and the swept values that reach it.
    pub(super) title: String,
    pub(super) state: State,
}

pub(super) enum State {
    /// Another process builds it.
    Waiting,
    Running {
        since_ms: u64,
        progress: Option<Progress>,
    },
    Ended {
        status: NodeStatus,
        elapsed_ms: Option<u64>,
        /// Why it failed, or was not run.
        because: String,
    },
}

/// How far a node is.
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) unit: String,
    pub(super) numbers: Vec<(Cow<'static, str>, f64)>,
    /// When progress began, at which count, and when this came.
    pub(super) first: (u64, u64),
    pub(super) at_ms: u64,
}

/// A line of the log.
pub(super) struct Entry {
    pub(super) at_ms: u64,
    pub(super) tone: Tone,
    /// The node's title, where it is about one.
    pub(super) title: String,
    pub(super) state: &'static str,
    pub(super) text: String,
}

impl Watched {
    /// Nothing but what the record says.
    ///
    /// * `stages`: in the order of the experiment file, as far as it is known
    #[must_use]
    pub fn new(run: RunFile, stages: Vec<String>) -> Self {
        Self {
            run,
            stages: stages.into_iter().map(Stage::new).collect(),
            planned: 0,
            trainings: Vec::new(),
            latest: 0,
            points: Vec::new(),
            publishing: None,
            log: VecDeque::new(),
            notes: HashSet::new(),
            finished: None,
            at_ms: 0,
            unknown: 0,
        }
    }

    /// What the record says by now.
    pub fn record(&mut self, run: RunFile) {
        self.run = run;
    }

    #[must_use]
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.status != RunStatus::Running
    }

    /// Takes a line of `events.jsonl`, and returns what it tells. A line of another program, or one that a kill has cut, is counted.
    pub fn line(&mut self, line: &[u8]) -> Option<Line<Event>> {
        if line.is_empty() {
            return None;
        }
        let Ok(line) = serde_json::from_slice::<Line<Event>>(line) else {
            self.unknown += 1;
            return None;
        };
        self.event(line.at_ms, &line.event);
        Some(line)
    }

    fn event(&mut self, at_ms: u64, event: &Event) {
        self.at_ms = self.at_ms.max(at_ms);
        self.node_event(at_ms, event);
        match event {
            Event::RunStarted { nodes, .. } => self.planned = *nodes,
            Event::StageProgress { name, done, total, unit, numbers } => {
                self.progress(at_ms, name, *done, *total, unit, numbers);
            }
            Event::Evaluated { name, step, metrics, .. } => {
                self.training(name).evaluated(*step, metrics);
            }
            Event::PointEnded(point) => {
                self.points.push(point.clone());
                let tone = if point.mean.is_some() { Tone::Good } else { Tone::Attention };
                self.log(at_ms, tone, String::new(), "", point_line(point));
            }
            Event::Publishing { done, total } => self.publishing = Some((*done, *total)),
            Event::Jobs { text } => {
                self.log(at_ms, Tone::Quiet, String::new(), "jobs", text.clone());
            }
            Event::Warning { text } => {
                self.log(at_ms, Tone::Attention, String::new(), "warning", text.clone());
            }
            Event::RunFinished(finished) => {
                self.publishing = None;
                for error in &finished.errors {
                    // What is about a stage was said when it failed.
                    if error.name.is_none() {
                        let text = error.message.clone();
                        self.log(at_ms, Tone::Bad, String::new(), "error", text);
                    }
                }
                self.finished = Some(Box::new(finished.clone()));
            }
            _ => {}
        }
        if let Event::StageMessage { name, warning: false, text } = event
            && !self.notes.insert((name.stage.to_string(), text.clone()))
        {
            return;
        }
        if let Some(words) = words(event) {
            let (tone, state) = (words.tone, words.state);
            self.log(at_ms, tone, title(words.name), state, words.text.into_owned());
            for help in words.help.iter().flat_map(|help| help.lines()) {
                self.log(at_ms, tone, String::new(), "help", help.to_owned());
            }
        }
    }

    fn log(&mut self, at_ms: u64, tone: Tone, title: String, state: &'static str, text: String) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(Entry { at_ms, tone, title, state, text });
    }

    /// What an event says of a node's state.
    fn node_event(&mut self, at_ms: u64, event: &Event) {
        let ended =
            |status, elapsed_ms| State::Ended { status, elapsed_ms, because: String::new() };
        let (name, state) = match event {
            Event::StageWaiting { name, .. } => (name, State::Waiting),
            Event::StageStarted { name, .. } => {
                (name, State::Running { since_ms: at_ms, progress: None })
            }
            Event::StageCached { name, .. } => (name, ended(NodeStatus::Cached, None)),
            Event::StageReused { name, .. } => (name, ended(NodeStatus::Reused, None)),
            Event::StageFinished { name, elapsed_ms, .. } => {
                (name, ended(NodeStatus::Built, Some(*elapsed_ms)))
            }
            Event::StageCancelled { name, elapsed_ms } => {
                (name, ended(NodeStatus::Cancelled, Some(*elapsed_ms)))
            }
            Event::StageFailed { name, error, elapsed_ms, .. } => {
                let (status, because) = (NodeStatus::Failed, error.clone());
                (name, State::Ended { status, elapsed_ms: Some(*elapsed_ms), because })
            }
            Event::StageNotRun { name, because } => {
                let (status, because) = (NodeStatus::NotRun, format!("because {because}"));
                (name, State::Ended { status, elapsed_ms: None, because })
            }
            _ => return,
        };
        self.node(name).state = state;
    }

    fn node(&mut self, name: &NodeName) -> &mut Node {
        let place = self.stages.iter().position(|stage| *stage.name == *name.stage);
        let place = place.unwrap_or_else(|| {
            self.stages.push(Stage::new(name.stage.to_string()));
            self.stages.len() - 1
        });
        let (title, stage) = (title(name), &mut self.stages[place]);
        let next = stage.nodes.len();
        let place = *stage.places.entry(title.clone()).or_insert(next);
        if place == next {
            stage.nodes.push(Node { title, state: State::Waiting });
        }
        &mut stage.nodes[place]
    }

    fn progress(
        &mut self,
        at_ms: u64,
        name: &NodeName,
        done: u64,
        total: u64,
        unit: &str,
        numbers: &[(Cow<'static, str>, f64)],
    ) {
        let node = self.node(name);
        let (since_ms, first) = match &node.state {
            State::Running { since_ms, progress: Some(progress) } => (*since_ms, progress.first),
            State::Running { since_ms, progress: None } => (*since_ms, (at_ms, done)),
            _ => (at_ms, (at_ms, done)),
        };
        let (unit, numbers_of) = (unit.to_owned(), numbers.to_vec());
        let progress = Progress { done, total, unit, numbers: numbers_of, first, at_ms };
        node.state = State::Running { since_ms, progress: Some(progress) };
        if numbers.iter().any(|(name, _)| *name == super::curves::LOSS) {
            self.training(name).progress(done, total, numbers);
        }
    }

    fn training(&mut self, name: &NodeName) -> &mut Curves {
        let title = title(name);
        let known = self.trainings.iter().position(|curves| curves.title == title);
        self.latest = known.unwrap_or_else(|| {
            self.trainings.push(Curves::new(title));
            self.trainings.len() - 1
        });
        &mut self.trainings[self.latest]
    }

    /// How many nodes have come to an end, and how many there are.
    pub(super) fn nodes(&self) -> (usize, usize) {
        let nodes = || self.stages.iter().flat_map(|stage| &stage.nodes);
        let ended = nodes().filter(|node| matches!(node.state, State::Ended { .. })).count();
        (ended, self.planned.max(nodes().count()))
    }

    /// How long the run has taken.
    ///
    /// * `now`: since it began
    pub(super) fn elapsed(&self, now: Duration) -> Duration {
        let told = Duration::from_millis(self.at_ms);
        match self.run.elapsed_ms {
            Some(elapsed) if self.is_over() => Duration::from_millis(elapsed),
            _ if self.is_over() => told,
            _ => now.max(told),
        }
    }

    /// How it stands, for people: `running`, `done in 3:05 min, exit code 0`.
    #[must_use]
    pub fn status(&self) -> String {
        let elapsed = format::duration(self.elapsed(Duration::ZERO));
        match (self.run.status, self.run.exit_code) {
            (RunStatus::Running, _) => "running".to_owned(),
            (RunStatus::Died, _) => {
                format!("died after {elapsed}: its process ended without a word")
            }
            (status, Some(code)) => format!("{} in {elapsed}, exit code {code}", status.name()),
            (status, None) => format!("{} in {elapsed}", status.name()),
        }
    }
}
