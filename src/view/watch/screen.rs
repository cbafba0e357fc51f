//! What is known of a run, as a terminal shows it: a function of that, of the moment, and of what is looked at.

use std::time::Duration;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Constraint, Layout, Rect};
use ratatui_core::style::{Modifier, Style};
use ratatui_core::text::{Line, Span};
use ratatui_core::widgets::{StatefulWidget, Widget};

use super::super::format;
use super::super::words::{Tone, progress, within};
use super::chart::Charts;
use super::look::{Look, Pane};
use super::paint::{put, style};
use super::points;
use super::state::{Entry, Node, Stage, State, Watched};
use crate::base::visible;
use crate::engine::exec::Counts;
use crate::engine::runs::{NodeStatus, RunStatus};

/// A run at a moment.
pub(super) struct Screen<'a> {
    pub(super) watched: &'a Watched,
    /// Since the run began.
    pub(super) now: Duration,
    pub(super) color: bool,
}

impl StatefulWidget for Screen<'_> {
    type State = Look;

    fn render(self, area: Rect, buffer: &mut Buffer, look: &mut Look) {
        let stages = self.stages(area.width);
        let points = points::rows(self.watched);
        let heights = Heights::of(area, stages.len(), points.len(), self.watched);
        let [head, stage_area, point_area, chart_area, log_area, foot] = Layout::vertical(
            [1, heights.stages, heights.points, heights.charts, heights.log, 1]
                .map(Constraint::Length),
        )
        .areas(area);
        self.head(head, buffer);
        let (ended, count) = self.watched.nodes();
        let told = format!("{ended} of {} ended", format::counted(count, "node"));
        self.pane(stage_area, buffer, look, Pane::Stages, &told, &stages);
        let told = points::told(self.watched);
        self.pane(point_area, buffer, look, Pane::Points, &told, &points);
        let charts = Charts { watched: self.watched, color: self.color };
        charts.draw(look, chart_area, buffer);
        let log: Vec<Line<'_>> = self.log(look, log_area);
        let told = format::counted(self.watched.log.len(), "line");
        self.rule(log_area, buffer, look, Pane::Log, &told);
        for (row, line) in log.into_iter().enumerate() {
            put(line, log_area, row + 1, buffer);
        }
        self.foot(foot, buffer);
    }
}

/// How high the parts of the screen are; none where there is no room.
struct Heights {
    stages: u16,
    points: u16,
    charts: u16,
    log: u16,
}

impl Heights {
    /// * `stages`, `points`: how many rows there are of each
    fn of(area: Rect, stages: usize, points: usize, watched: &Watched) -> Self {
        // A part begins with its title.
        let part = |rows: usize| u16::try_from(rows + 1).unwrap_or(u16::MAX);
        let body = area.height.saturating_sub(2);
        let stages = part(stages).min((body * 2 / 5).max(4)).min(body);
        let rest = body - stages;
        let points = if points == 0 { 0 } else { part(points).min((rest * 2 / 5).max(5)) };
        let points = if points > rest { 0 } else { points };
        let rest = rest - points;
        // The log takes what it needs, and no more than curves leave.
        let log = part(watched.log.len()).clamp(4, (rest * 2 / 5).max(4));
        let has_curves = !watched.trainings.is_empty() && rest >= 12;
        let charts = if has_curves { (rest - log).clamp(8, 20) } else { 0 };
        Self { stages, points, charts, log: rest - charts }
    }
}

impl<'a> Screen<'a> {
    fn style(&self, tone: Tone) -> Style {
        style(tone, self.color)
    }

    fn head(&self, area: Rect, buffer: &mut Buffer) {
        let watched = self.watched;
        let run = &watched.run;
        let (tone, mut parts) = match run.status {
            RunStatus::Running => {
                let elapsed = format::duration(watched.elapsed(self.now));
                (Tone::Good, vec![format!("running for {elapsed}")])
            }
            RunStatus::Done => (Tone::Good, vec![watched.status()]),
            RunStatus::Interrupted => (Tone::Attention, vec![watched.status()]),
            RunStatus::Failed | RunStatus::Died => (Tone::Bad, vec![watched.status()]),
        };
        let left = watched.points.last().and_then(|point| point.left_ms);
        if let Some(left) = left.filter(|_| !watched.is_over()) {
            parts.push(format!("{} left", format::duration(Duration::from_millis(left))));
        }
        if let Some((done, total)) = watched.publishing {
            parts.push(format!("publishing {done}/{total} trials"));
        }
        if watched.unknown > 0 {
            parts.push(format!("{} not understood", format::counted(watched.unknown, "line")));
        }
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let name = visible::line(&run.experiment).into_owned();
        let room = usize::from(area.width).saturating_sub(name.chars().count() + 2);
        let status = within(room, &parts);
        let rest = room.saturating_sub(status.chars().count());
        let mut spans =
            vec![Span::styled(name, bold), Span::raw("  "), Span::styled(status, self.style(tone))];
        if rest > run.id.chars().count() + 2 {
            let id = format!("{:>rest$}", visible::line(&run.id));
            spans.push(Span::styled(id, self.style(Tone::Quiet)));
        }
        Line::from(spans).render(area, buffer);
    }

    fn foot(&self, area: Rect, buffer: &mut Buffer) {
        let keys = ["q quits", "↑↓ scroll", "Tab next part", "←→ training", "m score"];
        let keys = keys.map(str::to_owned);
        let known = if self.watched.trainings.is_empty() { 3 } else { keys.len() };
        let keys = within(area.width.into(), &keys[..known]);
        Line::styled(keys, self.style(Tone::Quiet)).render(area, buffer);
    }

    /// The title of a part.
    ///
    /// * `told`: what is said of it beside its name
    fn rule(&self, area: Rect, buffer: &mut Buffer, look: &Look, pane: Pane, told: &str) {
        let is_focus = look.focus == pane;
        let style = match is_focus {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => self.style(Tone::Quiet),
        };
        let mark = if is_focus { "▸" } else { "─" };
        let mut title = format!("{mark} {} ", pane.title());
        if !told.is_empty() {
            title += &format!("({told}) ");
        }
        let room = usize::from(area.width);
        let title: String = title.chars().chain(std::iter::repeat('─')).take(room).collect();
        put(Line::styled(title, style), area, 0, buffer);
    }

    /// A part with rows.
    fn pane(
        &self,
        area: Rect,
        buffer: &mut Buffer,
        look: &mut Look,
        pane: Pane,
        told: &str,
        rows: &[(Tone, String)],
    ) {
        if area.height == 0 {
            return;
        }
        self.rule(area, buffer, look, pane, told);
        let height = usize::from(area.height) - 1;
        let first = look.first(pane, rows.len(), height);
        for (row, (tone, text)) in rows.iter().skip(first).take(height).enumerate() {
            put(Line::styled(text.as_str(), self.style(*tone)), area, row + 1, buffer);
        }
    }

    /// A row for each stage, and under one that fans out one for each of its nodes that runs or went wrong.
    fn stages(&self, width: u16) -> Vec<(Tone, String)> {
        let names = self.watched.stages.iter().map(|stage| stage.name.chars().count());
        let nodes = self.watched.stages.iter().flat_map(told);
        let titles = nodes.map(|node| node.title.chars().count() + 2);
        let most = (usize::from(width) / 2).clamp(8, 44);
        let column = names.chain(titles).max().unwrap_or(0).clamp(8, most);
        let mut rows = Vec::new();
        for stage in &self.watched.stages {
            match &stage.nodes[..] {
                [only] => rows.push(self.node(only, &stage.name, column, width)),
                [] => rows.push(row(Tone::Quiet, column, &stage.name, "to come", "")),
                several => {
                    rows.push(summary(&stage.name, several, column));
                    for node in told(stage) {
                        let title = format!("  {}", node.title);
                        rows.push(self.node(node, &title, column, width));
                    }
                }
            }
        }
        rows
    }

    fn node(&self, node: &Node, title: &str, column: usize, width: u16) -> (Tone, String) {
        match &node.state {
            State::Waiting => {
                row(Tone::Quiet, column, title, "waiting", "another process is building it")
            }
            State::Running { since_ms, .. } if self.watched.is_over() => {
                let since = Duration::from_millis(self.watched.at_ms.saturating_sub(*since_ms));
                row(Tone::Attention, column, title, "cut off", &format::duration(since))
            }
            State::Running { since_ms, progress: of } => {
                let elapsed = self.watched.elapsed(self.now);
                let mut parts = vec![format::duration(
                    elapsed.saturating_sub(Duration::from_millis(*since_ms)),
                )];
                if let Some(of) = of {
                    let (at_ms, at) = of.first;
                    let since = Duration::from_millis(of.at_ms.saturating_sub(at_ms));
                    let numbers = &of.numbers;
                    parts.extend(progress(of.done, of.total, &of.unit, Some((since, at)), numbers));
                }
                let room = usize::from(width).saturating_sub(column + 12);
                row(Tone::Good, column, title, "running", &within(room, &parts))
            }
            State::Ended { status, elapsed_ms, because } => {
                let (tone, state) = ended(*status);
                let elapsed = elapsed_ms.map(Duration::from_millis).map(format::duration);
                let parts: Vec<String> =
                    elapsed.into_iter().chain(because.lines().next().map(str::to_owned)).collect();
                row(tone, column, title, state, &parts.join("  "))
            }
        }
    }

    /// As much of the log as there is room for: its last lines, unless somebody has scrolled.
    fn log(&self, look: &mut Look, area: Rect) -> Vec<Line<'a>> {
        let height = usize::from(area.height).saturating_sub(1);
        let log = &self.watched.log;
        let first = look.first(Pane::Log, log.len(), height);
        log.iter().skip(first).take(height).map(|entry| self.entry(entry)).collect()
    }

    fn entry(&self, entry: &Entry) -> Line<'a> {
        let seconds = entry.at_ms / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let at = match hours {
            0 => format!("{minutes:3}:{seconds:02}  "),
            hours => format!("{hours}:{minutes:02}:{seconds:02}  "),
        };
        let mut spans = vec![Span::styled(at, self.style(Tone::Quiet))];
        if !entry.title.is_empty() {
            spans.push(Span::raw(format!("{}  ", entry.title)));
        }
        if !entry.state.is_empty() {
            spans.push(Span::styled(format!("{}  ", entry.state), self.style(entry.tone)));
        }
        let text = entry.text.split_whitespace().collect::<Vec<_>>().join(" ");
        spans.push(Span::raw(visible::line(&text).into_owned()));
        Line::from(spans)
    }
}

/// The nodes of a stage with several of which there is something to say by themselves.
fn told(stage: &Stage) -> impl Iterator<Item = &Node> {
    let is_told = |node: &&Node| match &node.state {
        State::Running { .. } => true,
        State::Waiting => false,
        State::Ended { status, .. } => {
            matches!(status, NodeStatus::Failed | NodeStatus::Cancelled)
        }
    };
    stage.nodes.iter().filter(is_told).filter(|_| stage.nodes.len() > 1)
}

fn ended(status: NodeStatus) -> (Tone, &'static str) {
    match status {
        NodeStatus::Built => (Tone::Good, "done"),
        NodeStatus::Cached => (Tone::Quiet, "cached"),
        NodeStatus::Reused => (Tone::Quiet, "reused"),
        NodeStatus::Failed => (Tone::Bad, "failed"),
        NodeStatus::Cancelled => (Tone::Attention, "stopped"),
        NodeStatus::NotRun => (Tone::Quiet, "not run"),
    }
}

/// A stage that fans out.
fn summary(name: &str, nodes: &[Node], column: usize) -> (Tone, String) {
    let ends = nodes.iter().filter_map(|node| match node.state {
        State::Ended { status, .. } => Some(status),
        _ => None,
    });
    let counts: Counts = ends.collect();
    let mut parts = format::ends(counts, |count| format::grouped(count as u64));
    let running = nodes.iter().filter(|node| matches!(node.state, State::Running { .. })).count();
    if running > 0 {
        parts.insert(0, format!("{running} running"));
    }
    let (tone, state) = match (running, counts) {
        (_, Counts { failed: 1.., .. }) => (Tone::Bad, "failed"),
        (1.., _) => (Tone::Good, "running"),
        (_, Counts { built: 1.., .. }) => (Tone::Good, "done"),
        (_, Counts { cached: 0, reused: 0, .. }) => (Tone::Attention, "stopped"),
        _ => (Tone::Quiet, "cached"),
    };
    row(tone, column, name, state, &parts.join(", "))
}

fn row(tone: Tone, column: usize, title: &str, state: &str, rest: &str) -> (Tone, String) {
    let title: String = match title.chars().count() > column {
        true => title.chars().take(column - 1).chain(['…']).collect(),
        false => title.to_owned(),
    };
    let rest = visible::line(rest);
    (tone, format!("{title:column$}  {state:<8} {rest}").trim_end().to_owned())
}
