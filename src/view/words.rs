//! What is said of a run's events, a line each, whoever shows it: the console of the run itself, and those who watch it from elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use super::format;
use super::tally::Remark;
use crate::base::visible;
use crate::engine::exec::{Event, NodeName, PointEnded};
use crate::engine::runs::NodeStatus;

/// Of a running stage a person watches these many numbers; the others are for curves.
const MOST_NUMBERS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Quiet,
    Attention,
    Bad,
}

/// What is said of a node.
pub(super) struct Words<'a> {
    pub(super) name: &'a NodeName,
    pub(super) tone: Tone,
    /// One word.
    pub(super) state: &'static str,
    pub(super) text: Cow<'a, str>,
    pub(super) help: Option<&'a str>,
    /// How the node ended, where that is what happened.
    pub(super) end: Option<NodeStatus>,
    /// What it is among what is said of nodes, where it may be said too often.
    pub(super) remark: Option<Remark>,
}

/// What an event says of a node; nothing of one that only begins or goes on, or is about none.
pub(super) fn words(event: &Event) -> Option<Words<'_>> {
    let said = |name, tone, state, text: Cow<'static, str>| Words {
        name,
        tone,
        state,
        text,
        help: None,
        end: None,
        remark: None,
    };
    Some(match event {
        Event::StageWaiting { name, .. } => {
            let text = "another process is building it".into();
            Words { remark: Some(Remark::Other), ..said(name, Tone::Quiet, "waiting", text) }
        }
        Event::StageMessage { name, warning: true, text } => {
            let words = said(name, Tone::Attention, "warning", text.clone().into());
            Words { remark: Some(Remark::Warning), ..words }
        }
        Event::StageMessage { name, warning: false, text } => {
            let words = said(name, Tone::Quiet, "note", text.clone().into());
            Words { remark: Some(Remark::Note), ..words }
        }
        Event::EntryDamaged { name, findings, moved_to, .. } => {
            let text = format!("{}; set aside in {moved_to}, built again", findings.join("; "));
            said(name, Tone::Attention, "damaged", text.into())
        }
        Event::StageRetried { name, attempt, attempts, error, pause_ms, .. } => {
            let again = format::duration(Duration::from_millis(*pause_ms));
            let text = format!("attempt {attempt} of {attempts} failed: {error}; again in {again}");
            said(name, Tone::Attention, "retry", text.into())
        }
        Event::StageCached { name, .. } => {
            let words = said(name, Tone::Quiet, "cached", "".into());
            Words { end: Some(NodeStatus::Cached), ..words }
        }
        Event::StageReused { name, from, .. } => {
            let text = format!("same content as {}", from.short());
            let words = said(name, Tone::Quiet, "reused", text.into());
            Words { end: Some(NodeStatus::Reused), ..words }
        }
        Event::StageFinished { name, elapsed_ms, size_bytes, .. } => {
            let elapsed = format::duration(Duration::from_millis(*elapsed_ms));
            let text = format!("{elapsed:>8}  {}", format::bytes(*size_bytes));
            let words = said(name, Tone::Good, "done", text.into());
            Words { end: Some(NodeStatus::Built), ..words }
        }
        Event::StageFailed { name, error, help, .. } => {
            let words = said(name, Tone::Bad, "failed", error.clone().into());
            let (end, remark) = (Some(NodeStatus::Failed), Some(Remark::Failure));
            Words { help: help.as_deref(), end, remark, ..words }
        }
        Event::StageCancelled { name, .. } => {
            let text = "the same command continues".into();
            let words = said(name, Tone::Attention, "stopped", text);
            Words { end: Some(NodeStatus::Cancelled), ..words }
        }
        Event::StageNotRun { name, because } => {
            let text = format!("because {because}").into();
            let words = said(name, Tone::Quiet, "not run", text);
            Words { end: Some(NodeStatus::NotRun), ..words }
        }
        Event::RunStarted { .. }
        | Event::StageStarted { .. }
        | Event::StageProgress { .. }
        | Event::Evaluated { .. }
        | Event::PointEnded(_)
        | Event::Publishing { .. }
        | Event::Jobs { .. }
        | Event::Warning { .. }
        | Event::RunFinished(_) => return None,
    })
}

/// A stage's name as it stands on one line: the values of axes are a person's, or another program's.
pub(super) fn title(name: &NodeName) -> String {
    visible::line(&name.to_string()).into_owned()
}

/// What a point of a sweep came to, and which is best so far.
pub(super) fn point_line(point: &PointEnded) -> String {
    let PointEnded { number, count, point: label, metric, .. } = point;
    let name = metric.rsplit('.').next().unwrap_or(metric);
    let score = match (point.mean, point.sd) {
        (Some(mean), Some(sd)) => {
            format!("{name} {} ± {}, n = {}", format::number(mean), format::number(sd), point.n)
        }
        (Some(mean), None) => format!("{name} {}", format::number(mean)),
        (None, _) => "failed".to_owned(),
    };
    let best = match (&point.best, point.best_mean) {
        (Some(best), _) if best == label => "the best so far".to_owned(),
        (Some(best), Some(mean)) => format!("best so far {} ({best})", format::number(mean)),
        _ => String::new(),
    };
    let what = match point.rung {
        _ if point.is_finalist => "finalist".to_owned(),
        Some(rung) => format!("rung {rung}  point"),
        None => "point".to_owned(),
    };
    let left = point.left_ms.map(Duration::from_millis).map(format::duration);
    let left = left.map_or_else(String::new, |left| format!(", {left} left"));
    let line = format!("{what} {number}/{count}  {label}  {score}  {best}");
    line.trim_end().to_owned() + &left
}

/// How far a stage is.
///
/// * `since`: how long ago it was at which count, for the time that is left; a resumed training does not begin at zero
pub(super) fn progress(
    done: u64,
    total: u64,
    unit: &str,
    since: Option<(Duration, u64)>,
    numbers: &[(Cow<'static, str>, f64)],
) -> Vec<String> {
    let mut parts = vec![match total {
        0 => format!("{} {unit}", count(done, unit)),
        _ => format!("{}/{} {unit}", count(done, unit), count(total, unit)),
    }];
    if let Some((elapsed, at)) = since
        && done > at
        && total > done
    {
        let left = elapsed.as_secs_f64() / (done - at) as f64 * (total - done) as f64;
        let left = Duration::try_from_secs_f64(left).unwrap_or_default();
        parts.push(format!("ETA {}", format::duration(left)));
    }
    parts.extend(numbers.iter().take(MOST_NUMBERS).map(|(name, value)| numbered(name, *value)));
    parts
}

fn count(value: u64, unit: &str) -> String {
    if unit == "bytes" { format::bytes(value) } else { format::grouped(value) }
}

/// A named number beside the progress, with the unit that its name ends in.
fn numbered(name: &str, value: f64) -> String {
    match name {
        "tokens_per_s" => format!("{} tokens/s", format::grouped(value.max(0.0) as u64)),
        "bytes_per_s" => format!("{}/s", format::bytes(value.max(0.0) as u64)),
        "epoch" => format!("epoch {value:.0}"),
        "learning_rate" => format!("lr {}", format::number(value)),
        name => format!("{} {}", name.replace('_', " "), format::number(value)),
    }
}

/// As many of the parts as there is room for, the first in any case.
pub(super) fn within(room: usize, parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() && text.chars().count() + 2 + part.chars().count() > room {
            break;
        }
        text += if text.is_empty() { "" } else { "  " };
        text += part;
    }
    text.chars().take(room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leaves_out_the_last_numbers_rather_than_half_of_one() {
        let parts = ["12/40 steps", "ETA 3 s", "loss 0.31"].map(str::to_owned);
        assert_eq!(
            [31, 30, 5].map(|room| within(room, &parts)),
            ["12/40 steps  ETA 3 s  loss 0.31", "12/40 steps  ETA 3 s", "12/40"]
        );
    }
}
